"""CPUs and memory: what this process may use, what it uses, and tuning of glibc's allocator."""

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

MIN_WORKER = 256 << 20
"""Bytes that a worker may use at least: the imports of scrapers take a hundred million already."""

_SHARE = 0.7  # of the memory for workers: the parent and other programs need some too
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8  # of glibc's mallopt(3)
_USUAL_PAD = 128 << 10  # bytes by which glibc's heap grows by default
_HUGE = 2 << 20  # bytes of a huge page
_HEAP = 48 << 20  # bytes of the heap that uses them: less than the 64 MB that are kept


def available_cpus(root: str = "/") -> int:
    """Return the CPUs that this process may use, at least 1: its affinity mask or cgroup quota."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cpu_quota(Path(root, "sys/fs/cgroup"))
    return max(1, cpus if quota is None else min(cpus, int(quota + 0.5)))


def _cpu_quota(groups: Path) -> float | None:
    """Return the CPUs that the control group allows (v2, else v1); None without a limit."""
    try:
        quota, period = (groups / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = (
                (groups / f"cpu/cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period")
            )
        except (OSError, ValueError):
            return None
    if not (quota.isdecimal() and period.isdecimal() and int(period)):  # "max", or "-1" in v1
        return None
    return int(quota) / int(period)


def keep_memory(arenas: int = 0) -> None:
    """Let glibc keep up to 64 MB of freed memory instead of returning each page's buffers to the system.

    By default a body of 170 kB is mapped, touched and unmapped: 80 page faults a page, a tenth of a worker's
    time (4,200 pages on two processes: 346,000 faults and 1.3 s of system time against 26,000 and 0.6 s).
    Does nothing for other C libraries, which have no mallopt.

    ``arenas`` is for a process that has just started: its threads share so many heaps, in huge pages if the
    system has them. With a heap for each thread, no thread can reuse another's buffers: 4,000 light pages on
    two processes of 8 threads took 98 MB a process instead of 62, and 64,000 page faults instead of 21,500.
    """
    mallopt = _libc("mallopt")
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 16 << 20)
        mallopt(_TRIM_THRESHOLD, 64 << 20)
        if arenas:
            mallopt(_ARENA_MAX, arenas)
            _extend_in_huge_pages(mallopt)


def _extend_in_huge_pages(mallopt: Any) -> None:
    """Extend the first heap by 48 MB, which the system backs by huge pages when they are used.

    The environment's tunable glibc.malloc.hugetlb does the same, but a scraper's child processes inherit it.
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
    """Collect garbage and return free memory to the system. No thread runs meanwhile (10 to 100 ms)."""
    gc.collect()
    trim = _libc("malloc_trim")
    if trim is not None:
        trim(0)


def _libc(name: str) -> Any:
    """Return a function of the C library, None if it has none of that name."""
    if sys.platform != "linux":
        return None
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None


def resident_bytes(process: int = 0) -> int:
    """Return the bytes of physical memory that a process uses (0: this one); 0 if that is unknown.

    Without /proc only this process is known, and only its maximum so far.
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
    """Return the bytes that each of so many workers may use, so that all stay below 70 % of the memory.

    At least 256 MB; 0, no limit, if the memory's size is unknown.
    """
    most = memory_limit(root)
    return max(MIN_WORKER, int(most * _SHARE) // processes) if most else 0


def memory_limit(root: str = "/") -> int:
    """Return the bytes that this process may use: the machine's or its control group's; 0: unknown."""
    limits = [limit for path in _limit_files(Path(root)) if (limit := _read_limit(path))]
    with suppress(AttributeError, ValueError, OSError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE"))
    return min(limits, default=0)


def _limit_files(root: Path) -> Iterator[Path]:
    """Yield the limit files of this process's control groups and of their parents, v1 and v2.

    In a container the path in /proc is often the host's, and the group's own files are at the top.
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
    """Return the bytes in the file; 0 if it is missing or says "max"."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
