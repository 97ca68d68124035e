"""``scrape schedule JOBFILE``: the jobs of a file by the clock, in the foreground."""

from __future__ import annotations

from typing import Annotated

import typer

from parascrape.cli import options as opt
from parascrape.cli.run_jobs import JobFilePath

__all__ = ["schedule"]

MetricsPort = Annotated[
    int,
    typer.Option(
        "--metrics-port",
        metavar="PORT",
        help="Serve metrics for Prometheus at /metrics [not].",
        rich_help_panel="Watching",
        show_default=False,
    ),
]
MetricsAddress = Annotated[
    str,
    typer.Option(
        "--metrics-address",
        metavar="IP",
        help="Where that port listens [127.0.0.1].",
        rich_help_panel="Watching",
        show_default=False,
    ),
]
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


def schedule(  # noqa: PLR0913 (one parameter an option is how Typer declares them)
    file: JobFilePath,
    metrics_port: MetricsPort = 0,
    metrics_address: MetricsAddress = "127.0.0.1",
    health: Health = "",
    quiet: opt.Quiet = False,
    log_json: opt.LogJson = False,
) -> None:
    """Run the jobs of a file whenever they are due, until SIGTERM or Ctrl-C.

    A run that was ended goes on at the next start. SIGHUP, or a changed file, has the file read anew.
    Exit status: 2 wrong usage, 130 interrupted, 143 terminated.
    """
    from parascrape.cli.jobs import load_jobs
    from parascrape.cli.scheduling import Watch, run_schedule

    watch = Watch(metrics_port, metrics_address, health)
    raise typer.Exit(run_schedule(load_jobs(file), watch, quiet=quiet, log_json=log_json))
