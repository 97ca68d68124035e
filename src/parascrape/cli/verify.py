"""``scrape verify LIST...``: whether a scraper gives the same records however it is run."""

from __future__ import annotations

import typer

from parascrape.cli import options as opt
from parascrape.cli.compare import Recording, SampleSize
from parascrape.cli.harvest import Sources, UrlColumn
from parascrape.settings import USER_AGENT, Settings

__all__ = ["verify"]

_DEFAULT = Settings()


def verify(  # noqa: PLR0913 (one parameter an option is how Typer declares them)
    ctx: typer.Context,
    sources: Sources,
    url_column: UrlColumn = "url",
    sample: SampleSize = 200,
    recording: Recording = "",
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
    quiet: opt.Quiet = False,
) -> None:
    """Find a scraper's hidden state before the big run does: the same pages, one after the other, backwards,
    in threads and in processes, must give the same records.

    Exit status: 0 they did, 1 they did not (the differences are shown), 2 wrong usage.
    """
    from parascrape.cli.compare_run import Ask, run_verification

    settings = opt.make_settings(ctx.params)
    ask = Ask(tuple(sources), url_column, sample, recording=recording, quiet=quiet)
    raise typer.Exit(run_verification(ask, settings))
