"""The worker processes of one executor: started on demand, replaced when they die, hang or grow too large."""

from __future__ import annotations

import itertools
import selectors
import time
from collections.abc import Mapping
from typing import Literal

from parascrape.errors import MainGuardError, ParascrapeError, TaskTimeout, WorkerDied
from parascrape.executors.channel import pack
from parascrape.executors.main_guard import EXIT_MAIN_GUARD, MAIN_GUARD
from parascrape.executors.task_queue import TaskQueue
from parascrape.executors.worker_handle import Task, WorkerHandle
from parascrape.executors.worker_main import WorkerOptions
from parascrape.system import resident_bytes

_FAILED_STARTS = 3
"""Workers in a row that may end before they are ready; after that the executor is broken."""

_START_LIMIT = 60.0
"""Seconds for a worker to import what it needs."""

_CHECK_SECONDS = 0.25
"""How often the memory of busy workers is checked: 10 us each."""

_TOO_LARGE = 2
"""A worker with so many times its memory limit is killed: one task has taken that at once."""

_REAP_SECONDS = 5.0
"""A dismissed worker that has not exited by then is killed."""


class WorkerPool:
    """At most ``processes`` workers that take tasks; workers that are being replaced come on top.

    Not safe for threads: the dispatcher's own. Workers register with its selector as they start.
    """

    def __init__(
        self, processes: int, options: WorkerOptions, queue: TaskQueue, *, deadline: float | None
    ) -> None:
        self.workers: list[WorkerHandle] = []
        self.selector = selectors.DefaultSelector()
        self._dismissed: list[tuple[float, WorkerHandle]] = []
        self._processes = processes
        self._options = options
        self._queue = queue
        self._deadline = deadline
        self._names = itertools.count(1)
        self._failed_starts = 0
        self._checked = 0.0

    @property
    def complete(self) -> bool:
        """Whether there are as many workers as there may be."""
        return sum(not one.retired for one in self.workers) >= self._processes

    def fill(self) -> None:
        """Start workers, no more than the queued tasks can use."""
        if self._queue.broken:
            return
        unfinished = self._queue.unfinished
        replace = unfinished > len(self.workers)  # else large workers do for what is left
        present = sum(not (one.retired or (one.large and replace)) for one in self.workers)
        left = unfinished - sum(one.load for one in self.workers if one.retired)
        room = 2 * self._processes - len(self.workers)
        for _ in range(min(room, min(self._processes, left) - present)):
            options = self._options._replace(name=f"worker-{next(self._names)}")
            worker = WorkerHandle(options)
            self.workers.append(worker)
            self.selector.register(worker.channel, selectors.EVENT_READ, worker)

    def begin(self, worker: WorkerHandle) -> None:
        """Let a worker that is ready begin, and retire the large one that it replaces."""
        worker.begin()
        self._failed_starts = 0
        large = next((one for one in self.workers if one.large and not one.retired), None)
        if large is not None:  # it answers which tasks it has not begun
            large.retired = True
            self.send(large, pack(("retire",)))

    def send(self, worker: WorkerHandle, packed: bytes) -> None:
        """Send messages to a worker, or as much of them as its socket takes now."""
        try:
            worker.channel.push(packed)
        except OSError:
            return  # its end of file is about to be read
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.channel.has_output else 0)
        if events != worker.events:
            worker.events = events
            self.selector.modify(worker.channel, events, worker)

    def send_retried(self, functions: Mapping[int, bytes]) -> None:
        """Send the first retried task to a worker of its own, as soon as one is empty."""
        takers = [one for one in self.workers if not one.retired]
        worker = next((one for one in takers if one.solo), None)
        if worker is None and takers:
            worker = min(takers, key=lambda one: one.load)
            worker.solo = True
        if worker is not None and worker.load == 0:
            self.send(worker, worker.pack([self._queue.retried.popleft()], functions))

    def dismiss(self, worker: WorkerHandle) -> None:
        """Close the socket of a retired worker without tasks: it exits, and is reaped later."""
        self._remove(worker)
        worker.channel.close()
        self._dismissed.append((time.monotonic() + _REAP_SECONDS, worker))

    def patience(self) -> float | None:
        """Return the seconds until a worker may be overdue, or is to be checked."""
        due = min(map(self._due, self.workers), default=float("inf"))
        if self._options.memory and any(one.running for one in self.workers):
            due = min(due, self._checked + _CHECK_SECONDS)
        return None if due == float("inf") else max(0.0, due - time.monotonic())

    def _due(self, worker: WorkerHandle) -> float:
        if not worker.ready:
            return worker.started + _START_LIMIT
        return float("inf") if self._deadline is None else worker.due(self._deadline)

    def check(self) -> None:
        """Kill and reap the workers that are overdue or much too large."""
        now = time.monotonic()
        for worker in [one for one in self.workers if self._due(one) <= now]:
            self._kill(worker, "hung")
        if self._options.memory and now - self._checked >= _CHECK_SECONDS:
            self._checked = now
            for worker in [one for one in self.workers if one.running]:
                if resident_bytes(worker.process.pid or 0) > _TOO_LARGE * self._options.memory:
                    self._kill(worker, "memory")
        for dismissed in self._dismissed[:]:
            ends, worker = dismissed
            if now >= ends:
                worker.end()
            if now >= ends or worker.process.exitcode is not None:
                self._dismissed.remove(dismissed)

    def _kill(self, worker: WorkerHandle, fault: Literal["hung", "memory"]) -> None:
        worker.fault = fault
        worker.process.kill()
        self.reap(worker)

    def reap(self, worker: WorkerHandle) -> None:
        """Reap a dead worker and requeue its tasks; those that it ran count a failure."""
        now = time.monotonic()
        self._remove(worker)
        ending = worker.end()
        unharmed: list[Task] = []
        for task in worker.running.values():
            in_time = worker.fault == "hung" and now < task.started + (self._deadline or 0.0)
            if not worker.ready or in_time:
                unharmed.append(task)
            else:
                self._count_failure(task, worker, ending)
        self._queue.give_back([*unharmed, *worker.waiting.values()])
        if not worker.ready:
            self._count_failed_start(worker, ending)

    def _remove(self, worker: WorkerHandle) -> None:
        self.workers.remove(worker)
        self.selector.unregister(worker.channel)

    def _count_failure(self, task: Task, worker: WorkerHandle, ending: str) -> None:
        """Retry a task whose worker died, or fail it the second time."""
        task.failures += 1
        if task.failures < 2:
            self._queue.retried.append(task)
            return
        self._queue.finish()
        name = worker.options.name
        if worker.fault == "hung":
            message = f"ran longer than {self._deadline:g} s, twice; its process was killed"
            task.future.set_exception(TaskTimeout(message, "TaskTimeout", name))
            return
        if worker.fault == "memory":
            most = _TOO_LARGE * self._options.memory / 1e6
            ending = f"was over its memory, more than {most:.0f} MB, and was killed"
        task.future.set_exception(WorkerDied(f"its worker process {ending}, twice", "WorkerDied", name))

    def _count_failed_start(self, worker: WorkerHandle, ending: str) -> None:
        self._failed_starts += 1
        if worker.process.exitcode == EXIT_MAIN_GUARD:
            self.fail_all(MainGuardError(MAIN_GUARD))
        elif self._failed_starts >= _FAILED_STARTS:
            self.fail_all(WorkerDied(f"worker processes do not start: one {ending}", "WorkerDied"))

    def fail_all(self, reason: ParascrapeError) -> None:
        """Fail every task that is not done, and refuse new ones."""
        tasks: list[Task] = []
        for worker in self.workers:
            tasks += [*worker.running.values(), *worker.waiting.values()]
            worker.running.clear()
            worker.waiting.clear()
        self._queue.fail_all(reason, tasks)

    def end(self, *, kill: bool) -> None:
        """Close every socket, so that workers exit; ``kill`` them first. Reap them all."""
        for worker in self.workers:
            if kill:
                worker.process.kill()
            worker.channel.close()
        for worker in self.workers + [one for _, one in self._dismissed]:
            worker.end()
        self.selector.close()
