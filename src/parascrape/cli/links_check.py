"""``scrape links-check START...``: broken links, and the pages that hold them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parascrape.cli import options as opt
from parascrape.cli.crawl import (
    Depth,
    Exclude,
    FollowNofollow,
    GraphFile,
    Include,
    MaxPages,
    MaxPerHost,
    SameDomain,
    SameHost,
    Sitemap,
    Sitemaps,
    Starts,
    TrapBudget,
)
from parascrape.cli.tables import write_out
from parascrape.errors import UsageError
from parascrape.settings import USER_AGENT, Settings
from parascrape.system import printable, show_count
from parascrape.web import redact

if TYPE_CHECKING:
    from parascrape.crawling import CrawlLimits, LinkCheck, LinkTarget, UrlStore

__all__ = ["links_check"]

_DEFAULT = Settings()

_HOLDERS = 10
"""Pages that are named for each broken link; the CSV has them all."""

InternalOnly = Annotated[
    bool,
    typer.Option(
        "--internal-only",
        rich_help_panel="Links",
        help="Do not look at other hosts' URLs [each once].",
        show_default=False,
    ),
]
CsvFile = Annotated[
    str,
    typer.Option(
        "--csv",
        rich_help_panel="Output",
        metavar="FILE",
        help="The report as a table, with all pages [none].",
        show_default=False,
    ),
]


def links_check(  # noqa: PLR0913 (one parameter an option is how Typer declares them)
    ctx: typer.Context,
    starts: Starts = None,
    same_host: SameHost = False,
    same_domain: SameDomain = False,
    internal_only: InternalOnly = False,
    depth: Depth = None,
    max_pages: MaxPages = 0,
    max_per_host: MaxPerHost = 0,
    include: Include = None,
    exclude: Exclude = None,
    trap_budget: TrapBudget = 1000,
    follow_nofollow: FollowNofollow = False,
    sitemaps: Sitemaps = False,
    sitemap: Sitemap = None,
    mode: opt.ModeOption = _DEFAULT.mode,
    processes: opt.Processes = 0,
    threads: opt.Threads = 0,
    worker_memory: opt.WorkerMemory = 0,
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
    csv: CsvFile = "",
    graph: GraphFile = "",
    overwrite: opt.Overwrite = False,
    resume_failed: opt.ResumeFailed = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    log_file: opt.LogFile = "",
    log_json: opt.LogJson = False,
) -> None:
    """Crawl a site, look at every link of its pages, other hosts' too, and name the pages with broken ones.

    Other hosts' pages are fetched once each, count for --max-pages and are not followed; those that turn
    robots away (403, 429, ...) are told apart.

    Exit status: 0 no link is broken, 1 some are, 2 wrong usage, 130 interrupted.
    """
    raise typer.Exit(_run(ctx.params))


def _run(chosen: Mapping[str, Any]) -> int:
    """The exit status of a check with these parameters of the command."""
    settings = opt.make_settings({**chosen, "select": ("title=title",)})
    from parascrape.cli.crawl_run import run_crawl
    from parascrape.cli.logging import Display

    display = Display(**{name: chosen[name] for name in ("quiet", "verbose", "log_file", "log_json")})
    output = _name_output(
        [*(chosen["starts"] or ()), *(chosen["sitemap"] or ())], chosen["output"], chosen["csv"]
    )
    checks = "site" if chosen["internal_only"] else "all"
    found: list[LinkCheck] = []

    def export(store: UrlStore, plan: CrawlLimits, path: Path) -> None:
        from parascrape.crawling import LinkCheck

        found.append(LinkCheck(store, plan, path))

    status = run_crawl({**chosen, **_FIXED, "output": output, "checks": checks}, settings, display, export)
    return _report(found[0], status, chosen["csv"]) if found else status


_FIXED: dict[str, Any] = {
    "any_host": False,
    "budget": None,
    "content_type": None,
    "follow": None,
    "priority": "",
    "since": "",
}
"""The crawl's other options."""


def _name_output(starts: list[str], output: str, csv: str) -> str:
    """Where the records go. Raises UsageError where the command could not write what it is to write."""
    from parascrape.files import default_name
    from parascrape.system import check_writable

    if output == "-":
        raise UsageError("--output -: standard output has the report; name a file")
    output = output or f"output/{default_name(starts)}-links.jsonl"
    if csv:
        if Path(csv).resolve() == Path(output).resolve():
            raise UsageError(f"--csv {printable(csv, 200)!r}: is the output as well")
        check_writable("--csv", Path(csv))
    return output


def _report(findings: LinkCheck, status: int, csv: str) -> int:
    """The exit status of the crawl with its findings; they are written."""
    from parascrape.crawling import BROKEN

    try:
        if csv:
            findings.write_csv(Path(csv))
        broken = findings.counts()[BROKEN] > 0
        for line in _lines(findings):
            if stopped := write_out(line):
                return stopped
    finally:
        findings.close()
    return int(broken) if status in (0, 1) else status


def _lines(findings: LinkCheck) -> Iterator[str]:
    """The report: what is broken, what has moved, what could not be checked, and how many of each."""
    from parascrape.crawling import BROKEN, GOOD, MOVED, UNCHECKED

    counts = findings.counts()
    headings = {BROKEN: "Broken", MOVED: "Moved for good", UNCHECKED: "Could not be checked"}
    for verdict, heading in headings.items():
        if counts[verdict]:
            yield f"{heading}: {counts[verdict]:,}\n"
        for target in findings.each(verdict):
            yield from _about(findings, target)
    yield (
        f"{show_count(counts.total(), 'URL')} looked at: {counts[GOOD]:,} good, {counts[BROKEN]:,} broken, "
        f"{counts[MOVED]:,} moved, {counts[UNCHECKED]:,} could not be checked."
    )
    if findings.unseen:
        yield f"{show_count(findings.unseen, 'URL')} more are known and were not looked at."


def _about(findings: LinkCheck, target: LinkTarget) -> Iterator[str]:
    what, why = target.code, target.reason
    if what in ("status", "redirected"):
        what, why = (why if what == "status" and why else str(target.status or what)), ""
    yield f"{printable(what, 40)}  {_shown(target.url)}"
    if target.leads_to:
        yield f"     leads to {_shown(target.leads_to)}"
    if why:
        yield f"     {printable(redact(why), 200)}"
    links = findings.holder_count(target)
    for holder in findings.holders(target, _HOLDERS):
        text = f'  "{printable(holder.text, 80)}"' if holder.text else ""
        yield f"  on {_shown(holder.page)}{text}"
    if links > _HOLDERS:
        yield f"  and {links - _HOLDERS:,} more"
    if not links:
        yield "  a start URL, or one of a sitemap"
    yield ""


def _shown(url: str) -> str:
    return printable(redact(url), 500)
