"""A crawl over one output: its frontier beside it, the entries of its harvest, and its results."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from parascrape import records
from parascrape.crawling.admission import CrawlLimits
from parascrape.crawling.broken_links import LinkCheck
from parascrape.crawling.link_graph import write_graph
from parascrape.crawling.links.discover import LinkDiscovery
from parascrape.crawling.links.rules import LinkRules, Scope, hosts_of
from parascrape.crawling.schedule import CrawlSchedule
from parascrape.crawling.store.database import remove_database
from parascrape.crawling.store.url_store import UrlStore
from parascrape.crawling.traps import Trap
from parascrape.errors import InvalidUrl, UsageError
from parascrape.executors import refuse_during_import
from parascrape.files import KeyIndex, drop_pages, entry_key, read_pages
from parascrape.harvesting import HarvestHooks, harvest
from parascrape.records import SKIPPED, Entry
from parascrape.scrapers import check_scraper
from parascrape.settings import Settings
from parascrape.web import prepare


class StartUrls(NamedTuple):
    """Where a crawl begins: pages, and sitemaps to read."""

    urls: Sequence[str]
    sitemaps: Sequence[str] = ()


class CrawlSummary(NamedTuple):
    """The counts of a crawl at its end."""

    known: int
    pending: int
    refused: dict[str, int]  # known URLs that are not fetched, by reason
    left_out: dict[str, int]  # links that were left out, by reason; a link on ten pages counts ten times
    examples: dict[str, list[str]]
    traps: list[Trap]


def frontier_path(output: Path) -> Path:
    """Return the path of the frontier of a crawl into this output."""
    return output.with_name(output.name + ".frontier")


class SiteCrawl(AbstractContextManager["SiteCrawl"]):
    """A crawl; a context manager that closes its frontier.

    `prepare` opens the frontier once the output is locked; without an output file the first entry does.
    """

    def __init__(
        self, starts: StartUrls, plan: CrawlLimits, discover: LinkDiscovery, settings: Settings
    ) -> None:
        self._starts = starts
        self._plan = plan
        self._discover = discover
        self._options = {**plan.fixed(), **discover.fixed()}
        self._per_site = 4 * settings.per_host + 12 if settings.per_host else 4 * settings.fetches + 64
        self._store: UrlStore | None = None
        self._schedule: CrawlSchedule | None = None
        self._output: Path | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def prepare(self, output: Path, *, overwrite: bool = False, again: bool = False) -> Counter[str]:
        """Reconcile the frontier and the locked output; return the outcomes in the output by code.

        ``again``: fetch failed pages again.

        Raises:
            UsageError: the output belongs to something else, or its frontier was made with other options.
        """
        self._output = output
        path = frontier_path(output)
        if overwrite and output.exists():
            os.truncate(output, 0)  # first, because a frontier without its output is useless
        held = output.exists() and output.stat().st_size
        if not held:
            remove_database(path)
        elif not path.exists():
            raise UsageError(
                f"{output}: holds records, and there is no frontier {path.name} to go on with; "
                "name another --output, or --overwrite"
            )
        self._store = store = UrlStore.open(path, options=self._options)
        before, limits = store.value("limits"), self._plan.limits()
        if before != limits:
            store.set_value("limits", limits)
            store.reopen(lambda reason: reason.startswith(("budget: ", "trap: ")))
        if again and held:
            drop_pages(output, lambda page: bool(page.code) and page.code not in SKIPPED)
        counts = _reconcile(store, output)
        self._begin(store, counts)
        return counts

    def _begin(self, store: UrlStore, before: Counter[str]) -> None:
        self._schedule = schedule = CrawlSchedule(store, self._plan, per_site=self._per_site)
        schedule.had = sum(count for code, count in before.items() if code not in SKIPPED)
        if before and (self._plan.max_per_host or self._plan.budgets):
            schedule.recount(url for _, url in store.each_done())
        schedule.admission.add_starts(self._starts.urls, self._starts.sitemaps)

    def entries(self) -> Iterator[Entry | None]:
        """Yield the entries of the harvest as they are found."""
        if self._schedule is None:  # the records go to a pipe, so no later run continues the crawl
            self._folder = tempfile.TemporaryDirectory(prefix="parascrape-", ignore_cleanup_errors=True)
            self._store = UrlStore.open(Path(self._folder.name) / "frontier", options=self._options)
            self._begin(self._store, Counter())
        yield from self._begun()

    def watch(self, hooks: HarvestHooks) -> HarvestHooks:
        """Return the harvest's hooks, with those that take found links."""
        return replace(
            hooks,
            total=lambda: None if self._schedule is None else self._schedule.total,
            on_outcome=lambda entry, outcome: self._begun().completed(entry, outcome),
            on_robots=lambda origin, rules: self._begun().robots(origin, rules),
            page_hook=self._discover,
        )

    def _begun(self) -> CrawlSchedule:
        if self._schedule is None:
            raise RuntimeError("the crawl has not begun")
        return self._schedule

    def ahead(self, syncing: bool) -> None:
        """Commit the frontier before records are written, and sync it before they are synced."""
        if self._schedule is not None and self._store is not None:
            self._schedule.save()
            if syncing:
                self._store.sync()

    def summary(self) -> CrawlSummary | None:
        """Return the counts of the crawl, None if it has not begun."""
        if self._schedule is None or self._store is None:
            return None
        self._schedule.save(last=True)
        counts = self._store.counts()
        admission, traps = self._schedule.admission, self._schedule.traps.closed()
        left_out = dict(admission.left_out)
        return CrawlSummary(counts.known, counts.pending, counts.refused, left_out, admission.examples, traps)

    def write_graph(self, path: Path) -> int | None:
        """Write the link graph and return the number of links, None if the crawl has not begun."""
        return None if self._store is None else write_graph(path, self._store, self._plan.identity)

    def check_links(self) -> LinkCheck | None:
        """Return the broken links, None if the crawl has not begun or has no output file."""
        if self._store is None or self._output is None:
            return None
        return LinkCheck(self._store, self._plan, self._output)

    def __exit__(self, *_: object) -> None:
        """Save and close the frontier."""
        store, schedule = self._store, self._schedule
        self._store = self._schedule = None
        try:
            if store is not None:
                with store:
                    if schedule is not None:
                        schedule.save(last=True)
        finally:
            if self._folder is not None:
                self._folder.cleanup()


