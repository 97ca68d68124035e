"""The demo site: a newspaper on seven hosts, a host with faults, and what a harvest should make of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import count
from random import Random
from typing import Any, Literal

from parascrape.loopback.demo.pages import Edition, article, charset, overview
from parascrape.loopback.demo.prose import TOPICS

__all__ = ["HOSTS", "HTML", "Route", "expected", "listing", "routes"]

HTML = "text/html; charset=utf-8"

Fault = Literal["", "cut", "garbled"]


@dataclass(frozen=True, kw_only=True)
class Route:
    """How one path of one host answers.

    The body is ``text()`` in ``encoding``. ``first`` is a status that every other request gets instead of the
    true answer, beginning with the first. ``outcome`` is the error code of the record under the default
    settings, empty for a good record.
    """

    host: int
    path: str
    text: Callable[[], str] = str
    encoding: str = "utf-8"
    content_type: str = HTML
    status: int = 200
    location: tuple[int, str] | None = None  # host and path of a redirect
    first: int = 0
    delay: float = 0.0  # seconds before the first byte
    drip: float = 0.0  # seconds from the first byte of the body to the last
    gzip: bool = True  # compress for clients that accept it
    fault: Fault = ""  # cut: the connection closes after half the body; garbled: a gzip body that is no gzip
    outcome: str = ""
    listed: bool = True

    def body(self) -> bytes:
        """Return the body before any content coding."""
        return self.text().encode(self.encoding)


_FAULTS = Edition(host=7, name="The Harbour Courier Archive", domain="archive.harbour-courier.example")

_EDITIONS = (
    Edition(host=0, name="The Harbour Courier", domain="www.harbour-courier.example", articles=84),
    Edition(host=1, name="The North Courier", domain="north.harbour-courier.example", articles=70),
    Edition(host=2, name="The South Courier", domain="south.harbour-courier.example", articles=39),
    Edition(host=3, name="The Island Courier", domain="island.harbour-courier.example", articles=41),
    Edition(
        host=4,
        name="港町日報",
        publisher="港町日報社",
        domain="www.minatomachi-nippo.example",
        language="ja",
        articles=34,
    ),
    Edition(
        host=5,
        name="白川新報",
        publisher="㈱白川新報社",  # U+3231 is in cp932 and not in JIS X 0208
        domain="www.shirakawa-shimpo.example",
        language="ja",
        encoding="shift_jis",
        articles=30,
    ),
    Edition(
        host=6,
        name="鳴海タイムス",
        publisher="鳴海タイムス社",
        domain="www.narumi-times.example",
        language="ja",
        encoding="euc-jp",
        articles=30,
    ),
)
HOSTS = len(_EDITIONS) + 1

_ROBOTS = {3: "Disallow: /search\nDisallow: /members/\n", _FAULTS.host: "Crawl-delay: 0.1\n"}
_CLOSED = ("/search", *(f"/members/{number}" for number in range(1, 11)))
_LONG = {(0, 50): 250_000, (2, 20): 180_000}
"""Characters of text of the longest articles, by host and number."""


@lru_cache(maxsize=1)
def routes() -> dict[tuple[int, str], Route]:
    """Return every route of every host by host and path, including robots.txt and those not listed."""
    found = [route for edition in _EDITIONS for route in _newspaper(edition)]
    found += [_page(path, number, _EDITIONS[3], listed=False) for number, path in enumerate(_CLOSED, 200)]
    found += _faults()
    found += [_robots(host) for host in range(HOSTS)]
    return {(route.host, route.path): route for route in found}


def listing() -> list[tuple[int, str]]:
    """Return host and path of every URL to harvest, hosts evenly mixed, always in the same order."""
    ranks: list[tuple[float, int, str]] = []
    for host in range(HOSTS):
        paths = [route.path for route in routes().values() if route.host == host and route.listed]
        ranks += [((index + 0.5) / len(paths), host, path) for index, path in enumerate(paths)]
    return [(host, path) for _, host, path in sorted(ranks)]


def expected() -> dict[str, int]:
    """Return how many records the default settings (article, two retries) give: ``ok`` and each error code.

    The counts add up to ``len(listing())``: each URL gives one record.
    """
    return dict(Counter(routes()[key].outcome or "ok" for key in listing()))


def _robots(host: int) -> Route:
    text = partial(str, f"User-agent: *\n{_ROBOTS.get(host, '')}Allow: /\n")
    return Route(host=host, path="/robots.txt", text=text, content_type="text/plain", listed=False)


def _newspaper(edition: Edition) -> Iterator[Route]:
    """Yield the pages of an edition: front page, sections, articles."""
    pages = [(0, "/", partial(overview, edition))]
    pages += [(n + 1, f"/{topic}/", partial(overview, edition, n)) for n, topic in enumerate(TOPICS)]
    for n in range(edition.articles):
        pages.append((n, edition.path(n), partial(article, edition, n, size=_LONG.get((edition.host, n), 0))))
    for number, path, text in pages:
        codec, content_type, _ = charset(edition, number)
        yield Route(
            host=edition.host,
            path=path,
            text=text,
            encoding=codec,
            content_type=content_type,
            gzip=number % 9 != 4,
        )


def _page(path: str, number: int, edition: Edition = _FAULTS, **odd: Any) -> Route:
    """Return a route to an article outside the sections; ``odd`` are the fields that make it special."""
    return Route(host=edition.host, path=path, text=partial(article, edition, number, path=path), **odd)


def _faults() -> list[Route]:
    """Return the pages of the host with faults; the path says what happens."""
    number = count(100)
    made = [_page("/", next(number))]

    def add(path: str, times: int = 1, **odd: Any) -> None:
        made.extend(
            _page(f"{path}/{n}" if times > 1 else path, next(number), **odd) for n in range(1, times + 1)
        )

    for n, delay in enumerate((0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.2, 1.5), 1):
        add(f"/slow/{n}", delay=delay)
    for n, drip in enumerate((0.6, 1.0, 1.4), 1):
        add(f"/drip/{n}", drip=drip, gzip=False)
    add("/missing", 4, status=404, outcome="status")
    add("/removed", 2, status=410, outcome="status")
    add("/broken", 2, status=500, outcome="status")
    add("/private", status=403, outcome="status")
    add("/busy", 4, first=503)
    add("/hurry", 3, first=429)
    add("/new", 6, listed=False)
    add("/undeclared", content_type="text/html")
    add("/cut", fault="cut", gzip=False, outcome="reset")
    add("/garbled", fault="garbled", outcome="bad_encoding")
    return [
        *made,
        Route(host=_FAULTS.host, path="/empty"),
        *_redirects(_FAULTS.host),
        *_not_html(_FAULTS.host),
    ]


def _redirects(host: int) -> Iterator[Route]:
    """Yield permanent redirects, chains of three, redirects to other hosts, and a loop."""
    move = partial(Route, host=host, status=302)
    for n in range(1, 5):
        yield Route(host=host, path=f"/moved/{n}", status=301, location=(host, f"/new/{n}"))
    for n in (5, 6):
        steps = [f"/chain/{n}", f"/chain/{n}/b", f"/chain/{n}/c", f"/new/{n}"]
        for index, path in enumerate(steps[:-1]):
            yield move(path=path, location=(host, steps[index + 1]), listed=index == 0)
    for n, target in enumerate(((0, "/weather/"), (2, "/town/"), (3, "/railways/")), 1):
        yield move(path=f"/abroad/{n}", location=target)
    yield move(path="/loop", location=(host, "/loop"), outcome="bad_redirect")


def _not_html(host: int) -> Iterator[Route]:
    """Yield documents of other types."""
    make = partial(Route, host=host, outcome="not_html", gzip=False)
    for n in (1, 2):
        pdf = partial(make, encoding="latin-1", content_type="application/pdf")
        yield pdf(path=f"/report-{n}.pdf", text=partial(_pdf, n))
        yield make(path=f"/data-{n}.json", text=partial(_data, n), content_type="application/json")


def _pdf(number: int) -> str:
    """Return bytes (as Latin-1) that begin and end like a PDF, with noise between."""
    noise = Random(number).randbytes(20_000 * number).decode("latin-1")  # noqa: S311
    return f"%PDF-1.7\n%âãÏÓ\n1 0 obj\nstream\n{noise}\nendstream\nendobj\n%%EOF\n"


def _data(number: int) -> str:
    """Return a JSON document of rain readings."""
    random = Random(number)  # noqa: S311
    rows = [{"hour": hour, "millimetres": random.randrange(90) / 10} for hour in range(240 * number)]
    return json.dumps({"station": number, "readings": rows})
