"""``scrape LIST...``: the harvest of lists."""

from __future__ import annotations

from pathlib import Path
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
    overwrite: opt.Overwrite = False,
    resume_failed: opt.ResumeFailed = False,
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
    from parascrape.cli.session import Display, Target, run_lists

    prepare = _forget_retry if overwrite else _drop_failed if resume_failed else None
    target = Target(output, overwrite, prepare)
    display = Display(quiet=quiet, verbose=verbose, log_file=log_file)
    status = run_lists(sources, settings, display, target, url_column=url_column, limit=limit)
    raise typer.Exit(status)


def _drop_failed(output: Path) -> None:
    """Take the failures out of an output."""
    from parascrape.ledger import drop_pages

    drop_pages(output, lambda page: bool(page.code))


def _forget_retry(output: Path) -> None:
    """Remove the list of a `scrape retry` that was ended: an output that starts anew has no use for it."""
    from parascrape.cli.again import Lists

    for path in Lists.of(output):
        path.unlink(missing_ok=True)
