"""The thread that starts workers, passes tasks and results, and deals with workers that die or hang."""

from __future__ import annotations

import itertools
import multiprocessing
import pickle
import selectors
import socket
import threading
import time
from typing import Any, Literal

from parascrape.errors import MainGuardError, ParascrapeError, TaskError, TaskTimeout, WorkerDied
from parascrape.executors.backlog import Backlog
from parascrape.executors.calls import Failure, describe
from parascrape.executors.child import ChildOptions, relay_log
from parascrape.executors.guard import EXIT_MAIN_GUARD, MAIN_GUARD
from parascrape.executors.handle import Task, WorkerHandle
from parascrape.executors.rest import Rest

__all__ = ["Pump", "capacity"]

_FALSE_STARTS = 3
"""Workers in a row that may end before they are ready; after that the executor is broken."""
_START_LIMIT = 60.0
"""Seconds for a worker to import what it needs."""


def capacity(threads: int) -> int:
    """Tasks that a worker of so many threads is given: those it runs, and some that wait for a thread."""
    return threads + max(4, threads // 4)


class Pump:
    """The workers of one executor. `add` and `close` may be called by any thread; the rest is its own.

    Workers are started and reaped by this one thread, because Linux ties PR_SET_PDEATHSIG to the
    thread that forked: a worker must not die because some short-lived caller of `add` ended.
    """

    def __init__(
        self,
        processes: int,
        options: ChildOptions,
        *,
        deadline: float | None,
        start_method: Literal["spawn", "forkserver"],
    ) -> None:
        self.functions: dict[int, bytes] = {}
        self._processes = processes
        self._options = options
        self._deadline = deadline
        self._context = multiprocessing.get_context(start_method)
        self._capacity = capacity(options.threads)
        self._rest = Rest()
        self._names = itertools.count(1)
        self._workers: list[WorkerHandle] = []
        self._backlog = Backlog()
        self._false_starts = 0
        self._stopped = False
        self._selector = selectors.DefaultSelector()
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._rung = False
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="process-pump", daemon=True)
        self._thread.start()

    # -- any thread ----------------------------------------------------------------------------

    def add(self, task: Task) -> None:
        """Queue a task. Raises RuntimeError when closed, the reason when no worker can be started."""
        self._backlog.add(task)
        self._ring()

    def close(self, *, cancel: bool, now: bool = False) -> None:
        """No more tasks; ``cancel`` those no worker has yet; ``now``: kill the workers too."""
        if now:
            self._stopped = True
            self._rest.end()
        self._backlog.close(cancel=cancel)
        self._ring()

    def join(self) -> None:
        """Return when every worker has ended."""
        self._thread.join()

    def _ring(self) -> None:
        if not self._rung:
            self._rung = True
            try:
                self._bell.send(b"!")
            except OSError:
                return  # the pump has ended, or has rings enough to wake up

    # -- the pump's own thread -----------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._take_rest():
                self._staff()
                self._dispatch()
                self._turn()
        except BaseException as error:
            self._break(WorkerDied(*describe(error)))
            raise
        finally:
            self._end()

    def _turn(self) -> None:
        """Wait for workers, new tasks or the next deadline, and take in what has come."""
        busy = False
        for key, events in self._selector.select(self._patience()):
            worker = key.data
            if worker is None:
                self._ear.recv(4096)
                self._rung = False  # after the read: a ring in between is not lost, see _dispatch
            elif events & selectors.EVENT_READ:
                busy = True
                self._receive(worker)
            if events & selectors.EVENT_WRITE:
                self._push(worker, b"")
        if busy:
            threads = self._options.threads
            self._rest.adapt(starved=any(worker.load < threads for worker in self._workers))
        self._check_deadlines()

    def _take_rest(self) -> bool:
        """Rest while there is more to do than one task a worker; then whether there is anything to do.

        Nobody rings during a rest, so only what is looked at after it is sure to be seen.
        """
        if self._rest and self._backlog.unfinished > len(self._workers):
            self._rung = True
            self._rest.take()
            self._rung = False
        return not self._stopped and not self._backlog.over

    def _patience(self) -> float | None:
        """Seconds until a worker may be overdue."""
        due = min((self._due(worker) for worker in self._workers), default=float("inf"))
        return None if due == float("inf") else max(0.0, due - time.monotonic())

    def _due(self, worker: WorkerHandle) -> float:
        if not worker.ready:
            return worker.started + _START_LIMIT
        return float("inf") if self._deadline is None else worker.due(self._deadline)

    def _staff(self) -> None:
        """Start the workers that the tasks at hand can use."""
        while (
            len(self._workers) < min(self._processes, self._backlog.unfinished) and not self._backlog.broken
        ):
            options = self._options._replace(name=f"worker-{next(self._names)}")
            worker = WorkerHandle(self._context, options)
            self._workers.append(worker)
            self._selector.register(worker.channel, selectors.EVENT_READ, worker)

    def _dispatch(self) -> None:
        """Hand the backlog to workers with room, one each in turn, and suspects to one of their own."""
        if self._backlog.suspects:
            self._dispatch_suspect()
        staffed = len(self._workers) == self._processes
        capacity = self._capacity if staffed else self._options.threads  # the rest is for new workers
        open_ones = [one for one in self._workers if not one.solo and one.load < capacity]
        if not open_ones or not self._backlog:
            return
        open_ones.sort(key=lambda one: one.load)
        shares: dict[WorkerHandle, list[Task]] = {one: [] for one in open_ones}
        while open_ones and (task := self._backlog.next()) is not None:
            worker = open_ones.pop(0)
            shares[worker].append(task)
            if worker.load + len(shares[worker]) < capacity:
                open_ones.append(worker)
        for worker, tasks in shares.items():
            if tasks:
                self._push(worker, worker.pack(tasks, self.functions))

    def _dispatch_suspect(self) -> None:
        """Give the first suspect a process of its own, as soon as one is empty."""
        worker = next((one for one in self._workers if one.solo), None)
        if worker is None and self._workers:
            worker = min(self._workers, key=lambda one: one.load)
            worker.solo = True
        if worker is not None and worker.load == 0:
            self._push(worker, worker.pack([self._backlog.suspects.popleft()], self.functions))

    def _push(self, worker: WorkerHandle, packed: bytes) -> None:
        try:
            worker.channel.push(packed)
        except OSError:
            return  # its end of file is about to be read
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.channel.has_output else 0)
        if events != worker.events:
            worker.events = events
            self._selector.modify(worker.channel, events, worker)

    def _receive(self, worker: WorkerHandle) -> None:
        messages = worker.channel.receive()
        if messages is None:
            self._bury(worker)
            return
        for message in messages:
            if message[0] == "done":
                for number, value, failure in message[1]:
                    self._settle(worker.finish(number), value, failure)
            elif message[0] == "log":
                relay_log(message[1])
            else:
                worker.begin()
                self._false_starts = 0
        if worker.solo and not self._backlog.suspects and not worker.load:
            worker.solo = False

    def _settle(self, task: Task | None, value: bytes | None, failure: Failure | None) -> None:
        if task is None:
            return
        self._backlog.finish()
        if failure is None and value is not None:
            try:
                result: Any = pickle.loads(value)  # noqa: S301 (our own worker's)
            except Exception as error:
                failure = describe(error)
            else:
                task.future.set_result(result)
                return
        task.future.set_exception(TaskError(*failure) if failure else TaskError("no result"))

    def _check_deadlines(self) -> None:
        now = time.monotonic()
        for worker in [one for one in self._workers if self._due(one) <= now]:
            worker.hung = True
            worker.process.kill()
            self._bury(worker)

    def _bury(self, worker: WorkerHandle) -> None:
        """Take leave of a worker that has died or was killed, and find its tasks a new place."""
        now = time.monotonic()
        self._workers.remove(worker)
        self._selector.unregister(worker.channel)
        ending = worker.end()
        innocent: list[Task] = []
        for task in worker.running.values():
            if not worker.ready or (worker.hung and now < task.started + (self._deadline or 0.0)):
                innocent.append(task)
            else:
                self._strike(task, worker, ending)
        innocent += worker.waiting.values()
        self._backlog.give_back(innocent)
        if not worker.ready:
            self._false_start(worker, ending)

    def _strike(self, task: Task, worker: WorkerHandle, ending: str) -> None:
        """Suspect the task, or fail it where it is the second time."""
        task.strikes += 1
        if task.strikes < 2:
            self._backlog.suspects.append(task)
            return
        self._backlog.finish()
        name = worker.options.name
        if worker.hung:
            message = f"ran longer than {self._deadline:g} s, twice; its process was killed"
            task.future.set_exception(TaskTimeout(message, "TaskTimeout", name))
        else:
            message = f"its worker process {ending}, twice"
            task.future.set_exception(WorkerDied(message, "WorkerDied", name))

    def _false_start(self, worker: WorkerHandle, ending: str) -> None:
        self._false_starts += 1
        if worker.process.exitcode == EXIT_MAIN_GUARD:
            self._break(MainGuardError(MAIN_GUARD))
        elif self._false_starts >= _FALSE_STARTS:
            self._break(WorkerDied(f"worker processes do not start: one {ending}", "WorkerDied"))

    def _break(self, reason: ParascrapeError) -> None:
        """Fail everything that is outstanding: no worker can be started."""
        tasks: list[Task] = []
        for worker in self._workers:
            tasks += worker.running.values()
            tasks += worker.waiting.values()
            worker.running.clear()
            worker.waiting.clear()
        self._backlog.fail_all(reason, tasks)

    def _end(self) -> None:
        """Close every socket, at which workers exit; kill them first where the executor was stopped."""
        if self._stopped and not self._backlog.broken:
            self._break(WorkerDied("the executor was stopped", "WorkerDied"))
        for worker in self._workers:
            if self._stopped:
                worker.process.kill()
            worker.channel.close()
        for worker in self._workers:
            worker.end()
        self._selector.close()
        self._ear.close()
        self._bell.close()
