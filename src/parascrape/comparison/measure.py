"""Measure one run of a command: ``python -m parascrape.comparison.measure PROCESS COMMAND...``.

Prints one JSON object, see `Measurement`. It is a process of its own so that no CPU time is missed: on Linux
it is a subreaper (prctl(2)), so it becomes the parent of what the command leaves behind, and RUSAGE_CHILDREN
holds the CPU time of the whole tree once the last child was waited for.
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
"""Seconds between two readings of the memory; one costs about 1 ms for each process."""
_PATIENCE = 5.0
"""Seconds that processes which outlive the command have to end by themselves."""


class Measurement(NamedTuple):
    """The costs of a run. None: unknown on this system."""

    seconds: float  # wall time of the whole command
    began: float  # seconds since the epoch
    status: int
    cpu: float | None  # seconds, user and system, of the whole process tree
    memory: int | None  # bytes, the largest sum over the tree that was seen
    others: float | None  # share of all CPUs that neither the command nor the given process used
    left_behind: int = 0  # processes that outlived the command and had to be ended
    errors: str = ""  # the end of what it wrote to standard error


def measure(command: Sequence[str], beside: int = 0) -> Measurement:
    """Run the command and measure it. The process ``beside`` does not count as load of others."""
    busy, served = busy_seconds(), _tree_seconds(beside)
    began, start = time.time(), time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 (the caller chooses the command)
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
    """Keeps the end of a stream, read in a thread because it may stay open longer than the process."""

    def __init__(self, stream: IO[bytes] | None, most: int = 4000) -> None:
        super().__init__(daemon=True)
        self._stream, self._most, self._kept = stream, most, b""

    def run(self) -> None:
        """Read to the end."""
        for piece in self._stream or ():
            self._kept = (self._kept + piece)[-self._most :]

    def text(self) -> str:
        """Return the end of the stream; waits for it for at most a second."""
        self.join(1.0)
        return self._kept.decode(errors="replace")


def _children_seconds() -> float | None:
    """Return the CPU seconds of all descendants that were waited for."""
    if resource is None:
        return None
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class _MemoryWatch(threading.Thread):
    """The most memory that all descendants of this process had together.

    Counts proportional set sizes, in which shared pages count once, or else resident set sizes.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._ended = threading.Event()

    def run(self) -> None:
        """Read the memory regularly until `finish` is called."""
        while _LINUX and not self._ended.wait(_EVERY):
            self.peak = max(self.peak, sum(map(_memory, _descendants(os.getpid()))))

    def finish(self) -> None:
        """Stop. On other systems than Linux take the largest single process instead."""
        self._ended.set()
        self.join()
        if not _LINUX and resource is not None:
            most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            self.peak = most if sys.platform == "darwin" else most << 10


def _memory(pid: int) -> int:
    """Return the bytes of a process: its proportional or else its resident set size; 0 if it has ended."""
    return _field(pid, "smaps_rollup", b"Pss:") or _field(pid, "status", b"VmRSS:")


def _field(pid: int, file: str, name: bytes) -> int:
    try:
        with open(f"/proc/{pid}/{file}", "rb") as lines:
            return next((int(line.split()[1]) << 10 for line in lines if line.startswith(name)), 0)
    except OSError:
        return 0


def _stat(pid: int) -> tuple[int, float]:
    """Return parent and own CPU seconds of a process (proc_pid_stat(5)); zeros if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0, 0.0
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _descendants(root: int) -> list[int]:
    """Return every descendant of ``root``, parents before their children."""
    below: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if _LINUX else ():
        if name.isdigit():
            below.setdefault(_stat(int(name))[0], []).append(int(name))
    found = list(below.get(root, ()))
    for pid in found:  # the list grows meanwhile
        found.extend(below.get(pid, ()))
    return found


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that the process itself has used; 0.0 if unknown."""
    return _stat(pid)[1]


def _tree_seconds(pid: int) -> float:
    return sum(map(cpu_seconds, (pid, *_descendants(pid)))) if pid else 0.0


def busy_seconds() -> float:
    """Return the CPU seconds of all processes since the machine started; 0.0 if unknown."""
    if not _LINUX:
        return 0.0
    with open("/proc/stat", "rb") as file:
        user, nice, system, _idle, _wait, *rest = map(int, file.readline().split()[1:9])
    return float(user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def _reap() -> int:
    """Wait for the processes that outlive the command, kill them when time is up, and return how many."""
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
    """Let a SIGTERM, which comes when the caller ends, end the command too. It gets Ctrl-C by itself."""

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
