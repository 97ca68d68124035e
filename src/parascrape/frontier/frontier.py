"""The frontier of a harvest: which visit may be made now. It is the only owner of time and permission.

    entries -> take -> mark_started -> mark_fetched -> finish -> (a record, or postpone)

`Frontier` hands out a list in its order. `PoliteFrontier` reads ahead and schedules hosts.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Iterable

from parascrape.frontier.host import Visit
from parascrape.frontier.politeness import FetchReport
from parascrape.records import Entry
from parascrape.web import RobotsRules

MAX_WAITING = 50_000
"""Visits that wait in memory; at that number no new entry is read."""

IDLE_POLL = 0.05
"""Seconds until a source that had nothing (a slow pipe) is asked again."""

_SLOW_READ = 0.01  # seconds for one entry, from which on the source counts as slow
_READ_SHARE = 0.01  # of the time, for reading a slow source while a visit could be made


class VisitSource:
    """Makes a visit of each entry of a streamed list, in the list's order.

    ``entries`` may yield None for "nothing just now" (see `files.read_ahead`). ``seen`` returns why an
    entry is not to be fetched again, or ""; it is called once for each entry (None: the entry says it).
    ``clock`` returns monotonic seconds; the frontier uses it too.
    """

    def __init__(
        self,
        entries: Iterable[Entry | None],
        *,
        clock: Callable[[], float] = time.monotonic,
        seen: Callable[[Entry, int], str] | None = None,
    ) -> None:
        self._entries = iter(entries)
        self._seen = seen
        self.clock = clock
        self.read = 0  # entries so far
        self.exhausted = False  # the list has ended
        self.idle_until = 0.0  # before this time the list is not read again
        self.slow_until = 0.0  # before this time reading it should not delay a visit that is ready

    def next(self) -> Visit | None:
        """Return the visit of the next entry, None at the end or where there is none just now."""
        began = self.clock()
        try:
            entry = next(self._entries)
        except StopIteration:
            self.exhausted = True
            return None
        now = self.clock()
        if now - began > _SLOW_READ:
            self.slow_until = now + (now - began) / _READ_SHARE
        if entry is None:
            self.idle_until = now + IDLE_POLL
            return None
        self.idle_until = 0.0
        visit = Visit(self.read, entry)
        self.read += 1
        if entry.problem:
            return visit
        if why := entry.duplicate if self._seen is None else self._seen(entry, visit.number):
            visit.refuse("duplicate", why)
        return visit


class Frontier:
    """Hands out each visit of a source in its order, and again those that were postponed.

    The caller reports what becomes of a visit. Calls may be missing: a later one implies the earlier
    ones. Every visit that is not refused needs a `finish` or a `postpone`. This one knows no hosts and
    keeps nothing of the list but the postponed visits; `PoliteFrontier` is the one with politeness.
    """

    def __init__(self, source: VisitSource, *, max_waiting: int = MAX_WAITING) -> None:
        self._source = source
        self._clock = source.clock
        self._postponed: list[tuple[float, int, Visit]] = []  # a heap by time
        self._max_waiting = max_waiting
        self._drained_by = math.inf
        self.waiting = 0  # visits that wait: for their host, for robots.txt, or for another attempt

    @property
    def read(self) -> int:
        """Entries that were read from the list."""
        return self._source.read

    @property
    def exhausted(self) -> bool:
        """Whether the list has ended. Visits may still wait."""
        return self._source.exhausted

    @property
    def drained(self) -> bool:
        """Whether no visit will ever be taken again, unless one in flight is postponed."""
        return self._source.exhausted and not self.waiting

    @property
    def grace_over(self) -> bool:
        """Whether `drain` was called and its grace is over."""
        return self._clock() >= self._drained_by

    def drain(self, grace: float) -> None:
        """Hand out nothing more; visits in flight have ``grace`` seconds to come back."""
        self._source.exhausted = True
        self.waiting = 0
        self._clear()
        self._drained_by = self._clock() + grace

    def wait(self, *, room: bool = True) -> float | None:
        """Return the seconds until `take` should be called again, None if only a visit in flight matters.

        ``room=False``: no visit would be taken now.
        """
        soonest = min(self._next_time(room=room), self._drained_by)
        return max(0.0, soonest - self._clock()) if soonest < math.inf else None

    def take(self, *, new: bool = True) -> Visit | None:
        """Return a visit that may be made now, or None: see `wait`. ``new=False``: do not read the list.

        A visit with a ``refused_code`` is to be recorded, not made. One with ``robots`` asks for the
        robots.txt of that origin; pass the answer to `set_robots`.
        """
        postponed, source = self._postponed, self._source
        if postponed and postponed[0][0] <= self._clock():
            self.waiting -= 1
            return heapq.heappop(postponed)[2]
        if not new or source.exhausted or self.waiting >= self._max_waiting:
            return None
        if source.idle_until and self._clock() < source.idle_until:
            return None
        return source.next()

    def finish(self, visit: Visit, report: FetchReport | None = None) -> None:
        """Take a visit back; the report says how its host answered, None that nothing is known.

        A source that had nothing is asked again: in a crawl, finished pages bring new URLs.
        """
        self._source.idle_until = 0.0

    def postpone(self, visit: Visit, seconds: float) -> None:
        """Hand this visit out again after ``seconds`` at the earliest; never after `drain`."""
        if self._drained_by == math.inf:
            self.waiting += 1
            heapq.heappush(self._postponed, (self._clock() + seconds, visit.number, visit))

    def blocks_others(self, visit: Visit, *, slot: bool) -> bool:
        """Return whether other visits wait for its start, or (``slot``) for the end of its fetch."""
        return False

    def mark_started(self, visit: Visit, at: float) -> None:
        """Note when the fetch started: the host's next start is counted from there."""

    def mark_fetched(self, visit: Visit) -> None:
        """Note that the fetch is over: another visit may have its slot while this page is parsed."""

    def set_robots(self, origin: str, rules: RobotsRules | None) -> None:
        """Set the rules of an origin; None if its robots.txt could not be fetched. See `Visit.robots`."""

    def sync(self) -> None:
        """Exchange host states with other runs on this machine, at most once a second."""

    def close(self) -> None:
        """Leave the host states to the next run."""

    def _next_time(self, *, room: bool) -> float:
        """Return when `take` or `sync` may have something to do; infinity for never."""
        if not room:
            return math.inf
        idle = math.inf if self._source.exhausted else self._source.idle_until or math.inf
        return min(self._postponed[0][0], idle) if self._postponed else idle

    def _clear(self) -> None:
        """Drop every visit that waits."""
        self._postponed.clear()
