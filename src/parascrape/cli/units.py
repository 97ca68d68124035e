"""``scrape units JOBFILE``: the jobs for cron and for systemd."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from typing import Annotated

import typer

from parascrape.cli.run_jobs import JobFilePath

__all__ = ["units"]

Folder = Annotated[
    str,
    typer.Option(
        "--write",
        metavar="DIR",
        help="Put the units there as files, such as ~/.config/systemd/user [print them].",
        rich_help_panel="Output",
        show_default=False,
    ),
]


def units(file: JobFilePath, write: Folder = "") -> None:
    """Print a crontab line, a systemd service and a timer for each job that has a schedule.

    Exit status: 0 good, 2 wrong usage, or a schedule that cron or systemd has no words for.
    """
    from parascrape.cli.jobs import load_jobs

    loaded = load_jobs(file)
    jobs = [job for job in loaded.jobs.values() if job.timing is not None]
    from parascrape.errors import UsageError
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
    if write:
        _write_all(write, files)
        return
    blocks = ["# crontab\n" + "".join(f"{line}\n" for line in lines)]
    blocks += [f"# {name}\n{text}" for name, text in files.items()]
    sys.stdout.write("\n".join(blocks))


def _write_all(folder: str, files: dict[str, str]) -> None:
    from pathlib import Path

    from parascrape.system import output_errors, replace_file

    for name, text in files.items():
        path = Path(folder).expanduser() / name
        with output_errors(path), replace_file(path, text=True) as file:
            file.write(text)
        sys.stderr.write(f"{Path(folder, name)}\n")


def _command() -> list[str]:
    """How units call this command, by whole paths: cron and systemd have hardly any PATH."""
    found = shutil.which(sys.argv[0]) if os.path.basename(sys.argv[0]) == "scrape" else None
    return [os.path.abspath(found)] if found else [sys.executable, "-m", "parascrape"]
