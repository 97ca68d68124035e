"""Interrupts: SIGINT and SIGTERM handed to whoever wants them for a while, or kept away."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

__all__ = ["SignalTaker", "without_sigint"]


class SignalTaker:
    """Has SIGINT and SIGTERM, in the main thread, while it is entered; ``numbers`` are those that came."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self._before: dict[int, Any] = {}

    def take(self, number: int) -> None:
        """What is done with a signal besides noting it."""

    def _note(self, number: int, _: Any) -> None:
        self.numbers.append(number)
        self.take(number)

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not None:  # else it is not Python's to change
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


@contextmanager
def without_sigint() -> Iterator[None]:
    """SIGINT is blocked in this thread; what it starts meanwhile has it blocked until it says otherwise."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
