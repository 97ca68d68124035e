"""The worker process: reads tasks from its socket, runs them in T threads, sends results back.

    socket --> main thread --> queue --> thread 1..T --> outbox --> whoever is free sends all of it

Messages from the parent: ``("fn", number, pickle)``, ``("tasks", [(id, number, pickle), ...])``.
To the parent: ``("ready",)``, ``("done", [(id, pickle of a value | None, failure | None), ...])``,
``("log", attributes of a LogRecord)``. End of file means exit.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import pickle
import signal
import socket
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from multiprocessing import current_process
from queue import SimpleQueue
from typing import Any, NamedTuple

from parascrape.errors import TaskError
from parascrape.executors.calls import Failure, call, describe
from parascrape.executors.channel import Channel, pack
from parascrape.executors.memory import keep_memory

__all__ = ["MAX_RESULT", "ChildOptions", "relay_log", "run_child"]

MAX_RESULT = 64 << 20
"""Bytes of one pickled result; a larger one fails its task, for it would hold up every other."""


class ChildOptions(NamedTuple):
    """What a worker process is started with; picklable."""

    name: str
    threads: int
    parent: int  # process id
    log_level: int
    initializer: Callable[..., object] | None = None
    initargs: tuple[Any, ...] = ()


def run_child(sock: socket.socket, options: ChildOptions) -> None:
    """Serve until the socket closes, then end the process at once, whatever its threads do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _die_with_parent(options.parent)
    # A parsed page is thousands of objects, few of them garbage: collecting at every 700th costs 2-4 %.
    gc.set_threshold(50_000, 10, 10)
    keep_memory()
    # A scraper's print() must not land among the records on stdout.
    os.dup2(sys.stderr.fileno() if sys.stderr is not None else 2, 1)
    worker = _Worker(Channel(sock, blocking=True), options)
    worker.serve()
    os._exit(0)


def _die_with_parent(parent: int) -> None:
    """Ask Linux for SIGKILL when the parent's thread ends; elsewhere end of file has to do."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:  # it had died before we asked
            os._exit(0)


class _Worker:
    """The threads of this process, and what they share: the queue, the outbox, the functions."""

    def __init__(self, channel: Channel, options: ChildOptions) -> None:
        self._channel = channel
        self._options = options
        self._tasks: SimpleQueue[tuple[int, int, bytes]] = SimpleQueue()
        self._outbox: deque[tuple[int, bytes | None, Failure | None]] = deque()
        self._sending = threading.Lock()
        self._functions: dict[int, Callable[..., Any] | Failure] = {}
        self._started = 0

    def serve(self) -> None:
        """Hand out what the parent sends until it hangs up."""
        current_process().name = threading.current_thread().name = self._options.name
        handler = _LogSender(self._send)
        logging.basicConfig(level=self._options.log_level, handlers=[handler], force=True)
        if self._options.initializer is not None:
            self._options.initializer(*self._options.initargs)
        self._send(("ready",))
        while (messages := self._channel.receive()) is not None:
            for message in messages:
                if message[0] == "fn":
                    self._functions[message[1]] = _load(message[2])
                else:
                    self._start_threads(len(message[1]))
                    for task in message[1]:
                        self._tasks.put(task)

    def _start_threads(self, tasks: int) -> None:
        """No more threads than tasks have asked for, up to the limit."""
        for _ in range(min(tasks, self._options.threads - self._started)):
            self._started += 1
            name = f"{self._options.name}.{self._started}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        while True:
            number, function, payload = self._tasks.get()
            value, failure = call(self._run, (function, payload), {}, frames=2)
            self._outbox.append((number, value, failure))
            self._flush()

    def _run(self, number: int, payload: bytes) -> bytes:
        """The pickled value of one call."""
        function = self._functions[number]
        if isinstance(function, tuple):
            raise TaskError(*function)
        args, kwargs = pickle.loads(payload)  # noqa: S301 (our own parent's)
        value = pickle.dumps(function(*args, **kwargs), protocol=5)
        if len(value) > MAX_RESULT:
            raise ValueError(f"the result pickles to {len(value)} bytes, more than {MAX_RESULT}")
        return value

    def _flush(self) -> None:
        """Send the outbox, unless another thread is at it: that one looks again before it leaves."""
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


def _load(payload: bytes) -> Callable[..., Any] | Failure:
    """The function, or the failure that every task with it will have."""
    try:
        function: Callable[..., Any] = pickle.loads(payload)  # noqa: S301 (our own parent's)
    except BaseException as error:
        return describe(error)
    return function


class _LogSender(logging.Handler):
    """Log records sent to the parent, message and traceback already text."""

    def __init__(self, send: Callable[[tuple[Any, ...]], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        attributes = {
            "name": record.name,
            "levelno": record.levelno,
            "levelname": record.levelname,
            "msg": text[:16_000],
            "created": record.created,
            "msecs": record.msecs,
            "threadName": record.threadName,
            "processName": record.processName,
            "process": record.process,
        }
        self._send(("log", attributes))


def relay_log(attributes: dict[str, Any]) -> None:
    """Pass a worker's log record to this process's handlers."""
    logger = logging.getLogger(attributes["name"])
    if logger.isEnabledFor(attributes["levelno"]):
        logger.handle(logging.makeLogRecord(attributes))
