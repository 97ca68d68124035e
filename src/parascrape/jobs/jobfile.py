"""Job files: jobs with the options of the command, checked as a whole before anything runs.

    [defaults]               options of every job that does not set them
    [jobs.NAME]              lists, output, and everything else

Every mistake is reported, not only the first, each with its job and key. An unknown key is an error that
names the nearest known key.
"""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from parascrape.errors import UsageError
from parascrape.jobs.guards import Guards
from parascrape.jobs.paths import JobPaths, check_pattern, folder_of
from parascrape.jobs.retention import RetentionPolicy
from parascrape.jobs.schema import (
    Reader,
    check_table,
    number,
    read_table,
    readers_of,
    strings,
    switch,
    table,
    text,
    whole,
)
from parascrape.jobs.timing import Timing, make_timing
from parascrape.settings import Option
from parascrape.system import did_you_mean, parse_duration


def _arguments(option: Option, value: object) -> list[str]:
    """Return the arguments that give the command this value of a job file. Raises ValueError."""
    if option.kind is bool:
        return [option.flag] if switch(value) else []
    if option.separator and isinstance(value, dict):
        value = [f"{name}{option.separator}{one}" for name, one in value.items()]
    if option.kind is list:
        return [f"{option.flag}={one}" for one in strings(value)]
    readers: Mapping[Any, Reader] = {int: whole, float: number}
    readers.get(option.kind, text)(value)
    return [f"{option.flag}={value}"]


class Command(NamedTuple):
    """The options of the command that a job may set, and a check that raises UsageError for bad arguments."""

    options: Mapping[str, Option]
    check: Callable[[Sequence[str]], object]


def _line(value: object) -> str:
    """Return a string that is not empty and is printable."""
    if not text(value) or not str(value).isprintable():
        raise ValueError(f"write a string, not {value!r}")
    return str(value)


def _pattern(value: object) -> str:
    return check_pattern(_line(value))


def _lists(value: object) -> tuple[str, ...]:
    found = strings([value] if isinstance(value, str) else value)
    if not all(found) or not found:
        raise ValueError(f"write a list of strings, not {value!r}")
    return tuple(found)


def _command(value: object) -> tuple[str, ...]:
    """Return the arguments of a hook. A string is split as a shell would split it, but no shell runs it."""
    try:
        words = _lists(value) if isinstance(value, list) else shlex.split(_line(value))
    except ValueError as error:
        raise ValueError(f"{value!r}: {error}" if "quot" in str(error) else str(error)) from None
    if not words:
        raise ValueError("the command is empty")
    return tuple(words)


def _seconds(value: object) -> float:
    return parse_duration(value).total_seconds()


def _hook_timeout(value: object) -> float:
    if _seconds(value) > 3600:
        raise ValueError(f"{value!r} is not between 0s and 1h")
    return _seconds(value)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One named harvest; every field with a reader is a key of the job file.

    ``arguments`` are the command's options and lists. Durations are seconds. ``output`` is a pattern
    (`parascrape.jobs.paths`). The hooks are argument lists: they run when the output was accepted, when it
    was accepted and differs from the one before, and when no output was accepted.
    """

    name: str
    arguments: tuple[str, ...]
    timing: Timing | None = None
    output: Annotated[str, _pattern]
    timezone: Annotated[str, _line] = ""
    only_changed: Annotated[bool, switch] = True
    resume_within: Annotated[float, _seconds] = 86_400.0
    guards: Annotated[Guards, partial(read_table, Guards, noun="guard")] = field(default_factory=Guards)
    retention: Annotated[RetentionPolicy, partial(read_table, RetentionPolicy, noun="rule")] = field(
        default_factory=RetentionPolicy
    )
    on_success: Annotated[tuple[str, ...], _command] = ()
    on_change: Annotated[tuple[str, ...], _command] = ()
    on_failure: Annotated[tuple[str, ...], _command] = ()
    hook_timeout: Annotated[float, _hook_timeout] = 60.0
    metrics: Annotated[str, _line] = ""


_TIMING = {"schedule": "cron", "every": "every", "timezone": "zone", "jitter": "jitter"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class JobFile(NamedTuple):
    """A job file without mistakes."""

    path: Path
    jobs: dict[str, Job]

    def paths(self, job: Job) -> JobPaths:
        """Return the paths of a job's files."""
        return JobPaths(self.path.parent, job.name, job.output, job.timezone)

    def select(self, names: Sequence[str]) -> list[Job]:
        """Return the jobs with these names, or all jobs. Raises UsageError for an unknown name."""
        for name in names:
            if name not in self.jobs:
                raise UsageError(f"{self.path.name}: no job {name!r}{did_you_mean(name, self.jobs)}")
        return [self.jobs[name] for name in dict.fromkeys(names or self.jobs)]


