"""``scrape run JOBFILE`` and ``scrape units JOBFILE``; what commands about jobs share."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer

from parascrape.cli import status_of
from parascrape.cli.harvest import lists
from parascrape.cli.logging import log_line
from parascrape.cli.options import DISPLAY, LOG_JSON, Choices, Options, command, pick
from parascrape.errors import ParascrapeError, UsageError
from parascrape.jobs import Command, JobFile, read_jobs
from parascrape.settings import Option, Settings
from parascrape.system import output_errors, printable, replace_file

JOB_FILE: Options = {
    "file": Option(
        ..., "JOBFILE", "Such as harvest.toml: jobs with the options of the command.", "Jobs", type=str
    )
}
_NAMES: Options = {"names": Option((), "[JOB...]", "Those to run, one after the other [all].", "Jobs")}
_WRITE: Options = {
    "write": Option(
        "",
        "--write DIR",
        "Put the units there as files, such as ~/.config/systemd/user [print them].",
        "Output",
    )
}


@command(JOB_FILE, _NAMES, pick(DISPLAY, "quiet"), LOG_JSON)
def run_jobs(chosen: Choices) -> int:
    """Run jobs of a file once: each goes on where it was ended, and never runs twice at once.

    Exit status: 0 all good, 1 some URLs failed, 2 wrong usage, 3 the guards rejected an output,
    70 a harvest broke off, 74 a file could not be written, 75 the job is being run, 130 interrupted,
    143 terminated; of several jobs the highest.
    """
    file = load_jobs(chosen["file"])
    return run_all(file, chosen["names"], quiet=chosen["quiet"], log_json=chosen["log_json"])


@command(JOB_FILE, _WRITE)
def units(chosen: Choices) -> int:
    """Print a crontab line, a systemd service and a timer for each job that has a schedule.

    Exit status: 0 good, 2 wrong usage, or a schedule that cron or systemd has no words for.
    """
    file = chosen["file"]
    loaded = load_jobs(file)
    jobs = [job for job in loaded.jobs.values() if job.timing is not None]
    from parascrape.jobs import crontab_lines, service, timer, unit_name

    if not jobs:
        raise UsageError(f"{file}: no job has a schedule")
    command = _command()
    files: dict[str, str] = {}
    lines = []
    for job in jobs:
        name = unit_name(loaded.path, job)
        files[f"{name}.service"] = service(loaded.path, job, command)
        files[f"{name}.timer"] = timer(loaded.path, job)
        lines += crontab_lines(loaded.path, job, shlex.join(command))
    if chosen["write"]:
        _write_all(chosen["write"], files)
        return 0
    blocks = ["# crontab\n" + "".join(f"{line}\n" for line in lines)]
    blocks += [f"# {name}\n{text}" for name, text in files.items()]
    sys.stdout.write("\n".join(blocks))
    return 0


def _write_all(folder: str, files: dict[str, str]) -> None:

    for name, text in files.items():
        path = Path(folder).expanduser() / name
        with output_errors(path), replace_file(path, text=True) as file:
            file.write(text)
        sys.stderr.write(f"{Path(folder, name)}\n")


def _command() -> list[str]:
    """Return the command with absolute paths: cron and systemd set hardly any PATH."""
    found = shutil.which(sys.argv[0]) if os.path.basename(sys.argv[0]) == "scrape" else None
    return [os.path.abspath(found)] if found else [sys.executable, "-m", "parascrape"]


def job_command() -> Command:
    """Return the options of ``scrape LIST...`` that a job may have, and the check of arguments."""
    options = {option.job_key: option for option in lists.options.values() if option.job_key}
    return Command(options, lambda arguments: lists.read(arguments).make(Settings))


def load_jobs(path: str) -> JobFile:
    """Return the jobs of a file. For mistakes, write one line each and end the command with status 2."""
    try:
        return read_jobs(Path(path), job_command())
    except UsageError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"scrape: {printable(line, 2000)}\n")
        raise typer.Exit(2) from None


def make_teller(*, log_json: bool) -> Callable[[str], object]:
    """Return a function that writes a line on standard error; with ``log_json``, as JSON with its time."""

    def tell(line: str) -> None:
        shown = printable(line, 2000)
        if log_json:
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            shown = log_line(at, "INFO", shown, logger="parascrape.jobs")
        sys.stderr.write(shown + "\n")
        sys.stderr.flush()

    return tell


def run_all(file: JobFile, names: Sequence[str], *, quiet: bool, log_json: bool) -> int:
    """Run these jobs in turn and return the highest exit status; a signal ends the series."""
    from parascrape.jobs import ChildProcesses, History, RunTools, history_path, run_job

    tell = make_teller(log_json=log_json)
    statuses = [0]
    ours = [*(["--quiet"] if quiet else []), *(["--log-json"] if log_json else [])]
    with ChildProcesses() as children:
        tools = RunTools(
            lambda arguments, folder: children.run([*ours, *arguments], folder),
            History(history_path(file.path)),
            tell=tell,
        )
        for job in file.select(names):
            try:
                statuses.append(run_job(file, job, tools))
            except ParascrapeError as error:
                tell(str(error))
                statuses.append(status_of(error))
            if children.numbers:
                return 128 + children.numbers[0]
    return max(statuses)
