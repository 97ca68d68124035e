"""``scrape schedule JOBFILE``: the jobs of a file by the clock, in the foreground."""

from __future__ import annotations

from typing import Annotated

import typer

from parascrape.cli import options as opt
from parascrape.cli.run_jobs import JobFilePath

__all__ = ["schedule"]

Health = Annotated[
    str,
    typer.Option(
        "--health",
        metavar="FILE",
        help="Written every 30 s at least: JSON with the time, and each job's next start [none].",
        rich_help_panel="Watching",
        show_default=False,
    ),
]


def schedule(
    file: JobFilePath, health: Health = "", quiet: opt.Quiet = False, log_json: opt.LogJson = False
) -> None:
    """Run the jobs of a file whenever they are due, until SIGTERM or Ctrl-C.

    The next start continues an interrupted run. SIGHUP, or a change of the file, reloads the file.
    Exit status: 2 wrong usage, 130 interrupted, 143 terminated.
    """
    from parascrape.cli.jobs import load_jobs
    from parascrape.cli.scheduling import run_schedule

    raise typer.Exit(run_schedule(load_jobs(file), health, quiet=quiet, log_json=log_json))
