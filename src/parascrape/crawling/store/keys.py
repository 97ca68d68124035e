"""Which URLs are known: the keys of millions of URLs in an SQLite table that lags behind.

A key is a hash, so every new key falls on its own page of the table. Written one by one, each would put its
page into the log and then into the file at every commit. So new keys wait in memory until there are some ten
thousand, and go into the table in order, a share at each commit. Keys that a killed process left out are read
from `urls`, where every row has its key: the fact ``.keyed`` is the number up to which the table is complete.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

from parascrape.crawling.store.database import CrawlDatabase


class KeyLimits(NamedTuple):
    """How many keys are kept in memory, and how fast the waiting ones are written."""

    recent: int = 100_000  # in each of two generations: 20 MB, 35 MB if all ranks differ
    waiting: int = 96_000  # keys that are written together: 15 MB at most
    per_commit: int = 256  # of them at each commit
    pace: int = 2  # and for each new key, so that at most half as many again are waiting
    ranks: int = 10_000  # (depth, rank) pairs that keys share


class NewUrl(NamedTuple):
    """A URL to add to a `UrlStore`.

    ``key`` is the `url_key` of its identity, ``found_on`` the number of the page that links to it (0 for a
    start). A lower ``rank`` is fetched sooner. ``kind`` is empty for a page, ``scraper`` is a reference.
    """

    key: int
    url: str
    site: str
    depth: int
    found_on: int
    rank: float
    kind: str = ""
    scraper: str = ""


def url_key(identity: str) -> int:
    """Return 64 signed bits of a URL's identity (`canonical_url`), the same in every run and on every system.

    Among 10 million URLs the odds of any collision are 1 in 400,000.

    >>> url_key("http://h/")
    7311562402402706022
    """
    digest = blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


class UrlKeys:
    """The number of every known URL by its key, and the best depth and rank of recent ones."""

    def __init__(self, database: CrawlDatabase, limits: KeyLimits) -> None:
        self._database = database
        self._limits = limits
        found = database.rows("SELECT value FROM facts WHERE name = '.keyed'")
        keyed = int(found[0][0]) if found else 0
        self._waiting: dict[int, int] = dict(
            database.rows("SELECT key, number FROM urls WHERE number > ?", (keyed,))
        )
        self._sweep: list[int] = []  # keys that are being written, the smallest one last
        self._keyed_after = keyed  # what `.keyed` becomes once they all are
        self._added = 0  # keys since the last commit
        self._young: dict[int, tuple[int, float]] = {}
        self._old: dict[int, tuple[int, float]] = {}
        self._ranks: dict[tuple[int, float], tuple[int, float]] = {}

    def unsettled(self, urls: Iterable[NewUrl]) -> list[NewUrl]:
        """Drop URLs that are known in memory with as good a depth and rank, 0.2 us each.

        URLs that name a scraper stay: scrapers are not kept in memory.
        """
        young, old = self._young, self._old
        rest = []
        for url in urls:
            best = young.get(url.key) or old.get(url.key)
            if best is None or url.depth < best[0] or url.rank < best[1] or url.scraper:
                rest.append(url)
        return rest

    def find(self, key: int) -> int | None:
        """Return the number of the URL with this key, None if it is unknown. 3 to 8 us."""
        number = self._waiting.get(key)
        if number is None:
            rows = self._database.rows("SELECT number FROM keys WHERE key = ?", (key,))
            return rows[0][0] if rows else None
        return number

    def remember(self, key: int, depth: int, rank: float) -> None:
        """Let `unsettled` drop the key unless depth or rank is better."""
        if len(self._young) >= self._limits.recent:
            self._old, self._young = self._young, {}
        if len(self._ranks) >= self._limits.ranks:
            self._ranks.clear()
        best = (depth, rank)
        self._young[key] = self._ranks.setdefault(best, best)

    def add(self, key: int, number: int) -> None:
        """Add a new key."""
        self._waiting[key] = number
        self._added += 1

    def settle(self, last: int) -> None:
        """Write a share of the waiting keys; ``last`` is the number of the last URL."""
        added, self._added = self._added, 0
        if not self._sweep and len(self._waiting) >= self._limits.waiting:
            self._sweep = sorted(self._waiting, reverse=True)
            self._keyed_after = last
        if not self._sweep:
            return
        share = self._sweep[: -(self._limits.per_commit + self._limits.pace * added) - 1 : -1]
        del self._sweep[-len(share) :]
        rows = [(key, self._waiting.pop(key)) for key in share]
        self._database.write("INSERT OR IGNORE INTO keys VALUES (?, ?)", rows)
        if not self._sweep:
            self._database.write("REPLACE INTO facts VALUES ('.keyed', ?)", [(str(self._keyed_after),)])
