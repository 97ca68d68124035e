"""Processes: whether one that has left its mark somewhere still lives, and how one ends with another."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

__all__ = ["end_with", "has_ended", "is_alive", "process_mark"]

_SET_PDEATHSIG = 1


def process_mark(number: int | None = None) -> str:
    """What tells a process, this one if no number is given, from all others of this machine, before and
    after a restart too. Empty where there is none, or the system does not tell (it needs /proc).
    """
    number = os.getpid() if number is None else number
    with suppress(OSError, IndexError, UnicodeError):
        # proc_pid_stat(5): the name may hold spaces and brackets; the start's clock tick is field 22
        fields = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        if fields[0] not in ("Z", "X"):
            return f"{number}/{fields[19]}/{_world()}"
    return ""


def _world() -> str:
    """Where numbers of processes mean something: this start of the machine, this PID namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}/{os.readlink('/proc/self/ns/pid')}"


def is_alive(mark: str) -> bool:
    """Whether the process of this mark still runs; False where nobody can tell."""
    number = mark.partition("/")[0]
    return number.isascii() and number.isdigit() and process_mark(int(number)) == mark


def has_ended(mark: str) -> bool:
    """Whether the process of this mark is gone for certain; False where nobody can tell."""
    with suppress(OSError, UnicodeError):
        return mark.split("/", 2)[2:] == [_world()] and not is_alive(mark)
    return False


def end_with(parent: int, number: int) -> Callable[[], None]:
    """What a child calls to be sent this signal when the thread that has forked it ends, however that does.

    On Linux (prctl(2), PR_SET_PDEATHSIG); elsewhere it does nothing. All is loaded here, for the child
    may be one that cannot load anything.
    """
    if sys.platform != "linux":
        return lambda: None
    import ctypes  # 5 ms

    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it had ended before we asked
            os._exit(1)

    return ask
