"""Interrupts: SIGINT and SIGTERM handed to whoever wants them for a while, or kept away."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

__all__ = ["INTERRUPTS", "SignalCapture", "leave_interrupts", "without_interrupts"]

INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
"""What asks a program to end; a terminal or a supervisor sends it to all processes of the group."""


class SignalCapture:
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
        for number in INTERRUPTS:
            if signal.getsignal(number) is not None:  # else it is not Python's to change
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Both are blocked in this thread; what it starts meanwhile has them blocked until it says otherwise."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_interrupts() -> None:
    """Take no notice of them, which another process of the group answers, and have them no longer blocked.

    What this process starts has them as usual: handlers are not inherited, ignoring is.
    """
    for number in INTERRUPTS:
        signal.signal(number, lambda *_: None)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
