"""The parent's handle of one worker process: its socket, and the tasks that it runs or has waiting."""

from __future__ import annotations

import logging
import selectors
import signal
import socket
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Any, Literal

from parascrape.executors.channel import Channel, pack
from parascrape.executors.forkserver import ForkedProcess, forkserver
from parascrape.executors.worker_main import WorkerOptions, run_child
from parascrape.system import without_interrupts

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Task:
    """One submitted call. ``failures`` counts the workers that died or hung under it."""

    number: int
    future: Future[Any]
    function: int
    payload: bytes
    started: float = 0.0  # on the monotonic clock
    failures: int = 0
    announced: bool = False  # whether its future is set running


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

    def find(self, number: int) -> Task | None:
        """Return the task with that number, if this worker has it."""
        return self.running.get(number) or self.waiting.get(number)

    def finish(self, number: int) -> Task | None:
        """Remove and return the task with that number; its thread takes the next one."""
        task = self.running.pop(number, None) or self.waiting.pop(number, None)
        self._promote()
        return task

    def _promote(self) -> None:
        if not self.waiting or len(self.running) >= self.options.threads:
            return
        now = time.monotonic()
        while self.waiting and len(self.running) < self.options.threads:
            number = next(iter(self.waiting))
            task = self.running[number] = self.waiting.pop(number)
            task.started = now

    def due(self, deadline: float) -> float:
        """Return when, on the monotonic clock, the oldest running task is overdue."""
        for task in self.running.values():
            return task.started + deadline
        return float("inf")

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
