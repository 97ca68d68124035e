"""Memory: how much a process has, how much all may have, and the C library's allocator told what to keep."""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

__all__ = ["MIN_WORKER", "free_memory", "keep_memory", "memory_limit", "resident_bytes", "worker_limit"]

MIN_WORKER = 256 << 20
"""Bytes that a worker may have at least: what scrapers import is a hundred million already."""

_SHARE = 0.7
"""Of the memory there is, for all workers together: the parent and others need some too."""

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
"""Parameters of glibc's mallopt(3)."""

_USUAL_PAD = 128 << 10
"""Bytes by which glibc's heap grows, if nobody says otherwise."""

_HUGE = 2 << 20
_HEAP = 48 << 20
"""Bytes of a huge page, and of the heap that is made of them: less than the 64 MB that are kept."""


def keep_memory(arenas: int = 0) -> None:
    """Let glibc keep up to 64 MB of freed memory in place of giving each page's buffers back.

    A body of 170 kB is otherwise mapped, touched and unmapped again: 80 page faults a page, a tenth of a
    worker's time (4,200 pages on two processes: 346,000 faults and 1.3 s of system time against 26,000
    and 0.6 s). Other C libraries, which have no mallopt, are left as they are.

    ``arenas`` is for a process that has just begun: its threads share so many heaps, in huge pages where
    the system gives them to whoever asks. Threads with a heap each leave a page's buffers to none but
    themselves: 4,000 light pages on two processes of 8 threads took 98 MB a process in place of 62, and
    64,000 page faults in place of 21,500.
    """
    mallopt = _libc("mallopt")
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 16 << 20)
        mallopt(_TRIM_THRESHOLD, 64 << 20)
        if arenas:
            mallopt(_ARENA_MAX, arenas)
            _extend_in_huge_pages(mallopt)


def _extend_in_huge_pages(mallopt: Any) -> None:
    """Have glibc take the first heap's next 48 MB now, and the system back them by huge pages on use.

    The environment's tunable glibc.malloc.hugetlb does the same, but what a scraper starts would inherit it.
    """
    functions = [_libc(name) for name in ("sbrk", "malloc", "free", "madvise")]
    if not all(functions):
        return
    sbrk, malloc, free, advise = functions
    sbrk.restype = malloc.restype = ctypes.c_void_p
    free.argtypes = [ctypes.c_void_p]
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    start = -(-sbrk(0) // _HUGE) * _HUGE
    mallopt(_TOP_PAD, _HEAP)
    free(malloc(_HUGE))
    mallopt(_TOP_PAD, _USUAL_PAD)
    size = sbrk(0) - start
    if size > 0:  # else the memory came from elsewhere
        advise(start, size, mmap.MADV_HUGEPAGE)


def free_memory() -> None:
    """Collect garbage and give the system what is free: 10 to 100 ms in which no thread runs."""
    gc.collect()
    trim = _libc("malloc_trim")
    if trim is not None:
        trim(0)


def _libc(name: str) -> Any:
    """A function of the C library; None where it has none of that name."""
    if sys.platform != "linux":
        return None
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None


def resident_bytes(process: int = 0) -> int:
    """Bytes of physical memory that a process has (0: this one); 0 where nobody can say.

    Where there is no /proc only this process can be asked, and only for the most it ever had.
    """
    try:
        with open(f"/proc/{process or 'self'}/statm", "rb", buffering=0) as file:
            return int(file.read(64).split()[1]) * os.sysconf("SC_PAGESIZE")
    except (OSError, IndexError, ValueError):
        if process or resource is None:
            return 0
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most << 10


def worker_limit(processes: int, root: str = "/") -> int:
    """Bytes that each of so many workers may have, so that all stay below 70 % of what there is.

    At least 256 MB; 0, no limit, where nobody can say.
    """
    most = memory_limit(root)
    return max(MIN_WORKER, int(most * _SHARE) // processes) if most else 0


def memory_limit(root: str = "/") -> int:
    """Bytes that this process may use: the machine's, or its control group's if less; 0: unknown."""
    limits = [limit for path in _limit_files(Path(root)) if (limit := _read_limit(path))]
    with suppress(AttributeError, ValueError, OSError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE"))
    return min(limits, default=0)


def _limit_files(root: Path) -> Iterator[Path]:
    """Where the limits of this process's control groups and of those around them stand, v1 and v2.

    In a container the path that /proc tells is often the host's, and the group's own files are at the top.
    """
    groups = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        name = "memory.max" if not controllers else "memory.limit_in_bytes"
        if controllers and "memory" not in controllers.split(","):
            continue
        top = groups / "memory" if controllers else groups
        below = PurePosixPath(path.lstrip("/"))
        yield from (top / folder / name for folder in (below, *below.parents))


def _read_limit(path: Path) -> int:
    """The bytes that the file holds; 0 where it is not there or says "max"."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
