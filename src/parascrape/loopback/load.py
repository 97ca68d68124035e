"""Load of the loopback server: how busy it was, and whether its clients waited for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

_BUSY = 0.8
"""Share of one core above which the server counts as saturated: it has one thread."""

_WINDOW = 0.25  # seconds over which the share is taken


class LoadStats(NamedTuple):
    """The load of a server since it started, or since its last reset. Times are in seconds.

    ``active`` counts the time in which requests came, ``busy`` is the share of a core that it used meanwhile,
    ``saturated`` the part of ``active`` in which it used over 80 % of a core. ``cpu`` is all its CPU time.
    ``backlog`` is the largest number of requests at once; ``late`` and ``latest`` are the mean and the
    longest delay of an answer. ``unknown`` counts requests that it had no answer for.
    """

    requests: int = 0
    unknown: int = 0
    connections: int = 0
    cpu: float = 0.0
    active: float = 0.0
    busy: float = 0.0
    saturated: float = 0.0
    backlog: int = 0
    late: float = 0.0
    latest: float = 0.0

    @property
    def was_bottleneck(self) -> bool:
        """Whether it was saturated for at least a fifth of its active time."""
        return self.saturated >= max(_WINDOW, self.active / 5)


class ServerLoad:
    """Counts for `LoadStats`. Clocks give seconds: ``wall`` monotonic, ``cpu`` of this process."""

    def __init__(
        self, wall: Callable[[], float] = time.monotonic, cpu: Callable[[], float] = time.process_time
    ) -> None:
        self._wall = wall
        self._cpu = cpu
        self.reset()

    def reset(self) -> None:
        """Set the counts to zero; requests under way stay counted."""
        self._requests = self._unknown = self._connections = self._timed = self._most = 0
        self._late = self._latest = self._active = self._worked = self._saturated = 0.0
        self._under_way = getattr(self, "_under_way", 0)
        self._began = self._looked = self._wall()
        self._cpu_began = self._cpu_looked = self._cpu()
        self._in_window = 0

    def connected(self) -> None:
        """Count a connection."""
        self._connections += 1

    def asked(self, known: bool) -> None:
        """Count a request; `over` ends it."""
        now = self._wall()
        if now - self._looked >= _WINDOW:
            self._close_window(now)
        self._in_window += 1
        self._requests += 1
        self._unknown += not known
        self._under_way += 1
        self._most = max(self._most, self._under_way)

    def answered(self, late: float) -> None:
        """Count an answer with a time to wait for, which began ``late`` seconds after it."""
        self._timed += 1
        self._late += late
        self._latest = max(self._latest, late)

    def over(self) -> None:
        """Count the end of a request."""
        self._under_way -= 1

    def _close_window(self, now: float) -> None:
        """Add the time since the last look, if requests came in it."""
        cpu = self._cpu()
        passed, used = now - self._looked, cpu - self._cpu_looked
        if self._in_window:
            self._active += passed
            self._worked += used
            if used > _BUSY * passed:
                self._saturated += passed
        self._looked, self._cpu_looked, self._in_window = now, cpu, 0

    def stats(self) -> LoadStats:
        """Return the figures so far."""
        if self._in_window:
            self._close_window(self._wall())
        return LoadStats(
            self._requests,
            self._unknown,
            self._connections,
            self._cpu() - self._cpu_began,
            self._active,
            self._worked / self._active if self._active else 0.0,
            self._saturated,
            self._most,
            self._late / self._timed if self._timed else 0.0,
            self._latest,
        )
