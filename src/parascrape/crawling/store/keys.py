"""Which URLs are known: the keys of millions in an SQLite table that is kept a little behind.

A key is a hash, so each new one belongs to a page of its own: put into the table one by one, as they come,
each would have its page written to the log and then to the file, at every commit. So new keys wait in
memory until they are some ten thousand, and go into the table in order, some of them at each commit.
Those that a killed process has left out are read from `urls`, where every row has its key: the fact
``.keyed`` is the number up to which the table is whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

from parascrape.crawling.store.database import CrawlDatabase

__all__ = ["NewUrl", "UrlKeys", "url_key"]

_RECENT = 100_000  # keys in each of two generations: 20 MB, 35 MB where every rank is another
_WAITING = 96_000  # keys that go into the table together: 15 MB at the most
_PER_COMMIT = 256  # of them at the least
_PACE = 2  # for each new key: those that wait are never more than half as many again
_RANKS = 10_000  # (depth, rank) that are shared by the keys that have them


class NewUrl(NamedTuple):
    """A URL that may be new to a crawl: what is added to a `Store`.

    ``key`` is `url_key` of its identity, ``found_on`` the number of the page that leads to it (0 for a
    start), ``rank`` lower for what is wanted sooner, ``kind`` empty for a page, ``scraper`` a reference.
    ``refused`` is the reason for which it is not to be fetched, where there is one.
    """

    key: int
    url: str
    site: str
    depth: int
    found_on: int
    rank: float
    kind: str = ""
    scraper: str = ""
    refused: str = ""


def url_key(identity: str) -> int:
    """64 bits of a URL's identity (`identity.canonical`), signed; the same in every run and on every system.

    Among 10 million URLs the odds that any two are taken for one are 1 in 400,000.

    >>> url_key("http://h/")
    7311562402402706022
    """
    digest = blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


class UrlKeys:
    """The number of every known URL, by its key, and of those met lately the best depth and rank."""

    def __init__(self, database: CrawlDatabase) -> None:
        self._database = database
        found = database.rows("SELECT value FROM facts WHERE name = '.keyed'")
        keyed = int(found[0][0]) if found else 0
        self._waiting: dict[int, int] = dict(
            database.rows("SELECT key, number FROM urls WHERE number > ?", (keyed,))
        )
        self._sweep: list[int] = []  # keys that go into the table now, the least one last
        self._keyed_after = keyed  # what `keyed` is when they are all in it
        self._added = 0  # keys since the last commit
        self._young: dict[int, tuple[int, float]] = {}
        self._old: dict[int, tuple[int, float]] = {}
        self._ranks: dict[tuple[int, float], tuple[int, float]] = {}

    def unsettled(self, urls: Iterable[NewUrl]) -> list[NewUrl]:
        """Those that memory does not tell to be known already, with as good a depth and rank: 0.2 us each.

        Those that name a scraper are always among them: that is not remembered.
        """
        young, old = self._young, self._old
        rest = []
        for url in urls:
            best = young.get(url.key) or old.get(url.key)
            if best is None or url.depth < best[0] or url.rank < best[1] or url.scraper:
                rest.append(url)
        return rest

    def find(self, key: int) -> int | None:
        """The number of the URL with this key; None where it is not known. 3 to 8 us."""
        number = self._waiting.get(key)
        if number is None:
            rows = self._database.rows("SELECT number FROM keys WHERE key = ?", (key,))
            return rows[0][0] if rows else None
        return number

    def remember(self, key: int, depth: int, rank: float) -> None:
        """Let `unsettled` leave the key out where neither depth nor rank is better."""
        if len(self._young) >= _RECENT:
            self._old, self._young = self._young, {}
        if len(self._ranks) >= _RANKS:
            self._ranks.clear()
        best = (depth, rank)
        self._young[key] = self._ranks.setdefault(best, best)

    def add(self, key: int, number: int) -> None:
        """Know a new key."""
        self._waiting[key] = number
        self._added += 1

    def settle(self, last: int) -> None:
        """Put a share of the keys that wait into the table; ``last`` is the last URL's number.

        At most two for each that was added since, and 256 more: a commit takes little longer for it.
        """
        if not self._sweep and len(self._waiting) >= _WAITING:
            self._sweep = sorted(self._waiting, reverse=True)
            self._keyed_after = last
        if not self._sweep:
            self._added = 0
            return
        share = self._sweep[: -(_PER_COMMIT + _PACE * self._added) - 1 : -1]
        del self._sweep[-len(share) :]
        self._added = 0
        rows = [(key, self._waiting[key]) for key in share]
        self._database.write("INSERT OR IGNORE INTO keys VALUES (?, ?)", rows)
        for key in share:
            del self._waiting[key]
        if not self._sweep:
            self._database.write("REPLACE INTO facts VALUES ('.keyed', ?)", [(str(self._keyed_after),)])
