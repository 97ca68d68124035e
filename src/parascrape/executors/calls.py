"""One call of a task, the same in every mode: its value, or what went wrong in four strings."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from parascrape.errors import TaskError

__all__ = ["Failure", "call", "describe"]

_MAX_TRACE = 16_000
_MAX_MESSAGE = 2_000

Failure = tuple[str, str, str, str]
"""``(message, kind, worker, trace)``: the arguments of a `TaskError`."""


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
