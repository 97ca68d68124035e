"""A crawl over one output: its frontier beside it, its source of entries, and what it knows at the end."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from parascrape.crawling.limits import CrawlLimits
from parascrape.crawling.links.discover import LinkDiscovery
from parascrape.crawling.schedule import CrawlSchedule
from parascrape.crawling.store.database import remove_database
from parascrape.crawling.store.url_store import UrlStore
from parascrape.crawling.traps import Trap
from parascrape.errors import UsageError
from parascrape.files import KeyIndex, drop_pages, entry_key, read_pages
from parascrape.harvesting import HarvestHooks
from parascrape.records import SKIPPED, Entry
from parascrape.settings import Settings

__all__ = ["CrawlSummary", "SiteCrawl", "StartUrls", "bring_into_agreement", "frontier_path"]

_STEP = 10_000


def bring_into_agreement(store: UrlStore, output: Path) -> Counter[str]:
    """The outcomes that the output keeps, by code, "" for good ones; both are changed where they differ.

    Raises:
        UsageError: the output holds records that no crawl has made.
    """
    done = KeyIndex()
    for _, url in store.each_done():
        done.add(entry_key(Entry(url)))
    done.sort()
    before: Counter[str] = Counter()
    strange: set[int] = set()
    if output.exists():
        for page in read_pages(output):
            if done.take(page.key):
                before[page.code] += 1
            elif "depth" in page.record["meta"]:
                strange.add(page.start)
            else:
                raise UsageError(
                    f"{output}: holds records of another run; name another --output, or --overwrite"
                )
    if strange:
        drop_pages(output, lambda page: page.start in strange)
    if len(done):
        _fetch_again(store, done)
    store.commit()
    return before


def _fetch_again(store: UrlStore, lost: KeyIndex) -> None:
    """Have the pages be pending again whose records are lost."""
    numbers: list[int] = []
    for number, url in store.each_done():
        if lost.take(entry_key(Entry(url))):
            numbers.append(number)
    for start in range(0, len(numbers), _STEP):
        store.mark_pending(numbers[start : start + _STEP])


class StartUrls(NamedTuple):
    """Where a crawl begins: pages, and sitemaps to be read."""

    urls: Sequence[str]
    sitemaps: Sequence[str] = ()


class CrawlSummary(NamedTuple):
    """What a crawl knows at its end."""

    known: int
    pending: int
    refused: dict[str, int]  # URLs that are known and not fetched, by the reason
    left_out: dict[str, int]  # links that were left out, by the reason: a link in ten pages counts ten times
    examples: dict[str, list[str]]
    traps: list[Trap]


def frontier_path(output: Path) -> Path:
    """Where the frontier of a crawl into this output is."""
    return output.with_name(output.name + ".frontier")


class SiteCrawl:
    """Opened when its output is locked (`prepare`), or at the first entry where there is no such file.

    ``earlier`` is told of the outcomes that the output holds, by code.
    """

    def __init__(  # noqa: PLR0913
        self,
        starts: StartUrls,
        plan: CrawlLimits,
        discover: LinkDiscovery,
        settings: Settings,
        *,
        overwrite: bool = False,
        again: bool = False,
        earlier: Callable[[Counter[str]], None] = lambda before: None,
    ) -> None:
        self._starts = starts
        self._plan = plan
        self._discover = discover
        self._options = {**plan.fixed(), **discover.fixed()}
        self._per_site = 4 * settings.per_host + 12 if settings.per_host else 4 * settings.fetches + 64
        self._overwrite = overwrite
        self._again = again
        self._earlier = earlier
        self._store: UrlStore | None = None
        self._source: CrawlSchedule | None = None
        self._output: Path | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    # --- opening ------------------------------------------------------------------------------------

    def prepare(self, output: Path) -> None:
        """Bring the frontier and the locked output into agreement.

        Raises:
            UsageError: the output is not this crawl's, or its frontier was made with other options.
        """
        self._output = output
        path = frontier_path(output)
        held = output.stat().st_size if output.exists() else 0
        if self._overwrite and held:
            os.truncate(output, 0)  # first: a frontier without the output is nothing
            held = 0
        if not held:
            remove_database(path)
        elif not path.exists():
            raise UsageError(
                f"{output}: holds records, and there is no frontier {path.name} to go on with; "
                "name another --output, or --overwrite"
            )
        self._store = store = UrlStore.open(path, options=self._options)
        self._reconsider(store)
        if self._again and held:
            drop_pages(output, lambda page: bool(page.code) and page.code not in SKIPPED)
        before = bring_into_agreement(store, output)
        self._earlier(before)
        self._begin(store, before)

    def _reconsider(self, store: UrlStore) -> None:
        """Look again at what was refused, where the limits are others than in the run before."""
        before, limits = store.value("limits"), self._plan.limits()
        if before != limits:
            store.set_value("limits", limits)
            store.reopen(lambda reason: reason.startswith(("budget: ", "trap: ")))

    def _begin(self, store: UrlStore, before: Counter[str]) -> CrawlSchedule:
        self._source = source = CrawlSchedule(store, self._plan, per_site=self._per_site)
        source.had = sum(count for code, count in before.items() if code not in SKIPPED)
        if before and (self._plan.max_per_host or self._plan.budgets):
            source.recount(url for _, url in store.each_done())
        source.start(self._starts.urls, self._starts.sitemaps)
        return source

    def _open_aside(self) -> CrawlSchedule:
        """A frontier that nobody goes on with: the records go to a pipe."""
        self._folder = tempfile.TemporaryDirectory(prefix="parascrape-")
        path = Path(self._folder.name) / "frontier"
        self._store = UrlStore.open(path, options=self._options)
        return self._begin(self._store, Counter())

    # --- the harvest --------------------------------------------------------------------------------

    def entries(self) -> Iterator[Entry | None]:
        """What is to be fetched, as it is found."""
        yield from self._source or self._open_aside()

    def watch(self, hooks: HarvestHooks) -> HarvestHooks:
        """Return the hooks of the harvest, which bring back what is found."""
        return replace(
            hooks,
            total=self._total,
            on_outcome=lambda entry, outcome: self._open_source().completed(entry, outcome),
            on_robots=lambda origin, rules: self._open_source().robots(origin, rules),
            page_hook=self._discover,
        )

    def _open_source(self) -> CrawlSchedule:
        if self._source is None:
            raise RuntimeError("the crawl has not begun")
        return self._source

    def _total(self) -> int | None:
        """Entries of this run, as far as they are known."""
        return self._source.total if self._source is not None else None

    def ahead(self, syncing: bool) -> None:
        """Make the frontier last, before records are written; on the disk, before they are synced."""
        if self._source is not None and self._store is not None:
            self._source.save()
            if syncing:
                self._store.sync()

    # --- the end ------------------------------------------------------------------------------------

    def close(self, export: Callable[[UrlStore, Path | None], object] | None = None) -> CrawlSummary | None:
        """What the crawl knows; None where it has not begun. The frontier is closed.

        Before that, ``export`` is called with it and the output; no other run can go on with it meanwhile.
        """
        store, source = self._store, self._source
        self._store = self._source = None
        if store is None:
            return None
        try:
            if source is None:
                return None
            source.save(last=True)
            if export is not None:
                export(store, self._output)
            counts = store.counts()
            intake = source.intake
            return CrawlSummary(
                counts.known,
                counts.pending,
                dict(counts.refused),
                dict(intake.left_out),
                intake.examples,
                source.traps.closed(),
            )
        finally:
            store.close()
            if self._folder is not None:
                with suppress(OSError):
                    self._folder.cleanup()
