"""A rest between two looks at busy workers, so that results and tasks gather and pass in batches."""

from __future__ import annotations

import threading

__all__ = ["Rest"]

_MOST, _STEP = 0.005, 0.0001
"""Seconds: the longest rest, and by how much it grows."""


class Rest:
    """How long to rest, found by trying: longer while every worker has enough to do, at once shorter if not.

    With pages of 1 ms on two workers it comes to 5 ms, and a page costs the parent half the CPU; tiny
    tasks, of which a worker runs out sooner, are not held up.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._ended = threading.Event()

    def __bool__(self) -> bool:
        return self._seconds > 0.0

    def take(self) -> None:
        """Return after the rest, or when `end` is called."""
        self._ended.wait(self._seconds)

    def adapt(self, *, starved: bool) -> None:
        """Learn whether some worker had run out of tasks after the last rest."""
        if starved:
            self._seconds = self._seconds / 2 if self._seconds > _STEP else 0.0
        else:
            self._seconds = min(_MOST, self._seconds + _STEP)

    def end(self) -> None:
        """Rest no more."""
        self._ended.set()
