"""The host where things go wrong: slow, moved, gone, broken, busy, not HTML, cut short."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from parascrape.loopback.demo.dice import Dice
from parascrape.loopback.demo.layout import Sheet, document, elements
from parascrape.loopback.demo.prose import Writer
from parascrape.loopback.demo.route import Route

__all__ = ["ROBOTS", "routes"]

ROBOTS = "User-agent: *\nCrawl-delay: 0.1\nAllow: /\n"

_DELAYS = (0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.2, 1.5)
_DRIPS = (0.6, 1.0, 1.4)
_STATUSES = (("/missing", 404, 4), ("/removed", 410, 2), ("/broken", 500, 2), ("/private", 403, 1))


def routes(host: int) -> list[Route]:
    """The host's pages, each group named for what it does."""
    return [_page(host, "/"), *_slow(host), *_failing(host), *_passing(host), *_moved(host), *_odd(host)]


def _text(path: str) -> str:
    """The document of a plain page."""
    writer = Writer("en", "archives", Dice(f"trouble{path}"))
    title = writer.title()
    sheet = Sheet(
        site="The Patient Server",
        domain="www.patient-server.example",
        path=path,
        title=title,
        description=writer.sentence(),
        meta_charset='<meta charset="utf-8">',
        nav=(("/", "Home"),),
    )
    texts = writer.paragraphs(writer.dice.pick((1200, 3000, 9000, 20_000)))
    return document(sheet, f"<article>\n<h1>{title}</h1>\n{elements('p', texts)}\n</article>")


def _page(host: int, path: str, **odd: Any) -> Route:
    """A route to a plain page, with whatever makes it odd."""
    return Route(host=host, path=path, text=partial(_text, path), **odd)


def _slow(host: int) -> list[Route]:
    slow = [_page(host, f"/slow/{n}", delay=delay) for n, delay in enumerate(_DELAYS, 1)]
    return slow + [_page(host, f"/drip/{n}", drip=drip, gzip=False) for n, drip in enumerate(_DRIPS, 1)]


def _failing(host: int) -> list[Route]:
    """Answers that stay errors however often they are asked for."""
    return [
        _page(host, f"{path}/{n}", status=status, outcome="status")
        for path, status, count in _STATUSES
        for n in range(1, count + 1)
    ]


def _passing(host: int) -> list[Route]:
    """Answers that are errors at first and good when asked again."""
    busy = [_page(host, f"/busy/{n}", first=503) for n in range(1, 5)]
    return busy + [_page(host, f"/hurry/{n}", first=429) for n in range(1, 4)]


def _moved(host: int) -> list[Route]:
    """Redirects: permanent, a chain of three, to other hosts, and a loop."""
    found = [_page(host, f"/new/{n}", listed=False) for n in range(1, 7)]
    found += [
        Route(host=host, path=f"/moved/{n}", status=301, location=(host, f"/new/{n}")) for n in range(1, 5)
    ]
    for n in (5, 6):
        found.append(Route(host=host, path=f"/chain/{n}", status=302, location=(host, f"/chain/{n}/b")))
        for step, following in (("b", f"/chain/{n}/c"), ("c", f"/new/{n}")):
            path, location = f"/chain/{n}/{step}", (host, following)
            found.append(Route(host=host, path=path, status=302, location=location, listed=False))
    for n, target in enumerate(((0, "/weather/"), (2, "/chapter/3"), (3, "/thread/5")), 1):
        found.append(Route(host=host, path=f"/abroad/{n}", status=302, location=target))
    loop = Route(host=host, path="/loop", status=302, location=(host, "/loop"), outcome="bad_redirect")
    return [*found, loop]


def _odd(host: int) -> list[Route]:
    """Bodies that are not what a scraper hopes for."""
    odd = [
        _page(host, "/undeclared", content_type="text/html"),
        Route(host=host, path="/empty"),
        _page(host, "/cut", fault="cut", gzip=False, outcome="reset"),
        _page(host, "/garbled", fault="garbled", outcome="bad_encoding"),
    ]
    for n in (1, 2):
        pdf, data = partial(_pdf, n), partial(_data, n)
        odd += [
            _other(host, f"/report-{n}.pdf", pdf, "application/pdf"),
            _other(host, f"/data-{n}.json", data, "application/json"),
        ]
    return odd


def _other(host: int, path: str, text: partial[str], kind: str) -> Route:
    """A route to something other than HTML."""
    encoding = "latin-1" if kind.endswith("pdf") else "utf-8"
    return Route(
        host=host, path=path, text=text, encoding=encoding, content_type=kind, outcome="not_html", gzip=False
    )


def _pdf(number: int) -> str:
    """Bytes (as Latin-1) that begin and end like a PDF and have no sense between."""
    dice = Dice(f"pdf/{number}")
    noise = "".join(chr(dice.below(256)) for _ in range(20_000 * number))
    return f"%PDF-1.7\n%âãÏÓ\n1 0 obj\nstream\n{noise}\nendstream\nendobj\n%%EOF\n"


def _data(number: int) -> str:
    """A JSON document of readings."""
    dice = Dice(f"data/{number}")
    rows = [{"hour": hour, "millimetres": dice.below(90) / 10} for hour in range(240 * number)]
    return json.dumps({"station": number, "readings": rows})
