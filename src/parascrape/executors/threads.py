"""The thread executor: daemon threads, so that a task that never returns does not hold the exit.

submit --> queue --> thread 1..n: call --> future
                       |
                watcher: past the deadline? the future fails, the thread is abandoned and replaced
"""

from __future__ import annotations

import itertools
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from parascrape.errors import TaskError, TaskTimeout
from parascrape.executors.task import TaskContext, bind, call

log = logging.getLogger(__name__)

_numbers = itertools.count(1)


@dataclass(slots=True, eq=False)
class _Call:
    """One submitted call; ``started`` is set by the thread that takes it."""

    future: Future[Any]
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    started: float = 0.0


class ThreadExecutor(Executor):
    """A `concurrent.futures.Executor` of at most ``threads`` threads, started as tasks arrive.

    A task that raises fails its future with a `TaskError`. One that runs longer than ``deadline``
    seconds fails it with a `TaskTimeout` that names the line it was at; Python cannot end a thread, so
    the thread is abandoned (``given_up`` counts them) and replaced. ``on_note`` is called in the task's
    thread with its future and each value that it reports (`TaskContext.report`).
    """

    def __init__(self, threads: int, *, deadline: float | None = None, name: str = "thread") -> None:
        self._threads = threads
        self._deadline = deadline
        self._name = name
        self._queue: SimpleQueue[_Call | None] = SimpleQueue()
        self._running: dict[threading.Thread, _Call] = {}
        self._alive: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._unfinished = 0
        self._closed = threading.Event()
        self._stopped = threading.Event()
        self._watcher: threading.Thread | None = None
        self.given_up = 0
        self.on_note: Callable[[Future[Any], Any], None] | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Return a future of the call. Raises RuntimeError after `shutdown`."""
        future: Future[Any] = Future()
        with self._lock:
            if self._closed.is_set():
                raise RuntimeError("cannot submit to an executor that is shut down")
            self._unfinished += 1
            self._queue.put(_Call(future, fn, args, kwargs))
            if len(self._alive) < min(self._threads, self._unfinished):
                self._start_thread()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more tasks; end the threads when the queue is empty, or cancel what is queued."""
        self._closed.set()
        with suppress(Empty):
            while cancel_futures:
                if (item := self._queue.get_nowait()) is not None:
                    item.future.cancel()
                    item.future.set_running_or_notify_cancel()
        with self._lock:
            for _ in self._alive:
                self._queue.put(None)
        while wait:
            with self._lock:
                thread = next(iter(self._alive), None)
            if thread is None:
                return
            thread.join(0.1)

    def stop(self) -> None:
        """Cancel what is queued, and return without waiting for running tasks."""
        self.shutdown(wait=False, cancel_futures=True)
        self._stopped.set()

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"{self._name}-{next(_numbers)}", daemon=True)
        self._alive.add(thread)
        thread.start()
        if self._deadline is not None and self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name=f"{self._name}-watcher", daemon=True)
            self._watcher.start()

    def _work(self) -> None:
        """Run calls until the executor ends, or until this thread is abandoned."""
        me = threading.current_thread()
        idle: Callable[[], None] | None = None
        while True:
            if idle is not None and self._queue.empty():
                idle()
                idle = None
            if (item := self._queue.get()) is None:
                break
            if not item.future.set_running_or_notify_cancel():
                with self._lock:
                    self._unfinished -= 1
                continue
            item.started = time.monotonic()
            self._running[me] = item
            context = TaskContext(partial(self._report, me, item))
            value, failure = call(*bind(item.fn, item.args, context), item.kwargs)
            idle = context.idle or idle
            if not self._settle(me, item):
                return  # the watcher was quicker: it has failed the future and replaced this thread
            if failure is None:
                item.future.set_result(value)
            else:
                item.future.set_exception(TaskError(*failure))
            del item, value, context
        if idle is not None:
            idle()
        with self._lock:
            self._alive.discard(me)

    def _report(self, thread: threading.Thread, item: _Call, value: Any) -> None:
        """Forward a task's note unless the task was abandoned."""
        if self._running.get(thread) is item and self.on_note is not None:
            try:
                self.on_note(item.future, value)
            except Exception:
                log.exception("a task's note was not taken")

    def _settle(self, thread: threading.Thread, item: _Call) -> bool:
        """Return whether the caller, the thread or the watcher, may finish the future; one of them may."""
        with self._lock:
            if self._running.get(thread) is not item:
                return False
            del self._running[thread]
            self._unfinished -= 1
            return True

    def _watch(self) -> None:
        """Abandon every thread whose task is past the deadline, until the executor has ended."""
        limit = self._deadline or 0.0
        while not self._stopped.is_set() and (self._alive or not self._closed.is_set()):
            now = time.monotonic()
            for thread, item in list(self._running.items()):
                if now - item.started >= limit:
                    self._give_up(thread, item)
            first = min((item.started for item in list(self._running.values())), default=now)
            self._stopped.wait(max(0.01, min(first + limit - now, 1.0)))

    def _give_up(self, thread: threading.Thread, item: _Call) -> None:
        """Abandon a thread, and fail its call's future with the line it is at."""
        frame = sys._current_frames().get(thread.ident or 0)
        where = "".join(traceback.format_stack(frame, limit=30)) if frame is not None else ""
        if not self._settle(thread, item):
            return  # it has just come back
        with self._lock:
            self.given_up += 1
            self._alive.discard(thread)
            if self._unfinished:
                self._start_thread()
        message = f"the task ran longer than {self._deadline:g} s; its thread is given up"
        trace = f"Worker {thread.name}:\n{where}"
        item.future.set_exception(TaskTimeout(message, "TaskTimeout", thread.name, trace))
