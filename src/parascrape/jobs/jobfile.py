"""``harvest.toml``: jobs with the options of the command, checked as a whole before anything runs.

    [defaults]               options of every job that does not say otherwise
    [jobs.NAME]              lists, output, and the rest

Every mistake is found, not only the first, each with its job and key; a key that is none is an error with
the nearest right name.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from parascrape.errors import UsageError
from parascrape.jobs.guards import Guards
from parascrape.jobs.paths import JobPaths, folder_of
from parascrape.jobs.retention import RetentionPolicy
from parascrape.jobs.schema import HOOKS, KEYS, Job, OptionKind, check_name
from parascrape.jobs.timing import Timing, make_timing
from parascrape.system import did_you_mean

__all__ = ["Command", "JobFile", "read_jobs"]


class Command(NamedTuple):
    """The options of the command that a job may name, and what raises UsageError for wrong arguments."""

    options: Mapping[str, OptionKind]
    check: Callable[[Sequence[str]], object]


class JobFile(NamedTuple):
    """A job file that holds no mistake."""

    path: Path
    jobs: dict[str, Job]

    def places(self, job: Job) -> JobPaths:
        """The files of a job."""
        return JobPaths(self.path.parent, job.name, job.output, job.zone)

    def select(self, names: Sequence[str]) -> list[Job]:
        """The jobs of these names, all without names. Raises UsageError for one that is none."""
        for name in names:
            if name not in self.jobs:
                raise UsageError(f"{self.path.name}: no job {name!r}{_suggest(name, self.jobs)}")
        return [self.jobs[name] for name in dict.fromkeys(names)] if names else list(self.jobs.values())


def read_jobs(path: Path, command: Command) -> JobFile:
    """The jobs of a file. Raises UsageError: one line for each mistake."""
    try:
        data = tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None
    reader = _JobFileReader(command)
    jobs = reader.read(data)
    if reader.mistakes:
        raise UsageError("\n".join(f"{path.name}: {mistake}" for mistake in dict.fromkeys(reader.mistakes)))
    return JobFile(path.absolute(), jobs)


class _JobFileReader:
    """What has been read of a file so far, and the mistakes in it."""

    def __init__(self, command: Command) -> None:
        self.mistakes: list[str] = []
        self._command = command
        self._known = [*KEYS, *command.options]

    def read(self, data: Mapping[str, Any]) -> dict[str, Job]:
        """The jobs without mistakes."""
        for key in data.keys() - {"defaults", "jobs"}:
            self._add(key, f"no such key{_suggest(key, ['defaults', 'jobs'])}")
        defaults = self._table("defaults", data.get("defaults", {}))
        self._check_keys("defaults", defaults)
        tables = self._table("jobs", data.get("jobs", {}))
        if not tables and not self.mistakes:
            self._add("jobs", "there is none; begin one with [jobs.NAME]")
        jobs = {}
        for name, given in tables.items():
            job = self._job(name, defaults, self._table(f"jobs.{name}", given))
            if job is not None:
                jobs[name] = job
        self._check_shared(jobs)
        return jobs

    def _job(self, name: str, defaults: Mapping[str, Any], given: Mapping[str, Any]) -> Job | None:
        """The job, None where it has a mistake."""
        place, before = f"jobs.{name}", len(self.mistakes)
        self._try(place, lambda: check_name(name))
        self._check_keys(place, given)
        merged = _merge(defaults, given)
        at = {key: place if key in given else "defaults" for key in merged}
        values = {key: self._value(f"{at[key]}.{key}", key, merged[key]) for key in KEYS if key in merged}
        options = self._options(at, merged)
        for key in ("lists", "output"):
            if key not in merged:
                self._add(f"{place}.{key}", "is missing")
        timing = self._try(place, lambda: _timing(merged)) if len(self.mistakes) == before else None
        self._try(f"{place}.guards", lambda: Guards.from_table(_table_of(values, "guards")))
        self._try(f"{place}.retention", lambda: RetentionPolicy.from_table(_table_of(values, "retention")))
        if len(self.mistakes) == before:
            arguments = (*options, "--", *values["lists"])
            self._try(place, lambda: self._command.check(arguments))
        return _make(name, values, options, timing) if len(self.mistakes) == before else None

    def _options(self, at: Mapping[str, str], merged: Mapping[str, Any]) -> list[str]:
        arguments: list[str] = []
        for key, kind in self._command.options.items():
            if key in merged:
                make = partial(_option, kind, merged[key])
                found = self._try(f"{at[key]}.{key}", make)
                arguments += found or ()
        return arguments

    def _check_keys(self, place: str, table: Mapping[str, Any]) -> None:
        for key in table:
            if key not in self._known:
                self._add(f"{place}.{key}", f"no such key{_suggest(key, self._known)}")

    def _check_shared(self, jobs: Mapping[str, Job]) -> None:
        """Two jobs must not have one ``latest.jsonl`` or one metrics file."""
        seen: dict[tuple[str, str], str] = {}
        for name, job in jobs.items():
            for what, path in (
                ("output", folder_of(job.output, name)),
                ("metrics", job.metrics),
            ):
                other = (
                    seen.setdefault((what, os.path.normpath(path)), name)
                    if path or what == "output"
                    else name
                )
                if other != name:
                    self._add(f"jobs.{name}.{what}", f"is that of {other} too; put {{job}} into it")

    def _table(self, place: str, value: object) -> Mapping[str, Any]:
        if isinstance(value, dict):
            return value
        self._add(place, f"write a table, not {value!r}")
        return {}

    def _value(self, place: str, key: str, value: object) -> Any:
        return self._try(place, lambda: KEYS[key](value))

    def _try(self, place: str, make: Callable[[], Any]) -> Any:
        """What is made, or None and a mistake at this place."""
        try:
            return make()
        except UsageError as error:
            self._add(place, str(error))
            return None

    def _add(self, place: str, reason: str) -> None:
        self.mistakes.append(f"{place}: {reason}")


def _merge(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A job's table over the defaults; tables in them key by key. One of the two timings ousts the other."""
    merged = dict(defaults)
    if given.keys() & {"schedule", "every"}:
        merged = {key: value for key, value in merged.items() if key not in ("schedule", "every")}
    for key, value in given.items():
        earlier = merged.get(key)
        both = isinstance(value, dict) and isinstance(earlier, dict)
        merged[key] = {**earlier, **value} if both else value  # type: ignore[dict-item]
    return merged


