"""The source of a crawl: the entries of a harvest, as the harvest itself finds them.

    start URLs --> Store.add --> Store.take --> Entry --> the harvest --> landed: where the page leads
                      ^                                                       |
                      +-------------------------------------------------------+

Each site has only so many entries handed out as keep its fetches going, for what is handed out has no order
any more. Breadth-first, a site's URLs of one depth wait for its pages of lesser depth where there is a bound
on depth: until those are back, the shortest way to a URL is not known (a redirect is no step).
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from parascrape.crawling.intake import Admission
from parascrape.crawling.limits import CrawlLimits
from parascrape.crawling.links.discover import CrawlInfo
from parascrape.crawling.store.url_store import KnownUrl, UrlStore
from parascrape.crawling.traps import Traps
from parascrape.files import Outcome
from parascrape.records import SKIPPED, Entry
from parascrape.web import RobotsRules, site_of

__all__ = ["MAX_WAIT", "CrawlSchedule"]

MAX_WAIT = 60.0
"""Seconds that a site's deeper URLs wait for its pages of lesser depth: one of these may hang."""

_TRAPS_SECONDS = 2.0
"""Between two times that what is known of traps is saved: 40 ms for 20,000 of them."""

_AHEAD = 10_000
"""Entries that are handed out at once, over all sites."""


@dataclass(slots=True)
class _Site:
    """What of a site is handed out: how many at each depth, and since when its deeper URLs wait."""

    depths: Counter[int] = field(default_factory=Counter)
    held: int = 0
    waits_since: float | None = None


