"""Retention: deletes and compresses a job's old outputs by the rules of its policy."""

from __future__ import annotations

import gzip
import logging
import os
import shutil
import stat
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import IO, Annotated

from parascrape.errors import OutputBusy, UsageError
from parascrape.jobs.history import History, OutputFile, resolve_folder
from parascrape.jobs.schema import whole
from parascrape.jobs.summary import ACCEPTED
from parascrape.system import (
    OutputLock,
    parse_duration,
    parse_size,
    printable,
    remove_leftovers,
    replace_file,
)

log = logging.getLogger("parascrape.jobs.retention")

_at_least_one = partial(whole, low=1)


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """Which outputs of a job are kept; None sets no limit.

    The last ``keep`` runs are kept (and as many rejected ones besides), no run older than ``max_age``, and at
    most ``max_size`` bytes in all. Outputs older than the last ``compress_after`` runs are gzipped.
    """

    keep: Annotated[int | None, _at_least_one] = None
    max_age: Annotated[timedelta | None, parse_duration] = None
    max_size: Annotated[int | None, parse_size] = None
    compress_after: Annotated[int | None, _at_least_one] = None

    def expired(self, runs: list[list[OutputFile]], now: datetime) -> set[int]:
        """Return the numbers of the runs that are too many or too old; ``runs`` has the newest first.

        Rejected runs are counted apart, or a week of them would push out every good one.
        """
        seen: Counter[bool] = Counter()
        gone = set()
        for first, *_ in runs:
            rejected = first.outcome == "rejected"
            seen[rejected] += 1
            too_many = self.keep is not None and seen[rejected] > self.keep
            if too_many or (self.max_age is not None and now - first.began > self.max_age):
                gone.add(first.run)
        return gone


@dataclass(slots=True)
class SweepResult:
    """The result of a sweep. ``kept`` says why a file that was due for removal stays."""

    deleted: list[Path] = field(default_factory=list)
    compressed: list[Path] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    freed: int = 0  # bytes


@dataclass(frozen=True, slots=True)
class SweepScope:
    """The files that a sweep may touch: those of ``job`` below ``folder``, except ``protect``."""

    job: str
    folder: Path | None = None
    protect: Collection[Path] = ()


def sweep(history: History, scope: SweepScope, policy: RetentionPolicy, now: datetime) -> SweepResult:
    """Delete and compress outputs of a job until the policy holds at ``now``.

    These files are never touched: files outside of the scope, the last accepted run's output, the target of a
    link ``latest*`` beside or above an output, a file that changed since the job wrote it, and a file that
    is being written. A file that cannot be removed or compressed stays, with a warning.
    """
    result = _Sweep(history, policy, scope.folder).run(scope, now)
    for line in result.kept:
        log.warning("%s", line)
    return result


