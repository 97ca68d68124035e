"""``scrape links-check START...``: reports broken links and the pages that contain them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parascrape.cli import options as opt
from parascrape.cli.crawl import GRAPH, LINKS, SCOPE, run_crawl
from parascrape.cli.options import Choices, Display, Options, command, pick
from parascrape.cli.tables import write_out
from parascrape.errors import UsageError
from parascrape.settings import Option, Settings
from parascrape.system import printable, show_count
from parascrape.web import redact

if TYPE_CHECKING:
    from parascrape.crawling import LinkCheck, LinkTarget, SiteCrawl

_HOLDERS = 10  # pages shown for each broken link; the CSV file has all

_INTERNAL: Options = {
    "internal_only": Option(
        False, "--internal-only", "Do not check links to other hosts [each once].", "Links"
    )
}
_CSV: Options = {
    "csv": Option("", "--csv FILE", "Write the report as a table, with all pages [none].", "Output")
}


@command(
    *(pick(SCOPE, "starts same_host same_domain"), _INTERNAL),
    pick(SCOPE, "depth max_pages max_per_host include exclude trap_budget"),
    pick(LINKS, "follow_nofollow sitemaps sitemap"),
    *(opt.SPEED, opt.POLITENESS, opt.SAME_URL, opt.FETCHING, pick(opt.OUTPUT, "output"), _CSV, GRAPH),
    *(pick(opt.OUTPUT, "overwrite resume_failed"), opt.DISPLAY, opt.LOG_JSON),
)
def links_check(chosen: Choices) -> int:
    """Crawl a site, check every link on its pages, and report broken links with the pages they are on.

    A page on another host is fetched once, counts for --max-pages, and its links are not followed. Pages
    that refuse robots (403, 429, ...) are reported separately.

    Exit status: 0 no link is broken, 1 some are, 2 wrong usage, 130 interrupted.
    """
    settings = replace(chosen.make(Settings), select=("title=title",))
    output = _name_output([*chosen["starts"], *chosen["sitemap"]], chosen["output"], chosen["csv"])
    checks = "site" if chosen["internal_only"] else "all"
    found: list[LinkCheck] = []

    def check(crawl: SiteCrawl) -> None:
        if (checked := crawl.check_links()) is not None:
            found.append(checked)

    crawled = {**_DEFAULTS, **chosen, "output": output, "checks": checks}
    status = run_crawl(crawled, settings, chosen.make(Display), check)
    return _report(found[0], status, chosen["csv"]) if found else status


_DEFAULTS: dict[str, Any] = {name: option.default for name, option in {**SCOPE, **LINKS}.items()}
"""For the options of a crawl that this command does not have."""


def _name_output(starts: list[str], output: str, csv: str) -> str:
    """Return the path of the records. Raises UsageError if the report could not be written."""
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
    """Write the findings and return the exit status, given that of the crawl."""
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
    """Yield the report: broken links, moved ones, those that could not be checked, and the counts."""
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
