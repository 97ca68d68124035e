"""``scrape run JOBFILE [JOB...]``: jobs of a file, once each, for cron, systemd and people."""

from __future__ import annotations

from typing import Annotated

import typer

from parascrape.cli import options as opt

__all__ = ["JobFilePath", "run_jobs"]

JobFilePath = Annotated[
    str,
    typer.Argument(
        metavar="JOBFILE",
        help="Such as harvest.toml: jobs with the options of the command.",
        rich_help_panel="Jobs",
        show_default=False,
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[JOB...]",
        help="Those to run, one after the other [all].",
        rich_help_panel="Jobs",
        show_default=False,
    ),
]


def run_jobs(
    file: JobFilePath, names: Names = None, quiet: opt.Quiet = False, log_json: opt.LogJson = False
) -> None:
    """Run jobs of a file once: each goes on where it was ended, and never runs twice at once.

    Exit status: 0 all good, 1 some URLs failed, 2 wrong usage, 3 the guards rejected an output,
    70 a harvest broke off, 74 a file could not be written, 75 the job is being run, 130 interrupted,
    143 terminated; of several jobs the highest.
    """
    from parascrape.cli.jobs import load_jobs, run_all

    raise typer.Exit(run_all(load_jobs(file), names or [], quiet=quiet, log_json=log_json))
