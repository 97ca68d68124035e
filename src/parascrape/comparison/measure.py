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
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

import psutil

from parascrape.system import end_with

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_SET_SUBREAPER = 36
_EVERY = 0.1
"""Seconds between two readings of the memory; one costs about 1 ms for each process."""
_ERRORS = 4000
"""Bytes kept of the end of standard error."""
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
    busy, served = _busy_seconds(), _tree_seconds(beside)
    began, start = time.time(), time.perf_counter()
    ended = threading.Event()
    with tempfile.TemporaryFile() as errors, ThreadPoolExecutor(1) as pool:
        process = subprocess.Popen(  # noqa: S603 (the caller chooses the command)
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
        )
        _end_with_us(process)
        memory = pool.submit(_watch_memory, ended)
        try:
            status = process.wait()
        finally:
            ended.set()
        seconds = time.perf_counter() - start
        busy, served = _busy_seconds() - busy, _tree_seconds(beside) - served
        left = _reap()
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - _ERRORS))
        text = errors.read().decode(errors="replace")
    cpu = others = None
    if resource is not None:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = usage.ru_utime + usage.ru_stime
        others = max(0.0, busy - cpu - served) / (seconds * (os.cpu_count() or 1))
    return Measurement(seconds, began, status, cpu, memory.result() or None, others, left, text)


def _watch_memory(ended: threading.Event) -> int:
    """Return the most memory that all descendants of this process had together until an event."""
    peak = 0
    while not ended.wait(_EVERY):
        peak = max(peak, sum(map(_memory, psutil.Process().children(recursive=True))))
    return peak


def _memory(process: psutil.Process) -> int:
    """Return the bytes of a process: its proportional set size, in which shared pages count once.

    Its resident set size if that is unknown; 0 if the process has ended.
    """
    try:
        return int(getattr(process.memory_full_info(), "pss", 0) or process.memory_info().rss)
    except psutil.Error:
        return 0


def _tree_seconds(pid: int) -> float:
    """Return the CPU seconds that a process and its descendants have used; 0.0 if there is none."""
    seconds = 0.0
    with suppress(psutil.Error):
        tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)] if pid else []
        for process in tree:
            times = process.cpu_times()
            seconds += times.user + times.system
    return seconds


def _busy_seconds() -> float:
    """Return the CPU seconds of all processes since the machine started."""
    times = psutil.cpu_times()._asdict()
    unused = ("idle", "iowait", "guest", "guest_nice")  # the time of guests is also user time
    return float(sum(seconds for name, seconds in times.items() if name not in unused))


def _reap() -> int:
    """Wait for the processes that outlive the command, kill them when time is up, and return how many."""
    ended, due, pause = 0, time.monotonic() + _PATIENCE, threading.Event()
    while hasattr(os, "WNOHANG"):
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if not pid and time.monotonic() > due:
            for left in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    left.kill()
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
    if sys.platform == "linux":
        end_with(os.getppid(), signal.SIGTERM)()
        ctypes.CDLL(None).prctl(_SET_SUBREAPER, 1, 0, 0, 0)
    beside, *command = sys.argv[1:]
    sys.stdout.write(json.dumps(measure(command, int(beside))._asdict()))


if __name__ == "__main__":
    main()