def read_jobs(path: Path, command: Command) -> JobFile:
    """Return the jobs of a file. Raises UsageError with one line for each mistake."""
    try:
        data = tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except ValueError as error:  # of TOML or UTF-8
        raise UsageError(f"{path}: {error}") from None
    reader = _JobFileReader(command)
    jobs = reader.read(data)
    if reader.mistakes:
        raise UsageError("\n".join(f"{path.name}: {mistake}" for mistake in dict.fromkeys(reader.mistakes)))
    return JobFile(path.absolute(), jobs)


class _JobFileReader:
    """Collects the jobs of a file, and the mistakes in it."""

    def __init__(self, command: Command) -> None:
        self.mistakes: list[str] = []
        self._command = command
        self._keys = readers_of(Job)
        self._readers: dict[str, Reader] = {
            "lists": _lists,
            **dict.fromkeys(_TIMING, _line),
            **self._keys,
            **{name: partial(_arguments, option) for name, option in command.options.items()},
        }

    def read(self, data: Mapping[str, Any]) -> dict[str, Job]:
        """Return the jobs that have no mistake."""
        tables = self._check({"defaults": table, "jobs": table}, data)
        given = self._check(dict.fromkeys(tables.get("jobs", {}), table), tables.get("jobs", {}), "jobs.")
        if not given and not self.mistakes:
            self.mistakes.append("jobs: the file has no job; start one with [jobs.NAME]")
        defaults = tables.get("defaults", {})
        jobs = {name: job for name in given if (job := self._job(name, defaults, given[name])) is not None}
        self._check_shared(jobs)
        return jobs

    def _check(self, readers: Mapping[str, Reader], given: Mapping[str, Any], place: str = "") -> Any:
        values, mistakes = check_table(readers, given)
        self.mistakes += [f"{place}{key}: {reason}" for key, reason in mistakes.items()]
        return values

    def _job(self, name: str, defaults: Mapping[str, Any], given: Mapping[str, Any]) -> Job | None:
        """Return the job, or None if it has a mistake."""
        place = f"jobs.{name}"
        merged = _merge(defaults, given)
        values, mistakes = check_table(self._readers, merged, ("lists", "output"))
        for key, reason in mistakes.items():
            where = "defaults" if key in defaults and key not in given else place
            self.mistakes.append(f"{where}.{key}: {reason}")
        try:
            if not _NAME.fullmatch(name):
                raise ValueError("a job's name has letters, digits, - and _ only, at most 64, no - first")
            return None if mistakes else self._make(name, values)
        except (ValueError, UsageError) as error:
            self.mistakes.append(f"{place}: {error}")
            return None

    def _make(self, name: str, values: Mapping[str, Any]) -> Job:
        """Return the job with these values. Raises ValueError or UsageError if the values contradict."""
        timing = make_timing(**{_TIMING[key]: values[key] for key in _TIMING if key in values})
        options = [one for key in self._command.options for one in values.get(key, ())]
        arguments = (*options, "--", *values["lists"])
        self._command.check(arguments)
        own = {key: values[key] for key in self._keys if key in values}
        job = Job(name=name, arguments=arguments, timing=timing, **own)
        return replace(job, metrics=job.metrics.replace("{job}", name))

    def _check_shared(self, jobs: Mapping[str, Job]) -> None:
        """Report two jobs that would share one ``latest.jsonl`` or one metrics file."""
        seen: dict[tuple[str, str], str] = {}
        for name, job in jobs.items():
            used = {"output": folder_of(job.output, name)} | ({"metrics": job.metrics} if job.metrics else {})
            for key, path in used.items():
                other = seen.setdefault((key, os.path.normpath(path)), name)
                if other != name:
                    self.mistakes.append(
                        f"jobs.{name}.{key}: job {other} writes there too; put {{job}} into it"
                    )


def _merge(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job's table merged over the defaults; inner tables are merged key by key.

    A job's ``schedule`` or ``every`` replaces both of them in the defaults.
    """
    timed = {"schedule", "every"} if given.keys() & {"schedule", "every"} else set()
    merged = {key: value for key, value in defaults.items() if key not in timed}
    for key, value in given.items():
        earlier = merged.get(key)
        both = isinstance(value, dict) and isinstance(earlier, dict)
        merged[key] = {**earlier, **value} if both else value  # type: ignore[dict-item]
    return merged
