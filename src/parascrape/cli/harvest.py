"""``scrape LIST...``: the harvest of lists."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from parascrape.cli import options as opt
from parascrape.errors import UsageError
from parascrape.settings import USER_AGENT, Settings

__all__ = ["lists"]

_DEFAULT = Settings()

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="LIST...",
        help=".txt .csv .tsv .jsonl (.gz), - for stdin, or URLs.",
        rich_help_panel="Lists",
        show_default=False,
    ),
]
UrlColumn = Annotated[
    str,
    typer.Option(
        "--url-column",
        rich_help_panel="Lists",
        metavar="NAME",
        help="In csv, tsv, jsonl [url].",
        show_default=False,
    ),
]


def lists(  # noqa: PLR0913 (one parameter an option is how Typer declares them)
    ctx: typer.Context,
    sources: Sources,
    url_column: UrlColumn = "url",
    limit: opt.Limit = 0,
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
    fetch_duplicates: opt.FetchDuplicates = False,
    drop_tracking: opt.DropTracking = False,
    sort_query: opt.SortQuery = False,
    timeout: opt.Timeout = _DEFAULT.timeout,
    max_bytes: opt.MaxBytes = _DEFAULT.max_bytes,
    retries: opt.Retries = _DEFAULT.retries,
    header: opt.Header = None,
    cookie: opt.Cookie = None,
    user_agent: opt.UserAgent = USER_AGENT,
    proxy: opt.Proxy = "",
    insecure: opt.Insecure = False,
    allow_private: opt.AllowPrivate = False,
    connect_to: opt.ConnectTo = "",
    ca_file: opt.CaFile = "",
    previous: opt.Previous = "",
    max_age: opt.MaxAge = "",
    output: opt.Output = "",
    overwrite: opt.Overwrite = False,
    resume_failed: opt.ResumeFailed = False,
    ordered: opt.Ordered = False,
    quiet: opt.Quiet = False,
    profile: opt.Profile = False,
    profile_json: opt.ProfileJson = "",
    verbose: opt.Verbose = False,
    log_file: opt.LogFile = "",
    log_json: opt.LogJson = False,
    version: opt.Version = False,
) -> None:
    """Turn a list of URLs into a file of records, one JSON line for each."""
    settings = opt.make_settings(ctx.params)
    if max_age and not previous:
        raise UsageError("--max-age: name the earlier output with --previous")
    from parascrape.cli.harvest_run import Display, RunOutput, run_lists
    from parascrape.files import forget_retry

    prepare = forget_retry if overwrite else _drop_failed if resume_failed else None
    target = RunOutput(output, overwrite, prepare)
    display = Display(quiet=quiet, verbose=verbose, log_file=log_file, profile=profile)
    display = display._replace(profile_json=profile_json)
    display = display._replace(log_json=log_json)
    status = run_lists(sources, settings, display, target, url_column=url_column, limit=limit)
    raise typer.Exit(status)


def _drop_failed(output: Path) -> None:
    """Take the failures out of an output, if it is there."""
    from parascrape.files import drop_pages

    if output.exists():
        drop_pages(output, lambda page: bool(page.code))
