"""``scrape crawl START...``: follows links and sitemaps."""

from __future__ import annotations

from typing import Annotated

import typer

from parascrape.cli import options as opt
from parascrape.settings import USER_AGENT, Settings

__all__ = ["crawl"]

_DEFAULT = Settings()
_SCOPE, _LINKS = "How far", "Where links are"


def _option(*names: str, panel: str, help: str, metavar: str | None = None) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        *names, rich_help_panel=panel, help=help, metavar=metavar, show_default=False
    )
    return option


Starts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="START...", help="URLs to begin with.", rich_help_panel=_SCOPE, show_default=False
    ),
]
SameHost = Annotated[bool, _option("--same-host", panel=_SCOPE, help="Stay on the hosts of START [so].")]
SameDomain = Annotated[
    bool, _option("--same-domain", panel=_SCOPE, help="Stay on their registrable domains.")
]
AnyHost = Annotated[bool, _option("--any-host", panel=_SCOPE, help="Go wherever links lead.")]
Depth = Annotated[
    int | None, _option("--depth", "-d", panel=_SCOPE, metavar="N", help="Links from START [any].")
]
MaxPages = Annotated[
    int, _option("--max-pages", "-n", panel=_SCOPE, metavar="N", help="Pages in all [any number].")
]
MaxPerHost = Annotated[
    int, _option("--max-per-host", panel=_SCOPE, metavar="N", help="Pages of a host [any number].")
]
Budget = Annotated[
    list[str] | None,
    _option("--budget", panel=_SCOPE, metavar="URL=N", help="Pages below a URL. Repeatable."),
]
Include = Annotated[
    list[str] | None,
    _option(
        "--include", panel=_SCOPE, metavar="PATTERN", help="Only URLs like https://h/a*, /a* or re:REGEX."
    ),
]
Exclude = Annotated[
    list[str] | None, _option("--exclude", panel=_SCOPE, metavar="PATTERN", help="No URLs like these.")
]
ContentType = Annotated[
    list[str] | None,
    _option(
        "--content-type", panel=_SCOPE, metavar="TYPE", help="text/html, image/ or any [HTML and XHTML]."
    ),
]
TrapBudget = Annotated[
    int,
    _option(
        "--trap-budget", panel=_SCOPE, metavar="N", help="Pages of what looks endless; 0 any number [1000]."
    ),
]
FollowCss = Annotated[
    list[str] | None,
    _option("--follow", panel=_LINKS, metavar="CSS", help="Only links in such elements; none: no links."),
]
FollowNofollow = Annotated[
    bool, _option("--follow-nofollow", panel=_LINKS, help="Also what says nofollow [obeyed].")
]
Priority = Annotated[
    str,
    _option("--priority", panel=_LINKS, metavar="FILE.py:FUNC", help="(url, page) -> number; highest first."),
]
Sitemaps = Annotated[bool, _option("--sitemaps", panel=_LINKS, help="Read those that robots.txt names.")]
Sitemap = Annotated[
    list[str] | None,
    _option("--sitemap", panel=_LINKS, metavar="URL", help="Read this sitemap or feed. Repeatable."),
]
Since = Annotated[
    str,
    _option("--since", panel=_LINKS, metavar="DATE", help="Skip what sitemaps date before: 2026-11-01, 7d."),
]
GraphFile = Annotated[
    str,
    _option("--graph", panel="Output", metavar="FILE", help="The links as a CSV file [none]."),
]


def crawl(  # noqa: PLR0913 (one parameter an option is how Typer declares them)
    ctx: typer.Context,
    starts: Starts = None,
    same_host: SameHost = False,
    same_domain: SameDomain = False,
    any_host: AnyHost = False,
    depth: Depth = None,
    max_pages: MaxPages = 0,
    max_per_host: MaxPerHost = 0,
    budget: Budget = None,
    include: Include = None,
    exclude: Exclude = None,
    content_type: ContentType = None,
    trap_budget: TrapBudget = 1000,
    follow: FollowCss = None,
    follow_nofollow: FollowNofollow = False,
    priority: Priority = "",
    sitemaps: Sitemaps = False,
    sitemap: Sitemap = None,
    since: Since = "",
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
    output: opt.Output = "",
    graph: GraphFile = "",
    overwrite: opt.Overwrite = False,
    resume_failed: opt.ResumeFailed = False,
    quiet: opt.Quiet = False,
    profile: opt.Profile = False,
    verbose: opt.Verbose = False,
    log_file: opt.LogFile = "",
    log_json: opt.LogJson = False,
) -> None:
    """Fetch pages, and the pages they lead to, into a file of records."""
    settings = opt.make_settings(ctx.params)
    from parascrape.cli.crawl_run import run_crawl
    from parascrape.cli.logging import Display

    display = Display(quiet=quiet, verbose=verbose, log_file=log_file, profile=profile, log_json=log_json)
    raise typer.Exit(run_crawl(ctx.params, settings, display))
