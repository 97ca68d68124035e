"""The scheduler with a simulated clock: a month of runs, sleeps, clock changes."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from parascrape.errors import UsageError
from parascrape.jobs import Job
from parascrape.jobs.scheduler import Scheduler
from parascrape.jobs.timing import Timing
from tests.helpers.jobs import NEWS, make_jobs

START = datetime(2026, 3, 1, 0, 0, 1, tzinfo=UTC)


class Run:
    """A run that lasts until its status is set."""

    def __init__(self, status: int | None) -> None:
        self.status = status
        self.signals: list[int] = []

    def poll(self) -> int | None:
        """Return the exit status."""
        return self.status

    def send_signal(self, number: int) -> None:
        """Record the signal."""
        self.signals.append(number)


class World:
    """A scheduler with these timings, its clock, its started runs and its messages."""

    def __init__(
        self,
        status: int | None = 0,
        last: dict[str, datetime] | None = None,
        start: datetime = START,
        **timings: Timing,
    ) -> None:
        self.now = start
        self.status = status
        self.started: list[tuple[str, datetime]] = []
        self.said: list[str] = []
        self.runs: list[Run] = []
        self.jobs = {
            name: Job(name=name, arguments=(), output="", timing=timing) for name, timing in timings.items()
        }
        self.scheduler = Scheduler(self._start, self.said.append)
        self.scheduler.load(self.jobs, self.now, last)

    def _start(self, name: str) -> Run:
        self.started.append((name, self.now))
        self.runs.append(Run(self.status))
        return self.runs[-1]

    def go(self, **length: float) -> None:
        """Let time pass, in the steps that the scheduler waits."""
        ends = self.now + timedelta(**length)
        while self.now < ends:
            self.now += timedelta(seconds=self.scheduler.tick(self.now))


def test_a_month_of_runs_over_both_clock_changes() -> None:
    """A daily job runs once a day in March and October, a four-hourly one six times a day."""
    for month, start in ((3, START), (10, START.replace(month=10))):
        world = World(
            start=start,
            daily=Timing("30 2 * * *", zone="Europe/Berlin"),
            often=Timing(every=14_400.0, jitter=600.0),
        )
        world.go(days=30)
        days = Counter(at.date() for name, at in world.started if name == "daily")
        assert set(days.values()) == {1}, month
        assert len(days) == 30
        assert Counter(name for name, _ in world.started)["often"] in (179, 180)


def test_after_a_sleep_a_job_catches_up_once() -> None:
    """The number of missed times does not matter."""
    world = World(hourly=Timing("0 * * * *", zone="UTC"))
    world.go(hours=1, minutes=1)
    world.now += timedelta(hours=50)
    world.go(minutes=10)
    assert len(world.started) == 2
    assert world.scheduler.next_starts["hourly"] > world.now


def test_a_running_job_is_not_started_again() -> None:
    """The skipped start is reported; after its end the job starts at its next time."""
    world = World(None, hourly=Timing("0 * * * *", zone="UTC"))
    world.go(hours=3)
    assert len(world.started) == 1
    assert [line for line in world.said if "skipped" in line]
    world.runs[0].status = 0
    world.go(hours=1)
    assert len(world.started) == 2
    assert world.scheduler.last_status == {"hourly": 0}


@pytest.mark.parametrize(("hours", "again"), [(2, 0), (5, 1)])
def test_a_clock_set_back_a_little_repeats_no_run(hours: int, again: int) -> None:
    """After more than three hours the new time counts."""
    world = World(daily=Timing("0 6 * * *", zone="UTC"))
    world.go(hours=7)
    world.now -= timedelta(hours=hours)
    world.go(hours=6)
    assert len(world.started) == 1 + again


def test_a_missed_time_is_caught_up() -> None:
    """The history says when the job ran last."""
    daily = Timing("0 6 * * *", zone="UTC")
    for began, expected in ((START - timedelta(days=3), 1), (START - timedelta(hours=17), 0)):
        world = World(0, {"daily": began}, daily=daily)
        world.go(minutes=1)
        assert len(world.started) == expected


def test_reloading_keeps_unchanged_jobs(tmp_path: Path) -> None:
    """A changed schedule gets new times, current runs continue, and a removed job is not started."""
    world = World(None, a=Timing(every=3600.0), b=Timing(every=7200.0))
    before = dict(world.scheduler.next_starts)
    world.scheduler.load(make_jobs(tmp_path, NEWS, 'every = "5m"').jobs | {"a": world.jobs["a"]}, world.now)
    assert world.scheduler.next_starts["a"] == before["a"]
    assert world.scheduler.next_starts.keys() == {"a", "news"}
    world.go(minutes=20)
    assert {name for name, _ in world.started} == {"news"}


def test_the_clock_is_checked_every_30_seconds() -> None:
    """So a clock that was set, or a machine that slept, is noticed."""
    world = World(daily=Timing("0 6 * * *", zone="UTC"))
    assert world.scheduler.tick(world.now) == 30.0


def test_a_file_without_schedules_is_refused(tmp_path: Path) -> None:
    """It is a usage error."""
    with pytest.raises(UsageError, match="no job has a schedule"):
        Scheduler(lambda name: Run(0)).load(make_jobs(tmp_path, NEWS).jobs, START)


def test_a_run_that_cannot_start_does_not_end_the_scheduler() -> None:
    """It is reported and tried again at the next time."""
    world = World(hourly=Timing("0 * * * *", zone="UTC"))

    def fail(name: str) -> Run:
        raise OSError(12, "Cannot allocate memory")

    world.scheduler = Scheduler(fail, world.said.append)
    world.scheduler.load(world.jobs, world.now)
    world.go(hours=2, minutes=1)
    assert world.said == ["job hourly could not be started: Cannot allocate memory"] * 2


def test_signals_reach_every_run() -> None:
    """So all of them can stop cleanly."""
    world = World(None, a=Timing(every=60.0), b=Timing(every=60.0))
    world.go(minutes=2)
    world.scheduler.end(15)
    assert [run.signals for run in world.runs] == [[15], [15]]
    assert not world.scheduler.is_idle
