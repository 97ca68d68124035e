"""What the commands about jobs share: the job file, read with this command's options; what they say."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

import typer

from parascrape.cli.harvest import lists
from parascrape.cli.logging import log_line
from parascrape.cli.options import make_settings
from parascrape.errors import OutputBusy, OutputError, ParascrapeError, UsageError
from parascrape.jobs import Command, JobFile, OptionKind, read_jobs
from parascrape.system import printable

__all__ = ["command", "load_jobs", "make_teller", "run_all"]

_NOT_FOR_JOBS = {"help", "output", "overwrite", "previous", "quiet", "resume_failed", "version"}
"""What a run sets itself, and what only a person asks for."""

_SEPARATORS = {"--header": ": ", "--cookie": "=", "--select": "="}


def command() -> Command:
    """The options of ``scrape LIST...`` that a job may have, by their names, and the check of arguments."""
    app = typer.Typer(add_completion=False)
    app.command()(lists)
    parser = typer.main.get_command(app)
    return Command(dict(_kinds(parser)), partial(_check, parser))


def _kinds(parser: Any) -> Iterator[tuple[str, OptionKind]]:
    """The name and kind of each option; its type is that of the function's parameter."""
    hints = get_type_hints(lists)
    for option in parser.params:
        if option.param_type_name != "option" or option.hidden or option.name in _NOT_FOR_JOBS:
            continue
        flag = max(option.opts, key=len)
        base = hints[option.name] if hints[option.name] in (bool, int, float) else str
        kind = OptionKind(flag, base, option.multiple, _SEPARATORS.get(flag, ""))
        yield flag.removeprefix("--").replace("-", "_"), kind


def _check(parser: Any, arguments: Sequence[str]) -> None:
    """Raise UsageError for arguments that the command would not take."""
    wrong: type[Any] = typer.BadParameter.__bases__[0]
    try:
        make_settings(parser.make_context("scrape", list(arguments)).params)
    except wrong as error:
        raise UsageError(error.format_message()) from None


def load_jobs(path: str) -> JobFile:
    """The jobs of a file. Each mistake in it is a line on standard error; then the command ends with 2."""
    try:
        return read_jobs(Path(path), command())
    except UsageError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"scrape: {printable(line, 2000)}\n")
        raise typer.Exit(2) from None


def make_teller(*, log_json: bool) -> Callable[[str], object]:
    """What writes a line on standard error, as JSON with its time (UTC) where that is asked for."""

    def tell(line: str) -> None:
        shown = printable(line, 2000)
        if log_json:
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            shown = log_line(at, "INFO", shown, logger="parascrape.jobs")
        sys.stderr.write(shown + "\n")
        sys.stderr.flush()

    return tell


def run_all(file: JobFile, names: Sequence[str], *, quiet: bool, log_json: bool) -> int:
    """The exit status of running these jobs in turn: the highest; a signal ends the series."""
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
                statuses.append(_status_of(error))
            if children.numbers:
                return 128 + children.numbers[0]
    return max(statuses)


def _status_of(error: ParascrapeError) -> int:
    if isinstance(error, OutputBusy):
        return 75
    return 74 if isinstance(error, OutputError) else 2 if isinstance(error, UsageError) else 70
