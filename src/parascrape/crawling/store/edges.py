"""The links of the pages of a crawl, as the frontier keeps them: one row a page, packed."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from parascrape.crawling.store.database import CrawlDatabase

__all__ = ["Edge", "LinkTable", "read_edges"]

_LEVEL = 1  # zlib's: links of one page resemble each other, 8 to 1, and more effort saves a tenth
_BATCH = 50  # rows that are held at a time: a page's links are 8 MB at the most
_TABLE = "CREATE TABLE IF NOT EXISTS edges (number INTEGER PRIMARY KEY, lines BLOB NOT NULL)"
_EACH = """
SELECT e.number, u.url, e.lines FROM edges e JOIN urls u ON u.number = e.number
WHERE e.number > ? ORDER BY e.number LIMIT ?
"""


class Edge(NamedTuple):
    """One link of a page, as `Found.edges` has it."""

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
        """Whether the link leads to what belongs to the crawl."""
        return "x" not in self.flags

    @property
    def is_trap(self) -> bool:
        """Whether the URL looks like one of endlessly many."""
        return "t" in self.flags


def read_edges(lines: str) -> Iterator[Edge]:
    """The links in a page's `Found.edges`.

    >>> [(edge.url, edge.nofollow, edge.text) for edge in read_edges("a\\tn\\thttp://h/\\tHome")]
    [('http://h/', True, 'Home')]
    """
    for line in lines.split("\n"):
        parts = line.split("\t", 3)
        if len(parts) == len(Edge._fields):
            yield Edge(*parts)


class LinkTable:
    """The links of pages by the pages' numbers; a page that is fetched again replaces its own."""

    def __init__(self, database: CrawlDatabase) -> None:
        self._database = database
        database.rows(_TABLE)

    def set(self, number: int, lines: str) -> None:
        """Keep a page's links; none for a page without any."""
        if lines:
            packed = zlib.compress(lines.encode("utf-8", "surrogatepass"), _LEVEL)
            self._database.write("REPLACE INTO edges VALUES (?, ?)", [(number, packed)])
        else:
            self._database.write("DELETE FROM edges WHERE number = ?", [(number,)])

    def each(self) -> Iterator[tuple[str, str]]:
        """URL and links of every page that has some, by the page's number; 50 pages are held at a time."""
        last = 0
        while rows := self._database.rows(_EACH, (last, _BATCH)):
            for number, url, packed in rows:
                yield url, zlib.decompress(packed).decode("utf-8", "surrogatepass")
                last = number
