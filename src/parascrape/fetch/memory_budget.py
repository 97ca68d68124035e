"""A bound on the bytes of all bodies held at once: those still coming in, and those being scraped."""

from __future__ import annotations

import threading
from typing import Any, Protocol

__all__ = ["BudgetShare", "MemoryBudget"]


class BudgetShare(Protocol):
    """Whoever holds bytes: the answer to one request, on its handle."""

    handle: Any
    held: int


class MemoryBudget:
    """Bytes that the bodies of one session may hold together, as they come over the wire.

    A body that would go beyond is paused until others are done with. One at a time is let go on all
    the same, up to its own limit, so that there is always one that gets to its end. A paused body's
    time runs on.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._favourite: BudgetShare | None = None
        self._paused: list[BudgetShare] = []
        self.total = 0

    def take(self, holder: BudgetShare, size: int) -> bool:
        """Whether the holder may have so many bytes more; if not it is one of `resumable`, later."""
        with self._lock:
            if self.total + size > self._limit:
                self._favourite = self._favourite or holder
                if self._favourite is not holder:
                    self._paused.append(holder)
                    return False
            self.total += size
            holder.held += size
            return True

    def resumable(self) -> list[BudgetShare]:
        """Those that had to wait and may try again."""
        if not self._paused:
            return []
        with self._lock:
            if self._favourite is not None and self.total >= self._limit:
                return []
            found, self._paused = self._paused, []
            return found

    def give_back(self, holder: BudgetShare) -> None:
        """The holder's bytes are gone."""
        with self._lock:
            self.total -= holder.held
            holder.held = 0
            if self._favourite is holder:
                self._favourite = None
            if self._paused:
                self._paused = [one for one in self._paused if one is not holder]
