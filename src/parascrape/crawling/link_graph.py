"""The link graph of a crawl: one line per link in the store, and the CSV file (RFC 4180) made of them.

Two spellings of one URL are one page, written as the crawl fetched it. Memory is flat: pages and links are
read one after the other.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from parascrape.crawling.links.url_patterns import identity_of
from parascrape.crawling.store.keys import url_key
from parascrape.crawling.store.url_store import UrlStore
from parascrape.errors import UsageError
from parascrape.system import check_writable, output_errors, printable, replace_file
from parascrape.web import CanonicalOptions, redact

COLUMNS = ("source", "target", "kind", "nofollow", "in_scope", "text")  # the header of the CSV file
_RECENT = 100_000  # URLs whose key is kept in memory, 40 MB: the pages of a site repeat their links


class Edge(NamedTuple):
    """One link of a page, as stored in `DiscoveredLinks.edges`."""

    kind: str  # a, area, iframe, canonical, redirect and the like
    flags: str
    url: str
    text: str

    @property
    def nofollow(self) -> bool:
        """Whether the link, or its whole page, asks robots not to follow it."""
        return "n" in self.flags or "p" in self.flags

    @property
    def in_scope(self) -> bool:
        """Whether the link leads to a URL that belongs to the crawl."""
        return "x" not in self.flags

    @property
    def is_trap(self) -> bool:
        """Whether the URL looks like one of endlessly many."""
        return "t" in self.flags


class Link(NamedTuple):
    """One link; source and target are (key, URL)."""

    source: tuple[int, str]
    target: tuple[int, str]
    edge: Edge


def read_edges(lines: str) -> Iterator[Edge]:
    """Yield the links in a page's `DiscoveredLinks.edges`.

    >>> [(edge.url, edge.nofollow, edge.text) for edge in read_edges("a\\tn\\thttp://h/\\tHome")]
    [('http://h/', True, 'Home')]
    """
    for line in lines.split("\n"):
        parts = line.split("\t", 3)
        if len(parts) == len(Edge._fields):
            yield Edge(*parts)


def check_graph(path: str) -> None:
    """Raise UsageError unless the link graph can be written to this file."""
    if Path(path).suffix.lower() != ".csv":
        raise UsageError(f"--graph {printable(path, 200)!r}: the graph is written as CSV; name a .csv file")
    check_writable("--graph", Path(path))


def write_graph(path: Path, store: UrlStore, identity: CanonicalOptions) -> int:
    """Write all links that the store knows, and return how many there are.

    Raises:
        OutputError: the disk is full or failed; an earlier file stays as it was.
    """
    count = 0
    with output_errors(path), replace_file(path, text=True) as file:
        rows = csv.writer(file, lineterminator="\r\n")
        rows.writerow(COLUMNS)
        for count, (source, target, edge) in enumerate(each_link(store, identity), 1):  # noqa: B007 (the last)
            flags = (str(flag).lower() for flag in (edge.nofollow, edge.in_scope))
            rows.writerow((cell(source[1]), cell(target[1]), edge.kind, *flags, cell(edge.text)))
    return count


def key_of(url: str, identity: CanonicalOptions) -> int:
    """Return the key that all spellings of a URL share (`url_key`)."""
    return url_key(identity_of(url, identity))


def each_link(store: UrlStore, identity: CanonicalOptions) -> Iterator[Link]:
    """Yield every link of every page, each kind once per target; URLs have no user names."""

    @lru_cache(_RECENT)
    def find(url: str) -> tuple[int, str]:
        key = key_of(url, identity)
        return key, redact(store.url_of(key) or url)

    for page, lines in store.each_edges():
        source = find(page)
        drawn: set[tuple[int, str]] = set()
        for edge in read_edges(lines):
            target = find(edge.url)
            if (target[0], edge.kind) not in drawn:
                drawn.add((target[0], edge.kind))
                yield Link(source, target, edge)


_FORMULA = frozenset("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def cell(text: str) -> str:
    """Return the text as a CSV cell: no control characters, and no formula for a spreadsheet to run.

    Control characters and lone surrogates become U+FFFD; an apostrophe goes before a possible formula.

    >>> cell("=HYPERLINK(1)"), cell("http://h/"), cell("a\\x00")
    ("'=HYPERLINK(1)", 'http://h/', 'a\ufffd')
    """
    text = _UNPRINTABLE.sub("\ufffd", text)
    return f"'{text}" if text[:1] in _FORMULA else text
