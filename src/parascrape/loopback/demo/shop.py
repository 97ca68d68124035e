"""A shop: shelves that list products, and a page for each product with its price in HTML and JSON-LD."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import NamedTuple

from parascrape.loopback.demo.dice import Dice
from parascrape.loopback.demo.layout import Sheet, document, elements, link, table
from parascrape.loopback.demo.prose import Writer
from parascrape.loopback.demo.route import Route

__all__ = ["PRODUCTS", "SHELVES", "routes"]

PRODUCTS = 66
SHELVES = 6
_EACH = PRODUCTS // SHELVES

_MAKE = ("Oak", "Linen", "Enamel", "Wool", "Brass", "Birch", "Cork", "Slate", "Copper", "Walnut", "Hemp")
_THINGS = ("Bread Board", "Apron", "Kettle", "Blanket", "Lantern", "Stool")
_SHELVES = ("Kitchen", "Clothing", "Stove", "Bedroom", "Light", "Seating")
_COLOURS = ("natural", "moss green", "chalk", "slate grey", "rust", "night blue")
_NAV = (("/", "Home"), *((f"/shelf/{index + 1}", name) for index, name in enumerate(_SHELVES)))


class Product(NamedTuple):
    """A product; the price is in cents."""

    number: int
    name: str
    path: str
    price: int
    stock: int

    @property
    def sku(self) -> str:
        """The stock-keeping unit."""
        return f"LL-{1000 + self.number}"

    @property
    def shown_price(self) -> str:
        """The price as people read it."""
        return f"€ {self.price // 100}.{self.price % 100:02}"


def product(number: int) -> Product:
    """Product 0 to PRODUCTS - 1."""
    dice = Dice(f"shop/{number}")
    thing = _THINGS[number // _EACH]
    name = f"{_MAKE[number % len(_MAKE)]} {thing}"
    path = f"/product/{name.lower().replace(' ', '-')}-{1000 + number}"
    return Product(number, name, path, dice.between(900, 18_900) // 10 * 10, dice.below(40))


def routes(host: int) -> list[Route]:
    """The shop's pages: home, shelves, three pages with a query, products."""
    everything = range(PRODUCTS)
    found = [_route(host, "/", partial(_shelf, "/", "Lantern and Loom", tuple(everything)))]
    for index, name in enumerate(_SHELVES):
        numbers = tuple(everything[index * _EACH : (index + 1) * _EACH])
        path = f"/shelf/{index + 1}"
        found.append(_route(host, path, partial(_shelf, path, name, numbers)))
    for page in range(3):
        path = f"/all?sort=new&page={page + 1}"
        numbers = tuple(everything[PRODUCTS - 1 - page :: -3])
        found.append(_route(host, path, partial(_shelf, path, f"New, page {page + 1}", numbers)))
    return found + [_route(host, product(n).path, partial(_product, n), gzip=n % 11 != 3) for n in everything]


def _route(host: int, path: str, text: partial[str], gzip: bool = True) -> Route:
    return Route(host=host, path=path, text=text, gzip=gzip)


def _sheet(path: str, title: str, description: str, data: dict[str, object]) -> Sheet:
    return Sheet(
        site="Lantern and Loom",
        domain="shop.lantern-and-loom.example",
        path=path,
        title=title,
        description=description,
        kind="product" if data else "website",
        meta_charset='<meta charset="utf-8">',
        nav=_NAV,
        linked_data=data,
    )


def _shelf(path: str, title: str, numbers: tuple[int, ...]) -> str:
    """The document of a list of products."""
    writer = Writer("en", "craft", Dice(f"shop{path}"))
    items = [_listed(product(number), writer) for number in numbers]
    main = f"<h1>{escape(title)}</h1>\n<p>{len(items)} products</p>\n<ul>\n" + "\n".join(items) + "\n</ul>"
    return document(_sheet(path, title, writer.sentence(), {}), main)


def _listed(item: Product, writer: Writer) -> str:
    """A product as an item of a list."""
    return (
        f'<li class="product" data-sku="{item.sku}">\n<h2>{link(item.path, item.name)}</h2>\n'
        f'<p class="price">{item.shown_price}</p>\n<p class="stock">{_stock(item)}</p>\n'
        f"{elements('p', [writer.paragraph(2, 4)])}\n</li>"
    )


def _stock(item: Product) -> str:
    return f"{item.stock} in stock" if item.stock else "sold out"


def _product(number: int) -> str:
    """The document of a product."""
    item = product(number)
    writer = Writer("en", "craft", Dice(f"shop/text/{number}"))
    texts = writer.paragraphs(writer.dice.pick((700, 1500, 4000, 9000)))
    facts = [
        ("Colour", writer.dice.pick(_COLOURS)),
        ("Weight", f"{writer.dice.between(120, 6400)} g"),
        ("Made in", writer.slot("town")),
        ("Guarantee", f"{writer.dice.between(2, 10)} years"),
    ]
    reviews = [_review(writer) for _ in range(writer.dice.pick((0, 2, 5, 12, 40)))]
    main = (
        f'<h1 class="name">{escape(item.name)}</h1>\n<p class="price">{item.shown_price}</p>\n'
        f'<p class="stock">{_stock(item)}</p>\n<div class="description">\n{elements("p", texts)}\n</div>\n'
        f"{table(('Property', 'Value'), facts)}\n<h2>Reviews</h2>\n" + "\n".join(reviews)
    )
    near = [product((number + step) % PRODUCTS) for step in (1, 2, 11, 12)]
    aside = "<h2>Goes well with</h2>\n" + "\n".join(f"<p>{link(p.path, p.name)}</p>" for p in near)
    return document(_sheet(item.path, item.name, texts[0], _linked_data(item)), main, aside)


def _linked_data(item: Product) -> dict[str, object]:
    """The schema.org Product."""
    state = "InStock" if item.stock else "OutOfStock"
    return {
        "@type": "Product",
        "name": item.name,
        "sku": item.sku,
        "offers": {
            "@type": "Offer",
            "price": f"{item.price // 100}.{item.price % 100:02}",
            "priceCurrency": "EUR",
            "availability": f"https://schema.org/{state}",
        },
    }


def _review(writer: Writer) -> str:
    stars = writer.dice.between(2, 5)
    return (
        f'<div class="review"><p class="by">{escape(writer.slot("person"))}, <span>{stars}/5</span></p>\n'
        f"{elements('p', [writer.paragraph(1, 3)])}</div>"
    )
