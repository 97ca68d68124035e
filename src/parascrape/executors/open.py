"""Opens the executor that the settings ask for."""

from __future__ import annotations

from parascrape.executors.processes import ProcessExecutor
from parascrape.executors.threads import ThreadExecutor

__all__ = ["open_executor"]


def open_executor(
    processes: int, threads: int, *, deadline: float | None = None, worker_bytes: int = 0
) -> ProcessExecutor | ThreadExecutor:
    """``processes`` x ``threads``; 0 processes: threads of this process (1 thread: sequential).

    ``worker_bytes``: the resident size at which a worker process is replaced; 0: by the memory there is.
    """
    if processes:
        return ProcessExecutor(processes, threads, deadline=deadline, worker_bytes=worker_bytes)
    return ThreadExecutor(threads, deadline=deadline)
