"""Calls of tasks, the same in every mode: `TaskContext`, and failures as four strings."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from parascrape.errors import TaskError

_MAX_TRACE = 16_000
_MAX_MESSAGE = 2_000

Failure = tuple[str, str, str, str]
"""``(message, kind, worker, trace)``: the arguments of a `TaskError`."""


class TaskContext:
    """The link from a running task to its executor; one for each call. See `WithContext`.

    ``alone``: the task has its process for itself, because a worker died or hung under it before.
    """

    __slots__ = ("_send", "alone", "idle")

    def __init__(self, send: Callable[[Any], None] | None = None, *, alone: bool = False) -> None:
        self._send = send
        self.alone = alone
        self.idle: Callable[[], None] | None = None

    def report(self, value: Any) -> None:
        """Pass a small value to the executor's ``on_note`` while the task goes on.

        Notes arrive in their order, before the task's result. In process mode the value is pickled.
        Without an executor this does nothing.
        """
        if self._send is not None:
            self._send(value)

    def when_idle(self, act: Callable[[], None]) -> None:
        """Call ``act`` once, in this thread, as soon as no further task waits for the thread."""
        self.idle = act


class WithContext:
    """A function to submit that takes the `TaskContext` of its call as its first argument.

    Executors add that argument; a plain call passes a context without an executor.
    """

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(TaskContext(), *args, **kwargs)


def bind(
    function: Callable[..., Any], args: Sequence[Any], context: TaskContext
) -> tuple[Callable[..., Any], Sequence[Any]]:
    """Return the function to call and its arguments, with the context where it takes one."""
    return (function.function, (context, *args)) if isinstance(function, WithContext) else (function, args)


def call(
    fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], *, frames: int = 1
) -> tuple[Any, Failure | None]:
    """Return ``(value, None)``, or ``(None, failure)`` if the call raises.

    SystemExit and KeyboardInterrupt count too: a task must not end the thread that runs the next one.
    ``frames``: outermost frames to leave out of the trace, as they are not the task's.
    """
    try:
        return fn(*args, **kwargs), None
    except BaseException as error:
        return None, describe(error, skip=frames)


def describe(error: BaseException, *, skip: int = 0) -> Failure:
    """Return an exception as a failure; ``skip`` outermost frames are left out of the trace."""
    worker = threading.current_thread().name
    if isinstance(error, TaskError):
        return str(error), error.kind, error.worker or worker, error.trace
    frames = error.__traceback__
    for _ in range(skip):
        frames = frames.tb_next if frames is not None else None
    try:
        lines = traceback.format_exception(type(error), error, frames, limit=-30)
    except Exception as inner:  # a __str__ or __cause__ of the user's that itself fails
        lines = [f"{type(error).__name__}, and its stack cannot be shown: {type(inner).__name__}\n"]
    trace = f"Worker {worker}:\n" + "".join(lines)
    message = "(its message cannot be shown)"
    with suppress(Exception):
        message = str(error)[:_MAX_MESSAGE]
    return message, type(error).__qualname__, worker, trace[-_MAX_TRACE:]
