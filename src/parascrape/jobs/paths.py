"""The files of a job.

    output/news/2026-03-01/0600.jsonl            an output that was accepted
    output/news/2026-03-01/0600.changes.jsonl    what is different from the one before
    output/news/2026-03-01/0600.rejected.jsonl   an output that the guards did not let pass
    output/news/latest.jsonl                     a link to the last accepted output
    output/news/.news.20260301T050000Z.unfinished.jsonl   the run that goes on, or was ended
    output/news/.news.finished.json              the run whose output is being put in its place
    output/news/.news.lock                       held by the process that runs the job

The folder is what stands before the first placeholder of the pattern. A run is known by the second at
which it began, which the unfinished file's name keeps; everything else can be worked out from it.
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

from parascrape.errors import UsageError
from parascrape.jobs.timing import zone_of
from parascrape.system import remove_leftovers, sync_folder

__all__ = ["PLACEHOLDERS", "JobPaths", "beside", "check_pattern", "fill_pattern", "folder_of"]

PLACEHOLDERS = {
    "date": "%Y-%m-%d",
    "time": "%H%M%S",
    "year": "%Y",
    "month": "%m",
    "day": "%d",
    "hour": "%H",
    "minute": "%M",
}
"""What a pattern may hold beside ``{job}``, in the job's time zone, by `datetime.strftime`."""

_STAMP = "%Y%m%dT%H%M%SZ"
_ENDS = ("", ".rejected", ".changes")


def check_pattern(pattern: str) -> str:
    """The pattern of outputs. Raises UsageError where it is none, or all runs would have one name."""
    try:
        parts = list(string.Formatter().parse(pattern))
    except ValueError as error:
        raise UsageError(f"{pattern!r}: {error}") from None
    names = [name for _, name, _, _ in parts if name is not None]
    known = ["job", *PLACEHOLDERS]
    for _, name, spec, conversion in parts:
        if name is not None and (name not in known or spec or conversion):
            raise UsageError(f"{{{name}}} is none of {', '.join(f'{{{one}}}' for one in known)}")
    if not pattern.endswith(".jsonl"):
        raise UsageError(f"{pattern!r} does not end in .jsonl")
    if not set(names) & set(PLACEHOLDERS):
        raise UsageError(f"{pattern!r} gives every run the same name; put {{date}} and {{time}} into it")
    return pattern


def fill_pattern(pattern: str, job: str, began: datetime, zone: str) -> str:
    """The pattern with what a run that began then has in the place of its placeholders."""
    at = began.astimezone(zone_of(zone))
    return pattern.format(job=job, **{name: at.strftime(form) for name, form in PLACEHOLDERS.items()})


def folder_of(pattern: str, job: str) -> str:
    """The folder that all outputs of a pattern share: what stands before its first placeholder of time."""
    fixed = re.split(r"\{(?!job\})", pattern, maxsplit=1)[0].replace("{job}", job)
    return os.path.dirname(fixed)


class JobPaths(NamedTuple):
    """The files of one job, below ``root``, the job file's folder, where the pattern is relative."""

    root: Path
    job: str
    pattern: str
    zone: str = ""

    @property
    def folder(self) -> Path:
        """What all outputs share; it may not be there yet."""
        return self.root / folder_of(self.pattern, self.job)

    @property
    def latest(self) -> Path:
        """The link to the last accepted output."""
        return self.folder / "latest.jsonl"

    @property
    def finished(self) -> Path:
        """What is known of a run whose output is being put in its place."""
        return self.folder / f".{self.job}.finished.json"

    @property
    def feed(self) -> Path:
        """The change feed of the unfinished output."""
        return self.folder / f".{self.job}.unfinished.changes.jsonl"

    @property
    def lockable(self) -> Path:
        """What to take an output's lock on: the lock file has this name and ``.lock``."""
        return self.folder / f".{self.job}"

    def unfinished(self, began: datetime) -> Path:
        """Where the records of a run that began then go until it is finished."""
        return self.folder / f".{self.job}.{began.astimezone(UTC).strftime(_STAMP)}.unfinished.jsonl"

    def find_unfinished(self) -> list[tuple[datetime, Path]]:
        """The runs that were ended before they were finished, with the UTC time each began; oldest first."""
        found = []
        for path in self.folder.glob(f".{self.job}.*.unfinished.jsonl"):
            with suppress(ValueError):  # the name is not ours
                stamp = path.name[len(self.job) + 2 :].partition(".")[0]
                found.append((datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC), path))
        return sorted(found)

    def clear(self) -> None:
        """Remove what a killed run was writing; only for whoever has the job's lock."""
        remove_leftovers(self.feed)
        remove_leftovers(self.finished)

    def target(self, began: datetime) -> Path:
        """Where the output of a run that began then is to be: a name that no output has yet.

        In the hour that comes twice, and under patterns that name only the day, ``-2`` and so on follow.
        """
        path = self.root / fill_pattern(self.pattern, self.job, began, self.zone)
        name, number = path.stem, 1
        while any(beside(path, end).exists() for end in _ENDS[:2]):
            number += 1
            path = path.with_name(f"{name}-{number}.jsonl")
        return path

    def point_latest(self, output: Path) -> None:
        """Let the latest output be this one, in one step; a copy where links cannot be made."""
        new = self.folder / f".{self.job}.latest.new"
        new.unlink(missing_ok=True)
        try:
            new.symlink_to(os.path.relpath(output, self.folder))
        except OSError:
            shutil.copyfile(output, new)
        os.replace(new, self.latest)
        sync_folder(self.folder)


def beside(output: Path, end: str) -> Path:
    """``0600.jsonl`` and ``.changes`` give ``0600.changes.jsonl``."""
    return output.with_name(f"{output.stem}{end}.jsonl")
