"""What became of each known URL: pending, done, or refused for a reason; written some at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from parascrape.crawling.store.database import Database
from parascrape.crawling.store.pending import Pending

__all__ = ["DONE", "FIRST_REASON", "PENDING", "States"]

PENDING, DONE, FIRST_REASON = 0, 1, 2
"""The states; from 2 on it is the reason for which a URL is refused."""

_BATCH = 1000  # rows that are held at a time
_MOVE = "UPDATE urls SET state = ? WHERE number = ?"
_EACH = "SELECT number, url FROM urls NOT INDEXED WHERE number > ? AND +state = ? ORDER BY number LIMIT ?"


class States:
    """The states of URLs. ``counts`` is how many have each of them, once `flush` has written those set."""

    def __init__(self, database: Database, pending: Pending, counts: Mapping[int, int]) -> None:
        self.counts = Counter(counts)
        self._database = database
        self._pending = pending
        self._set: dict[int, int] = {}

    def set(self, number: int, state: int) -> None:
        """The URL has come to this state; that is written by `flush`."""
        self._set[number] = state

    def is_open(self, number: int) -> bool:
        """Whether nothing has become of a URL that is pending in the file, and it is not taken."""
        return number not in self._set and not self._pending.is_taken(number)

    def is_set(self, number: int) -> bool:
        """Whether the URL has come to a state that is not written."""
        return number in self._set

    @property
    def changed(self) -> bool:
        """Whether `flush` would write."""
        return bool(self._set)

    def flush(self) -> None:
        """Write the states that URLs have come to."""
        if self._set:
            moves, self._set = self._set, {}
            self._move(moves)

    def mark(self, numbers: Iterable[int], state: int) -> int:
        """How many of the URLs had another state than this one, which they have now."""
        self.flush()
        numbers = iter(numbers)
        count = 0
        while batch := list(islice(numbers, _BATCH)):
            count += self._move(dict.fromkeys(batch, state))
        return count

    def _move(self, moves: Mapping[int, int]) -> int:
        """How many URLs have come to another state than they had; that is written."""
        try:
            changes = [(state, number) for number, state in moves.items() if self._leave(number, state)]
            if changes:
                self._database.write(_MOVE, changes)
        except BaseException:
            self._database.spoil()
            raise
        return len(changes)

    def _leave(self, number: int, state: int) -> bool:
        """Whether the URL has another state in the file; what is counted is as if it had this one."""
        old = PENDING
        if state == PENDING and self._pending.put_back(number):
            return False
        if not self._pending.give_up(number):
            rows = self._database.rows("SELECT state, host, rank FROM urls WHERE number = ?", (number,))
            if not rows or rows[0][0] == state:
                return False
            old, site, rank = rows[0]
            if old == PENDING:
                self._pending.count(site, -1)
            elif state == PENDING:
                self._pending.add(site, rank, number)
        self.counts[old] -= 1
        self.counts[state] += 1
        return True

    def each(self, state: int) -> Iterator[tuple[int, str]]:
        """Number and URL of all that have a state, by number; they may be given other states meanwhile."""
        self.flush()
        rows: list[Any] = [(0, "")]
        while rows:
            rows = self._database.rows(_EACH, (rows[-1][0], state, _BATCH))
            yield from rows
