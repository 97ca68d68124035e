"""``scrape schedule JOBFILE``: runs the jobs of a file by the clock, each run in a process of its own."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from parascrape.cli.jobs import JOB_FILE, job_command, load_jobs, make_teller
from parascrape.cli.options import DISPLAY, LOG_JSON, Choices, Options, command, pick
from parascrape.errors import UsageError
from parascrape.jobs import History, JobFile, RunningJob, Scheduler, history_path, read_jobs, start_command
from parascrape.settings import Option
from parascrape.system import replace_file

_HEALTH: Options = {
    "health": Option(
        "",
        "--health FILE",
        "Written every 30 s at least: JSON with the time, and each job's next start [none].",
        "Watching",
    )
}


@command(JOB_FILE, _HEALTH, pick(DISPLAY, "quiet"), LOG_JSON)
def schedule(chosen: Choices) -> int:
    """Run the jobs of a file whenever they are due, until SIGTERM or Ctrl-C.

    The next start continues an interrupted run. SIGHUP, or a change of the file, reloads the file.
    Exit status: 2 wrong usage, 130 interrupted, 143 terminated.
    """
    file, health = load_jobs(chosen["file"]), chosen["health"]
    return run_schedule(file, health, quiet=chosen["quiet"], log_json=chosen["log_json"])


_WAKING = tuple(getattr(signal, name) for name in ("SIGCHLD",) if hasattr(signal, name))
_RELOADING = tuple(getattr(signal, name) for name in ("SIGHUP",) if hasattr(signal, name))
_ENDING = (signal.SIGINT, signal.SIGTERM)


def run_schedule(file: JobFile, health: str, *, quiet: bool, log_json: bool) -> int:
    """Run jobs until a signal comes; returns the exit status. ``health`` names the health file, if any."""
    with _signals() as signals:
        return _Loop(file, health, quiet=quiet, log_json=log_json).run(signals)


@contextmanager
def _signals() -> Iterator[SimpleQueue[int]]:
    """Yield a queue of the signals that arrive; its ``put`` may be called in a signal handler."""
    queue: SimpleQueue[int] = SimpleQueue()
    before: dict[int, Any] = {}
    for number in (*_ENDING, *_RELOADING, *_WAKING):
        before[number] = signal.signal(number, lambda number, _: queue.put(number))
    try:
        yield queue
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Loop:
    """The scheduler with its file, clock and processes."""

    def __init__(self, file: JobFile, health: str, *, quiet: bool, log_json: bool) -> None:
        self._file = file
        self._health = health
        self._shown = [*(["--quiet"] if quiet else []), *(["--log-json"] if log_json else [])]
        self._tell = make_teller(log_json=log_json)
        self._history = History(history_path(file.path))
        self._scheduler = Scheduler(self._start, self._tell)
        self._version = self._stat()
        self._load()

    def _load(self) -> None:
        now = datetime.now(UTC)
        last = {}
        for name in self._file.jobs:
            for run in self._history.recent(name, 1):
                last[name] = run.began
        self._scheduler.load(self._file.jobs, now, last)
        for name, job in self._file.jobs.items():
            runs = name in self._scheduler.running
            if job.timing is not None and not runs and self._file.paths(job).find_unfinished():
                self._scheduler.start_now(name, now)
        for name, at in sorted(self._scheduler.next_starts.items(), key=lambda one: one[1]):
            timing = self._file.jobs[name].timing
            when = "now" if at <= now else f"next {at.astimezone():%a %Y-%m-%d %H:%M:%S %Z}"
            self._tell(f"job {name}: {timing.shown if timing else ''}; {when}")

    def _start(self, name: str) -> RunningJob:
        self._tell(f"job {name} begins")
        arguments = ["run", str(self._file.path), name, *self._shown]
        return start_command(arguments, self._file.path.parent, death_signal=signal.SIGTERM)

    def run(self, signals: SimpleQueue[int]) -> int:
        """The exit status, when a signal has come and all runs have ended."""
        while True:
            seconds = self._scheduler.tick(datetime.now(UTC))
            self._write_health()
            try:
                number = signals.get(timeout=seconds)
            except Empty:
                number = 0
            if number in _ENDING:
                return self._end(number, signals)
            if number in _RELOADING or self._stat() != self._version:
                self._reload()

    def _end(self, number: int, signals: SimpleQueue[int]) -> int:
        """Ask the runs to end, again for each signal that comes, and wait for them."""
        self._tell("stopping: runs end cleanly and go on at the next start")
        self._scheduler.end(number)
        while not self._scheduler.is_idle:
            with suppress(Empty):
                again = signals.get(timeout=1.0)
                if again in _ENDING:
                    self._scheduler.end(again)
        self._write_health()
        return 128 + number

    def _reload(self) -> None:
        """Read the file anew; where it holds a mistake, say so and go on with what is known."""
        self._version = self._stat()
        before = self._file
        try:
            self._file = read_jobs(before.path, job_command())
            self._load()
            self._tell(f"{before.path.name} was read anew")
        except UsageError as error:
            self._file = before
            for line in str(error).splitlines():
                self._tell(line)
            self._tell(f"{before.path.name} stays as it was read before")

    def _stat(self) -> tuple[int, int]:
        try:
            found = os.stat(self._file.path)
        except OSError:  # being replaced; what is known stays in force
            return self._version
        return found.st_mtime_ns, found.st_size

    def _write_health(self) -> None:
        if not self._health:
            return
        scheduler = self._scheduler
        jobs = {
            name: {
                "next": at.isoformat(timespec="seconds"),
                "running": name in scheduler.running,
                "last_status": scheduler.last_status.get(name),
            }
            for name, at in scheduler.next_starts.items()
        }
        health = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "pid": os.getpid(), "jobs": jobs}
        try:
            with replace_file(Path(self._health)) as file:
                file.write(json.dumps(health).encode() + b"\n")
        except OSError as error:
            self._tell(f"health file {self._health}: {error.strerror}")
