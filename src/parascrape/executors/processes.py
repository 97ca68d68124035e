"""The process executor: P worker processes of T threads, each behind a private socket.

    submit --> task queue --> dispatcher thread --> socket --> worker process (worker_main): T threads
                  ^                |        <-- results --------+
                  |                +--> future
                  +-- a worker died or hung: tasks that it had not begun go back; those it ran are
                      tried once more, each alone in a process, and fail if it happens again

No lock, queue or semaphore is shared with a worker, so one that dies can hold nothing. The standard
library's pools lose every outstanding task with one dead worker, or hang (CPython 3.11).
"""

from __future__ import annotations

import atexit
import heapq
import itertools
import logging
import os
import pickle
import selectors
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any

from parascrape.errors import TaskError, WorkerDied
from parascrape.executors.channel import relay_log
from parascrape.executors.main_guard import refuse_during_import
from parascrape.executors.pool import WorkerHandle, WorkerPool
from parascrape.executors.task import Failure, TaskContext, WithContext, bind, call, describe
from parascrape.executors.task_queue import Task, TaskQueue
from parascrape.executors.threads import ThreadExecutor
from parascrape.executors.worker_main import NOTE, WorkerOptions
from parascrape.system import available_cpus, worker_limit

log = logging.getLogger(__name__)

_KNOWN_FUNCTIONS = 64  # that workers keep; further ones travel with each of their tasks


class AdaptivePause:
    """A pause between two looks at busy workers, so that results and tasks pass in batches.

    It grows while every worker has enough to do, by ``step`` seconds up to ``longest``, and halves as
    soon as one has not. With pages of 1 ms on two workers it comes to 5 ms, and a page costs the parent
    half the CPU. Workers that run out of tiny tasks are not held up.
    """

    def __init__(self, *, longest: float = 0.005, step: float = 0.0001) -> None:
        self._longest = longest
        self._step = step
        self._seconds = 0.0
        self._ended = threading.Event()

    def __bool__(self) -> bool:
        return self._seconds > 0.0

    def take(self) -> None:
        """Return after the pause, or when `end` is called."""
        self._ended.wait(self._seconds)

    def adapt(self, *, starved: bool) -> None:
        """Adapt the next pause; ``starved``: a worker had too few tasks after the last one."""
        if starved:
            self._seconds = self._seconds / 2 if self._seconds > self._step else 0.0
        else:
            self._seconds = min(self._longest, self._seconds + self._step)

    def end(self) -> None:
        """End this pause and all later ones."""
        self._ended.set()


