"""The demo site: a newspaper on eight hosts, one of them with faults, and what a harvest makes of them."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Literal

from parascrape.loopback.demo.pages import Edition, article, charset, overview

HOSTS = 8


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
    content_type: str = "text/html; charset=utf-8"
    status: int = 200
    location: tuple[int, str] | None = None  # host and path of a redirect
    first: int = 0
    delay: float = 0.0  # seconds before the first byte
    drip: float = 0.0  # seconds from the first byte of the body to the last
    gzip: bool = True  # compress for clients that accept it
    fault: Literal["", "cut", "garbled"] = ""  # cut: half the body; garbled: no gzip, though it says so
    outcome: str = ""
    listed: bool = True

    def body(self) -> bytes:
        """Return the body before any content coding."""
        return self.text().encode(self.encoding)


@lru_cache(maxsize=1)
def routes() -> dict[tuple[int, str], Route]:
    """Return every route by host and path, including robots.txt and those not listed."""
    editions = tomllib.loads(Path(__file__).with_name("site.toml").read_text(encoding="utf-8"))["editions"]
    return {(host, route.path): route for host, given in enumerate(editions) for route in _make(host, given)}


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


def _make(host: int, given: dict[str, Any]) -> Iterator[Route]:
    """Yield the routes of a host from its table: newspaper pages, pages outside of sections, robots.txt."""
    robots, pages = given.pop("robots", ""), given.pop("pages", [])
    edition = Edition(**given)
    if edition.articles:
        yield _newspaper_page(host, edition, 0, "/", partial(overview, edition))
    for n, (path, _) in enumerate(edition.sections):
        yield _newspaper_page(host, edition, n + 1, path, partial(overview, edition, n))
    for n in range(edition.articles):
        yield _newspaper_page(host, edition, n, edition.path(n), partial(article, edition, n))
    for number, fields in zip(count(100), pages):
        path, location = fields["path"], fields.pop("location", None)
        text = partial(_text, edition, number, path) if location is None else str
        encoding = "latin-1" if path.endswith(".pdf") else "utf-8"
        where = tuple(location) if location else None
        yield Route(host=host, text=text, encoding=encoding, location=where, **fields)
    text = partial(str, f"User-agent: *\n{robots}Allow: /\n")
    yield Route(host=host, path="/robots.txt", text=text, content_type="text/plain", listed=False)


def _newspaper_page(host: int, edition: Edition, number: int, path: str, text: Callable[[], str]) -> Route:
    codec, content_type, _ = charset(edition, number)
    gzip = number % 9 != 4
    return Route(host=host, path=path, text=text, encoding=codec, content_type=content_type, gzip=gzip)


def _text(edition: Edition, number: int, path: str) -> str:
    """Return the text of a page outside the sections, by the end of its path."""
    random = Random(number)  # noqa: S311 (noise to read, not secrets)
    if path == "/empty":
        return ""
    if path.endswith(".pdf"):  # it begins and ends like a PDF
        noise = random.randbytes(30_000).decode("latin-1")
        return f"%PDF-1.7\n%âãÏÓ\n1 0 obj\nstream\n{noise}\nendstream\nendobj\n%%EOF\n"
    if path.endswith(".json"):
        rows = [{"hour": hour, "millimetres": random.randrange(90) / 10} for hour in range(240)]
        return json.dumps({"station": number, "readings": rows})
    return article(edition, number, path)
