"""One call of a task, the same in every mode: its value, or what went wrong in four strings.

What a task may ask of the executor that runs it is here too: `tell`, `alone` and `when_idle`.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from parascrape.errors import TaskError

__all__ = ["Failure", "alone", "call", "describe", "idle", "running", "tell", "when_idle"]

_MAX_TRACE = 16_000
_MAX_MESSAGE = 2_000

Failure = tuple[str, str, str, str]
"""``(message, kind, worker, trace)``: the arguments of a `TaskError`."""


class RunningTask(threading.local):
    """What an executor's thread knows of the task it runs; every other thread has the defaults."""

    number = -1
    alone = False
    note: Callable[[Any], None] | None = None
    idle: Callable[[], None] | None = None


running = RunningTask()


def tell(value: Any) -> None:
    """Pass a small value to the executor's ``on_note`` while the task goes on; nothing outside a task.

    Notes arrive in their order, before the task's result. A value that does not pickle raises here,
    in process mode.
    """
    if running.note is not None:
        running.note(value)


def alone() -> bool:
    """Whether this task has its process for itself, because a worker died or hung under it before."""
    return running.alone


def when_idle(act: Callable[[], None]) -> None:
    """Have ``act`` called by this thread when it finds no further task waiting; tasks set it anew."""
    running.idle = act


def idle() -> None:
    """Called by an executor's thread that is about to wait for a task, or to end."""
    act, running.idle = running.idle, None
    if act is not None:
        act()


def call(
    fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], *, frames: int = 1
) -> tuple[Any, Failure | None]:
    """``(value, None)``, or ``(None, failure)``: whatever the task raises stays inside.

    ``frames`` of the stack are ours and left out of the trace.
    That includes SystemExit and KeyboardInterrupt: a task must not end the thread that runs the next.
    """
    try:
        return fn(*args, **kwargs), None
    except BaseException as error:
        return None, describe(error, skip=frames)


def describe(error: BaseException, *, skip: int = 0) -> Failure:
    """The failure that an exception makes; ``skip`` outermost frames (ours) are left out of the trace."""
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
    return _text(error)[:_MAX_MESSAGE], type(error).__qualname__, worker, trace[-_MAX_TRACE:]


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(its message cannot be shown)"
