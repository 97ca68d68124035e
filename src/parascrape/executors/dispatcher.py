"""The thread that passes tasks to the workers and takes their results."""

from __future__ import annotations

import heapq
import logging
import pickle
import selectors
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from parascrape.errors import TaskError, WorkerDied
from parascrape.executors.channel import pack, relay_log
from parascrape.executors.pool import WorkerPool
from parascrape.executors.task import Failure, describe
from parascrape.executors.task_queue import TaskQueue
from parascrape.executors.worker_handle import Task, WorkerHandle
from parascrape.executors.worker_main import NOTE, WorkerOptions

__all__ = ["AdaptivePause", "Dispatcher", "capacity"]

_MOST, _STEP = 0.005, 0.0001
"""Seconds: the longest rest, and by how much it grows."""


class AdaptivePause:
    """How long to rest, found by trying: longer while every worker has enough to do, at once shorter if not.

    With pages of 1 ms on two workers it comes to 5 ms, and a page costs the parent half the CPU; tiny
    tasks, of which a worker runs out sooner, are not held up.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._ended = threading.Event()

    def __bool__(self) -> bool:
        return self._seconds > 0.0

    def take(self) -> None:
        """Return after the rest, or when `end` is called."""
        self._ended.wait(self._seconds)

    def adapt(self, *, starved: bool) -> None:
        """Learn whether some worker had run out of tasks after the last rest."""
        if starved:
            self._seconds = self._seconds / 2 if self._seconds > _STEP else 0.0
        else:
            self._seconds = min(_MOST, self._seconds + _STEP)

    def end(self) -> None:
        """Rest no more."""
        self._ended.set()


log = logging.getLogger(__name__)


def capacity(threads: int) -> int:
    """Tasks that a worker of so many threads is given: those it runs, and some that wait for a thread.

    Few enough that a slow page holds up few; so many that a worker has work while the parent rests.
    """
    return threads + max(4, min(threads, 16), threads // 4)


class Dispatcher:
    """The workers of one executor. `add` and `close` may be called by any thread; the rest is its own.

    Workers are started and reaped by this one thread, because Linux ties PR_SET_PDEATHSIG to the
    thread that forked: a worker must not die because some short-lived caller of `add` ended.
    """

    def __init__(
        self,
        processes: int,
        options: WorkerOptions,
        *,
        deadline: float | None,
    ) -> None:
        self.functions: dict[int, bytes] = {}
        self.on_note: Callable[[Future[Any], Any], None] | None = None
        self._options = options
        self._capacity = capacity(options.threads)
        self._rest = AdaptivePause()
        self._backlog = TaskQueue()
        self._staff = WorkerPool(processes, options, self._backlog, deadline=deadline)
        self._workers = self._staff.workers
        self._selector = self._staff.selector
        self._stopped = False
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._asleep = False  # or about to be; whoever has news then rings
        self._news = False
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
        """Wake the pump, unless it will look anyway before it sleeps: a ring costs 5 us, for both."""
        self._news = True
        if self._asleep:
            self._asleep = False
            try:
                self._bell.send(b"!")
            except OSError:
                return  # the pump has ended, or has rings enough to wake up

    # -- the pump's own thread -----------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._take_rest():
                self._staff.fill()
                self._dispatch()
                self._turn()
        except BaseException as error:
            self._staff.abandon(WorkerDied(*describe(error)))
            raise
        finally:
            self._end()

    def _take_rest(self) -> bool:
        """Rest while there is more to do than one task a worker; then whether there is anything to do.

        Nobody rings during a rest, so only what is looked at after it is sure to be seen.
        """
        if self._rest and self._backlog.unfinished > len(self._workers):
            self._rest.take()
        self._news = False
        return not self._stopped and not self._backlog.over

    def _turn(self) -> None:
        """Wait for workers, news or the next deadline, and take in what has come.

        Everything is read before anything is settled: a system call lets the thread that waits for
        results have the interpreter, and it would be woken for each worker's results apart.
        """
        self._asleep = True
        ready = self._selector.select(0.0 if self._news else self._staff.patience())
        self._asleep = False
        arrived: list[tuple[WorkerHandle, list[Any] | None]] = []
        for key, events in ready:
            if key.data is None:
                self._ear.recv(4096)
                continue
            if events & selectors.EVENT_WRITE:
                self._push(key.data, b"")
            if events & selectors.EVENT_READ:
                arrived.append((key.data, key.data.channel.receive()))
        for worker, messages in arrived:
            self._take_in(worker, messages)
        if arrived:
            enough = self._options.threads // 2  # half the threads: the others' wait is short
            self._rest.adapt(starved=any(worker.load <= enough for worker in self._workers))
        self._staff.look()

    def _dispatch(self) -> None:
        """Hand the backlog to workers with room, each task to the least busy; suspects have their own."""
        if self._backlog.suspects:
            self._dispatch_suspect()
        capacity = self._capacity if self._staff.complete else self._options.threads  # the rest: for new ones
        takers = [one for one in self._workers if not (one.solo or one.retired) and one.load < capacity]
        if not takers or not self._backlog:
            return
        shares: list[list[Task]] = [[] for _ in takers]
        loads = [(one.load, place) for place, one in enumerate(takers)]
        heapq.heapify(loads)
        while loads[0][0] < capacity and (task := self._backlog.next()) is not None:
            load, place = loads[0]
            shares[place].append(task)
            heapq.heapreplace(loads, (load + 1, place))
        for worker, tasks in zip(takers, shares, strict=True):
            if tasks:
                self._push(worker, worker.pack(tasks, self.functions))

    def _dispatch_suspect(self) -> None:
        """Give the first suspect a process of its own, as soon as one is empty."""
        takers = [one for one in self._workers if not one.retired]
        worker = next((one for one in takers if one.solo), None)
        if worker is None and takers:
            worker = min(takers, key=lambda one: one.load)
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

    def _take_in(self, worker: WorkerHandle, messages: list[Any] | None) -> None:
        if messages is None:
            self._staff.bury(worker)
            return
        for kind, *details in messages:
            if kind == "done":
                for result in details[0]:
                    self._settle(worker, *result)
            elif kind == "log":
                relay_log(details[0])
            elif kind == "large":
                worker.large = True
            elif kind == "retired":
                worker.retired = True
                self._backlog.give_back(filter(None, map(worker.finish, details[0])))
            else:
                self._retire(self._staff.begin(worker))
        if worker.solo and not self._backlog.suspects and not worker.load:
            worker.solo = False
        if worker.retired and not worker.load:
            self._staff.dismiss(worker)

    def _retire(self, worker: WorkerHandle | None) -> None:
        """Let a worker whose successor is there take no more tasks; it says which it has not begun."""
        if worker is not None:
            worker.retired = True
            self._push(worker, pack(("retire",)))

    def _settle(
        self, worker: WorkerHandle, number: int, value: bytes | None, failure: Failure | None
    ) -> None:
        """Finish the task's future, or pass its note on."""
        if failure == NOTE:
            self._pass_on(worker.find(number), value or b"")
            return
        task = worker.finish(number)
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

    def _pass_on(self, task: Task | None, note: bytes) -> None:
        if task is None or self.on_note is None:
            return
        try:
            self.on_note(task.future, pickle.loads(note))  # noqa: S301 (our own worker's)
        except Exception:
            log.exception("a task's note was not taken")

    def _end(self) -> None:
        """Let the workers exit, or kill them where the executor was stopped."""
        if self._stopped and not self._backlog.broken:
            self._staff.abandon(WorkerDied("the executor was stopped", "WorkerDied"))
        self._staff.end(kill=self._stopped)
        self._ear.close()
        self._bell.close()
