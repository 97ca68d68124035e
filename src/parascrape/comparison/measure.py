"""One measured run of a command: ``python -m parascrape.comparison.measure PROCESS COMMAND...``.

Prints one JSON object, see `Measurement`. It is a process of its own so that the count is whole: on Linux it
is a subreaper (prctl(2)), so what the command leaves behind becomes its child, and RUSAGE_CHILDREN holds the
CPU time of the whole tree when the last of them was waited for.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO, NamedTuple

from parascrape.system import end_with

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

__all__ = ["Measurement", "busy_seconds", "cpu_seconds", "main", "measure"]

_LINUX = sys.platform == "linux"
_SET_SUBREAPER = 36
_EVERY = 0.1
"""Seconds between two looks at the memory; one costs about 1 ms for each process."""
_PATIENCE = 5.0
"""Seconds in which what the command left behind may end by itself."""


class Measurement(NamedTuple):
    """What a run took. None: this system does not tell."""

    seconds: float  # wall time of the whole command
    began: float  # seconds since the epoch
    status: int
    cpu: float | None  # seconds, user and system, of the whole process tree
    memory: int | None  # bytes, the largest sum over the tree that was seen
    others: float | None  # share of all CPUs that neither the command nor the given process used
    left_behind: int = 0  # processes that outlived the command and had to be ended
    errors: str = ""  # the end of what it wrote to standard error


def measure(command: Sequence[str], beside: int = 0) -> Measurement:
    """What one run of the command took; ``beside`` is a process whose CPU time is not others' load."""
    busy, served = busy_seconds(), _tree_seconds(beside)
    began, start = time.time(), time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 (what the caller asks for is measured)
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _end_with_us(process)
    memory = _MemoryWatch()
    memory.start()
    tail = _Tail(process.stderr)
    tail.start()
    status = process.wait()
    seconds = time.perf_counter() - start
    busy, served = busy_seconds() - busy, _tree_seconds(beside) - served
    memory.finish()
    left = _reap()
    cpu = _children_seconds()
    others = None
    if _LINUX and cpu is not None:
        others = max(0.0, busy - cpu - served) / (seconds * (os.cpu_count() or 1))
    return Measurement(seconds, began, status, cpu, memory.peak or None, others, left, tail.text())


class _Tail(threading.Thread):
    """The end of what a stream gives, read in a thread: it may stay open longer than the process."""

    def __init__(self, stream: IO[bytes] | None, most: int = 4000) -> None:
        super().__init__(daemon=True)
        self._stream, self._most, self._kept = stream, most, b""

    def run(self) -> None:
        """Read to the end."""
        for piece in self._stream or ():
            self._kept = (self._kept + piece)[-self._most :]

    def text(self) -> str:
        """What there is, a second after the last process has gone at the latest."""
        self.join(1.0)
        return self._kept.decode(errors="replace")


def _children_seconds() -> float | None:
    """CPU seconds of all descendants that were waited for."""
    if resource is None:
        return None
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class _MemoryWatch(threading.Thread):
    """The most memory that the processes below this one had together.

    Proportional set sizes, in which shared pages count once; resident ones where Linux does not give those.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._ended = threading.Event()

    def run(self) -> None:
        """Look now and then until `finish` is called."""
        while _LINUX and not self._ended.wait(_EVERY):
            self.peak = max(self.peak, sum(map(_memory, _descendants(os.getpid()))))

    def finish(self) -> None:
        """Look no more; elsewhere than on Linux take the largest single process instead."""
        self._ended.set()
        self.join()
        if not _LINUX and resource is not None:
            most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            self.peak = most if sys.platform == "darwin" else most << 10


def _memory(pid: int) -> int:
    """Bytes of a process: its proportional set size, else its resident size; 0 where it is gone."""
    return _field(pid, "smaps_rollup", b"Pss:") or _field(pid, "status", b"VmRSS:")


def _field(pid: int, file: str, name: bytes) -> int:
    try:
        with open(f"/proc/{pid}/{file}", "rb") as lines:
            return next((int(line.split()[1]) << 10 for line in lines if line.startswith(name)), 0)
    except OSError:
        return 0


def _stat(pid: int) -> tuple[int, float]:
    """Parent and own CPU seconds of a process (proc_pid_stat(5)); zeros where there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0, 0.0
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _descendants(root: int) -> list[int]:
    """Every process below ``root``, parents before their children."""
    below: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if _LINUX else ():
        if name.isdigit():
            below.setdefault(_stat(int(name))[0], []).append(int(name))
    found = list(below.get(root, ()))
    for pid in found:  # grows while it is read
        found.extend(below.get(pid, ()))
    return found


def cpu_seconds(pid: int) -> float:
    """CPU seconds that the process itself has used; 0.0 where nobody can say."""
    return _stat(pid)[1]


def _tree_seconds(pid: int) -> float:
    return sum(map(cpu_seconds, (pid, *_descendants(pid)))) if pid else 0.0


def busy_seconds() -> float:
    """CPU seconds that all processes used since the machine started; 0.0 where nobody can say."""
    if not _LINUX:
        return 0.0
    with open("/proc/stat", "rb") as file:
        user, nice, system, _idle, _wait, *rest = map(int, file.readline().split()[1:9])
    return float(user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def _reap() -> int:
    """How many processes had to be ended, after all that the command left behind are waited for."""
    ended, due, pause = 0, time.monotonic() + _PATIENCE, threading.Event()
    while hasattr(os, "WNOHANG"):
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if not pid and time.monotonic() > due:
            for left in _descendants(os.getpid()):
                os.kill(left, signal.SIGKILL)
                ended += 1
            due = time.monotonic() + _PATIENCE
        if not pid:
            pause.wait(0.005)
    return ended


def _end_with_us(process: subprocess.Popen[bytes]) -> None:
    """Let a SIGTERM, which comes when the caller ends, end the command too. Ctrl-C it gets by itself."""

    def end(*_: object) -> None:
        process.kill()
        sys.exit(143)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, end)


def main() -> None:
    """Measure the command of the command line."""
    if _LINUX:
        end_with(os.getppid(), signal.SIGTERM)()
        ctypes.CDLL(None).prctl(_SET_SUBREAPER, 1, 0, 0, 0)
    beside, *command = sys.argv[1:]
    sys.stdout.write(json.dumps(measure(command, int(beside))._asdict()))


if __name__ == "__main__":
    main()
