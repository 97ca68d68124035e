"""One run of a job: harvest, judge, publish. Whatever kills it between two steps, the next start goes on.

    lock --> finish what an earlier run has left --> harvest into the unfinished file (the ledger)
         --> what changed, what the guards say --> all of that in the finished file
         --> change feed and output get their names --> latest --> history, metrics, hooks, retention

Up to the finished file a next start harvests on, which costs nothing where all is harvested; from there
on it repeats the steps, each of which may be repeated: only hooks may then run twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from parascrape.errors import OutputBusy, OutputError, ParascrapeError
from parascrape.jobs.guards import Guards, find_changes
from parascrape.jobs.history import History
from parascrape.jobs.hooks import run_hooks
from parascrape.jobs.jobfile import JobFile
from parascrape.jobs.metrics import write_metrics
from parascrape.jobs.output_stats import summarise_output
from parascrape.jobs.paths import JobPaths, beside
from parascrape.jobs.retention import RetentionPolicy
from parascrape.jobs.run_state import RunState
from parascrape.jobs.schema import Job
from parascrape.jobs.summary import RunSummary
from parascrape.jobs.sweep import sweep
from parascrape.settings import VERSION
from parascrape.system import OutputLock, sync_folder

__all__ = ["EXIT_REJECTED", "RunTools", "run_job"]

EXIT_REJECTED, _EXIT_LOST, _EXIT_BUSY = 3, 70, 75
_COMPLETE = (0, 1)  # every input has its outcome
_INTERRUPTED = (130, 143)
_KNOWN = (2, 70, 74, 75, 130, 143)
_RECENT = 10
"""Earlier runs that the guards are shown."""


class RunTools(NamedTuple):
    """What a run works with: ``harvest`` runs the command with these arguments in a folder and gives its
    exit status, ``tell`` takes one line for people.
    """

    harvest: Callable[[Sequence[str], Path], int]
    history: History
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    tell: Callable[[str], object] = lambda line: None


def run_job(file: JobFile, job: Job, tools: RunTools) -> int:
    """The exit status of a run: 0 good, 1 some URLs failed, 3 the guards rejected it, others as `scrape`'s.

    Raises:
        OutputBusy: the job is being run; the message says by which process.
        OutputError: a file could not be written. The next run goes on from there.
    """
    places = file.places(job)
    try:
        places.folder.mkdir(parents=True, exist_ok=True)
        with closing(_Lock(job, places)):
            run = _JobRun(file, job, tools)
            run.finish_earlier()
            return run.run()
    except OSError as error:
        name = error.filename or places.folder
        raise OutputError(f"job {job.name}: {name}: {error.strerror}", error.errno or 0) from None


class _Lock:
    """The lock on a job, until it is closed."""

    def __init__(self, job: Job, places: JobPaths) -> None:
        try:
            self._lock = OutputLock(places.lockable)
        except OutputBusy as error:
            holder = str(error).partition("process ")[2].partition(":")[0]
            raise OutputBusy(f"job {job.name} is being run by process {holder or 'unknown'}") from None

    def close(self) -> None:
        """Give it back."""
        self._lock.release()


class _JobRun:
    """A run of a job that is locked."""

    def __init__(self, file: JobFile, job: Job, tools: RunTools) -> None:
        self._file = file
        self._job = job
        self._tools = tools
        self._places = file.places(job)

    def finish_earlier(self) -> None:
        """Publish what a run has judged that was killed then; what it was only writing goes."""
        self._places.clear()
        finished = RunState.read(self._places.finished)
        if finished is None:
            return
        places = [self._places.unfinished(finished.summary.began), Path(finished.summary.output)]
        if any(path.exists() for path in places):
            self._publish(finished)
        else:  # somebody has removed it
            self._places.finished.unlink()

    def run(self) -> int:
        """The exit status of harvesting to the end and publishing."""
        began, path = self._take_up()
        harvested = summarise_output(path).inputs if path.exists() else 0
        target = self._places.target(began)
        run = self._tools.history.begin(self._job.name, target, VERSION)
        start = self._tools.clock()
        status = self._tools.harvest(self._arguments(path), self._file.path.parent)
        end = self._tools.clock()
        seconds = max((end - start).total_seconds(), 1e-3)
        summary = RunSummary(self._job.name, began, end, run, VERSION, seconds=seconds, exit_status=status)
        if status not in _COMPLETE:
            return self._fail(replace(summary, output=str(path)), status)
        facts = summarise_output(path)
        rate = max(0, facts.inputs - harvested) / seconds
        outcome = "some_failed" if facts.failed else "good"
        summary = replace(summary, pages_per_second=rate, outcome=outcome, **facts._asdict())
        finished = self._judge(replace(summary, output=str(target), size=path.stat().st_size), path)
        finished.write(self._places.finished)
        return self._publish(finished)

    def _take_up(self) -> tuple[datetime, Path]:
        """When the run began that is to be gone on with, and its output; a new one where there is none.

        An unfinished output that was last written too long ago is put beside the others instead.
        """
        now = self._tools.clock()
        taken = None
        for began, path in reversed(self._places.find_unfinished()):
            idle = now.timestamp() - path.stat().st_mtime
            if taken is None and idle <= self._job.resume_within:
                taken = began, path
                continue
            kept = beside(self._places.target(began), ".unfinished")
            kept.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, kept)
            self._say(f"the run of {began:%Y-%m-%d %H:%M} UTC is too old to go on with: {kept}")
        if taken is not None:
            self._say(f"going on with the run of {taken[0]:%Y-%m-%d %H:%M} UTC")
            return taken
        began = now.replace(microsecond=0)
        return began, self._places.unfinished(began)

    def _arguments(self, output: Path) -> list[str]:
        """The command's arguments: the job's own behind ours."""
        latest = self._places.latest
        ours = [f"--output={output}"]
        if self._job.only_changed and latest.exists():
            return [*ours, f"--previous={latest}", *self._job.arguments]
        return [*ours, *(one for one in self._job.arguments if not one.startswith("--max-age="))]

    def _fail(self, summary: RunSummary, status: int) -> int:
        """The exit status of a harvest that did not come to its end."""
        code = status if status in _KNOWN else _EXIT_LOST
        if status not in _KNOWN:
            how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
            self._say(f"the harvest {how}; the next run goes on from there")
        stopped = status in _INTERRUPTED or status == _EXIT_BUSY
        summary = replace(summary, outcome="interrupted" if stopped else "crashed", exit_status=code)
        self._tools.history.finish(summary.run, summary)
        if not stopped:
            self._tell_others(RunState(summary), ["on_failure"])
        return code

    def _judge(self, summary: RunSummary, path: Path) -> RunState:
        """The run with what changed and what the guards say; its change feed is written, without its name."""
        latest = self._places.latest
        if latest.exists():
            changes = find_changes(latest.resolve(), path, self._places.feed, fields=len(summary.empty))
            summary = replace(summary, changes=changes)
        else:
            self._places.feed.unlink(missing_ok=True)
        recent = self._tools.history.recent(self._job.name, _RECENT)
        breaches = Guards.from_table(self._job.guards).judge(summary, recent)
        if breaches:
            rejected = str(beside(Path(summary.output), ".rejected"))
            summary = replace(summary, outcome="rejected", exit_status=EXIT_REJECTED, output=rejected)
        return RunState(summary, tuple(breaches))

    def _publish(self, finished: RunState) -> int:
        """The exit status, when all that follows a harvest is done. Every step may have been done before."""
        summary, places = finished.summary, self._places
        output = Path(summary.output)
        output.parent.mkdir(parents=True, exist_ok=True)
        unfinished = places.unfinished(summary.began)
        if unfinished.exists():
            if places.feed.exists():
                os.replace(places.feed, finished.feed)
            os.replace(unfinished, output)
            sync_folder(output.parent)
            sync_folder(places.folder)
        if finished.accepted:
            places.point_latest(output)
        for breach in finished.breaches:
            self._say(f"rejected: {breach}")
        if finished.breaches:
            self._say(f"{places.latest.name} stays as it was; see {output}")
        if finished.accepted:
            self._say(f"{summary.good:,} good, {summary.unchanged:,} of them unchanged: {output}")
        known = self._tools.history.recent(summary.job, _RECENT)
        if not any(one.run == summary.run and one.ended for one in known):
            self._tools.history.finish(summary.run, summary, [finished.feed])
        self._tell_others(finished, finished.events)
        self._sweep(output)
        places.finished.unlink(missing_ok=True)
        return summary.exit_status or 0

    def _tell_others(self, finished: RunState, events: Sequence[str]) -> None:
        """Metrics and hooks; what goes wrong there is said, and is no fault of the run."""
        job, root = self._job, self._file.path.parent
        if job.metrics:
            try:
                write_metrics(root / job.metrics, finished.summary, self._places.latest)
            except OSError as error:
                self._say(f"metrics: {job.metrics}: {error.strerror}")
        for fault in run_hooks(job, events, finished, root):
            self._say(fault)

    def _sweep(self, output: Path) -> None:
        policy = RetentionPolicy.from_table(self._job.retention)
        try:
            swept = sweep(
                self._tools.history,
                self._job.name,
                policy,
                self._tools.clock(),
                folder=self._places.folder,
                protect=[output],
            )
        except (OSError, ParascrapeError) as error:
            self._say(f"retention: {error}")
            return
        if swept.deleted or swept.compressed:
            self._say(f"retention: {len(swept.deleted)} files deleted, {len(swept.compressed)} compressed")

    def _say(self, line: str) -> None:
        self._tools.tell(f"job {self._job.name}: {line}")
