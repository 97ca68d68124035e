"""``scrape demo``: the bundled site, served on loopback and harvested by the code that lists run through."""

from __future__ import annotations

import sys

import typer

from parascrape.cli import options as opt
from parascrape.settings import Settings

__all__ = ["demo"]

_OUTPUT = "output/demo.jsonl"


def demo(  # noqa: PLR0913 (one parameter an option is how Typer declares them)
    mode: opt.ModeOption = "auto",
    processes: opt.Processes = 0,
    threads: opt.Threads = 0,
    limit: opt.Limit = 0,
    scraper: opt.Scraper = "",
    select: opt.Select = None,
    output: opt.Output = _OUTPUT,
    ordered: opt.Ordered = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    log_file: opt.LogFile = "",
) -> None:
    """Serve a bundled site on loopback (some hundred pages, several hosts, slow, broken and Japanese
    pages among them) and harvest it into output/demo.jsonl.

    Its failures are the site's intention: the exit status is 0 when exactly those failed.
    """
    settings = Settings(
        mode=mode,
        processes=processes,
        threads=threads,
        per_host=0,  # a server of our own, whose 503s are none to slow down for: 80 s with manners, 5 without
        robots=False,
        scraper=scraper,
        select=tuple(select or ()),
        ordered=ordered,
    )
    from parascrape.cli.harvest_run import Display, run_demo

    display = Display(quiet=quiet, verbose=verbose, log_file=log_file)
    status = run_demo(settings, display, output=output, limit=limit)
    if status == 0 and not quiet:
        sys.stderr.write(f"The failures are the site's own. Have a look: head -n 3 {output}\n")
    raise typer.Exit(status)
