"""The state of every URL of a crawl: pending, taken, done or refused, and which pending one comes next."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

from parascrape.crawling.store.database import CrawlDatabase, Names

PENDING, DONE, FIRST_REASON = 0, 1, 2
"""The states in the file; from 2 on a state is the reason why a URL is refused."""

_BATCH = 1000  # rows that are held at a time
_MOVE = "UPDATE urls SET state = ? WHERE number = ?"
_EACH = "SELECT number, url FROM urls NOT INDEXED WHERE number > ? AND +state = ? ORDER BY number LIMIT ?"
_ROW = """
SELECT u.rank, u.number, u.depth, coalesce(s.name, ''), u.url, u.kind, coalesce(p.url, '') FROM urls u
LEFT JOIN urls p ON p.number = u.found_on LEFT JOIN scrapers s ON s.number = u.scraper
WHERE u.state = 0 AND u.host = ?
"""
# Two queries, because SQLite searches its index for (rank, number) > (?, ?) by the rank alone.
_SAME_RANK = f"{_ROW} AND u.rank = ? AND u.number >= ? AND u.rank <= ? ORDER BY u.number LIMIT ?"
_NEXT_RANKS = f"{_ROW} AND u.rank > ? AND u.rank <= ? ORDER BY u.rank, u.number LIMIT ?"

_START = (-math.inf, 0)


class KnownUrl(NamedTuple):
    """A taken URL; ``found_on_url`` and ``scraper`` are empty if there is none."""

    number: int
    url: str
    depth: int
    found_on_url: str
    kind: str
    scraper: str


class UrlStates:
    """The state of every URL, and the order in which the pending ones of a site are taken.

    ``counts`` is how many URLs have each state, correct after `flush`. ``waiting`` is how many URLs of each
    site can be taken; it leaves out sites without any, and changes with the store.
    """

    def __init__(self, database: CrawlDatabase, sites: Names, counts: Mapping[int, int]) -> None:
        self.counts = Counter(counts)
        rows = database.rows("SELECT host, count(*) FROM urls WHERE state = 0 GROUP BY host")
        self._waiting: dict[str, int] = {sites.name(site): count for site, count in rows}
        self.waiting: Mapping[str, int] = MappingProxyType(self._waiting)
        self._database = database
        self._sites = sites
        self._taken: dict[int, tuple[int, float]] = {}  # by number: site and rank
        self._passed: dict[int, tuple[float, int]] = {}  # by site: (rank, number) below which all are taken
        self.unwritten: dict[int, int] = {}  # states that `flush` writes

    def is_open(self, number: int) -> bool:
        """Return whether a URL that is pending in the file is neither taken nor finished."""
        return number not in self.unwritten and number not in self._taken

    def add(self, number: int, site: int, rank: float) -> None:
        """Count a new URL, which is pending."""
        self.counts[PENDING] += 1
        self._offer(number, site, rank)

    def _offer(self, number: int, site: int, rank: float) -> None:
        self._count(site, 1)
        self.move_up(number, site, rank)

    def move_up(self, number: int, site: int, rank: float) -> None:
        """Let `take` go back to this place in the site's order: there is something to take now."""
        if (rank, number) < self._passed.get(site, _START):
            self._passed[site] = (rank, number)

    def _count(self, site: int, change: int) -> None:
        name = self._sites.name(site)
        self._waiting[name] = self._waiting.get(name, 0) + change
        if not self._waiting[name]:
            del self._waiting[name]

    def take(self, site: str, limit: int, max_depth: int | None, max_rank: float) -> list[KnownUrl]:
        """Take the next URLs of a site, at most ``limit``, none with a higher rank.

        URLs deeper than ``max_depth`` are skipped, and looked at again by every take.
        """
        host = self._sites.find(site)
        if host is None or site not in self._waiting:
            return []
        place = self._passed.get(host, _START)
        stay = None  # the first place that keeps something
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
                found.append(KnownUrl(number, url, depth, found_on, kind, scraper))
            if rows:
                place = rows[-1][0], rows[-1][1] + 1
            if len(rows) < wanted:
                break
        self._passed[host] = stay or place
        self._count(host, -len(found))
        return found

    def _rows(self, site: int, place: tuple[float, int], max_rank: float, limit: int) -> list[Any]:
        """Return the first rows of a site from a place on, pending or taken."""
        rank, number = place
        rows = self._database.rows(_SAME_RANK, (site, rank, number, max_rank, limit))
        if len(rows) < limit:
            rows += self._database.rows(_NEXT_RANKS, (site, rank, max_rank, limit - len(rows)))
        return rows

    def set(self, number: int, state: int) -> None:
        """Set the state of a URL; written at the next `flush`."""
        self.unwritten[number] = state

    def flush(self) -> None:
        """Write the states that were set."""
        if self.unwritten:
            moves, self.unwritten = self.unwritten, {}
            self._move(moves)

    def mark_pending(self, numbers: Iterable[int]) -> int:
        """Make the URLs pending, whatever they were; return how many had another state."""
        self.flush()
        numbers = iter(numbers)
        count = 0
        while batch := list(islice(numbers, _BATCH)):
            count += self._move(dict.fromkeys(batch, PENDING))
        return count

    def _move(self, moves: Mapping[int, int]) -> int:
        """Write these states; return how many URLs had another one."""
        try:
            changes = [(state, number) for number, state in moves.items() if self._leave(number, state)]
            if changes:
                self._database.write(_MOVE, changes)
        except BaseException:
            self._database.spoil()
            raise
        return len(changes)

    def _leave(self, number: int, state: int) -> bool:
        """Count the URL under its new state; return whether the file has another one."""
        taken = self._taken.pop(number, None)
        if taken is not None:
            old = PENDING
            if state == PENDING:
                self._offer(number, *taken)
                return False
        else:
            rows = self._database.rows("SELECT state, host, rank FROM urls WHERE number = ?", (number,))
            if not rows or rows[0][0] == state:
                return False
            old, site, rank = rows[0]
            if old == PENDING:
                self._count(site, -1)
            elif state == PENDING:
                self._offer(number, site, rank)
        self.counts[old] -= 1
        self.counts[state] += 1
        return True

    def each(self, state: int) -> Iterator[tuple[int, str]]:
        """Yield number and URL of all with a state, by number; their states may change meanwhile."""
        self.flush()
        rows: list[Any] = [(0, "")]
        while rows:
            rows = self._database.rows(_EACH, (rows[-1][0], state, _BATCH))
            yield from rows
