"""One sweep over the outputs of a job."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path

from parascrape.errors import OutputBusy, UsageError
from parascrape.jobs.history import History, OutputFile
from parascrape.jobs.retention import CHANGED, RetentionPolicy, fault_of, packed_path, write_packed
from parascrape.system import OutputLock, printable, remove_leftovers, replace_file

__all__ = ["SweepResult", "sweep"]

log = logging.getLogger("parascrape.jobs.sweep")


@dataclass(slots=True)
class SweepResult:
    """What a sweep did. ``kept`` says of each file why it stayed though it should have gone."""

    deleted: list[Path] = field(default_factory=list)
    compressed: list[Path] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    freed: int = 0  # bytes


def sweep(  # noqa: PLR0913
    history: History,
    job: str,
    policy: RetentionPolicy,
    now: datetime,
    *,
    folder: Path | None = None,
    protect: Collection[Path] = (),
) -> SweepResult:
    """What was deleted and compressed of the job's outputs, for the policy to hold at ``now``.

    Nothing outside ``folder`` (the fixed part of the output's pattern) is touched, nor the last good
    run's output, what a link ``latest*`` beside or above an output points at, ``protect``, or a file that
    somebody writes. A file that cannot be removed or compressed stays, with a warning.
    """
    return _RetentionSweep(history, policy, folder).run(job, now, protect)


class _RetentionSweep:
    """One sweep."""

    def __init__(self, history: History, policy: RetentionPolicy, folder: Path | None) -> None:
        self._history = history
        self._policy = policy
        self._folder = folder and folder.resolve()
        self._done = SweepResult()

    def run(self, job: str, now: datetime, protect: Collection[Path]) -> SweepResult:
        """What was done."""
        outputs = [output for output in self._history.outputs(job) if self._is_inside(output.path)]
        stays = {path.resolve() for path in protect} | _link_targets(outputs, self._folder)
        outputs = self._complete([output for output in outputs if self._is_ours(output)], stays)
        runs = [list(group) for _, group in groupby(outputs, lambda output: output.run)]
        stays |= _last_good(runs)
        free = {run[0].run for run in runs if not any(output.path in stays for output in run)}
        gone = _expired(runs, self._policy, now) & free
        for run in runs:
            if run[0].run in gone:
                self._delete(run)
        kept = [run for run in runs if run[0].run not in gone]
        self._shrink(self._compress(kept, free), free)
        for line in self._done.kept:
            log.warning("%s", line)
        return self._done

    def _is_inside(self, path: Path) -> bool:
        return self._folder is None or path.is_relative_to(self._folder)

    def _is_ours(self, output: OutputFile) -> bool:
        """Whether the file is there, and still what the job wrote; else it is forgotten."""
        fault = fault_of(output)
        if fault == CHANGED:
            self._keep(output.path, fault)
            self._history.forget(output.path)
        elif fault is None and self._is_mounted(output.path):
            with suppress(OutputBusy, UsageError):
                OutputLock(output.path).release()  # one that was killed has left its file
            self._forget(output.path)
        return fault == ""

    def _is_mounted(self, path: Path) -> bool:
        """Whether a file that is not there is gone; else its disk may be away."""
        folder = self._folder or path.parent
        return folder.is_dir() and any(folder.iterdir())

    def _complete(self, outputs: list[OutputFile], stays: Collection[Path]) -> list[OutputFile]:
        """The outputs without those that were compressed by a sweep that was killed before they went."""
        there = {output.path for output in outputs}
        twice = [
            output for output in outputs if packed_path(output.path) in there and output.path not in stays
        ]
        for output in twice:
            self._remove(output)
        return [output for output in outputs if output not in twice]

    def _delete(self, run: list[OutputFile]) -> None:
        for output in run:
            if self._remove(output):
                self._done.deleted.append(output.path)
                self._done.freed += output.size

    def _remove(self, output: OutputFile) -> bool:
        """Whether the file is gone."""
        path = output.path
        with self._locked(output) as ours:
            if ours:
                remove_leftovers(packed_path(path))
                os.unlink(path)
        if not ours or os.path.lexists(path):
            return False
        self._forget(path)
        return True

    def _forget(self, path: Path) -> None:
        """Tidy up after a file that is gone; last of all the history forgets it, so that a kill before
        that is mended by the next sweep.
        """
        self._remove_empty_folders(path.parent)
        self._history.forget(path)

    @contextmanager
    def _locked(self, output: OutputFile) -> Iterator[bool]:
        """Whether the file is ours, to be changed now; what goes wrong meanwhile is why it stays."""
        try:
            lock = OutputLock(output.path)
        except (OutputBusy, UsageError) as error:
            self._keep(output.path, str(error))
            yield False
            return
        try:
            fault = fault_of(output)
            if fault:
                self._keep(output.path, fault)
            yield fault == ""
        except OSError as error:
            self._keep(output.path, error.strerror or str(error))
        finally:
            lock.release()

    def _keep(self, path: Path, reason: str) -> None:
        self._done.kept.append(printable(f"{path} stays: {reason}", 1000))

    def _remove_empty_folders(self, folder: Path) -> None:
        """Remove the folders of dates that hold nothing any more."""
        while self._folder is not None and folder != self._folder and folder.is_relative_to(self._folder):
            try:
                os.rmdir(folder)
            except OSError:  # not empty: the usual case
                return
            folder = folder.parent

    def _compress(self, runs: list[list[OutputFile]], free: Collection[int]) -> list[list[OutputFile]]:
        """The runs' files as they are then."""
        after = self._policy.compress_after
        if after is None:
            return runs
        return [
            *runs[:after],
            *([self._pack(one) for one in run] if run[0].run in free else run for run in runs[after:]),
        ]

    def _pack(self, output: OutputFile) -> OutputFile:
        """The compressed file; the output itself where it could not be compressed."""
        packed = packed_path(output.path)
        if output.path.suffix == packed.suffix:
            return output
        if os.path.lexists(packed):
            self._keep(output.path, f"{packed.name} is there, and is not ours")
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
        self._done.compressed.append(packed)
        self._done.freed += output.size - made.size
        return made

    def _write_packed(self, output: OutputFile, packed: Path) -> OutputFile:
        """The compressed file, which has its name on the disk, beside the output. Raises OSError."""
        with replace_file(packed) as file:
            status = write_packed(output, file)
            # Noted before it has its name: what a kill in between leaves is a note of no file.
            if not self._history.wrote(output.run, packed, status):
                raise OSError(0, "the history cannot be written")
        return output._replace(path=packed, size=status.st_size, modified=status.st_mtime_ns)

    def _shrink(self, runs: list[list[OutputFile]], free: Collection[int]) -> None:
        """Delete the oldest runs until the rest fits."""
        if self._policy.max_size is None:
            return
        total = sum(output.size for run in runs for output in run)
        for run in reversed(runs):
            if total > self._policy.max_size and run[0].run in free:
                total -= sum(output.size for output in run)
                self._delete(run)


def _expired(runs: list[list[OutputFile]], policy: RetentionPolicy, now: datetime) -> set[int]:
    """The numbers of the runs that count or age send away; rejected ones are counted apart, or a week of
    them would take the place of all that was good.
    """
    seen = {True: 0, False: 0}
    old = set()
    for run in runs:
        rejected = run[0].outcome == "rejected"
        seen[rejected] += 1
        too_many = policy.keep is not None and seen[rejected] > policy.keep
        too_old = policy.max_age is not None and now - run[0].began > policy.max_age
        if too_many or too_old:
            old.add(run[0].run)
    return old


def _last_good(runs: list[list[OutputFile]]) -> set[Path]:
    """The files of the last run whose output took the place of the one before."""
    good = [run for run in runs if run[0].outcome in ("good", "some_failed")]
    return {output.path for output in (good[0] if good else ())}


def _link_targets(outputs: list[OutputFile], folder: Path | None) -> set[Path]:
    """What the links named ``latest`` point at, beside the outputs and in the folders above."""
    places = {place for output in outputs for place in (output.path.parent, output.path.parent.parent)}
    if folder is not None:
        places = {place for place in places if place.is_relative_to(folder)} | {folder}
    return {link.resolve() for place in places for link in place.glob("latest*") if link.is_symlink()}
