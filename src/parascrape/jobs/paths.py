"""Paths of a job's files: outputs, change feeds, the latest output, unfinished runs, the lock.

    output/news/2026-03-01/0600.jsonl            an accepted output
    output/news/2026-03-01/0600.changes.jsonl    its differences from the output before
    output/news/2026-03-01/0600.rejected.jsonl   an output that the guards rejected
    output/news/latest.jsonl                     a link to the last accepted output
    output/news/.news.20260301T050000Z.unfinished.jsonl   a run in progress, or an interrupted one
    output/news/.news.finished.json              the state of a run that is being published
    output/news/.news.lock                       held by the process that runs the job

The folder is the part of the pattern before its first placeholder. A run is identified by the second it
began, which the unfinished file's name holds; all other names follow from it.
"""

from __future__ import annotations

import os
import re
import shutil
import string
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from parascrape.jobs.timing import zone_of
from parascrape.system import remove_leftovers, sync_folder

PLACEHOLDERS = {
    "date": "%Y-%m-%d",
    "time": "%H%M%S",
    "year": "%Y",
    "month": "%m",
    "day": "%d",
    "hour": "%H",
    "minute": "%M",
}
"""The placeholders of a pattern besides ``{job}``, as `datetime.strftime` forms in the job's time zone."""

_STAMP = "%Y%m%dT%H%M%SZ"


def check_pattern(pattern: str) -> str:
    """Return the pattern of outputs. Raises ValueError if it is invalid, or gives all runs one name."""
    known = ["job", *PLACEHOLDERS]
    names = set()
    for _, name, spec, conversion in string.Formatter().parse(pattern):
        if name is not None and (name not in known or spec or conversion):
            raise ValueError(f"{{{name}}} is not one of {', '.join(f'{{{one}}}' for one in known)}")
        names.add(name)
    if not pattern.endswith(".jsonl"):
        raise ValueError(f"{pattern!r} does not end in .jsonl")
    if not names & set(PLACEHOLDERS):
        raise ValueError(f"{pattern!r} gives every run the same name; put {{date}} and {{time}} into it")
    return pattern


def folder_of(pattern: str, job: str) -> str:
    """Return the folder that all outputs of a pattern share: the part before its first time placeholder."""
    fixed = re.split(r"\{(?!job\})", pattern, maxsplit=1)[0].replace("{job}", job)
    return os.path.dirname(fixed)


class JobPaths(NamedTuple):
    """The paths of one job; a relative pattern starts at ``root``, the job file's folder."""

    root: Path
    job: str
    pattern: str
    zone: str = ""

    @property
    def folder(self) -> Path:
        """The folder that all outputs share; it may not exist yet."""
        return self.root / folder_of(self.pattern, self.job)

    @property
    def latest(self) -> Path:
        """The link to the last accepted output."""
        return self.folder / "latest.jsonl"

    @property
    def finished(self) -> Path:
        """The state of a run that is being published."""
        return self.folder / f".{self.job}.finished.json"

    @property
    def feed(self) -> Path:
        """The change feed of the unfinished output."""
        return self.folder / f".{self.job}.unfinished.changes.jsonl"

    @property
    def lockable(self) -> Path:
        """The path to lock; the lock file's name is this with ``.lock``."""
        return self.folder / f".{self.job}"

    def unfinished(self, began: datetime) -> Path:
        """Return where a run that began then writes its records until it is finished."""
        return self.folder / f".{self.job}.{began.astimezone(UTC).strftime(_STAMP)}.unfinished.jsonl"

    def find_unfinished(self) -> list[tuple[datetime, Path]]:
        """Return the unfinished runs, oldest first: the UTC time each began, and its output."""
        found = []
        for path in self.folder.glob(f".{self.job}.*.unfinished.jsonl"):
            with suppress(ValueError):  # another program's file
                stamp = path.name[len(self.job) + 2 :].partition(".")[0]
                found.append((datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC), path))
        return sorted(found)

    def clear(self) -> None:
        """Remove the temporary files of a killed run; the caller must hold the job's lock."""
        remove_leftovers(self.feed)
        remove_leftovers(self.finished)

    def target(self, began: datetime) -> Path:
        """Return the final path of the output of a run that began then; no output has it yet.

        If the name is taken (in the hour that comes twice, or if the pattern has only the day), it ends in
        ``-2``, ``-3`` and so on.
        """
        at = began.astimezone(zone_of(self.zone))
        times = {name: at.strftime(form) for name, form in PLACEHOLDERS.items()}
        path = self.root / self.pattern.format(job=self.job, **times)
        name, number = path.stem, 1
        while path.exists() or beside(path, ".rejected").exists():
            number += 1
            path = path.with_name(f"{name}-{number}.jsonl")
        return path

    def point_latest(self, output: Path) -> None:
        """Make ``latest`` a link to this output, atomically; a copy where links are not supported."""
        new = self.folder / f".{self.job}.latest.new"
        new.unlink(missing_ok=True)
        try:
            new.symlink_to(os.path.relpath(output, self.folder))
        except OSError:
            shutil.copyfile(output, new)
        os.replace(new, self.latest)
        sync_folder(self.folder)


def beside(output: Path, end: str) -> Path:
    """Return a path beside an output: ``0600.jsonl`` and ``.changes`` give ``0600.changes.jsonl``."""
    return output.with_name(f"{output.stem}{end}.jsonl")
