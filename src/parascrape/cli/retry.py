"""``scrape retry OUTPUT``: runs again what failed in an output, and replaces those records."""

from __future__ import annotations

from typing import Annotated

import typer

from parascrape.cli import options as opt
from parascrape.settings import USER_AGENT, Settings

__all__ = ["retry"]

_DEFAULT = Settings()

Output = Annotated[
    str,
    typer.Argument(
        metavar="OUTPUT",
        help="A file of records. It holds no passwords: a URL that had one is fetched without it.",
        rich_help_panel="What to run again",
        show_default=False,
    ),
]
Only = Annotated[
    str,
    typer.Option(
        "--only",
        metavar="CODES",
        help="Failures with these codes: timeout,status,... [all but invalid_url].",
        rich_help_panel="What to run again",
        show_default=False,
    ),
]


def retry(  # noqa: PLR0913 (one parameter an option is how Typer declares them)
    ctx: typer.Context,
    output: Output,
    only: Only = "",
    mode: opt.ModeOption = _DEFAULT.mode,
    processes: opt.Processes = 0,
    threads: opt.Threads = 0,
    worker_memory: opt.WorkerMemory = 0,
    scraper: opt.Scraper = "",
    select: opt.Select = None,
    per_host: opt.PerHost = _DEFAULT.per_host,
    delay: opt.Delay = _DEFAULT.delay,
    per_domain: opt.PerDomain = False,
    ignore_robots: opt.IgnoreRobots = False,
    timeout: opt.Timeout = _DEFAULT.timeout,
    max_bytes: opt.MaxBytes = _DEFAULT.max_bytes,
    retries: opt.Retries = _DEFAULT.retries,
    header: opt.Header = None,
    cookie: opt.Cookie = None,
    user_agent: opt.UserAgent = USER_AGENT,
    proxy: opt.Proxy = "",
    insecure: opt.Insecure = False,
    allow_private: opt.AllowPrivate = False,
    ordered: opt.Ordered = False,
    quiet: opt.Quiet = False,
    profile: opt.Profile = False,
    verbose: opt.Verbose = False,
    log_file: opt.LogFile = "",
) -> None:
    """Run again what failed in an output, and replace those records; the good ones stay as they are.

    Name the scraper and the options of the first run. Killed, it goes on when it is called again.
    Exit status: 0 the output holds no failure any more, 1 it does, others as of scrape.
    """
    settings = opt.make_settings(ctx.params)
    from parascrape.cli.again import run_again
    from parascrape.cli.logging import Display

    codes = [code for part in only.split(",") if (code := part.strip())]
    display = Display(quiet=quiet, verbose=verbose, log_file=log_file, profile=profile)
    raise typer.Exit(run_again(output, codes, settings, display))
