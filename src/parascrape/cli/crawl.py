"""``scrape crawl START...``: follows links and sitemaps."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from parascrape.cli import options as opt
from parascrape.cli.harvest_run import HarvestRun
from parascrape.cli.options import Choices, Display, Options, command, pick
from parascrape.crawling import (
    HTML,
    CrawlLimits,
    CrawlSummary,
    LinkDiscovery,
    LinkRules,
    Scope,
    SiteCrawl,
    StartUrls,
    check_graph,
    hosts_of,
    parse_budgets,
    priority_of,
    read_date,
)
from parascrape.errors import InvalidUrl, UsageError
from parascrape.files import RetryFiles, default_name
from parascrape.harvesting import HarvestHooks
from parascrape.settings import Option, Settings
from parascrape.system import parse_duration, printable, show_count
from parascrape.web import CanonicalOptions, prepare, redact

_SCOPE, _LINKS = "Scope", "Links"

SCOPE: Options = {
    "starts": Option((), "START...", "URLs to start from.", _SCOPE),
    "same_host": Option(False, "--same-host", "Stay on the hosts of START [default].", _SCOPE),
    "same_domain": Option(False, "--same-domain", "Stay on their registrable domains.", _SCOPE),
    "any_host": Option(False, "--any-host", "Follow links to any host.", _SCOPE),
    "depth": Option(None, "--depth -d N", "Most links between START and a page [any].", _SCOPE, type=int),
    "max_pages": Option(0, "--max-pages -n N", "Most pages in all [any number].", _SCOPE),
    "max_per_host": Option(0, "--max-per-host N", "Most pages of a host [any number].", _SCOPE),
    "budget": Option((), "--budget URL=N", "Most pages below a URL. Repeatable.", _SCOPE),
    "include": Option((), "--include PATTERN", "Only URLs like https://h/a*, /a* or re:REGEX.", _SCOPE),
    "exclude": Option((), "--exclude PATTERN", "Skip URLs like these.", _SCOPE),
    "content_type": Option((), "--content-type TYPE", "text/html, image/ or any [HTML and XHTML].", _SCOPE),
    "trap_budget": Option(
        1000, "--trap-budget N", "Most pages of a suspected trap, 0 any number [{default}].", _SCOPE
    ),
}
LINKS: Options = {
    "follow": Option((), "--follow CSS", "Only links in these elements; none: no links.", _LINKS),
    "follow_nofollow": Option(False, "--follow-nofollow", "Follow nofollow links too [skipped].", _LINKS),
    "priority": Option("", "--priority FILE.py:FUNC", "(url, page) -> number; highest first.", _LINKS),
    "sitemaps": Option(False, "--sitemaps", "Read the sitemaps that robots.txt names.", _LINKS),
    "sitemap": Option((), "--sitemap URL", "Read this sitemap or feed. Repeatable.", _LINKS),
    "since": Option(
        "", "--since DATE", "Skip URLs with an earlier date in a sitemap: 2026-11-01, 7d.", _LINKS
    ),
}
GRAPH: Options = {"graph": Option("", "--graph FILE", "Write the links as a CSV file [none].", "Output")}


@command(
    *(SCOPE, LINKS, opt.SPEED, opt.EXTRACT, opt.POLITENESS, opt.SAME_URL, opt.FETCHING),
    *(pick(opt.OUTPUT, "output"), GRAPH, pick(opt.OUTPUT, "overwrite resume_failed")),
    *(pick(opt.DISPLAY, "quiet"), pick(opt.PROFILE, "profile")),
    *(pick(opt.DISPLAY, "verbose log_file"), opt.LOG_JSON),
)
def crawl(chosen: Choices) -> int:
    """Fetch pages, and the pages they lead to, into a file of records."""
    return run_crawl(chosen, chosen.make(Settings), chosen.make(Display))


class _CrawlRun(HarvestRun):
    """A harvest of the URLs that a crawl finds."""

    on_empty = "No URL is left to fetch."
    crawl: SiteCrawl
    again = False

    def prepare(self, output: Path) -> None:
        before = self.crawl.prepare(output, overwrite=self.overwrite, again=self.again)
        self.totals.before.update(before)
        self.totals.read += before.total()

    def before_write(self, syncing: bool) -> None:
        self.crawl.ahead(syncing)

    def add_hooks(self, hooks: HarvestHooks) -> HarvestHooks:
        return self.crawl.watch(hooks)


def run_crawl(
    chosen: Mapping[str, Any],
    settings: Settings,
    display: Display,
    at_end: Callable[[SiteCrawl], object] = lambda crawl: None,
) -> int:
    """Crawl with the chosen options; return the exit status. ``at_end`` runs before the frontier closes."""
    starts = StartUrls(_prepare("START", chosen["starts"]), _prepare("--sitemap", chosen["sitemap"]))
    if not (starts.urls or starts.sitemaps):
        raise UsageError("no START: write a URL such as https://example.org, or --sitemap URL")
    plan = _make_plan(chosen, starts)
    discover = _make_discover(chosen, plan, settings)
    output = chosen["output"] or f"output/{default_name([*starts.urls, *starts.sitemaps])}.jsonl"
    if output != "-" and RetryFiles.of(Path(output)).list.exists():  # a retry does not follow links
        raise UsageError(f"{output}: a `scrape retry` of it is unfinished; run that first")
    if graph := chosen["graph"]:
        check_graph(graph)
        if output != "-" and Path(graph).resolve() == Path(output).resolve():
            raise UsageError(f"--graph {printable(graph, 200)!r}: is the output as well")
    run = _CrawlRun(output, settings, display, overwrite=chosen["overwrite"])
    run.again = chosen["resume_failed"]
    run.crawl = crawl = SiteCrawl(starts, plan, discover, settings)
    with crawl:
        status = run.run(crawl.entries())
        summary = crawl.summary()
        if graph:
            links = crawl.write_graph(Path(graph))
            if links is not None and not display.quiet:
                sys.stderr.write(f"{printable(graph)} has {links:,} links.\n")
        at_end(crawl)
    if summary is not None and not display.quiet:
        _say_summary(summary)
    return status


def _make_discover(chosen: Mapping[str, Any], plan: CrawlLimits, settings: Settings) -> LinkDiscovery:
    """Return the page hook for these options. Raises UsageError."""
    selectors = tuple(chosen["follow"] or ())
    rules = LinkRules(
        scope=plan.scope,
        follow=tuple(one for one in selectors if one != "none"),
        nofollow=not chosen["follow_nofollow"],
        identity=plan.identity,
        edges=plan.edges,
        priority=chosen["priority"],
        user_agent=settings.user_agent,
    )
    priority_of(rules)  # so that a wrong one is refused before the first fetch
    return LinkDiscovery(
        rules=rules,
        links=selectors != ("none",),
        since=_since(chosen["since"]),
        content_types=_types(chosen["content_type"]),
    )


def _make_plan(chosen: Mapping[str, Any], starts: StartUrls) -> CrawlLimits:
    """Return the limits for these options. Raises UsageError."""
    options = {"host": "same_host", "domain": "same_domain", "any": "any_host"}
    reaches = [reach for reach, option in options.items() if chosen[option]]
    if len(reaches) > 1:
        raise UsageError("--same-host, --same-domain, --any-host: only one of them")
    reach = reaches[0] if reaches else "host"
    checks = chosen.get("checks", "")
    scope = Scope(
        reach=reach,
        hosts=hosts_of([*starts.urls, *starts.sitemaps], reach),
        include=tuple(chosen["include"] or ()),
        exclude=tuple(chosen["exclude"] or ()),
        **({"suffixes": frozenset()} if checks or _types(chosen["content_type"]) != HTML else {}),
    )
    return CrawlLimits(
        scope=scope,
        depth=chosen["depth"],
        max_pages=chosen["max_pages"],
        max_per_host=chosen["max_per_host"],
        budgets=parse_budgets(chosen["budget"] or ()),
        identity=CanonicalOptions(chosen["drop_tracking"], chosen["sort_query"]),
        sitemaps=chosen["sitemaps"],
        best_first=bool(chosen["priority"]),
        trap_budget=chosen["trap_budget"],
        edges=bool(chosen["graph"] or checks),
        checks=checks,
    )


def _prepare(option: str, urls: Sequence[str] | None) -> list[str]:
    """Return the prepared URLs, each once. Raises UsageError."""
    found: dict[str, None] = {}
    for url in urls or ():
        try:
            found[prepare(url)] = None
        except InvalidUrl as error:
            hint = f"; write https://{url}" if "://" not in url else ""
            raise UsageError(f"{option} {printable(redact(url), 200)!r}: {error}{hint}") from None
    return list(found)


def _types(chosen: Sequence[str] | None) -> tuple[str, ...]:
    """Return the wanted media types, none for any."""
    types = tuple(one.strip().lower() for one in chosen or HTML)
    if "any" in types:
        return ()
    for one in types:
        if not re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]*", one):
            raise UsageError(f"--content-type {printable(one, 100)!r}: write text/html, image/ or any")
    return types


def _since(text: str) -> datetime | None:
    """Return the moment of ``2026-11-01`` or ``7d`` (ago). Raises UsageError."""
    if not text:
        return None
    if (date := read_date(text)) is not None:
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    try:
        return datetime.now(UTC) - parse_duration(text)
    except ValueError:
        raise UsageError(f"--since {printable(text, 100)!r}: write a date as 2026-11-01, or 7d") from None


def _say_summary(summary: CrawlSummary) -> None:
    """Report the known and unfetched URLs of the crawl on stderr."""
    left = f", {summary.pending:,} of them still to be fetched" if summary.pending else ""
    lines = [f"{show_count(summary.known, 'URL')} known{left}."]
    for reason, refused in sorted(summary.refused.items(), key=lambda item: -item[1]):
        lines.append(f"Not fetched: {show_count(refused, 'URL')} ({printable(reason, 200)}).")
    if summary.left_out:
        counts = sorted(summary.left_out.items(), key=lambda item: -item[1])
        lines.append("Links left out: " + ", ".join(f"{printable(why, 60)} {n:,}" for why, n in counts) + ".")
    for name, urls in summary.examples.items():
        if name.startswith("trap:"):
            lines.append(f"Looks like a trap ({printable(name[5:], 60)}): {printable(redact(urls[0]))}")
    lines += [
        f"Trap ({trap.name}): {printable(redact(trap.pattern))} was closed after {trap.pages:,} pages "
        f"(--trap-budget), {trap.refused:,} URLs of it were not fetched. Such as "
        f"{printable(redact(trap.example))}"
        for trap in summary.traps
    ]
    sys.stderr.write("\n".join(lines) + "\n")
