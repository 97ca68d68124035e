"""``scrape crawl START...``: follows links and sitemaps."""

from __future__ import annotations

from parascrape.cli.options import (
    DISPLAY,
    EXTRACT,
    FETCHING,
    LOG_JSON,
    OUTPUT,
    POLITENESS,
    PROFILE,
    SAME_URL,
    SPEED,
    Choices,
    Display,
    Options,
    command,
    pick,
)
from parascrape.settings import Option, Settings

__all__ = ["GRAPH", "LINKS", "SCOPE", "crawl"]

_SCOPE, _LINKS = "How far", "Where links are"

SCOPE: Options = {
    "starts": Option((), "START...", "URLs to begin with.", _SCOPE),
    "same_host": Option(False, "--same-host", "Stay on the hosts of START [so].", _SCOPE),
    "same_domain": Option(False, "--same-domain", "Stay on their registrable domains.", _SCOPE),
    "any_host": Option(False, "--any-host", "Go wherever links lead.", _SCOPE),
    "depth": Option(None, "--depth -d N", "Links from START [any].", _SCOPE, type=int),
    "max_pages": Option(0, "--max-pages -n N", "Pages in all [any number].", _SCOPE),
    "max_per_host": Option(0, "--max-per-host N", "Pages of a host [any number].", _SCOPE),
    "budget": Option((), "--budget URL=N", "Pages below a URL. Repeatable.", _SCOPE),
    "include": Option((), "--include PATTERN", "Only URLs like https://h/a*, /a* or re:REGEX.", _SCOPE),
    "exclude": Option((), "--exclude PATTERN", "No URLs like these.", _SCOPE),
    "content_type": Option((), "--content-type TYPE", "text/html, image/ or any [HTML and XHTML].", _SCOPE),
    "trap_budget": Option(
        1000, "--trap-budget N", "Pages of what looks endless; 0 any number [{default}].", _SCOPE
    ),
}
LINKS: Options = {
    "follow": Option((), "--follow CSS", "Only links in such elements; none: no links.", _LINKS),
    "follow_nofollow": Option(False, "--follow-nofollow", "Also what says nofollow [obeyed].", _LINKS),
    "priority": Option("", "--priority FILE.py:FUNC", "(url, page) -> number; highest first.", _LINKS),
    "sitemaps": Option(False, "--sitemaps", "Read those that robots.txt names.", _LINKS),
    "sitemap": Option((), "--sitemap URL", "Read this sitemap or feed. Repeatable.", _LINKS),
    "since": Option("", "--since DATE", "Skip what sitemaps date before: 2026-11-01, 7d.", _LINKS),
}
GRAPH: Options = {"graph": Option("", "--graph FILE", "The links as a CSV file [none].", "Output")}


@command(
    *(SCOPE, LINKS, SPEED, EXTRACT, POLITENESS, SAME_URL, FETCHING),
    *(pick(OUTPUT, "output"), GRAPH, pick(OUTPUT, "overwrite resume_failed")),
    *(pick(DISPLAY, "quiet"), pick(PROFILE, "profile"), pick(DISPLAY, "verbose log_file"), LOG_JSON),
)
def crawl(chosen: Choices) -> int:
    """Fetch pages, and the pages they lead to, into a file of records."""
    settings = chosen.make(Settings)
    from parascrape.cli.crawl_run import run_crawl

    return run_crawl(chosen, settings, chosen.make(Display))
