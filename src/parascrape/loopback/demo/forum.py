"""A forum: threads of three to four hundred posts, and members' pages that robots.txt closes."""

from __future__ import annotations

from functools import partial
from html import escape

from parascrape.loopback.demo.dice import Dice
from parascrape.loopback.demo.layout import Sheet, document, elements, link
from parascrape.loopback.demo.prose import Writer
from parascrape.loopback.demo.route import Route

__all__ = ["ROBOTS", "routes"]

ROBOTS = "User-agent: *\nDisallow: /members/\nDisallow: /search\nAllow: /\n"

_THREADS = 46
_POSTS = (3, 4, 6, 9, 14, 22, 35, 60, 110, 400)
_NAMES = (
    "kestrel",
    "oldpine",
    "mira_n",
    "tinbox",
    "lowtide",
    "pepper7",
    "nullpointer",
    "halva",
    "gantry",
    "sable",
)
_NAV = (("/", "Threads"), ("/search", "Search"), ("/members/1", "Members"))


def routes(host: int) -> list[Route]:
    """The forum's pages; members and search are there for who ignores robots.txt, and in no list."""
    found = [Route(host=host, path="/", text=_threads)]
    for number in range(1, _THREADS + 1):
        text = partial(_thread, number)
        found.append(Route(host=host, path=f"/thread/{number}", text=text, gzip=number % 10 != 7))
    closed = ["/search", *(f"/members/{number}" for number in range(1, len(_NAMES) + 1))]
    return found + [
        Route(host=host, path=path, text=partial(_member, number), listed=False)
        for number, path in enumerate(closed)
    ]


def _sheet(path: str, title: str, description: str = "Questions about crawling, cooking and trains") -> Sheet:
    return Sheet(
        site="The Slow Queue",
        domain="forum.slow-queue.example",
        path=path,
        title=title,
        description=description,
        meta_charset='<meta charset="utf-8">',
        nav=_NAV,
    )


def _author(number: int) -> Writer:
    return Writer("en", "forum", Dice(f"forum/{number}"))


def _threads() -> str:
    items = []
    for number in range(1, _THREADS + 1):
        writer = _author(number)
        items.append(f"<li>{link(f'/thread/{number}', writer.title())}</li>")
    main = "<h1>Threads</h1>\n<ul>\n" + "\n".join(items) + "\n</ul>"
    return document(_sheet("/", "Threads"), main)


def _thread(number: int) -> str:
    """The document of a thread; every fourth post quotes the one before it."""
    writer = _author(number)
    title = writer.title()
    posts: list[str] = []
    quote = ""
    for index in range(_POSTS[number % len(_POSTS)]):
        text = writer.paragraph(1, 6)
        posts.append(_post(writer.dice, index, quote if index % 4 == 3 else "", text))
        quote = text
    return document(_sheet(f"/thread/{number}", title), f"<h1>{escape(title)}</h1>\n" + "\n".join(posts))


def _post(dice: Dice, index: int, quote: str, text: str) -> str:
    who = dice.below(len(_NAMES))
    stamp = (
        f"2025-{1 + index * 11 // 400:02}-{dice.between(1, 28):02} {dice.below(24):02}:{dice.below(60):02}"
    )
    quoted = f"<blockquote>{elements('p', [quote])}</blockquote>\n" if quote else ""
    return (
        f'<div class="post" id="p{index + 1}">\n<p class="who">{link(f"/members/{who + 1}", _NAMES[who])}'
        f" <time>{stamp}</time></p>\n{quoted}{elements('p', [text])}\n</div>"
    )


def _member(number: int) -> str:
    """The document of a member, or of the search form (0)."""
    if number == 0:
        form = '<h1>Search</h1>\n<form action="/search"><input name="q"></form>'
        return document(_sheet("/search", "Search"), form)
    name = _NAMES[number - 1]
    text = elements("p", _author(1000 + number).paragraphs(400))
    return document(_sheet(f"/members/{number}", name), f"<h1>{name}</h1>\n{text}")
