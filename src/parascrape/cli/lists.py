"""``scrape LIST...``: the harvest of lists."""

from __future__ import annotations

from typing import Annotated

import typer

from parascrape.cli import options as opt
from parascrape.settings import USER_AGENT, Settings

__all__ = ["lists"]

_DEFAULT = Settings()

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="LIST...",
        help=".txt .csv .tsv .jsonl, also .gz; - for stdin; or URLs.",
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
    sources: Sources,
    url_column: UrlColumn = "url",
    limit: opt.Limit = 0,
    mode: opt.ModeOption = _DEFAULT.mode,
    processes: opt.Processes = 0,
    threads: opt.Threads = 0,
    scraper: opt.Scraper = "",
    select: opt.Select = None,
    timeout: opt.Timeout = _DEFAULT.timeout,
    max_bytes: opt.MaxBytes = _DEFAULT.max_bytes,
    retries: opt.Retries = _DEFAULT.retries,
    header: opt.Header = None,
    cookie: opt.Cookie = None,
    user_agent: opt.UserAgent = USER_AGENT,
    proxy: opt.Proxy = "",
    insecure: opt.Insecure = False,
    output: opt.Output = "",
    ordered: opt.Ordered = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    log_file: opt.LogFile = "",
    version: opt.Version = False,  # noqa: ARG001 (its callback has answered)
) -> None:
    """Turn a list of URLs into a file of records, one JSON line for each."""
    settings = Settings(
        mode=mode,
        processes=processes,
        threads=threads,
        scraper=scraper,
        select=tuple(select or ()),
        timeout=timeout,
        max_bytes=max_bytes,
        retries=retries,
        headers=opt.parse_pairs("--header", header, ":"),
        cookies=opt.parse_pairs("--cookie", cookie, "="),
        user_agent=user_agent,
        proxy=proxy,
        verify_tls=not insecure,
        ordered=ordered,
    )
    from parascrape.cli.session import Display, run_lists

    display = Display(quiet=quiet, verbose=verbose, log_file=log_file)
    status = run_lists(sources, settings, display, output=output, url_column=url_column, limit=limit)
    raise typer.Exit(status)
