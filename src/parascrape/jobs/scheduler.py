"""Scheduler: decides which jobs start now. It has no clock; the caller passes the time to `tick`.

A job is due once, however many of its times have passed: after the machine slept, it catches up with one run.
A job that is still running is not started again. If the clock is set back by at most three hours, past times
are not repeated; after a larger change the new time counts, as with cron.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from parascrape.errors import UsageError
from parascrape.jobs.jobfile import Job
from parascrape.jobs.timing import Timing

_SET_BACK = timedelta(hours=3)
_LONGEST_WAIT = 30.0
"""Seconds between two looks at the clock: it may have been set, or the machine may have slept."""


class RunningJob(Protocol):
    """A started run of a job."""

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""

    def send_signal(self, number: int, /) -> None:
        """Send a signal to the run."""


class Scheduler:
    """The jobs that have a schedule, when each is due next (UTC), and the current runs."""

    def __init__(
        self, start: Callable[[str], RunningJob], tell: Callable[[str], object] = lambda line: None
    ) -> None:
        self.next_starts: dict[str, datetime] = {}
        self.running: dict[str, RunningJob] = {}
        self.last_status: dict[str, int] = {}
        self._timings: dict[str, Timing] = {}
        self._start = start
        self._tell = tell
        self._seen: datetime | None = None

    def load(
        self, jobs: Mapping[str, Job], now: datetime, last: Mapping[str, datetime] | None = None
    ) -> None:
        """Replace the known jobs by these; current runs continue.

        ``last`` holds when each job last ran; a job that was due since then is due now.

        Raises:
            UsageError: no job has a schedule.
        """
        timings = {name: job.timing for name, job in jobs.items() if job.timing is not None}
        if not timings:
            raise UsageError('no job has a schedule; give one  schedule = "0 6 * * *"  or  every = "4h"')
        kept = {name: at for name, at in self.next_starts.items() if self._timings[name] == timings.get(name)}
        self._timings = timings
        self.next_starts = {}
        for name, timing in timings.items():
            due = (last or {}).get(name)
            missed = due is not None and due < now and timing.next_after(due, name) <= now
            self.next_starts[name] = now if missed else kept.get(name) or timing.next_after(now, name)

    def start_now(self, name: str, now: datetime) -> None:
        """Make a job due at once, for example because its last run was interrupted."""
        self.next_starts[name] = now

    def tick(self, now: datetime) -> float:
        """Start due jobs and collect ended runs; return the seconds until the next call."""
        self._collect()
        if self._seen is not None and self._seen - now > _SET_BACK:
            self._tell("the clock was set back: all start times are computed again")
            self.next_starts = {name: one.next_after(now, name) for name, one in self._timings.items()}
        self._seen = now
        for name, at in self.next_starts.items():
            if at <= now:
                self._begin(name, now)
        soonest = min(self.next_starts.values())
        return min(_LONGEST_WAIT, max(0.05, (soonest - now).total_seconds()))

    def _begin(self, name: str, now: datetime) -> None:
        self.next_starts[name] = self._timings[name].next_after(now, name)
        if name in self.running:
            self._tell(f"job {name} is due but still running: this start is skipped")
            return
        try:
            self.running[name] = self._start(name)
        except OSError as error:
            self._tell(f"job {name} could not be started: {error.strerror}")

    def _collect(self) -> None:
        for name, run in list(self.running.items()):
            status = run.poll()
            if status is not None:
                del self.running[name]
                self.last_status[name] = status
                self._tell(f"job {name} ended with status {status}")

    def end(self, number: int) -> None:
        """Send a signal to all runs; the first one asks them to stop cleanly."""
        for run in self.running.values():
            run.send_signal(number)

    @property
    def is_idle(self) -> bool:
        """Whether there is no current run."""
        self._collect()
        return not self.running
