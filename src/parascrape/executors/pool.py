"""The worker processes of one executor: started on demand, replaced when they die, hang or grow too large."""

from __future__ import annotations

import itertools
import logging
import selectors
import signal
import socket
import time
from collections.abc import Mapping
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Literal

from parascrape.errors import MainGuardError, ParascrapeError, TaskError, TaskTimeout, WorkerDied
from parascrape.executors.channel import Channel, pack
from parascrape.executors.forkserver import ForkedProcess, forkserver
from parascrape.executors.main_guard import EXIT_MAIN_GUARD, MAIN_GUARD
from parascrape.executors.task_queue import Task, TaskQueue
from parascrape.executors.worker_main import WorkerOptions, run_child
from parascrape.system import resident_bytes, without_interrupts

log = logging.getLogger(__name__)

_FAILED_STARTS = 3  # workers in a row that may end before they are ready; then the executor is broken
_START_LIMIT = 60.0  # seconds for a worker to import what it needs
_CHECK_SECONDS = 0.25  # between two looks at the memory of busy workers: 10 us each
_TOO_LARGE = 2  # times its memory limit at which a worker is killed: one task has taken that at once
_REAP_SECONDS = 5.0  # after which a dismissed worker that has not exited is killed


class WorkerHandle:
    """One worker process.

    It takes tasks in the order they are sent, so it runs the first ``threads`` that are unfinished; no
    message has to say so. A task's time counts from its turn on.
    """

    def __init__(self, options: WorkerOptions) -> None:
        ours, theirs = socket.socketpair()
        self.options = options
        self.solo = False  # runs retried tasks only, one at a time
        self.ready = False
        self.large = False  # wants a replacement
        self.retired = False  # takes no more tasks
        self.fault: Literal["", "hung", "memory"] = ""  # what it was killed for
        self.started = time.monotonic()
        self.events = selectors.EVENT_READ
        self.running: dict[int, Task] = {}
        self.waiting: dict[int, Task] = {}
        self._known: set[int] = set()
        self.channel = Channel(ours, blocking=False)
        try:
            self.process = _start(theirs, options)
        finally:
            theirs.close()

    @property
    def load(self) -> int:
        """Tasks sent and not finished."""
        return len(self.running) + len(self.waiting)

    def pack(self, tasks: list[Task], functions: Mapping[int, bytes]) -> bytes:
        """Take tasks, and return the messages that send them, each function ahead of its first task."""
        packed = b""
        for number in {task.function for task in tasks} - self._known:
            packed += pack(("fn", number, functions[number]))
            self._known.add(number)
        for task in tasks:
            self.waiting[task.number] = task
        self._promote()
        kind = "alone" if self.solo else "tasks"
        return packed + pack((kind, [(task.number, task.function, task.payload) for task in tasks]))

    def begin(self) -> None:
        """Note that the process is ready: its tasks' time counts from now on."""
        self.ready = True
        now = time.monotonic()
        for task in self.running.values():
            task.started = now

    def finish(self, number: int) -> Task | None:
        """Remove and return the task with that number; its thread takes the next one."""
        task = self.running.pop(number, None) or self.waiting.pop(number, None)
        self._promote()
        return task

    def _promote(self) -> None:
        while self.waiting and len(self.running) < self.options.threads:
            number = next(iter(self.waiting))
            task = self.running[number] = self.waiting.pop(number)
            task.started = time.monotonic()

    def end(self) -> str:
        """Kill the process if it lives, reap it, and return how it ended."""
        self.process.join(0.2)  # its socket has closed: it is about to end
        if self.process.is_alive():
            self.process.kill()
        self.process.join(5)
        self.channel.close()
        status: int | None = self.process.exitcode
        if status is None:
            return "did not end"
        if status < 0:
            try:
                return f"killed by {signal.Signals(-status).name}"
            except ValueError:
                return f"killed by signal {-status}"
        return f"ended with exit status {status}"


def _start(sock: socket.socket, options: WorkerOptions) -> BaseProcess | ForkedProcess:
    """Start the process: forked by the program's fork server if it can, else spawned."""
    server = forkserver()
    if server is not None:
        try:
            return server.start(sock, run_child, options._replace(parent=0))
        except OSError as error:
            log.warning("%s; spawning one instead", error)
    spawn = get_context("spawn")
    process = spawn.Process(target=run_child, args=(sock, options), name=options.name, daemon=True)
    with without_interrupts():  # a Ctrl-C while it imports would print a traceback
        process.start()
    return process


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
        """Send the first retried task to a worker of its own, as soon as one is empty.

        What killed the task's worker may have killed others, whose end of file has not been read yet.
        """
        takers = [one for one in self.workers if not one.retired and one.process.exitcode is None]
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
        """Return when the worker, or the oldest task that it runs, is overdue."""
        if not worker.ready:
            return worker.started + _START_LIMIT
        if self._deadline is None or not worker.running:
            return float("inf")
        return next(iter(worker.running.values())).started + self._deadline

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
        for ends, worker in self._dismissed:
            if now >= ends:
                worker.end()
        left = [one for one in self._dismissed if now < one[0] and one[1].process.exitcode is None]
        self._dismissed = left

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
            self._failed_starts += 1
            if worker.process.exitcode == EXIT_MAIN_GUARD:
                self.fail_all(MainGuardError(MAIN_GUARD))
            elif self._failed_starts >= _FAILED_STARTS:
                self.fail_all(WorkerDied(f"worker processes do not start: one {ending}", "WorkerDied"))

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
        kind: type[TaskError] = TaskTimeout if worker.fault == "hung" else WorkerDied
        if worker.fault == "memory":
            most = _TOO_LARGE * self._options.memory / 1e6
            ending = f"was over its memory, more than {most:.0f} MB, and was killed"
        message = f"its worker process {ending}, twice"
        if worker.fault == "hung":
            message = f"ran longer than {self._deadline:g} s, twice; its process was killed"
        task.future.set_exception(kind(message, kind.__name__, worker.options.name))

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
