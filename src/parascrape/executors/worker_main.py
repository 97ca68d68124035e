"""The worker process: reads tasks from its socket, runs them in T threads, sends results back.

    socket --> main thread --> queue --> thread 1..T --> outbox --> any free thread sends all of it

Messages from the parent: ``("fn", number, pickle)``, ``("tasks", [(id, number, pickle), ...])``, the same
with ``"alone"`` for a retried task, ``("retire",)``. To the parent: ``("ready",)``, ``("done", [(id, pickle
of a value | None, failure | None), ...])``, where a failure of `NOTE` means that the value is a note and
the task goes on; ``("log", attributes of a LogRecord)``, ``("large",)``: a replacement is wanted soon;
``("retired", [id, ...])``: tasks that this worker will not run. End of file means exit.
"""

from __future__ import annotations

import gc
import logging
import os
import pickle
import signal
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing import current_process
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from parascrape.errors import TaskError
from parascrape.executors.channel import Channel, LogForwarder, pack
from parascrape.executors.task import Failure, TaskContext, bind, call
from parascrape.system import end_with, free_memory, keep_memory, leave_interrupts, resident_bytes

MAX_RESULT = 64 << 20
"""Bytes of one pickled result; a larger one fails its task, for it would hold up every other."""

NOTE: Failure = ("", "", "", "")
"""Instead of a failure: the value is a note of a task that goes on."""

_SOON = 0.8  # share of its memory limit at which a worker asks for a replacement, which takes time to start
_CHECK_SECONDS = 0.02  # at least, between two looks at its size (10 us)
_FREE_SECONDS = 1.0  # at least, between two attempts to shrink


class WorkerOptions(NamedTuple):
    """The options that a worker process is started with; picklable."""

    name: str
    threads: int
    parent: int  # process id with which the worker ends; 0: it has arranged that already
    log_level: int
    memory: int = 0  # bytes it may have before it is replaced; 0: any
    arenas: int = 1  # heaps that the threads share: as many as may run at once


def run_child(sock: socket.socket, options: WorkerOptions) -> None:
    """Serve until the socket closes, then end the process at once."""
    leave_interrupts()  # the parent handles them
    if options.parent:
        end_with(options.parent, signal.SIGKILL)()
    # A parsed page is thousands of objects, few of them garbage: collecting at every 700th costs 2-4 %.
    gc.set_threshold(50_000, 10, 10)
    gc.freeze()  # what is imported stays
    keep_memory(options.arenas)
    # A scraper's print() must not land among the records on stdout.
    os.dup2(sys.stderr.fileno() if sys.stderr is not None else 2, 1)
    if os.name == "posix":  # a `recv` whose descriptor a task has closed would never return: a second each
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 1, 0))
    _Worker(Channel(sock, blocking=True), options).serve()
    os._exit(0)


class _Worker:
    """The threads of this process, and the queue, outbox and functions that they share."""

    def __init__(self, channel: Channel, options: WorkerOptions) -> None:
        self._channel = channel
        self._options = options
        self._tasks: SimpleQueue[tuple[tuple[int, int, bytes], bool]] = SimpleQueue()
        self._outbox: deque[tuple[int, bytes | None, Failure | None]] = deque()
        self._sending = threading.Lock()
        self._functions: dict[int, Callable[..., Any] | Failure] = {}
        self._started = 0
        self._large = self._retired = False
        self._checked = self._freed = 0.0  # when, on the monotonic clock

    def serve(self) -> None:
        """Run what the parent sends until it closes the socket."""
        current_process().name = threading.current_thread().name = self._options.name
        handler = LogForwarder(self._send)
        logging.basicConfig(level=self._options.log_level, handlers=[handler], force=True)
        self._send(("ready",))
        while (messages := self._channel.receive()) is not None:
            for message in messages:
                self._handle(*message)

    def _handle(self, kind: str, *details: Any) -> None:
        """Handle one message of the parent."""
        if kind == "fn":
            number, pickled = details
            function, failure = call(pickle.loads, (pickled,), {})
            self._functions[number] = failure or function
        elif kind == "retire":
            self._retire()
        elif self._retired:
            self._send(("retired", [task[0] for task in details[0]]))
        else:
            for task in details[0]:
                if self._started < self._options.threads:
                    self._started += 1
                    name = f"{self._options.name}.{self._started}"
                    threading.Thread(target=self._work, name=name, daemon=True).start()
                self._tasks.put((task, kind == "alone"))

    def _work(self) -> None:
        idle: Callable[[], None] | None = None
        while True:
            if idle is not None and self._tasks.empty():
                idle()
                idle = None
            (number, function, payload), alone = self._tasks.get()
            context = TaskContext(partial(self._report, number), alone=alone)
            value, failure = call(self._run, (function, payload, context), {}, frames=2)
            self._outbox.append((number, value, failure))
            self._flush()
            idle = context.idle or idle
            if self._options.memory:
                self._check_size()

    def _report(self, number: int, value: Any) -> None:
        """Send a note of a task, ahead of its result."""
        self._outbox.append((number, pickle.dumps(value, protocol=5), NOTE))
        self._flush()

    def _check_size(self) -> None:
        """Ask for a replacement if this process has grown large; take no more tasks if it is too large."""
        now = time.monotonic()
        if self._retired or now - self._checked < _CHECK_SECONDS:
            return
        self._checked = now
        size, most = resident_bytes(), self._options.memory
        if size > _SOON * most and now - self._freed > _FREE_SECONDS:
            self._freed = now
            free_memory()
            size = resident_bytes()
        if size > most:
            self._retire()
        elif size > _SOON * most and not self._large:
            self._large = True
            self._send(("large",))

    def _retire(self) -> None:
        """Return the tasks that no thread has begun; running ones are finished."""
        self._retired = True
        refused: list[int] = []
        with suppress(Empty):
            while True:
                refused.append(self._tasks.get_nowait()[0][0])
        self._send(("retired", refused))

    def _run(self, number: int, payload: bytes, context: TaskContext) -> bytes:
        """Return the pickled value of one call."""
        function = self._functions[number]
        if isinstance(function, tuple):
            raise TaskError(*function)
        args, kwargs = pickle.loads(payload)  # noqa: S301 (our own parent's)
        function, args = bind(function, args, context)
        value = pickle.dumps(function(*args, **kwargs), protocol=5)
        if len(value) > MAX_RESULT:
            raise ValueError(f"the result pickles to {len(value)} bytes, more than {MAX_RESULT}")
        return value

    def _flush(self) -> None:
        """Send the outbox, unless another thread does: it looks again before it leaves."""
        while self._outbox and self._sending.acquire(blocking=False):
            try:
                results = [self._outbox.popleft() for _ in range(len(self._outbox))]
                if results:
                    self._channel.send(pack(("done", results)))
            except OSError:
                os._exit(0)  # the parent is gone
            finally:
                self._sending.release()

    def _send(self, message: tuple[Any, ...]) -> None:
        try:
            with self._sending:
                self._channel.send(pack(message))
        except OSError:
            os._exit(0)
        self._flush()
