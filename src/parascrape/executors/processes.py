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

import itertools
import logging
import os
import pickle
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from parascrape.errors import TaskError
from parascrape.executors.dispatcher import AdaptivePause, Dispatcher
from parascrape.executors.main_guard import refuse_during_import
from parascrape.executors.pool import WorkerPool
from parascrape.executors.task import TaskContext, WithContext, bind, describe
from parascrape.executors.task_queue import TaskQueue
from parascrape.executors.threads import ThreadExecutor
from parascrape.executors.worker_handle import Task
from parascrape.executors.worker_main import WorkerOptions
from parascrape.system import available_cpus, worker_limit

_KNOWN_FUNCTIONS = 64
"""Functions that workers keep; further ones travel with each of their tasks."""


class ProcessExecutor(Executor):
    """A `concurrent.futures.Executor` of ``processes`` x ``threads``; 0 processes: one for each CPU.

    Functions, arguments and values must pickle. Workers start as tasks come, no more than tasks. A
    task that raises fails its future with a `TaskError`, one that takes longer than ``deadline``
    seconds with a `TaskTimeout` (its process is killed and replaced), one under which its process dies
    twice with a `WorkerDied`. A process of ``worker_bytes`` (0: its share of 70 % of the memory) is
    replaced as soon as its running tasks are done; one with twice that is killed. If the main script has
    no ``__main__`` guard, every future fails with a `MainGuardError`. Processes are forked by the
    program's fork server, or spawned if it has none.
    """

    def __init__(  # noqa: PLR0913 (those of the standard library's executor, and four more)
        self,
        processes: int = 0,
        threads: int = 1,
        *,
        deadline: float | None = None,
        worker_bytes: int = 0,
        pause: AdaptivePause | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
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
            initializer=initializer,
            initargs=initargs,
        )
        self._function_numbers: dict[Callable[..., Any], int] = {}
        self._numbers = itertools.count()
        queue = TaskQueue()
        pool = WorkerPool(processes, options, queue, deadline=deadline)
        pause = AdaptivePause() if pause is None else pause
        self._dispatcher = Dispatcher(pool, queue, threads=threads, pause=pause)

    @property
    def worker_pids(self) -> list[int]:
        """The process ids of the workers that take tasks now."""
        return [worker.process.pid or 0 for worker in self._dispatcher.workers]

    @property
    def on_note(self) -> Callable[[Future[Any], Any], None] | None:
        """Called with a task's future and each value that it reports (`TaskContext.report`).

        That happens in the dispatcher's thread, so it should be quick. None: notes are dropped.
        """
        return self._dispatcher.on_note

    @on_note.setter
    def on_note(self, called: Callable[[Future[Any], Any], None] | None) -> None:
        """Set the listener."""
        self._dispatcher.on_note = called

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
        number = self._function_numbers.get(fn)
        if number is None:
            payload = pickle.dumps(fn, protocol=5)
            number = next(self._numbers)
            self._dispatcher.functions[number] = payload
            self._function_numbers[fn] = number
        return fn, args, number

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
