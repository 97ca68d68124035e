"""Whether a process that has left its mark somewhere still lives."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["has_ended", "is_alive", "process_mark"]


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
