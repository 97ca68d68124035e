"""``scrape run``, ``scrape schedule`` and ``scrape units``: the commands that take a job file."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import typer

from parascrape.cli import status_of
from parascrape.cli.harvest import lists
from parascrape.cli.logging import log_line
from parascrape.cli.options import DISPLAY, LOG_JSON, Choices, Options, command, pick
from parascrape.errors import ParascrapeError, UsageError
from parascrape.jobs import (
    ChildProcesses,
    Command,
    History,
    JobFile,
    RunningJob,
    RunTools,
    Scheduler,
    crontab_lines,
    history_path,
    read_jobs,
    run_job,
    service,
    start_command,
    timer,
    unit_name,
)
from parascrape.settings import Option, Settings
from parascrape.system import output_errors, printable, replace_file

_FILE: Options = {
    "file": Option(
        ..., "JOBFILE", "Such as harvest.toml: jobs with the options of the command.", "Jobs", type=str
    )
}
_NAMES: Options = {"names": Option((), "[JOB...]", "Jobs to run, one after the other [all].", "Jobs")}
_WRITE: Options = {
    "write": Option(
        "", "--write DIR", "Write the units there, such as ~/.config/systemd/user [print them].", "Output"
    )
}
_HEALTH: Options = {
    "health": Option(
        "",
        "--health FILE",
        "JSON with the time and each job's next start, written every 30 s at least [none].",
        "Watching",
    )
}
_QUIET = pick(DISPLAY, "quiet")


@command(_FILE, _NAMES, _QUIET, LOG_JSON)
def run_jobs(chosen: Choices) -> int:
    """Run jobs of a file once. An interrupted run continues; a job never runs twice at the same time.

    Exit status: 0 all good, 1 some URLs failed, 2 wrong usage, 3 the guards rejected an output,
    70 a harvest crashed, 74 a file could not be written, 75 the job is already running, 130 interrupted,
    143 terminated; the highest one if there are several jobs.
    """
    file, tell = _load(chosen["file"]), _teller(log_json=chosen["log_json"])
    statuses = [0]
    with ChildProcesses() as children:
        tools = RunTools(
            lambda arguments, folder: children.run([*_display_options(chosen), *arguments], folder),
            History(history_path(file.path)),
            tell=tell,
        )
        for job in file.select(chosen["names"]):
            try:
                statuses.append(run_job(file, job, tools))
            except ParascrapeError as error:
                tell(str(error))
                statuses.append(status_of(error))
            if children.numbers:
                return 128 + children.numbers[0]
    return max(statuses)


@command(_FILE, _HEALTH, _QUIET, LOG_JSON)
def schedule(chosen: Choices) -> int:
    """Run the jobs of a file whenever they are due, until SIGTERM or Ctrl-C.

    The next start continues an interrupted run. SIGHUP, or a change of the file, reloads the file.
    Exit status: 2 wrong usage, 130 interrupted, 143 terminated.
    """
    file = _load(chosen["file"])
    with _queued_signals() as signals:
        return _ScheduleLoop(file, chosen).run(signals)


@command(_FILE, _WRITE)
def units(chosen: Choices) -> int:
    """Print a crontab line, a systemd service and a timer for each job that has a schedule.

    Exit status: 0 good, 2 wrong usage, or a schedule that cron or systemd cannot express.
    """
    loaded = _load(chosen["file"])
    jobs = [job for job in loaded.jobs.values() if job.timing is not None]
    if not jobs:
        raise UsageError(f"{chosen['file']}: no job has a schedule")
    command = _command_path()
    files: dict[str, str] = {}
    lines = []
    for job in jobs:
        name = unit_name(loaded.path, job)
        files[f"{name}.service"] = service(loaded.path, job, command)
        files[f"{name}.timer"] = timer(loaded.path, job)
        lines += crontab_lines(loaded.path, job, shlex.join(command))
    if not chosen["write"]:
        blocks = ["# crontab\n" + "".join(f"{line}\n" for line in lines)]
        sys.stdout.write("\n".join([*blocks, *(f"# {name}\n{text}" for name, text in files.items())]))
        return 0
    for name, text in files.items():
        path = Path(chosen["write"], name)
        with output_errors(path.expanduser()), replace_file(path.expanduser(), text=True) as file:
            file.write(text)
        sys.stderr.write(f"{path}\n")
    return 0


def _command_path() -> list[str]:
    """Return the command with absolute paths, because cron and systemd set almost no PATH."""
    found = shutil.which(sys.argv[0]) if os.path.basename(sys.argv[0]) == "scrape" else None
    return [os.path.abspath(found)] if found else [sys.executable, "-m", "parascrape"]


def job_command() -> Command:
    """Return the options of ``scrape LIST...`` that a job may have, and the check of arguments."""
    options = {option.job_key: option for option in lists.options.values() if option.job_key}
    return Command(options, lambda arguments: lists.read(arguments).make(Settings))


def _load(path: str) -> JobFile:
    """Return the jobs of a file. For mistakes, write one line each and end the command with status 2."""
    try:
        return read_jobs(Path(path), job_command())
    except UsageError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"scrape: {printable(line, 2000)}\n")
        raise typer.Exit(2) from None


def _display_options(chosen: Choices) -> list[str]:
    return [option for name, option in (("quiet", "--quiet"), ("log_json", "--log-json")) if chosen[name]]


def _teller(*, log_json: bool) -> Callable[[str], object]:
    """Return a function that writes a line on standard error; with ``log_json``, as JSON with its time."""

    def tell(line: str) -> None:
        shown = printable(line, 2000)
        if log_json:
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            shown = log_line(at, "INFO", shown, logger="parascrape.jobs")
        sys.stderr.write(shown + "\n")
        sys.stderr.flush()

    return tell


_ENDING = (signal.SIGINT, signal.SIGTERM)
_CHILD_ENDED, _RELOAD = getattr(signal, "SIGCHLD", 0), getattr(signal, "SIGHUP", 0)  # 0 on Windows


@contextmanager
def _queued_signals() -> Iterator[SimpleQueue[int]]:
    """Yield a queue of the signals that arrive; its ``put`` may be called in a signal handler."""
    queue: SimpleQueue[int] = SimpleQueue()
    handlers: dict[int, Any] = {}
    for number in filter(None, (*_ENDING, _RELOAD, _CHILD_ENDED)):
        handlers[number] = signal.signal(number, lambda number, _: queue.put(number))
    try:
        yield queue
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


class _ScheduleLoop:
    """Drives the scheduler: passes the time to it, starts processes, reloads the file, ends on a signal."""

    def __init__(self, file: JobFile, chosen: Choices) -> None:
        self._file = file
        self._health = chosen["health"]
        self._shown = _display_options(chosen)
        self._tell = _teller(log_json=chosen["log_json"])
        self._history = History(history_path(file.path))
        self._scheduler = Scheduler(self._start, self._tell)
        self._version = self._stat()
        self._load()

    def _load(self) -> None:
        """Give the file's jobs to the scheduler, and say when each starts."""
        now = datetime.now(UTC)
        last = {name: run.began for name in self._file.jobs for run in self._history.recent(name, 1)}
        self._scheduler.load(self._file.jobs, now, last)
        for name, job in self._file.jobs.items():
            is_running = name in self._scheduler.running
            if job.timing is not None and not is_running and self._file.paths(job).find_unfinished():
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
        """Run jobs until a signal comes and all runs have ended; return the exit status."""
        while True:
            seconds = self._scheduler.tick(datetime.now(UTC))
            self._write_health()
            number = 0
            with suppress(Empty):
                number = signals.get(timeout=seconds)
            if number in _ENDING:
                return self._end(number, signals)
            if (number and number == _RELOAD) or self._stat() != self._version:
                self._reload()

    def _end(self, number: int, signals: SimpleQueue[int]) -> int:
        """Ask the runs to end, again for each signal that comes, and wait for them."""
        self._tell("stopping: runs end cleanly and continue at the next start")
        self._scheduler.end(number)
        while not self._scheduler.is_idle:
            with suppress(Empty):
                again = signals.get(timeout=1.0)
                if again in _ENDING:
                    self._scheduler.end(again)
        self._write_health()
        return 128 + number

    def _reload(self) -> None:
        """Read the file again; if it has a mistake, report it and keep the jobs that are known."""
        self._version = self._stat()
        before = self._file
        try:
            self._file = read_jobs(before.path, job_command())
            self._load()
            self._tell(f"{before.path.name} was reloaded")
        except UsageError as error:
            self._file = before
            for line in str(error).splitlines():
                self._tell(line)
            self._tell(f"{before.path.name} was not reloaded; its earlier jobs stay in force")

    def _stat(self) -> tuple[int, int]:
        try:
            found = os.stat(self._file.path)
        except OSError:  # the file is being replaced
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
