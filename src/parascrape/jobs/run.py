"""One run of a job: harvest, judge, publish. After a kill between two steps the next start continues.

    lock --> publish what an earlier run has judged --> harvest into the unfinished file (the ledger)
         --> find changes, apply guards --> write the run's state to the finished file
         --> rename change feed and output --> latest --> history, metrics, hooks, retention

Before the finished file exists, the next start resumes the harvest. Once it exists, the next start repeats
the steps after it. All of them can be repeated safely, except that hooks may run twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from parascrape.errors import OutputBusy, OutputError, ParascrapeError
from parascrape.jobs.guards import find_changes
from parascrape.jobs.history import History
from parascrape.jobs.hooks import run_hooks
from parascrape.jobs.jobfile import Job, JobFile
from parascrape.jobs.metrics import write_metrics
from parascrape.jobs.paths import JobPaths, beside
from parascrape.jobs.retention import SweepScope, sweep
from parascrape.jobs.summary import RunState, RunSummary, count_records
from parascrape.settings import VERSION
from parascrape.system import OutputLock, sync_folder

EXIT_REJECTED, _EXIT_LOST, _EXIT_BUSY = 3, 70, 75
_COMPLETE = (0, 1)  # every input has an outcome
_INTERRUPTED = (130, 143)
_KNOWN = (2, 70, 74, 75, 130, 143)
_RECENT = 10  # earlier runs that guards see


class RunTools(NamedTuple):
    """The tools of a run.

    ``harvest`` runs the command with arguments in a folder and returns its exit status; ``tell`` takes one
    line for people.
    """

    harvest: Callable[[Sequence[str], Path], int]
    history: History
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    tell: Callable[[str], object] = lambda line: None


def run_job(file: JobFile, job: Job, tools: RunTools) -> int:
    """Run a job and return its exit status: 0 good, 1 some URLs failed, 3 rejected, others as `scrape`'s.

    Raises:
        OutputBusy: another process, named in the message, runs the job.
        OutputError: a file could not be written; the next run continues from there.
    """
    paths = file.paths(job)
    try:
        paths.folder.mkdir(parents=True, exist_ok=True)
        lock = _lock(job, paths)
        try:
            run = _JobRun(file, job, tools)
            run.publish_earlier()
            return run.run()
        finally:
            lock.release()
    except OSError as error:
        name = error.filename or paths.folder
        raise OutputError(f"job {job.name}: {name}: {error.strerror}", error.errno or 0) from None


def _lock(job: Job, paths: JobPaths) -> OutputLock:
    try:
        return OutputLock(paths.lockable)
    except OutputBusy as error:
        holder = str(error).partition("process ")[2].partition(":")[0]
        raise OutputBusy(f"job {job.name} is being run by process {holder or 'unknown'}") from None


class _JobRun:
    """One run of a locked job."""

    def __init__(self, file: JobFile, job: Job, tools: RunTools) -> None:
        self._root = file.path.parent
        self._job = job
        self._tools = tools
        self._paths = file.paths(job)

    def publish_earlier(self) -> None:
        """Publish a run that was judged and then killed; remove temporary files of a killed run."""
        self._paths.clear()
        state = RunState.read(self._paths.finished)
        if state is None:
            return
        if self._paths.unfinished(state.summary.began).exists() or Path(state.summary.output).exists():
            self._publish(state)
        else:  # somebody has removed the output
            self._paths.finished.unlink()

    def run(self) -> int:
        """Harvest, judge and publish; return the exit status."""
        began, path = self._choose_output()
        target = self._paths.target(began)
        summary = self._harvest(began, path, target)
        if summary.exit_status not in _COMPLETE:
            return self._fail(replace(summary, output=str(path)))
        state = self._judge(replace(summary, output=str(target), size=path.stat().st_size), path)
        state.write(self._paths.finished)
        return self._publish(state)

    def _choose_output(self) -> tuple[datetime, Path]:
        """Return when the run began, and its output; an unfinished run is resumed if it is recent enough.

        Older unfinished outputs are renamed and kept beside the others.
        """
        now = self._tools.clock()
        resumed = None
        for began, path in reversed(self._paths.find_unfinished()):
            idle = now.timestamp() - path.stat().st_mtime
            if resumed is None and idle <= self._job.resume_within:
                resumed = began, path
                continue
            kept = beside(self._paths.target(began), ".unfinished")
            kept.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, kept)
            self._say(f"the run of {began:%Y-%m-%d %H:%M} UTC is too old to resume: {kept}")
        if resumed is not None:
            self._say(f"resuming the run of {resumed[0]:%Y-%m-%d %H:%M} UTC")
            return resumed
        began = now.replace(microsecond=0)
        return began, self._paths.unfinished(began)

    def _harvest(self, began: datetime, path: Path, target: Path) -> RunSummary:
        """Harvest into ``path`` and return the summary; it has counts only if the harvest is complete."""
        blank = RunSummary(self._job.name, began, version=VERSION)
        before = count_records(path, blank).inputs if path.exists() else 0
        run = self._tools.history.begin(self._job.name, target, VERSION)
        start = self._tools.clock()
        status = self._tools.harvest(self._arguments(path), self._root)
        end = self._tools.clock()
        seconds = max((end - start).total_seconds(), 1e-3)
        summary = replace(blank, ended=end, run=run, seconds=seconds, exit_status=status)
        if status not in _COMPLETE:
            return summary
        summary = count_records(path, summary)
        rate = max(0, summary.inputs - before) / seconds
        return replace(summary, pages_per_second=rate, outcome="some_failed" if summary.failed else "good")

    def _arguments(self, output: Path) -> list[str]:
        """Return the command's arguments, with those of the run before those of the job."""
        latest = self._paths.latest
        if self._job.only_changed and latest.exists():
            return [f"--output={output}", f"--previous={latest}", *self._job.arguments]
        own = [one for one in self._job.arguments if not one.startswith("--max-age=")]
        return [f"--output={output}", *own]

    def _fail(self, summary: RunSummary) -> int:
        """Record an incomplete harvest and return the run's exit status."""
        status = summary.exit_status or 0
        code = status if status in _KNOWN else _EXIT_LOST
        if status not in _KNOWN:
            how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
            self._say(f"the harvest {how}; the next run continues from there")
        stopped = status in _INTERRUPTED or status == _EXIT_BUSY
        summary = replace(summary, outcome="interrupted" if stopped else "crashed", exit_status=code)
        self._tools.history.finish(summary.run, summary)
        if not stopped:
            self._notify(RunState(summary))
        return code

    def _judge(self, summary: RunSummary, path: Path) -> RunState:
        """Return the run with its changes and breached guards; the change feed gets its name later."""
        latest = self._paths.latest
        if latest.exists():
            changes = find_changes(latest.resolve(), path, self._paths.feed, fields=len(summary.empty))
            summary = replace(summary, changes=changes)
        else:
            self._paths.feed.unlink(missing_ok=True)
        recent = self._tools.history.recent(self._job.name, _RECENT)
        breaches = self._job.guards.judge(summary, recent)
        if breaches:
            rejected = str(beside(Path(summary.output), ".rejected"))
            summary = replace(summary, outcome="rejected", exit_status=EXIT_REJECTED, output=rejected)
        return RunState(summary, tuple(breaches))

    def _publish(self, state: RunState) -> int:
        """Do every step that follows the judgement and return the exit status; steps may be repeated."""
        summary = state.summary
        output = Path(summary.output)
        self._move_output(state, output)
        if summary.accepted:
            self._paths.point_latest(output)
            self._say(f"{summary.good:,} good, {summary.unchanged:,} of them unchanged: {output}")
        for breach in state.breaches:
            self._say(f"rejected: {breach}")
        if state.breaches:
            self._say(f"{self._paths.latest.name} stays as it was; see {output}")
        known = self._tools.history.recent(summary.job, _RECENT)
        if not any(one.run == summary.run and one.ended for one in known):
            self._tools.history.finish(summary.run, summary, [state.feed])
        self._notify(state)
        self._sweep(output)
        self._paths.finished.unlink(missing_ok=True)
        return summary.exit_status or 0

    def _move_output(self, state: RunState, output: Path) -> None:
        """Rename the change feed and the output to their final names, if that is still to be done."""
        unfinished = self._paths.unfinished(state.summary.began)
        output.parent.mkdir(parents=True, exist_ok=True)
        if unfinished.exists():
            if self._paths.feed.exists():
                os.replace(self._paths.feed, state.feed)
            os.replace(unfinished, output)
            sync_folder(output.parent)
            sync_folder(self._paths.folder)

    def _notify(self, state: RunState) -> None:
        """Write metrics and run hooks. Their errors are reported, and do not fail the run."""
        if self._job.metrics:
            try:
                write_metrics(self._root / self._job.metrics, state.summary, self._paths.latest)
            except OSError as error:
                self._say(f"metrics: {self._job.metrics}: {error.strerror}")
        for error_line in run_hooks(self._job, state, self._root):
            self._say(error_line)

    def _sweep(self, output: Path) -> None:
        scope = SweepScope(self._job.name, self._paths.folder, [output])
        try:
            swept = sweep(self._tools.history, scope, self._job.retention, self._tools.clock())
        except (OSError, ParascrapeError) as error:
            self._say(f"retention: {error}")
            return
        if swept.deleted or swept.compressed:
            self._say(f"retention: {len(swept.deleted)} files deleted, {len(swept.compressed)} compressed")

    def _say(self, line: str) -> None:
        self._tools.tell(f"job {self._job.name}: {line}")
