"""The crawl schedule: the entries of a harvest that finds its own URLs.

    start URLs --> UrlStore.add --> UrlStore.take --> Entry --> the harvest --> completed, with links
                        ^                                           |
                        +-------------------------------------------+

Entries that were handed out are no longer in order, so each site gets only as many as keep its fetches busy.
With a limit on depth, a breadth-first crawl finishes a site's URLs of one depth before it fetches deeper
ones: until then the shortest way to a URL is unknown (a redirect is not a step).
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from parascrape.crawling.admission import Admission, CrawlLimits
from parascrape.crawling.links.discover import CrawlInfo
from parascrape.crawling.store.states import KnownUrl
from parascrape.crawling.store.url_store import UrlStore
from parascrape.crawling.traps import Traps
from parascrape.files import Outcome
from parascrape.records import SKIPPED, Entry
from parascrape.web import RobotsRules, site_of

MAX_WAIT = 60.0  # seconds that deeper URLs of a site wait for pages of smaller depth, one of which may hang
_TRAPS_SECONDS = 2.0  # pause between saves of the evidence for traps, 40 ms for 20,000 patterns
_AHEAD = 10_000  # entries that are handed out at a time, over all sites


@dataclass(slots=True)
class _Site:
    """A site's entries in flight: how many at each depth, and since when deeper URLs wait."""

    depths: Counter[int] = field(default_factory=Counter)
    held: int = 0
    waits_since: float | None = None


class CrawlSchedule:
    """The entries of a crawl: iterate over it, and report each outcome to `completed`. Not thread-safe.

    ``per_site`` is how many entries of a site are in flight at most. ``had`` counts the pages of this and
    earlier runs, ``by_site`` and ``by_budget`` those of each site and of each budget.
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
        self.admission = Admission(store, plan, self.traps)
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

    def __iter__(self) -> Iterator[Entry | None]:
        """Yield entries, and None while only pages in flight can lead to more."""
        while True:
            entry = self._next()
            if entry is None and not self._out:
                return
            yield entry

    def _next(self) -> Entry | None:
        if self._ready:
            return self._ready.popleft()
        self._turns.update(dict.fromkeys(self.admission.flush()))
        for _ in range(len(self._turns)):
            if self._room() <= 0:
                return None
            site = next(iter(self._turns))
            del self._turns[site]
            self._take_of(site)
            if self._ready:
                return self._ready.popleft()
        return None

    def _room(self) -> int:
        """Return how many more entries may be handed out."""
        room = _AHEAD - len(self._out)
        return min(room, self._plan.max_pages - self.had - len(self._out)) if self._plan.max_pages else room

    def _take_of(self, site: str) -> None:
        """Take some of the site's URLs; it keeps its turn while it has more."""
        here = self._sites.setdefault(site, _Site())
        room = min(self._per_site - here.held, self._room())
        if room <= 0:
            return
        rows = self._rows_of(site, room, here)
        while rows and not self._ready:  # all refused: without pages in flight, no outcome would ask for more
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
        """Take the site's next URLs, at most ``room``, and admit them."""
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
        """Return whether only pages of one depth may be in flight."""
        if self._plan.depth is None or self._plan.best_first:
            return False
        return here.waits_since is None or self._clock() - here.waits_since <= MAX_WAIT

    def _admit(self, row: KnownUrl, site: str, here: _Site) -> None:
        """Hand the URL out, or refuse it: a budget is spent, or it belongs to a trap."""
        reason = self._objection(row, site)
        if reason:
            self._store.refuse(row.number, reason)
            return
        self._count(site, row.url)
        self._out[row.number] = (site, row.depth)
        self._given += 1
        here.depths[row.depth] += 1
        here.held += 1
        sampled, kind, deepest = False, row.kind, self._plan.depth
        if not kind and self._plan.checks and deepest is not None and row.depth > deepest:
            kind = "check"
        if not kind:
            self.traps.handed_out(row.url, row.depth, found_on=row.found_on_url)
            sampled = self.traps.wants_text(row.url)
        place = CrawlInfo(row.number, row.depth, row.found_on_url, kind, row.scraper, sampled)
        self._ready.append(Entry(row.url, context=place))

    def _objection(self, row: KnownUrl, site: str) -> str:
        """Return why the URL is not fetched after all, or an empty string."""
        plan = self._plan
        if plan.max_per_host and self.by_site[site] >= plan.max_per_host:
            return "budget: a host's"
        for prefix, most in plan.budgets:
            if row.url.startswith(prefix) and self.by_budget[prefix] >= most:
                return f"budget: {prefix}"
        name = "" if row.kind else self.traps.refuse(row.url)
        return f"trap: {name}" if name else ""

    @property
    def total(self) -> int:
        """Return how many entries this run has handed out and, as far as is known, will hand out."""
        return self._given + sum(self._store.sites().values())

    def recount(self, urls: Iterable[str]) -> None:
        """Count the pages of earlier runs for hosts and budgets."""
        for url in urls:
            self._count(site_of(url), url)

    def _count(self, site: str, url: str) -> None:
        self.by_site[site] += 1
        for prefix, _ in self._plan.budgets:
            self.by_budget[prefix] += url.startswith(prefix)

    def completed(self, entry: Entry, outcome: Outcome) -> None:
        """Take in the outcome of an entry, with its links."""
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
            self.admission.take(entry.url, place, outcome.found)

    def robots(self, origin: str, rules: RobotsRules) -> None:
        """Take in a robots.txt, which may name sitemaps."""
        if self._plan.sitemaps:
            self.admission.add_sitemaps(rules.sitemaps, site_of(origin + "/"))

    def save(self, *, last: bool = False) -> None:
        """Commit everything, before the records of the pages are written."""
        self._turns.update(dict.fromkeys(self.admission.flush()))
        self.admission.save()
        now = self._clock()
        if self.traps.changed and (last or now - self._saved_traps > _TRAPS_SECONDS):
            self._saved_traps = now
            self._store.set_value("traps", self.traps.dump())
        self._store.commit()
