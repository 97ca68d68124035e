"""The meter of the twin: how busy it was, and whether a harvest waited for it. Pure but for the clocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["BUSY", "LoadStats", "ServerLoad"]

BUSY = 0.8
"""Share of one core from which on the twin counts as saturated: it has one thread."""

_WINDOW = 0.25  # seconds over which the share is taken


class LoadStats(NamedTuple):
    """What the twin did since it started, or since `Twin.reset`.

    ``active`` are the seconds in which requests came, ``busy`` the share of a core that it used in them,
    ``saturated`` those of them in which it used more than `BUSY`. ``cpu`` is all its CPU seconds. ``backlog``
    is the most requests that were under way at once, ``late`` and ``latest`` the mean and the longest
    delay, in seconds, by which it missed an answer's time. ``unknown`` counts requests it had no answer for.
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
        """Whether it was saturated for a fifth of the time, or more, in which it had work."""
        return self.saturated >= max(_WINDOW, self.active / 5)

    @property
    def warning(self) -> str:
        """One sentence where the twin was the bottleneck; else empty."""
        if not self.was_bottleneck:
            return ""
        return (
            f"The twin was the bottleneck: for {self.saturated:.1f} of {self.active:.1f} s it used more than "
            f"{BUSY:.0%} of a core; the real hosts may be faster than this shows."
        )


class ServerLoad:
    """Counts for `LoadStats`. Clocks give seconds: ``wall`` monotonic, ``cpu`` of this process."""

    def __init__(
        self, wall: Callable[[], float] = time.monotonic, cpu: Callable[[], float] = time.process_time
    ) -> None:
        self._wall = wall
        self._cpu = cpu
        self.reset()

    def reset(self) -> None:
        """Begin anew; what is under way stays counted as such."""
        self._requests = self._unknown = self._connections = self._timed = self._most = 0
        self._late = self._latest = self._active = self._worked = self._saturated = 0.0
        self._under_way = getattr(self, "_under_way", 0)
        self._began = self._looked = self._wall()
        self._cpu_began = self._cpu_looked = self._cpu()
        self._in_window = 0

    def connected(self) -> None:
        """A connection was opened."""
        self._connections += 1

    def asked(self, known: bool) -> None:
        """A request has come; its answer is begun with `answered`, and `over` when nothing of it is left."""
        now = self._wall()
        if now - self._looked >= _WINDOW:
            self._close_window(now)
        self._in_window += 1
        self._requests += 1
        self._unknown += not known
        self._under_way += 1
        self._most = max(self._most, self._under_way)

    def answered(self, late: float) -> None:
        """An answer that had its time began so many seconds late."""
        self._timed += 1
        self._late += late
        self._latest = max(self._latest, late)

    def over(self) -> None:
        """A request is done with."""
        self._under_way -= 1

    def _close_window(self, now: float) -> None:
        """Add up the time since the last look, if there was work in it."""
        cpu = self._cpu()
        passed, used = now - self._looked, cpu - self._cpu_looked
        if self._in_window:
            self._active += passed
            self._worked += used
            if used > BUSY * passed:
                self._saturated += passed
        self._looked, self._cpu_looked, self._in_window = now, cpu, 0

    def stats(self) -> LoadStats:
        """The figures so far."""
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