class CrawlSchedule:
    """The entries of a crawl; iterate it, and tell it what `landed`. Used by one thread.

    ``per_site`` is how many entries of a site are handed out at once. ``had`` counts the pages that earlier
    runs had, ``by_site`` and ``by_budget`` those of each site and each of the plan's budgets.
    """

    def __init__(
        self,
        store: UrlStore,
        plan: CrawlLimits,
        *,
        per_site: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.had = 0
        self.by_site: Counter[str] = Counter()
        self.by_budget: Counter[str] = Counter()
        self.traps = Traps(budget=plan.trap_budget, data=store.value("traps"))
        self.intake = Admission(store, plan, self.traps)
        self._store = store
        self._plan = plan
        self._per_site = per_site
        self._clock = clock
        self._saved_traps = clock()
        self._sites: dict[str, _Site] = {}
        self._out: dict[int, tuple[str, int]] = {}
        self._ready: deque[Entry] = deque()
        self._given = 0
        self._turns: dict[str, None] = dict.fromkeys(store.sites())  # in order, each once

    # --- out ----------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Entry | None]:
        """Entries; None where only pages that are under way can bring more."""
        while True:
            entry = self._next()
            if entry is None and not self._out:
                return
            yield entry

    @property
    def is_full(self) -> bool:
        """Whether the plan's pages are all handed out."""
        return bool(self._plan.max_pages) and self.had + len(self._out) >= self._plan.max_pages

    def _next(self) -> Entry | None:
        if self._ready:
            return self._ready.popleft()
        for site in self.intake.flush():
            self._turns[site] = None
        for _ in range(len(self._turns)):
            if self.is_full or len(self._out) >= _AHEAD:
                return None
            site = next(iter(self._turns))
            del self._turns[site]
            self._take_of(site)
            if self._ready:
                return self._ready.popleft()
        return None

    def _take_of(self, site: str) -> None:
        """Have some of the site's URLs ready; it keeps its turn while it has more and may."""
        here = self._sites.setdefault(site, _Site())
        room = min(self._per_site - here.held, _AHEAD - len(self._out))
        if self._plan.max_pages:
            room = min(room, self._plan.max_pages - self.had - len(self._out))
        if room <= 0:
            return
        rows = self._rows_of(site, room, here)
        while rows and not self._ready:  # all refused: nobody would ask for more if nothing is under way
            rows = self._rows_of(site, room, here)
        waits = self._keeps_order(here) and bool(self._store.sites().get(site))
        if len(rows) == room or waits:
            self._turns[site] = None
        if rows or not here.held:
            here.waits_since = None
        elif waits and here.waits_since is None:
            here.waits_since = self._clock()
        if not here.held:
            del self._sites[site]

    def _rows_of(self, site: str, room: int, here: _Site) -> list[KnownUrl]:
        """The site's next URLs, at most so many; those that are not refused are ready."""
        if self._keeps_order(here):
            rows = [] if here.held else self._store.take(site, 1)
            depth = min(here.depths) if here.held else min((row.depth for row in rows), default=0)
            rows += self._store.take(site, room - len(rows), max_depth=depth)
        else:
            rows = self._store.take(site, room)
        for row in rows:
            self._admit(row, site, here)
        return rows

    def _keeps_order(self, here: _Site) -> bool:
        """Whether pages of one depth only are under way."""
        if self._plan.depth is None or self._plan.best_first:
            return False
        return here.waits_since is None or self._clock() - here.waits_since <= MAX_WAIT

    def _admit(self, row: KnownUrl, site: str, here: _Site) -> None:
        """Hand the URL out, or refuse it: its budget is spent, or it belongs to a trap."""
        reason = self._objection(row, site)
        if reason:
            self._store.refuse(row.number, reason)
            return
        self.by_site[site] += 1
        for prefix, _ in self._plan.budgets:
            self.by_budget[prefix] += row.url.startswith(prefix)
        self._out[row.number] = (site, row.depth)
        self._given += 1
        here.depths[row.depth] += 1
        here.held += 1
        sampled = False
        kind = self._kind_of(row)
        if kind == "":
            self.traps.handed_out(row.url, row.depth, found_on=row.found_on_url)
            sampled = self.traps.wants_text(row.url)
        place = CrawlInfo(row.number, row.depth, row.found_on_url, kind, row.scraper, sampled)
        self._ready.append(Entry(row.url, context=place))

    def _kind_of(self, row: KnownUrl) -> str:
        """What the URL is fetched as: pages too deep are only looked at, and only where that is the plan."""
        too_deep = self._plan.depth is not None and row.depth > self._plan.depth
        return "check" if row.kind == "" and too_deep and self._plan.checks else row.kind

    def _objection(self, row: KnownUrl, site: str) -> str:
        """Why the URL is not fetched after all; empty where it is."""
        plan = self._plan
        if plan.max_per_host and self.by_site[site] >= plan.max_per_host:
            return "budget: a host's"
        for prefix, most in plan.budgets:
            if row.url.startswith(prefix) and self.by_budget[prefix] >= most:
                return f"budget: {prefix}"
        name = self.traps.trap_of(row.url) if row.kind == "" else ""
        if name:
            self.traps.refuse(row.url)
        return f"trap: {name}" if name else ""

    @property
    def total(self) -> int:
        """Entries that this run has given and, as far as is known, will give."""
        return self._given + sum(self._store.sites().values())

    # --- in -----------------------------------------------------------------------------------------

    def recount(self, urls: Iterable[str]) -> None:
        """Count the pages that earlier runs had against hosts and budgets."""
        for url in urls:
            self.by_site[site_of(url)] += 1
            for prefix, _ in self._plan.budgets:
                self.by_budget[prefix] += url.startswith(prefix)

    def start(self, urls: Sequence[str], sitemaps: Sequence[str]) -> None:
        """Begin with these, as far as they are not known."""
        self.intake.add_starts(urls, sitemaps)

    def landed(self, entry: Entry, outcome: Outcome) -> None:
        """Take in what came of an entry."""
        place = entry.context
        if not isinstance(place, CrawlInfo):
            return
        site, depth = self._out.pop(place.number)
        here = self._sites[site]
        here.depths[depth] -= 1
        here.held -= 1
        if not here.depths[depth]:
            del here.depths[depth]
        if not here.held:
            del self._sites[site]
        if outcome.code not in SKIPPED:
            self.had += 1
        self._turns[site] = None
        self._store.done(place.number)
        if outcome.found is not None:
            self.intake.take(entry.url, place, outcome.found)

    def robots(self, origin: str, rules: RobotsRules) -> None:
        """Take in a robots.txt: it may name sitemaps."""
        if self._plan.sitemaps:
            self.intake.add_sitemaps(rules.sitemaps, site_of(origin + "/"))

    def save(self, *, last: bool = False) -> None:
        """Make what is known last, before anything that was made of it is written."""
        for site in self.intake.flush():
            self._turns[site] = None
        self.intake.save()
        now = self._clock()
        if self.traps.changed and (last or now - self._saved_traps > _TRAPS_SECONDS):
            self._saved_traps = now
            self._store.set_value("traps", self.traps.dump())
        self._store.commit()
