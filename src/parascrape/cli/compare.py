"""``scrape compare LIST...``: which strategy is fastest for a list, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from parascrape.cli import options as opt
from parascrape.cli.harvest import Sources, UrlColumn
from parascrape.settings import USER_AGENT, Settings

__all__ = ["Latency", "Recording", "SampleSize", "TimeScale", "compare"]

_DEFAULT = Settings()
_HOW, _OUT = "How", "Output"


def _option(*names: str, panel: str, help: str, metavar: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        *names, rich_help_panel=panel, help=help, metavar=metavar, show_default=False
    )
    return option


SampleSize = Annotated[
    int, _option("--sample", panel="Lists", metavar="N", help="URLs drawn from the lists, 0 all [200].")
]
Repeat = Annotated[int, _option("--repeat", panel=_HOW, metavar="N", help="Runs of each strategy [3].")]
Strategies = Annotated[
    str,
    _option(
        "--strategies",
        panel=_HOW,
        metavar="LIST",
        help="Such as sequential,thread:8,process:2x8 [a grid for these CPUs].",
    ),
]
TimeScale = Annotated[
    float,
    _option(
        "--time-scale",
        panel=_HOW,
        metavar="X",
        help="Times of the recording times this; 0.1: as if quicker [1].",
    ),
]
Latency = Annotated[
    str,
    _option(
        "--latency", panel=_HOW, metavar="TIME", help="First byte after 200ms or 1.5s [as it was recorded]."
    ),
]
Recording = Annotated[
    str,
    _option(
        "--recording",
        panel=_HOW,
        metavar="FILE",
        help="WARC of the pages (.warc.gz): used where it exists, else made and kept [made, not kept].",
    ),
]
Report = Annotated[
    str, _option("--report", panel=_OUT, metavar="FILE", help="An HTML page with plots [none].")
]
Json = Annotated[str, _option("--json", panel=_OUT, metavar="FILE", help="All figures as JSON [none].")]


def compare(  # noqa: PLR0913 (one parameter an option is how Typer declares them)
    ctx: typer.Context,
    sources: Sources,
    url_column: UrlColumn = "url",
    sample: SampleSize = 200,
    strategies: Strategies = "",
    repeat: Repeat = 3,
    recording: Recording = "",
    time_scale: TimeScale = 1.0,
    latency: Latency = "",
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
    report: Report = "",
    json: Json = "",
    quiet: opt.Quiet = False,
) -> None:
    """Find the fastest strategy for a list: every page is fetched once and kept, then a local server answers
    for the sites while the list is harvested in each strategy, in turn, and measured.

    Exit status: 0 all strategies gave the same records, 1 they did not or one failed, 2 wrong usage.
    """
    from parascrape.cli.compare_run import Ask, run_comparison

    settings = opt.make_settings(ctx.params)
    ask = Ask(tuple(sources), url_column, sample, recording=recording, time_scale=time_scale, latency=latency)
    status = run_comparison(
        ask._replace(strategies=strategies, repeat=repeat, report=report, json=json, quiet=quiet), settings
    )
    raise typer.Exit(status)
