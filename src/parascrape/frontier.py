"""The frontier: what may be fetched now. The only owner of time and of permission to fetch."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Iterable, Iterator

from parascrape.urls import Entry

__all__ = ["IDLE_POLL", "MAX_POSTPONED", "Frontier", "Visit"]

MAX_POSTPONED = 50_000
"""Postponed visits that are held; with that many nothing new is taken, so that memory stays flat."""

IDLE_POLL = 0.05
"""Seconds until a source that had nothing (a slow pipe) is asked again."""


class Visit:
    """One entry of the list on its way: its place in the list and how often it has been fetched."""

    __slots__ = ("attempts", "entry", "number")

    def __init__(self, number: int, entry: Entry) -> None:
        self.number = number
        self.entry = entry
        self.attempts = 0


class Frontier:
    """Hands out the entries of a streamed list, and again those that were postponed when their time comes.

    ``entries`` may yield None for "nothing just now" (see `inputs.unblocked`). ``clock`` is monotonic
    seconds. Nothing of the list is held but what was postponed.
    """

    def __init__(
        self, entries: Iterable[Entry | None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._entries: Iterator[Entry | None] = iter(entries)
        self._clock = clock
        self._numbers = itertools.count()
        self._postponed: list[tuple[float, int, Visit]] = []
        self._idle_until = 0.0
        self._drained_by: float | None = None
        self.exhausted = False  # the list has ended; postponed visits may still come

    @property
    def finished(self) -> bool:
        """Whether nothing will ever be taken again, unless a visit in flight is postponed."""
        return self.exhausted and not self._postponed

    @property
    def overdue(self) -> bool:
        """Whether `close` was called and its grace is over."""
        return self._drained_by is not None and self._clock() >= self._drained_by

    def close(self, grace: float) -> None:
        """Hand out nothing more; what is in flight has so many seconds to come back."""
        self.exhausted = True
        self._postponed.clear()
        self._drained_by = self._clock() + grace

    def take(self, *, new: bool = True) -> Visit | None:
        """A visit that may be made now, or None: see `wait`. ``new=False``: only one made before."""
        if self._postponed and self._postponed[0][0] <= self._clock():
            return heapq.heappop(self._postponed)[2]
        if not new or self.exhausted or len(self._postponed) >= MAX_POSTPONED:
            return None
        if self._idle_until and self._clock() < self._idle_until:
            return None
        return self._take_new()

    def _take_new(self) -> Visit | None:
        try:
            entry = next(self._entries)
        except StopIteration:
            self.exhausted = True
            return None
        if entry is None:
            self._idle_until = self._clock() + IDLE_POLL
            return None
        self._idle_until = 0.0
        return Visit(next(self._numbers), entry)

    def postpone(self, visit: Visit, seconds: float) -> None:
        """Hand this visit out again, no sooner than after so many seconds; never, once closed."""
        if self._drained_by is not None:
            return
        heapq.heappush(self._postponed, (self._clock() + seconds, visit.number, visit))

    def wait(self, *, room: bool = True) -> float | None:
        """Seconds until `take` may have something; None while only what is in flight can bring it.

        ``room=False``: nothing would be taken now, so only the end of `close`'s grace is waited for.
        """
        times = [self._postponed[0][0]] if self._postponed and room else []
        if self._drained_by is not None:
            times.append(self._drained_by)
        if self._idle_until and not self.exhausted and room:
            times.append(self._idle_until)
        return max(0.0, min(times) - self._clock()) if times else None
