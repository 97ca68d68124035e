"""The keys of a job that are no options of the command: what each may hold, and what it becomes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from parascrape.errors import UsageError
from parascrape.jobs.paths import check_pattern
from parascrape.jobs.timing import Timing, parse_seconds

__all__ = ["HOOKS", "KEYS", "Job", "OptionKind", "check_name"]

HOOKS = ("on_success", "on_change", "on_failure")
"""When a job's commands run: its output was accepted; accepted and not as before; there is none."""


class OptionKind(NamedTuple):
    """What a job file may say for an option of the command.

    ``type`` is bool for a switch, else int, float or str; ``separator`` stands between name and value
    where a table is as good as a list of NAME<separator>VALUE.
    """

    flag: str
    type: type
    multiple: bool = False
    separator: str = ""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One named harvest: ``arguments`` are the command's lists and options, the rest is about its runs.

    Durations are seconds. ``output`` is a pattern (`parascrape.jobs.paths`), ``hooks`` are argument lists.
    """

    name: str
    arguments: tuple[str, ...]
    output: str
    timing: Timing | None = None
    zone: str = ""
    only_changed: bool = True
    resume_within: float = 86_400.0
    guards: Mapping[str, Any] = field(default_factory=dict)
    retention: Mapping[str, Any] = field(default_factory=dict)
    hooks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hook_timeout: float = 60.0
    metrics: str = ""


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def check_name(name: str) -> None:
    """Raise UsageError for a job's name that could not be part of a file's and a unit's name."""
    if not _NAME.fullmatch(name):
        raise UsageError("a job's name has letters, digits, - and _ only, at most 64, no - first")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise UsageError(f"write a text, not {value!r}")
    return value


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"write true or false, not {value!r}")
    return value


def _texts(value: object) -> tuple[str, ...]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not found or not all(isinstance(one, str) and one for one in found):
        raise UsageError(f"write a list of texts, not {value!r}")
    return tuple(found)


def _table(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"write a table, not {value!r}")
    return value


def _command(value: object) -> tuple[str, ...]:
    """The argument list of a hook; a text is split as a shell would, and no shell runs it."""
    if isinstance(value, list):
        return _texts(value)
    try:
        words = shlex.split(_text(value))
    except ValueError as error:
        raise UsageError(f"{value!r}: {error}".lower()) from None
    if not words:
        raise UsageError("the command is empty")
    return tuple(words)


def _hook_timeout(value: object) -> float:
    seconds = parse_seconds(value)
    if not 0 < seconds <= 3600:
        raise UsageError(f"{value!r} is not between 0s and 1h")
    return seconds


def _pattern(value: object) -> str:
    return check_pattern(_text(value))


KEYS: dict[str, Callable[[object], Any]] = {
    "lists": _texts,
    "output": _pattern,
    "schedule": _text,
    "every": _text,
    "timezone": _text,
    "jitter": _text,
    "only_changed": _switch,
    "resume_within": parse_seconds,
    "guards": _table,
    "retention": _table,
    "metrics": _text,
    "hook_timeout": _hook_timeout,
    **dict.fromkeys(HOOKS, _command),
}
"""What makes of each key's value what a `Job` holds; it raises UsageError."""