def capacity(threads: int) -> int:
    """Return how many tasks a worker of so many threads gets: those it runs, and some that wait.

    They are few, so that a slow page holds up few, and enough to last while the dispatcher pauses.
    """
    return threads + max(4, min(threads, 16), threads // 4)


class Dispatcher:
    """The thread of one executor that starts workers, sends them tasks and takes their results.

    `add`, `close` and `join` may be called by any thread. Workers are started by this one thread,
    because Linux ties PR_SET_PDEATHSIG to the thread that forked: a worker must not die because some
    short-lived caller of `add` ended.
    """

    def __init__(
        self,
        pool: WorkerPool,
        queue: TaskQueue,
        listener: Callable[[], Callable[[Future[Any], Any], None] | None],
        *,
        threads: int,
        pause: AdaptivePause,
    ) -> None:
        self.functions: dict[int, bytes] = {}
        self._listener = listener
        self.workers = pool.workers
        self._threads = threads
        self._capacity = capacity(threads)
        self._queue = queue
        self._pool = pool
        self._pause = pause
        self._stopped = False
        self._waker, self._wakeups = socket.socketpair()
        self._waker.setblocking(False)
        self._wakeups.setblocking(False)
        self._asleep = False  # or about to be; `_wake` is needed then
        self._news = False
        pool.selector.register(self._wakeups, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="process-dispatcher", daemon=True)
        self._thread.start()
        # multiprocessing's exit handler, registered before ours and so called after it, would send our
        # workers a SIGTERM, which they ignore, and wait for them.
        import multiprocessing.util  # noqa: F401

        atexit.register(self.stop)

    def add(self, task: Task) -> None:
        """Queue a task. Raises RuntimeError when closed, the reason when no worker can be started."""
        self._queue.add(task)
        self._wake()

    def close(self, *, cancel: bool) -> None:
        """Take no more tasks; ``cancel`` those no worker has yet."""
        self._queue.close(cancel=cancel)
        self._wake()

    def stop(self) -> None:
        """Kill the workers, and return when they have ended."""
        self._stopped = True
        self._pause.end()
        self.close(cancel=True)
        self.join()

    def join(self) -> None:
        """Return when every worker has ended."""
        self._thread.join()

    def _wake(self) -> None:
        """Wake the dispatcher unless it will look anyway: that costs both threads 5 us."""
        self._news = True
        if self._asleep:
            self._asleep = False
            with suppress(OSError):  # it has ended, or enough wake-ups are under way
                self._waker.send(b"!")

    # What follows runs in the dispatcher's own thread.

    def _run(self) -> None:
        try:
            while not (self._stopped or (self._queue.closed and not self._queue.unfinished)):
                self._pool.fill()
                self._dispatch()
                self._wait()
                if self._pause and self._queue.unfinished > len(self.workers):
                    self._pause.take()  # `_wake` does not end it, so look for news afterwards
                self._news = False
        except BaseException as error:
            self._pool.fail_all(WorkerDied(*describe(error)))
            raise
        finally:
            if self._stopped and not self._queue.broken:
                self._pool.fail_all(WorkerDied("the executor was stopped", "WorkerDied"))
            self._pool.end(kill=self._stopped)
            self._wakeups.close()
            self._waker.close()
            atexit.unregister(self.stop)

    def _wait(self) -> None:
        """Wait for workers, news or the next deadline, and handle what has come.

        All sockets are read before any future is settled: a system call lets the thread that waits for
        results have the interpreter, and it would be woken for each worker's results apart.
        """
        self._asleep = True
        ready = self._pool.selector.select(0.0 if self._news else self._pool.patience())
        self._asleep = False
        arrived: list[tuple[WorkerHandle, list[Any] | None]] = []
        for key, events in ready:
            if key.data is None:
                self._wakeups.recv(4096)
                continue
            if events & selectors.EVENT_WRITE:
                self._pool.send(key.data, b"")
            if events & selectors.EVENT_READ:
                arrived.append((key.data, key.data.channel.receive()))
        for worker, messages in arrived:
            self._handle(worker, messages)
        if arrived:
            enough = self._threads // 2  # half the threads: the others' wait is short
            self._pause.adapt(starved=any(worker.load <= enough for worker in self.workers))
        self._pool.check()

    def _dispatch(self) -> None:
        """Send queued tasks to workers with room, each to the least busy one; retried tasks run alone."""
        if self._queue.retried:
            self._pool.send_retried(self.functions)
        capacity = self._capacity if self._pool.complete else self._threads  # the rest is for new workers
        takers = [one for one in self.workers if not (one.solo or one.retired) and one.load < capacity]
        if not takers or not self._queue:
            return
        shares: list[list[Task]] = [[] for _ in takers]
        loads = [(one.load, place) for place, one in enumerate(takers)]
        heapq.heapify(loads)
        while loads[0][0] < capacity and (task := self._queue.next()) is not None:
            load, place = loads[0]
            shares[place].append(task)
            heapq.heapreplace(loads, (load + 1, place))
        for worker, tasks in zip(takers, shares, strict=True):
            if tasks:
                self._pool.send(worker, worker.pack(tasks, self.functions))

    def _handle(self, worker: WorkerHandle, messages: list[Any] | None) -> None:
        """Handle a worker's messages; None: its socket has closed."""
        if messages is None:
            self._pool.reap(worker)
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
                self._queue.give_back(filter(None, map(worker.finish, details[0])))
            else:
                self._pool.begin(worker)
        if worker.solo and not self._queue.retried and not worker.load:
            worker.solo = False
        if worker.retired and not worker.load:
            self._pool.dismiss(worker)

    def _settle(
        self, worker: WorkerHandle, number: int, value: bytes | None, failure: Failure | None
    ) -> None:
        """Finish the task's future, or forward its note."""
        if failure == NOTE:
            self._forward(worker.running.get(number) or worker.waiting.get(number), value or b"")
            return
        task = worker.finish(number)
        if task is None:
            return
        self._queue.finish()
        result = None
        if failure is None:
            result, failure = call(pickle.loads, (value,), {})
        if failure is None:
            task.future.set_result(result)
        else:
            task.future.set_exception(TaskError(*failure))

    def _forward(self, task: Task | None, note: bytes) -> None:
        listener = self._listener()
        if task is None or listener is None:
            return
        try:
            listener(task.future, pickle.loads(note))  # noqa: S301 (our own worker's)
        except Exception:
            log.exception("a task's note was not taken")


class ProcessExecutor(Executor):
    """A `concurrent.futures.Executor` of ``processes`` x ``threads``; 0 processes: one for each CPU.

    Functions, arguments and values must pickle. Workers start as tasks come, no more than tasks. A
    task that raises fails its future with a `TaskError`, one that takes longer than ``deadline``
    seconds with a `TaskTimeout` (its process is killed and replaced), one under which its process dies
    twice with a `WorkerDied`. A process of ``worker_bytes`` (0: its share of 70 % of the memory) is
    replaced as soon as its running tasks are done; one with twice that is killed. If the main script has
    no ``__main__`` guard, every future fails with a `MainGuardError`. Processes are forked by the
    program's fork server, or spawned if it has none.

    ``on_note`` is called in the dispatcher's thread with a task's future and each value that it reports
    (`TaskContext.report`), so it should be quick. None: notes are dropped.
    """

    def __init__(
        self,
        processes: int = 0,
        threads: int = 1,
        *,
        deadline: float | None = None,
        worker_bytes: int = 0,
        pause: AdaptivePause | None = None,
    ) -> None:
        refuse_during_import()
        processes = processes or available_cpus()
        options = WorkerOptions(
            name="worker",
            threads=threads,
            parent=os.getpid(),
            log_level=logging.getLogger().getEffectiveLevel(),
            memory=worker_bytes or worker_limit(processes),
            arenas=max(1, available_cpus() // processes),
        )
        self._function_numbers: dict[Callable[..., Any], int] = {}
        self._numbers = itertools.count()
        queue = TaskQueue()
        pool = WorkerPool(processes, options, queue, deadline=deadline)
        pause = AdaptivePause() if pause is None else pause
        self.on_note: Callable[[Future[Any], Any], None] | None = None
        self._dispatcher = Dispatcher(
            pool, queue, threads=threads, pause=pause, listener=lambda: self.on_note
        )

    @property
    def worker_pids(self) -> list[int]:
        """The process ids of the workers that take tasks now."""
        return [worker.process.pid or 0 for worker in self._dispatcher.workers]

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Return a future of the call, failed if something does not pickle.

        Raises:
            RuntimeError: after `shutdown`.
            MainGuardError, WorkerDied: worker processes cannot be started.
        """
        future: Future[Any] = Future()
        try:
            function = self._function_numbers.get(fn)
            if function is None:
                fn, args, function = self._register(fn, args)
            payload = pickle.dumps((args, kwargs), protocol=5)
        except Exception as error:
            future.set_exception(TaskError(*describe(error)))
            return future
        self._dispatcher.add(Task(next(self._numbers), future, function, payload))
        return future

    def _register(
        self, fn: Callable[..., Any], args: tuple[Any, ...]
    ) -> tuple[Callable[..., Any], tuple[Any, ...], int]:
        """Return the function to send, its arguments, and the number by which workers know it."""
        if len(self._function_numbers) >= _KNOWN_FUNCTIONS and fn is not _invoke:
            fn, args = _invoke, (fn, *args)
        if fn not in self._function_numbers:
            payload = pickle.dumps(fn, protocol=5)
            number = self._function_numbers[fn] = next(self._numbers)
            self._dispatcher.functions[number] = payload
        return fn, args, self._function_numbers[fn]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more tasks. Workers end when all tasks are done, or with ``cancel_futures`` their own."""
        self._dispatcher.close(cancel=cancel_futures)
        if wait:
            self._dispatcher.join()

    def stop(self) -> None:
        """Kill the workers now; every future that is not done fails or is cancelled."""
        self._dispatcher.stop()


def _call_sent(context: TaskContext, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function that travels with its task."""
    fn, arguments = bind(fn, args, context)
    return fn(*arguments, **kwargs)


_invoke = WithContext(_call_sent)


def open_executor(
    processes: int, threads: int, *, deadline: float | None = None, worker_bytes: int = 0
) -> ProcessExecutor | ThreadExecutor:
    """Return an executor of ``processes`` x ``threads``; 0 processes: threads of this process.

    ``worker_bytes``: see `ProcessExecutor`.
    """
    if processes:
        return ProcessExecutor(processes, threads, deadline=deadline, worker_bytes=worker_bytes)
    return ThreadExecutor(threads, deadline=deadline)
