"""The worker processes of one executor: started as tasks come, killed when overdue or too large, buried."""

from __future__ import annotations

import itertools
import selectors
import time
from typing import Literal

from parascrape.errors import MainGuardError, ParascrapeError, TaskTimeout, WorkerDied
from parascrape.executors.main_guard import EXIT_MAIN_GUARD, MAIN_GUARD
from parascrape.executors.task_queue import TaskQueue
from parascrape.executors.worker_handle import Task, WorkerHandle
from parascrape.executors.worker_main import WorkerOptions
from parascrape.system import resident_bytes

__all__ = ["WorkerPool"]

_FALSE_STARTS = 3
"""Workers in a row that may end before they are ready; after that the executor is broken."""

_START_LIMIT = 60.0
"""Seconds for a worker to import what it needs."""

_WEIGH_SECONDS = 0.25
"""How often busy workers are weighed: 10 us each."""

_TOO_LARGE = 2
"""A worker with so many times the memory it may have is killed: one task has taken that at once."""

_REAP_SECONDS = 5.0
"""A dismissed worker that has not exited by then is killed."""


class WorkerPool:
    """At most ``processes`` workers that take tasks; those that are being replaced come on top.

    Not safe for threads: the pump's own. Workers register with its selector as they start.
    """

    def __init__(
        self,
        processes: int,
        options: WorkerOptions,
        backlog: TaskQueue,
        *,
        deadline: float | None,
    ) -> None:
        self.workers: list[WorkerHandle] = []
        self.selector = selectors.DefaultSelector()
        self._dismissed: list[tuple[float, WorkerHandle]] = []
        self._processes = processes
        self._options = options
        self._backlog = backlog
        self._deadline = deadline
        self._names = itertools.count(1)
        self._false_starts = 0
        self._weighed = 0.0

    @property
    def complete(self) -> bool:
        """Whether as many workers are there as there may be."""
        return sum(not one.retired for one in self.workers) >= self._processes

    def fill(self) -> None:
        """Start workers that are wanted: no more than the tasks at hand can use."""
        if self._backlog.broken:
            return
        unfinished = self._backlog.unfinished
        succeed = unfinished > len(self.workers)  # else the large ones will do for what is left
        takers = [one for one in self.workers if not one.retired]
        there = sum(not (one.large and succeed) for one in takers)
        left = unfinished - sum(one.load for one in self.workers if one.retired)
        room = 2 * self._processes - len(self.workers)
        for _ in range(min(room, min(self._processes, left) - there)):
            options = self._options._replace(name=f"worker-{next(self._names)}")
            worker = WorkerHandle(options)
            self.workers.append(worker)
            self.selector.register(worker.channel, selectors.EVENT_READ, worker)

    def begin(self, worker: WorkerHandle) -> WorkerHandle | None:
        """Let a worker that is ready begin; the large one whose place it takes, to be retired."""
        worker.begin()
        self._false_starts = 0
        return next((one for one in self.workers if one.large and not one.retired), None)

    def dismiss(self, worker: WorkerHandle) -> None:
        """Close the socket of a retired worker without tasks: it exits, and is reaped later."""
        self._remove(worker)
        worker.channel.close()
        self._dismissed.append((time.monotonic() + _REAP_SECONDS, worker))

    def patience(self) -> float | None:
        """Seconds until a worker may be overdue, or is to be weighed."""
        due = min((self._due(worker) for worker in self.workers), default=float("inf"))
        if self._options.memory and any(one.running for one in self.workers):
            due = min(due, self._weighed + _WEIGH_SECONDS)
        return None if due == float("inf") else max(0.0, due - time.monotonic())

    def _due(self, worker: WorkerHandle) -> float:
        if not worker.ready:
            return worker.started + _START_LIMIT
        return float("inf") if self._deadline is None else worker.due(self._deadline)

    def look(self) -> None:
        """Kill and bury the workers that are overdue or much too large."""
        now = time.monotonic()
        for worker in [one for one in self.workers if self._due(one) <= now]:
            self._kill(worker, "hung")
        if self._options.memory and now - self._weighed >= _WEIGH_SECONDS:
            self._weighed = now
            for worker in [one for one in self.workers if one.running]:
                if resident_bytes(worker.process.pid or 0) > _TOO_LARGE * self._options.memory:
                    self._kill(worker, "memory")
        if self._dismissed:
            self._reap(now)

    def _kill(self, worker: WorkerHandle, fault: Literal["hung", "memory"]) -> None:
        worker.fault = fault
        worker.process.kill()
        self.bury(worker)

    def _reap(self, now: float) -> None:
        """Forget the dismissed workers that have exited; nobody waits for them."""
        waiting = self._dismissed
        self._dismissed = [
            (ends, one) for ends, one in waiting if one.process.exitcode is None and now < ends
        ]
        for ends, worker in waiting:
            if now >= ends:
                worker.end()

    def bury(self, worker: WorkerHandle) -> None:
        """Take leave of a worker that has died or was killed, and find its tasks a new place."""
        now = time.monotonic()
        self._remove(worker)
        ending = worker.end()
        innocent: list[Task] = []
        for task in worker.running.values():
            in_time = worker.fault == "hung" and now < task.started + (self._deadline or 0.0)
            if not worker.ready or in_time:
                innocent.append(task)
            else:
                self._strike(task, worker, ending)
        innocent += worker.waiting.values()
        self._backlog.give_back(innocent)
        if not worker.ready:
            self._false_start(worker, ending)

    def _remove(self, worker: WorkerHandle) -> None:
        self.workers.remove(worker)
        self.selector.unregister(worker.channel)

    def _strike(self, task: Task, worker: WorkerHandle, ending: str) -> None:
        """Suspect the task, or fail it where it is the second time."""
        task.strikes += 1
        if task.strikes < 2:
            self._backlog.suspects.append(task)
            return
        self._backlog.finish()
        name = worker.options.name
        if worker.fault == "hung":
            message = f"ran longer than {self._deadline:g} s, twice; its process was killed"
            task.future.set_exception(TaskTimeout(message, "TaskTimeout", name))
            return
        if worker.fault == "memory":
            most = _TOO_LARGE * self._options.memory / 1e6
            ending = f"was over its memory, more than {most:.0f} MB, and was killed"
        task.future.set_exception(WorkerDied(f"its worker process {ending}, twice", "WorkerDied", name))

    def _false_start(self, worker: WorkerHandle, ending: str) -> None:
        self._false_starts += 1
        if worker.process.exitcode == EXIT_MAIN_GUARD:
            self.abandon(MainGuardError(MAIN_GUARD))
        elif self._false_starts >= _FALSE_STARTS:
            self.abandon(WorkerDied(f"worker processes do not start: one {ending}", "WorkerDied"))

    def abandon(self, reason: ParascrapeError) -> None:
        """Fail everything that is outstanding: no worker can be started."""
        tasks: list[Task] = []
        for worker in self.workers:
            tasks += worker.running.values()
            tasks += worker.waiting.values()
            worker.running.clear()
            worker.waiting.clear()
        self._backlog.fail_all(reason, tasks)

    def end(self, *, kill: bool) -> None:
        """Close every socket, at which workers exit; kill them first if asked to. Reap them all."""
        for worker in self.workers:
            if kill:
                worker.process.kill()
            worker.channel.close()
        for worker in self.workers + [one for _, one in self._dismissed]:
            worker.end()
        self.selector.close()