class _Sweep:
    """One sweep over the outputs of a job. A run is a list of the output files that it wrote."""

    def __init__(self, history: History, policy: RetentionPolicy, folder: Path | None) -> None:
        self._history = history
        self._policy = policy
        self._folder = folder and folder.resolve()
        self._result = SweepResult()

    def run(self, scope: SweepScope, now: datetime) -> SweepResult:
        """Delete expired runs, compress old ones, then delete the oldest until the rest fits."""
        outputs = self._history.outputs(scope.job)
        if self._folder is not None:
            outputs = [output for output in outputs if output.path.is_relative_to(self._folder)]
        stays = {path.resolve() for path in scope.protect} | _link_targets(outputs, self._folder)
        outputs = self._finish_compressions([one for one in outputs if self._is_unchanged(one)], stays)
        runs = [list(group) for _, group in groupby(outputs, lambda output: output.run)]
        last_accepted = next((run for run in runs if run[0].outcome in ACCEPTED), ())
        stays |= {output.path for output in last_accepted}
        free = {run[0].run for run in runs if stays.isdisjoint(output.path for output in run)}
        gone = self._policy.expired(runs, now) & free
        for run in runs:
            if run[0].run in gone:
                self._delete(run)
        self._shrink(self._compress([run for run in runs if run[0].run not in gone], free), free)
        return self._result

    def _is_unchanged(self, output: OutputFile) -> bool:
        """Return whether the file is still as the job wrote it; if not, forget it."""
        fault = _fault_of(output)
        if fault == _CHANGED:
            self._keep(output.path, fault)
            self._history.forget(output.path)
        elif fault is None:
            folder = self._folder or output.path.parent
            if folder.is_dir() and any(folder.iterdir()):  # else its disk may be unmounted
                with suppress(OutputBusy, UsageError):
                    OutputLock(output.path).release()  # a killed process may have left its lock file
                self._forget(output.path)
        return fault == ""

    def _finish_compressions(self, outputs: list[OutputFile], stays: Collection[Path]) -> list[OutputFile]:
        """Remove outputs that a killed sweep had already compressed; return the others."""
        known = {output.path for output in outputs}
        twice = [one for one in outputs if _packed_path(one.path) in known and one.path not in stays]
        for output in twice:
            self._remove(output)
        return [output for output in outputs if output not in twice]

    def _delete(self, run: list[OutputFile]) -> None:
        for output in run:
            if self._remove(output):
                self._result.deleted.append(output.path)
                self._result.freed += output.size

    def _remove(self, output: OutputFile) -> bool:
        """Remove a file; return whether it is gone."""
        path = output.path
        with self._locked(output) as ours:
            if ours:
                remove_leftovers(_packed_path(path))
                os.unlink(path)
        if not ours or os.path.lexists(path):
            return False
        self._forget(path)
        return True

    def _forget(self, path: Path) -> None:
        """Remove the empty folders of a deleted file, then forget it: after a kill the next sweep does so."""
        folder = path.parent
        with suppress(OSError):  # usually because it is not empty
            while self._folder is not None and folder != self._folder and folder.is_relative_to(self._folder):
                os.rmdir(folder)
                folder = folder.parent
        self._history.forget(path)

    @contextmanager
    def _locked(self, output: OutputFile) -> Iterator[bool]:
        """Lock a file and yield whether it may be changed; an OSError in the block is the reason it stays."""
        try:
            lock = OutputLock(output.path)
        except (OutputBusy, UsageError) as error:
            self._keep(output.path, str(error))
            yield False
            return
        try:
            fault = _fault_of(output)
            if fault:
                self._keep(output.path, fault)
            yield fault == ""
        except OSError as error:
            self._keep(output.path, error.strerror or str(error))
        finally:
            lock.release()

    def _keep(self, path: Path, reason: str) -> None:
        self._result.kept.append(printable(f"{path} stays: {reason}", 1000))

    def _compress(self, runs: list[list[OutputFile]], free: Collection[int]) -> list[list[OutputFile]]:
        """Compress the runs that are old enough; return all runs with their new files."""
        after = self._policy.compress_after
        if after is None:
            return runs
        old = [[self._pack(one) for one in run] if run[0].run in free else run for run in runs[after:]]
        return [*runs[:after], *old]

    def _pack(self, output: OutputFile) -> OutputFile:
        """Compress an output; return the new file, or the output itself if it could not be compressed."""
        packed = _packed_path(output.path)
        if output.path.suffix == packed.suffix:
            return output
        if os.path.lexists(packed):
            self._keep(output.path, f"{packed.name} exists, and this job did not write it")
            return output
        made = None
        with self._locked(output) as ours:
            if ours:
                remove_leftovers(packed)
                made = self._write_packed(output, packed)
                os.unlink(output.path)
        if made is None:
            return output
        if not os.path.lexists(output.path):
            self._forget(output.path)
        self._result.compressed.append(packed)
        self._result.freed += output.size - made.size
        return made

    def _write_packed(self, output: OutputFile, packed: Path) -> OutputFile:
        """Write the compressed file beside the output, synced to the disk. Raises OSError."""
        with replace_file(packed) as file:
            status = _gzip(output, file)
            # Recorded before the rename: after a kill in between, the history knows a missing file.
            if not self._history.add_output(output.run, packed, status):
                raise OSError(0, "the history cannot be written")
        return output._replace(path=packed, size=status.st_size, modified=status.st_mtime_ns)

    def _shrink(self, runs: list[list[OutputFile]], free: Collection[int]) -> None:
        """Delete the oldest runs until the rest fits into ``max_size``."""
        if self._policy.max_size is None:
            return
        total = sum(output.size for run in runs for output in run)
        for run in reversed(runs):
            if total > self._policy.max_size and run[0].run in free:
                total -= sum(output.size for output in run)
                self._delete(run)


_CHANGED = "it has changed since the job wrote it, so it is no longer the job's"


def _fault_of(output: OutputFile) -> str | None:
    """Return why the file must not be touched; "" if it may be touched, None if there is no file."""
    try:
        status = os.lstat(output.path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return error.strerror or str(error)
    if resolve_folder(output.path) != output.path:
        return "its folder is now a symbolic link"
    as_written = (status.st_size, status.st_mtime_ns) == (output.size, output.modified)
    return "" if as_written and stat.S_ISREG(status.st_mode) else _CHANGED


def _packed_path(path: Path) -> Path:
    return path.with_name(path.name + ".gz")


def _gzip(output: OutputFile, file: IO[bytes]) -> os.stat_result:
    """Compress an output into a file, with its time and mode; return the file's status."""
    with open(output.path, "rb") as source:
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as target:
            shutil.copyfileobj(source, target, 1 << 20)
        if source.tell() != output.size:
            raise OSError(0, "it grew while it was compressed")
    file.flush()
    shutil.copymode(output.path, file.name)
    os.utime(file.name, ns=(output.modified, output.modified))
    return os.stat(file.name)


def _link_targets(outputs: list[OutputFile], folder: Path | None) -> set[Path]:
    """Return the targets of the links named ``latest*`` beside the outputs and in the folders above."""
    places = {place for output in outputs for place in (output.path.parent, output.path.parent.parent)}
    if folder is not None:
        places = {place for place in places if place.is_relative_to(folder)} | {folder}
    return {link.resolve() for place in places for link in place.glob("latest*") if link.is_symlink()}
