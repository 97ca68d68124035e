"""Executors: where calls run. Each is a `concurrent.futures.Executor`, and they are interchangeable.

Waiting is for threads, computing for processes; a task is a top-level function that is complete in
its arguments and its value. A task that raises fails its future with `TaskError`, in every mode.
"""

from __future__ import annotations

from parascrape.executors.processes import ProcessExecutor
from parascrape.executors.threads import ThreadExecutor

__all__ = ["ProcessExecutor", "ThreadExecutor", "open_executor"]


def open_executor(
    processes: int, threads: int, *, deadline: float | None = None
) -> ProcessExecutor | ThreadExecutor:
    """``processes`` x ``threads``; 0 processes: threads of this process (1 thread: sequential)."""
    if processes:
        return ProcessExecutor(processes, threads, deadline=deadline)
    return ThreadExecutor(threads, deadline=deadline)