def _timing(merged: Mapping[str, Any]) -> Timing | None:
    names = {"schedule": "cron", "every": "every", "timezone": "zone", "jitter": "jitter"}
    return make_timing(**{name: str(merged[key]) for key, name in names.items() if key in merged})


def _option(kind: OptionKind, value: object) -> list[str]:
    """The arguments that say to the command what the file says. Raises UsageError."""
    if kind.type is bool:
        if not isinstance(value, bool):
            raise UsageError(f"write true or false, not {value!r}")
        return [kind.flag] if value else []
    if kind.separator and isinstance(value, dict):
        value = [f"{name}{kind.separator}{text}" for name, text in value.items()]
    if kind.multiple:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise UsageError(f"write a list of texts, not {value!r}")
        return [f"{kind.flag}={one}" for one in value]
    fits = isinstance(value, (int, float) if kind.type is float else kind.type)
    if not fits or isinstance(value, bool):
        words = {int: "a whole number", float: "a number", str: "a text"}
        raise UsageError(f"write {words[kind.type]}, not {value!r}")
    return [f"{kind.flag}={value}"]


def _table_of(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return values.get(key) or {}


def _make(name: str, values: dict[str, Any], options: Sequence[str], timing: Timing | None) -> Job:
    hooks = {key: values[key] for key in HOOKS if key in values}
    same = ("output", "only_changed", "resume_within", "guards", "retention", "hook_timeout")
    metrics = values.get("metrics", "").replace("{job}", name)
    return Job(
        name=name,
        arguments=(*options, "--", *values["lists"]),
        timing=timing,
        zone=values.get("timezone", ""),
        hooks=hooks,
        metrics=metrics,
        **{key: values[key] for key in same if key in values},
    )


def _suggest(name: str, known: Iterable[str]) -> str:
    return did_you_mean(name.replace("-", "_"), known, similarity=0.5)
