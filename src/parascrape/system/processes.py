"""Processes and signals: identity marks, ending with a parent, and capture of SIGINT and SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

_SET_PDEATHSIG = 1


def process_mark(number: int | None = None) -> str:
    """Return an identifier of a process (default: this one) that no other has, even after a reboot.

    Empty if there is no such process, or no /proc.
    """
    number = os.getpid() if number is None else number
    with suppress(OSError, IndexError, UnicodeError):
        # proc_pid_stat(5): the name may hold spaces and brackets; the start's clock tick is field 22
        fields = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        if fields[0] not in ("Z", "X"):
            return f"{number}/{fields[19]}/{_world()}"
    return ""


def _world() -> str:
    """Return what process numbers are relative to: this boot of the machine, this PID namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}/{os.readlink('/proc/self/ns/pid')}"


def is_alive(mark: str) -> bool:
    """Return whether the process of this mark runs; False if that is unknown."""
    number = mark.partition("/")[0]
    return number.isascii() and number.isdigit() and process_mark(int(number)) == mark


def has_ended(mark: str) -> bool:
    """Return whether the process of this mark has certainly ended; False if that is unknown."""
    with suppress(OSError, UnicodeError):
        return mark.split("/", 2)[2:] == [_world()] and not is_alive(mark)
    return False


def end_with(parent: int, number: int) -> Callable[[], None]:
    """Return a function for a forked child: it asks for this signal when the forking thread ends.

    On Linux (prctl(2), PR_SET_PDEATHSIG); elsewhere the function does nothing. Everything is imported here,
    because a forked child may not be able to import.
    """
    if sys.platform != "linux":
        return lambda: None
    import ctypes  # 5 ms

    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it ended before the call
            os._exit(1)

    return ask


INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
"""Signals that ask a program to end; a terminal or a supervisor sends them to the whole process group."""


class SignalCapture:
    """Receives SIGINT and SIGTERM while it is entered, in the main thread; ``numbers`` are those received."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self._before: dict[int, Any] = {}

    def take(self, number: int) -> None:
        """Handle a signal; a subclass may override this."""

    def _note(self, number: int, _: Any) -> None:
        self.numbers.append(number)
        self.take(number)

    def __enter__(self) -> Self:
        for number in INTERRUPTS:
            if signal.getsignal(number) is not None:  # else the handler is not Python's
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Block SIGINT and SIGTERM in this thread, and in the processes and threads that it starts meanwhile."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_interrupts() -> None:
    """Leave SIGINT and SIGTERM to another process of the group, and unblock them.

    A handler that does nothing is set, because child processes would inherit SIG_IGN.
    """
    for number in INTERRUPTS:
        signal.signal(number, lambda *_: None)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
