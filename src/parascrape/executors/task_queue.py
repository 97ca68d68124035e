"""Tasks that no worker has: those submitted, those that came back, and suspects. Safe for all threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from parascrape.errors import ParascrapeError
from parascrape.executors.worker_handle import Task

__all__ = ["TaskQueue"]


class TaskQueue:
    """The tasks of one executor that wait for a worker, and the count of all that are unfinished.

    A suspect is a task under which a worker died or hung: it is run once more, alone.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: deque[Task] = deque()
        self._broken: ParascrapeError | None = None
        self.suspects: deque[Task] = deque()
        self.unfinished = 0
        self.closed = False

    def __bool__(self) -> bool:
        return bool(self._tasks)

    @property
    def broken(self) -> bool:
        """Whether `fail_all` was called: no task can run any more."""
        return self._broken is not None

    @property
    def over(self) -> bool:
        """Whether no task is left and none will come."""
        return self.closed and not self.unfinished

    def add(self, task: Task) -> None:
        """Take a submitted task. Raises RuntimeError when closed, the reason when broken."""
        with self._lock:
            if self._broken is not None:
                raise self._broken
            if self.closed:
                raise RuntimeError("cannot submit to an executor that is shut down")
            self.unfinished += 1
            self._tasks.append(task)

    def close(self, *, cancel: bool) -> None:
        """Take no more tasks, and cancel those that wait if asked to."""
        with self._lock:
            self.closed = True
            queued = list(self._tasks) if cancel else []
            if cancel:
                self._tasks.clear()
            self.unfinished -= len(queued)
        for task in queued:
            if task.future.cancel():
                task.future.set_running_or_notify_cancel()

    def next(self) -> Task | None:
        """The first task that nobody has cancelled; its future is running from now on."""
        while True:
            with self._lock:
                if not self._tasks:
                    return None
                task = self._tasks.popleft()
            if task.announced or task.future.set_running_or_notify_cancel():
                task.announced = True
                return task
            self.finish()

    def give_back(self, tasks: Iterable[Task]) -> None:
        """Put tasks back at the head, in their order: their worker is gone, not by their fault."""
        back = list(tasks)
        with self._lock:
            self.suspects.extendleft(task for task in reversed(back) if task.strikes)
            self._tasks.extendleft(task for task in reversed(back) if not task.strikes)

    def finish(self) -> None:
        """Count one task less."""
        with self._lock:
            self.unfinished -= 1

    def fail_all(self, reason: ParascrapeError, others: Iterable[Task] = ()) -> None:
        """Fail every task here, and the others, for this reason; refuse new ones for it."""
        with self._lock:
            self._broken = reason
            tasks = [*self._tasks, *self.suspects, *others]
            self._tasks.clear()
            self.suspects.clear()
        for task in tasks:
            self.finish()
            if task.announced or task.future.set_running_or_notify_cancel():
                task.future.set_exception(reason)
