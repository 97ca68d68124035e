"""The task queue of one executor: tasks that wait for a worker. Safe for threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from parascrape.errors import ParascrapeError


@dataclass(slots=True, eq=False)
class Task:
    """One submitted call. ``failures`` counts the workers that died or hung under it."""

    number: int
    future: Future[Any]
    function: int
    payload: bytes
    started: float = 0.0  # on the monotonic clock
    failures: int = 0
    announced: bool = False  # whether its future is set running


class TaskQueue:
    """The tasks that wait, and the count of all that are unfinished.

    ``retried`` are tasks under which a worker died or hung: each runs once more, alone.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: deque[Task] = deque()
        self.broken: ParascrapeError | None = None  # the reason, once `fail_all` was called
        self.retried: deque[Task] = deque()
        self.unfinished = 0
        self.closed = False

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def add(self, task: Task) -> None:
        """Append a task. Raises RuntimeError when closed, the reason when broken."""
        with self._lock:
            if self.broken is not None:
                raise self.broken
            if self.closed:
                raise RuntimeError("cannot submit to an executor that is shut down")
            self.unfinished += 1
            self._tasks.append(task)

    def close(self, *, cancel: bool) -> None:
        """Take no more tasks; ``cancel`` those that wait."""
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
        """Return the first task that is not cancelled, and set its future running."""
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
        """Put tasks back at the head, in their order: their worker ended before it ran them."""
        back = list(tasks)
        with self._lock:
            self.retried.extendleft(task for task in reversed(back) if task.failures)
            self._tasks.extendleft(task for task in reversed(back) if not task.failures)

    def finish(self) -> None:
        """Count a task as finished."""
        with self._lock:
            self.unfinished -= 1

    def fail_all(self, reason: ParascrapeError, others: Iterable[Task] = ()) -> None:
        """Fail every task here and the ``others`` with this error; `add` raises it from now on."""
        with self._lock:
            self.broken = reason
            tasks = [*self._tasks, *self.retried, *others]
            self._tasks.clear()
            self.retried.clear()
        for task in tasks:
            self.finish()
            if task.announced or task.future.set_running_or_notify_cancel():
                task.future.set_exception(reason)
