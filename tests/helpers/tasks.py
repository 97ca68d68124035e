"""Top-level functions for the executors to run: spawned workers import them from here."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import sys
import threading
import time
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from parascrape.executors import TaskContext
from parascrape.system.resources import resident_bytes


def square(number: int) -> int:
    """The number's square."""
    return number * number


def fail_with(message: str) -> None:
    """Raise a ValueError."""
    raise ValueError(message)


class Unloadable(Exception):
    """Pickles, and does not unpickle: its constructor wants two arguments, its state has one."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one)


def fail_unloadable() -> None:
    """Raise what cannot cross a process border."""
    raise Unloadable("one", "two")


class UnloadableValue:
    """A value that pickles and does not unpickle."""

    def __reduce__(self) -> Any:
        return (int, ("no number",))


def return_unloadable() -> UnloadableValue:
    """A value that the parent cannot read."""
    return UnloadableValue()


def return_lock() -> Any:
    """A value that does not pickle."""
    return threading.Lock()


def leave() -> None:
    """Call sys.exit, as scripts turned into tasks do."""
    sys.exit(3)


def interrupt() -> None:
    """Raise what Ctrl-C raises."""
    raise KeyboardInterrupt


def die() -> None:
    """End the worker process, and with it every thread."""
    os._exit(9)


def die_once(flag: str) -> str:
    """End the worker process at the first call only."""
    path = Path(flag)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


def die_once_alone(context: TaskContext, flag: str) -> bool:
    """End the worker process at the first call; at the second return whether it runs alone."""
    die_once(flag)
    return context.alone


def am_alone(context: TaskContext) -> bool:
    """Return whether the task runs alone."""
    return context.alone


def report_and_wait(context: TaskContext, value: Any, path: str) -> bool:
    """Report the value, then wait for the file."""
    context.report(value)
    return wait_for(path)


def report_each(context: TaskContext, count: int) -> int:
    """Report the numbers below ``count``."""
    for number in range(count):
        context.report(number)
    return count


def report_made(context: TaskContext, kind: Any) -> str:
    """Report a new value of that type."""
    context.report(kind())
    return "reported"


def append_when_idle(context: TaskContext, path: str, line: str) -> None:
    """Append the line to the file when the thread finds no further task."""
    context.when_idle(partial(_append, path, line))


def _append(path: str, line: str) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(line)


kept: list[bytes] = []


def leak(number: int, size: int, path: str = "") -> tuple[int, int, int]:
    """Keep so many bytes for ever; the number, this process and its size. Each call is a byte in the file."""
    kept.append(b"x" * size)
    if path:
        with open(path, "ab", buffering=0) as file:
            file.write(b".")
    return number, os.getpid(), resident_bytes()


def swell(size: int) -> int:
    """Take so many bytes at once, and be busy with them until killed."""
    kept.append(b"x" * size)
    wait_for("/never")
    return size


def spin() -> None:
    """Never return."""
    while True:
        pass


def hold_the_interpreter() -> None:
    """Compute for years in C, where no other thread of Python's gets a turn."""
    re.match("(a+)+$", "a" * 60 + "b")


def stay(file: socket.socket, seconds: float) -> None:
    """Hold what a fork server has handed over for so long."""
    with file:
        time.sleep(seconds)


def surroundings() -> tuple[Any, ...]:
    """What this process has from the one that started it (POSIX)."""
    import resource

    return os.getcwd(), sys.path, sys.argv, resource.getrlimit(resource.RLIMIT_NOFILE)


def has_imported(module: str) -> bool:
    """Whether this process has the module."""
    return module in sys.modules


def wait_for(path: str, seconds: float = 60.0) -> bool:
    """Whether the file has appeared in time."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if Path(path).exists():
            return True
        time.sleep(0.005)
    return False


def worker_name() -> str:
    """The name of the thread that runs the task."""
    return threading.current_thread().name


def process_id() -> int:
    """The process that runs the task."""
    return os.getpid()


def say(text: str) -> None:
    """Log a warning and print, as user code does."""
    logging.getLogger("shop.scraper").warning(text)
    print(text)


def meet(folder: str, number: int, others: int) -> bool:
    """Whether all tasks were running at the same time."""
    (Path(folder) / str(number)).touch()
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        if len(list(Path(folder).iterdir())) >= others:
            return True
        time.sleep(0.005)
    return False


def big(size: int) -> bytes:
    """A value of so many bytes."""
    return b"x" * size


def count_heaps() -> int:
    """How many heaps glibc has made for threads, of 64 MB of addresses each, with this one at work."""
    kept = [bytes(2000) for _ in range(1000)]
    regions = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    ranges = [[int(end, 16) for end in addresses.split("-")] for addresses, *_ in regions]
    rest = [access == "---p" for _, access, *_ in regions]
    found = [
        unused and begin % (64 << 20) == 0 and end - begin == 64 << 20
        for (begin, _), (_, end), unused in zip(ranges, ranges[1:], rest[1:], strict=False)
    ]
    return len(kept) and sum(found)


def is_huge() -> bool:
    """Whether the system has been asked for huge pages in the first heap."""
    regions = Path("/proc/self/smaps").read_text().split("VmFlags:")
    return any("[heap]" in region and " hg " in after for region, after in pairwise(regions))