def _reconcile(store: UrlStore, output: Path) -> Counter[str]:
    """Make store and output agree, and return the outcomes in the output by code, "" for good ones.

    Pages whose records are missing become pending; records that the store does not know are dropped.
    """
    done = KeyIndex()
    for _, url in store.each_done():
        done.add(entry_key(Entry(url)))
    done.sort()
    before: Counter[str] = Counter()
    unknown: set[int] = set()
    if output.exists():
        for page in read_pages(output):
            if done.take(page.key):
                before[page.code] += 1
            elif "depth" in page.record["meta"]:
                unknown.add(page.start)
            else:
                raise UsageError(
                    f"{output}: holds records of another run; name another --output, or --overwrite"
                )
    if unknown:
        drop_pages(output, lambda page: page.start in unknown)
    if len(done):
        store.mark_pending(number for number, url in store.each_done() if done.take(entry_key(Entry(url))))
    store.commit()
    return before


def crawl_site(
    starts: Iterable[str],
    settings: Settings | None = None,
    plan: CrawlLimits | None = None,
    *,
    links: bool = True,
) -> Iterator[dict[str, Any]]:
    """Yield the records of these pages and of all they lead to, as they are finished.

    ``plan`` limits the crawl, by default to the hosts of the start URLs. Without ``links`` only requests of
    the scraper are followed (`follow`). Leaving the loop ends the crawl. Its frontier is a temporary file:
    only the command can go on with a crawl later.

    Raises:
        UsageError: at once, if a start URL, the settings or the scraper cannot work.
    """
    if isinstance(starts, str):
        raise UsageError("starts: a string, not URLs; write [url] for a single one")
    try:
        urls = [prepare(url) for url in starts]
    except InvalidUrl as error:
        raise UsageError(f"starts: {error}") from None
    settings = settings or Settings()
    refuse_during_import()
    check_scraper(settings.scraper, settings.mode, settings.select)
    plan = plan or CrawlLimits(scope=Scope(hosts=hosts_of(urls)))
    rules = LinkRules(scope=plan.scope, identity=plan.identity, user_agent=settings.user_agent)
    return _records(
        SiteCrawl(StartUrls(urls), plan, LinkDiscovery(rules=rules, links=links), settings), settings
    )


def _records(site_crawl: SiteCrawl, settings: Settings) -> Iterator[dict[str, Any]]:
    with site_crawl:
        for outcome in harvest(site_crawl.entries(), settings, hooks=site_crawl.watch(HarvestHooks())):
            yield from map(records.parse, outcome.lines.splitlines())
