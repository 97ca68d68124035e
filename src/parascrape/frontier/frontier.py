"""The frontier: what may be fetched now. The only owner of time and of permission to fetch.

    entries -> take -> started -> fetched -> finished_visit -> (a record, or postpone)

Without politeness it hands out the list in its order, and holds nothing of it but what was postponed.
With it, the list is read ahead, and its hosts take turns.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from parascrape.frontier.host import Visit
from parascrape.frontier.host_queues import HostQueues
from parascrape.frontier.politeness import FetchReport, HostState, PolitenessPolicy
from parascrape.records import Entry
from parascrape.web import RobotsRules, host_key

__all__ = ["AHEAD", "IDLE_POLL", "MAX_POSTPONED", "Frontier", "Visit"]

MAX_POSTPONED = 50_000
"""Postponed visits that are held; with that many nothing new is taken, so that memory stays flat."""

AHEAD = 50_000
"""Visits that wait for their host, postponed ones too; with that many the list is not read on."""

IDLE_POLL = 0.05
"""Seconds until a source that had nothing (a slow pipe) is asked again."""

_READ_STEP = 32
"""Entries that one `Frontier.take` reads ahead, so that the first visit is out at once."""

_SLOW_READ = 0.01
"""Seconds for one entry, from which on the source counts as slow."""

_READ_SHARE = 0.01
"""Of the time, what reading a slow source may take while a visit could be made."""


class Frontier:
    """Hands out the entries of a streamed list, and again those that were postponed when their time comes.

    ``entries`` may yield None for "nothing just now" (see `readahead.read_ahead`). ``clock`` is monotonic
    seconds, ``jitter`` gives numbers in [0, 1). ``key`` names what a prepared URL's limits are kept for;
    by default its scheme, host and port. ``seen`` gives the reason why an entry is not fetched, having
    been seen before, or nothing; it is asked once for each entry, in the list's order.

    Whoever takes a visit says what becomes of it; calls may be missing, the later ones imply the earlier.
    ``finished_visit`` or ``postpone`` must come for each one that is not refused.
    """

    def __init__(  # noqa: PLR0913 (two of them for tests)
        self,
        entries: Iterable[Entry | None],
        politeness: PolitenessPolicy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        key: Callable[[str], str] = host_key,
        seen: Callable[[Entry, int], str] | None = None,
    ) -> None:
        self._entries: Iterator[Entry | None] = iter(entries)
        self._clock = clock
        self._seen = seen
        self._numbers = itertools.count()
        self._queues = None if politeness is None else HostQueues(politeness, jitter, key)
        self._postponed: list[tuple[float, int, Visit]] = []
        self._idle_until = 0.0
        self._drained_by: float | None = None
        self._may_read = True
        self._read_next = 0.0  # when the list may be read ahead of a visit that may be made
        self.read = 0  # entries that the list has given
        self.exhausted = False  # the list has ended; visits that wait may still come

    @property
    def finished(self) -> bool:
        """Whether nothing will ever be taken again, unless a visit in flight is postponed."""
        return self.exhausted and not self._postponed and not (self._queues and self._queues.held)

    @property
    def waiting(self) -> int:
        """Visits that are held: for their host, for robots.txt, or for another attempt."""
        return len(self._postponed) + (self._queues.held if self._queues is not None else 0)

    @property
    def overdue(self) -> bool:
        """Whether `close` was called and its grace is over."""
        return self._drained_by is not None and self._clock() >= self._drained_by

    def close(self, grace: float) -> None:
        """Hand out nothing more; what is in flight has so many seconds to come back."""
        self.exhausted = True
        self._postponed.clear()
        if self._queues is not None:
            self._queues.clear()
        self._drained_by = self._clock() + grace

    # --- what may be visited now --------------------------------------------------------------------

    def take(self, *, new: bool = True) -> Visit | None:
        """A visit that may be made now, or None: see `wait`. ``new=False``: the list is not read on.

        One with a ``refused_code`` is to be recorded, not made; one with ``robots`` asks for the
        robots.txt of that origin, and `robots_known` is to be told of it.
        """
        if self._queues is not None:
            self._may_read = new
            if new:
                self._read_ahead(self._queues)
            return self._queues.pick(self._clock())
        if self._postponed and self._postponed[0][0] <= self._clock():
            return heapq.heappop(self._postponed)[2]
        if not new or self.exhausted or len(self._postponed) >= MAX_POSTPONED:
            return None
        if self._idle_until and self._clock() < self._idle_until:
            return None
        return self._take_new()

    def wait(self, *, room: bool = True) -> float | None:
        """Seconds until `take` may have something; None while only what is in flight can bring it.

        ``room=False``: nothing would be taken now, so only the end of `close`'s grace is waited for.
        """
        times = [self._postponed[0][0]] if self._postponed and room else []
        if self._drained_by is not None:
            times.append(self._drained_by)
        if self._queues is not None:
            if room:
                times.append(self._next_time(self._queues))
        elif self._idle_until and not self.exhausted and room:
            times.append(self._idle_until)
        soonest = min(times, default=math.inf)
        return max(0.0, soonest - self._clock()) if soonest < math.inf else None

    def _next_time(self, queues: HostQueues) -> float:
        """When a host is due, or the list may be read on."""
        may_read = self._may_read and not self.exhausted and queues.held < AHEAD
        return min(queues.next_time(), self._idle_until) if may_read else queues.next_time()

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
        self.read += 1
        visit = Visit(next(self._numbers), entry)
        if self._seen is not None and not entry.problem and (why := self._seen(entry, visit.number)):
            visit.refuse("duplicate", why)
        return visit

    def _read_ahead(self, queues: HostQueues) -> None:
        """Read a small step on, while that holds up nothing and there is room."""
        now = self._clock()
        if self.exhausted or now < self._idle_until:
            return
        for _ in range(min(_READ_STEP, AHEAD - queues.held)):
            if now < self._read_next and queues.has_ready(now):
                return
            visit = self._take_new()
            began, now = now, self._clock()
            if now - began > _SLOW_READ:
                self._read_next = now + (now - began) / _READ_SHARE
            if visit is None:
                return
            queues.put(visit, now)

    # --- what becomes of a visit --------------------------------------------------------------------

    def is_waited_for(self, visit: Visit, *, slot: bool) -> bool:
        """Whether its host's other visits wait for its start, or (``slot``) for the end of its fetch."""
        return self._queues is not None and self._queues.is_waited_for(visit, slot=slot)

    def started(self, visit: Visit, at: float) -> None:
        """Its fetch started at this time of the clock: its host's next start is counted from there."""
        if self._queues is not None:
            self._queues.started(visit, at, self._clock())

    def fetched(self, visit: Visit) -> None:
        """Its fetch is over: another visit may have its slot, while this one's page is parsed."""
        if self._queues is not None:
            self._queues.fetched(visit, self._clock())

    def finished_visit(self, visit: Visit, report: FetchReport | None = None) -> None:
        """It is back; the report says how its host is. None: nothing is known, it was cancelled.

        A source that had nothing is asked again: in a crawl, what comes back is where it has URLs from.
        """
        self._idle_until = 0.0
        if self._queues is not None:
            self._queues.finished(visit, report, self._clock())

    def postpone(self, visit: Visit, seconds: float) -> None:
        """Hand this visit out again, no sooner than after so many seconds; never, once closed."""
        if self._drained_by is not None:
            return
        if self._queues is not None:
            self._queues.postpone(visit, seconds, self._clock())
        else:
            heapq.heappush(self._postponed, (self._clock() + seconds, visit.number, visit))

    def put_back(self, visit: Visit, seconds: float) -> None:
        """It was not begun: hand it out again, and nothing of its host before so many seconds."""
        if self._queues is not None and visit.host is not None:
            self._queues.put_back(visit, seconds, self._clock())

    def robots_known(self, origin: str, rules: RobotsRules | None) -> None:
        """The robots.txt of this origin was fetched; None where it could not be: see `Visit.robots`."""
        if self._queues is not None:
            self._queues.robots_known(origin, rules, self._clock())

    # --- between runs -------------------------------------------------------------------------------

    def host_states(self, wall: float) -> Iterator[tuple[str, HostState]]:
        """What the next run should know of the hosts; the wall clock shows ``wall`` seconds now."""
        if self._queues is not None:
            yield from self._queues.states(self._clock(), wall)

    def restore(self, states: Mapping[str, HostState], wall: float) -> None:
        """Go on from what an earlier run knew of the hosts; looked up when a host comes up first."""
        if self._queues is not None:
            self._queues.restore(states, self._clock(), wall)
