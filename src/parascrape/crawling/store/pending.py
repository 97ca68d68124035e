"""Which pending URLs of a site come next: by rank and number, those that are taken left out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from parascrape.crawling.store.database import CrawlDatabase, Names

__all__ = ["KnownUrl", "PendingQueue"]

_BATCH = 1000  # rows that are held at a time
_START = (-math.inf, 0)
_ROW = """
SELECT u.rank, u.number, u.depth, u.scraper, u.url, u.kind, coalesce(p.url, '')
FROM urls u LEFT JOIN urls p ON p.number = u.found_on WHERE u.state = 0 AND u.host = ?
"""
# Two queries, as SQLite searches its index for (rank, number) > (?, ?) by the rank alone.
_SAME_RANK = f"{_ROW} AND u.rank = ? AND u.number >= ? AND u.rank <= ? ORDER BY u.number LIMIT ?"
_NEXT_RANKS = f"{_ROW} AND u.rank > ? AND u.rank <= ? ORDER BY u.rank, u.number LIMIT ?"


class KnownUrl(NamedTuple):
    """A URL that was taken; ``found_on_url`` and ``scraper`` are empty where there is none."""

    number: int
    url: str
    depth: int
    found_on_url: str
    kind: str
    scraper: str


class PendingQueue:
    """The pending URLs, by site; what is taken of them is known to memory alone.

    ``counts`` is how many of each site can be taken, none that are 0; it changes with the store.
    """

    def __init__(self, database: CrawlDatabase, sites: Names, scrapers: Names) -> None:
        self._database = database
        self._sites = sites
        self._scrapers = scrapers
        rows = database.rows("SELECT host, count(*) FROM urls WHERE state = 0 GROUP BY host")
        self._counts: dict[str, int] = {sites.name(site): count for site, count in rows}
        self.counts: Mapping[str, int] = MappingProxyType(self._counts)
        self._taken: dict[int, tuple[int, float]] = {}  # number: site and rank
        self._passed: dict[int, tuple[float, int]] = {}  # site: (rank, number) below which all are taken

    def is_taken(self, number: int) -> bool:
        """Whether this URL is handed out."""
        return number in self._taken

    def give_up(self, number: int) -> bool:
        """Whether the URL was taken; it is no longer, and not pending either."""
        return self._taken.pop(number, None) is not None

    def put_back(self, number: int) -> bool:
        """Whether the URL was taken; it can be taken again."""
        taken = self._taken.pop(number, None)
        if taken is not None:
            self.add(*taken, number)
        return taken is not None

    def add(self, site: int, rank: float, number: int) -> None:
        """A URL can be taken that could not."""
        self.count(site, 1)
        self.move_up(site, rank, number)

    def count(self, site: int, change: int) -> None:
        """So many more URLs of a site can be taken."""
        name = self._sites.name(site)
        count = self._counts.get(name, 0) + change
        if count:
            self._counts[name] = count
        else:
            self._counts.pop(name, None)

    def move_up(self, site: int, rank: float, number: int) -> None:
        """Look at this place again where it was passed: there is something to take now."""
        if (rank, number) < self._passed.get(site, _START):
            self._passed[site] = (rank, number)

    def take(self, site: str, limit: int, max_depth: int | None, max_rank: float) -> list[KnownUrl]:
        """The next URLs of a site, at most ``limit``, none with a higher rank; they are taken now.

        Those deeper than ``max_depth`` are looked at again by every take.
        """
        host = self._sites.find(site)
        if host is None or site not in self._counts:
            return []
        place = self._passed.get(host, _START)
        stay = None  # the first place that has something left
        found: list[KnownUrl] = []
        while wanted := limit - len(found):
            rows = self._rows(host, place, max_rank, wanted)
            for rank, number, depth, scraper, url, kind, found_on in rows:
                if number in self._taken:
                    continue
                if max_depth is not None and depth > max_depth:
                    stay = stay or (rank, number)
                    continue
                self._taken[number] = (host, rank)
                found.append(KnownUrl(number, url, depth, found_on, kind, self._scrapers.name(scraper)))
            if rows:
                place = _after(rows[-1])
            if len(rows) < wanted:
                break
        self._passed[host] = stay or place
        self.count(host, -len(found))
        return found

    def _rows(self, site: int, place: tuple[float, int], max_rank: float, limit: int) -> list[Any]:
        """The first rows of a site that are pending or taken, from a place on."""
        rank, number = place
        rows = self._database.rows(_SAME_RANK, (site, rank, number, max_rank, limit))
        if len(rows) < limit:
            rows += self._database.rows(_NEXT_RANKS, (site, rank, max_rank, limit - len(rows)))
        return rows


def _after(row: tuple[float, int, Any]) -> tuple[float, int]:
    return row[0], row[1] + 1
