"""Processes as an executor: P worker processes of T threads, each behind a private socket.

    submit --> backlog --> pump thread --> socket --> worker process (child.py): T threads
                  ^          (pump.py)  <-- results --------+
                  |             |
                  |             +--> future
                  +-- a worker died or hung: its waiting tasks go back without blame; those it ran
                      are tried once more, each alone in a process, and fail if it happens again

No lock, queue or semaphore is shared with a worker, so one that dies can hold nothing. The standard
library's pools lose every outstanding task with one dead worker, or hang (CPython 3.11).
"""

from __future__ import annotations

import atexit
import itertools
import logging
import os
import pickle
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import lru_cache
from typing import Any

from parascrape.errors import TaskError
from parascrape.executors.dispatcher import Dispatcher
from parascrape.executors.main_guard import refuse_during_import
from parascrape.executors.task import TaskContext, WithContext, bind, describe
from parascrape.executors.worker_handle import Task
from parascrape.executors.worker_main import WorkerOptions
from parascrape.system import available_cpus, worker_limit

__all__ = ["ProcessExecutor"]

_KNOWN_FUNCTIONS = 64
"""Functions that workers keep; further ones travel with each of their tasks."""


_pumps: weakref.WeakSet[Dispatcher] = weakref.WeakSet()


@lru_cache(1)
def _stop_all_at_exit() -> None:
    """Have `_stop_all` called when the program ends, before multiprocessing sends its children a SIGTERM, of
    which ours take no notice, and waits for them: what is registered last is called first.
    """
    import multiprocessing.util  # noqa: F401 (it registers itself)

    atexit.register(_stop_all)


def _stop_all() -> None:
    """End the workers of executors that nobody has shut down, also one that is just being started."""
    for pump in list(_pumps):
        pump.close(cancel=True, now=True)
        pump.join()


class ProcessExecutor(Executor):
    """A `concurrent.futures.Executor` of ``processes`` x ``threads``; 0 processes: one for each CPU.

    Functions, arguments and values must pickle. Workers start as tasks come, no more than tasks. A
    task that raises fails its future with a `TaskError`; one that takes longer than ``deadline``
    seconds with a `TaskTimeout`, its process killed and replaced; one under which its process dies
    twice with a `WorkerDied`. A process that has grown to ``worker_bytes`` (0: its share of 70 % of
    the memory there is) is replaced when what it runs is done; one with twice that is killed, as by
    the system. Where the main script has no ``__main__`` guard every future fails with a
    `MainGuardError`. Processes are spawned, or forked by the program's fork server where it has one.
    """

    def __init__(  # noqa: PLR0913 (those of the standard library's executor, and three more)
        self,
        processes: int = 0,
        threads: int = 1,
        *,
        deadline: float | None = None,
        worker_bytes: int = 0,
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
        self._pump = Dispatcher(processes, options, deadline=deadline)
        _pumps.add(self._pump)
        _stop_all_at_exit()

    @property
    def on_note(self) -> Callable[[Future[Any], Any], None] | None:
        """Called with a task's future and each value that it reports (`TaskContext.report`), in a thread of
        the executor's; it should be quick.
        """
        return self._pump.on_note

    @on_note.setter
    def on_note(self, called: Callable[[Future[Any], Any], None] | None) -> None:
        """Set who is called; None: nobody."""
        self._pump.on_note = called

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """A future of the call. What does not pickle fails the future.

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
        self._pump.add(Task(next(self._numbers), future, function, payload))
        return future

    def _register(
        self, fn: Callable[..., Any], args: tuple[Any, ...]
    ) -> tuple[Callable[..., Any], tuple[Any, ...], int]:
        """The function to send, its arguments, and the number by which workers will know it."""
        if len(self._function_numbers) >= _KNOWN_FUNCTIONS and fn is not _invoke:
            fn, args = _invoke, (fn, *args)
        number = self._function_numbers.get(fn)
        if number is None:
            payload = pickle.dumps(fn, protocol=5)
            number = next(self._numbers)
            self._pump.functions[number] = payload
            self._function_numbers[fn] = number
        return fn, args, number

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more tasks; the workers end when all tasks are done, or those they have already."""
        self._pump.close(cancel=cancel_futures)
        if wait:
            self._pump.join()

    def stop(self) -> None:
        """Kill the workers now; every future that is not done fails or is cancelled."""
        self._pump.close(cancel=True, now=True)
        self._pump.join()


def _call_sent(context: TaskContext, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function that travels with its task."""
    fn, arguments = bind(fn, args, context)
    return fn(*arguments, **kwargs)


_invoke = WithContext(_call_sent)
