"""The crawl schedule on random link graphs in random order: which URLs it hands out, at which depth."""

from __future__ import annotations

import tempfile
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from parascrape.crawling.admission import CrawlLimits
from parascrape.crawling.links.rules import Scope
from parascrape.crawling.schedule import MAX_WAIT, CrawlSchedule
from parascrape.crawling.store.database import CrawlDatabase
from parascrape.crawling.store.keys import KeyLimits
from parascrape.crawling.store.url_store import UrlStore
from parascrape.files.outcomes import Outcome
from parascrape.records import Entry
from parascrape.scrapers.following import DiscoveredLinks, FollowRequest

START = "http://h/0"
SCOPE = Scope(hosts=("h",))


@dataclass
class Web:
    """Pages by their numbers: what each links to, and which of them lead on to another."""

    links: list[list[int]]
    redirects: dict[int, int] = field(default_factory=dict)

    def distances(self) -> dict[int, int]:
        """The least number of links from page 0; a redirect is none."""
        found = {0: 0}
        waiting = deque([0])
        while waiting:
            here = waiting.popleft()
            if here in self.redirects:
                there, distance = self.redirects[here], found[here]
                if found.get(there, 1 << 30) > distance:
                    found[there] = distance
                    waiting.appendleft(there)
                continue
            for there in self.links[here]:
                if found.get(there, 1 << 30) > found[here] + 1:
                    found[there] = found[here] + 1
                    waiting.append(there)
        return found

    def outcome(self, entry: Entry) -> Outcome:
        """Return the outcome of a page."""
        number = int(entry.url.rpartition("/")[2])
        if number in self.redirects:
            lead = FollowRequest(f"http://h/{self.redirects[number]}", "redirect")
            return Outcome(b"", 1, "redirected", found=DiscoveredLinks(leads=(lead,)))
        links = "\n".join(f"http://h/{there}" for there in self.links[number])
        return Outcome(b"", 1, "", found=DiscoveredLinks(links))


@st.composite
def webs(draw: st.DrawFn, redirects: bool = True) -> Web:
    """Up to 24 pages with up to four links each; some are redirects."""
    count = draw(st.integers(1, 24))
    numbers = st.integers(0, count - 1)
    links = draw(st.lists(st.lists(numbers, max_size=4), min_size=count, max_size=count))
    led = draw(st.dictionaries(numbers, numbers, max_size=4)) if redirects else {}
    return Web(links, {here: there for here, there in led.items() if here})


class Walk:
    """A crawl without a network: entries complete in random order, and it may be interrupted at any time."""

    def __init__(self, folder: str, web: Web, plan: CrawlLimits, dice: Random, *, per_site: int = 4):
        self.path = Path(folder) / "frontier"
        self.web, self.plan, self.dice, self.per_site = web, plan, dice, per_site
        self.landed: list[Entry] = []
        self.handed = 0

    def run(self, *, steps: int = 10_000) -> None:
        """Run at most so many steps; unsaved changes are lost then, as after a kill."""
        database = CrawlDatabase(self.path)
        store = UrlStore(database, KeyLimits())
        source = CrawlSchedule(store, self.plan, per_site=self.per_site)
        source.had = sum(map(self.counts, self.landed))
        source.admission.add_starts([START], [])
        self._walk(source, steps)
        database.spoil()
        store.close()

    def _walk(self, source: CrawlSchedule, steps: int) -> None:
        out: list[Entry] = []
        unsaved: list[Entry] = []
        for _, entry in zip(range(steps), source, strict=False):
            if entry is not None:
                out.append(entry)
                self.handed += 1
                assert len(out) <= self.per_site
            while out and (entry is None or self.dice.random() < 0.4):
                landed = out.pop(self.dice.randrange(len(out)))
                unsaved.append(landed)
                source.completed(landed, self.web.outcome(landed))
                if self.dice.random() < 0.4:
                    break
            if self.dice.random() < 0.3:
                self._save(source, unsaved)
        if steps == 10_000:
            assert not out
            self._save(source, unsaved)

    def _save(self, source: CrawlSchedule, unsaved: list[Entry]) -> None:
        source.save()
        self.landed += unsaved
        unsaved.clear()

    def counts(self, entry: Entry) -> bool:
        """Whether the entry was a page."""
        return not self.web.outcome(entry).code

    @property
    def depths(self) -> dict[int, int]:
        """The depth that each page was handed out at."""
        return {
            int(one.url.rpartition("/")[2]): one.context.meta()["depth"] for one in self.landed if one.context
        }


examples = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
seeds = st.integers(0, 1 << 30).map(Random)


@examples
@given(webs(), st.integers(0, 6), seeds, st.integers(1, 8))
def test_a_crawl_of_a_depth_has_the_pages_within_it_at_their_distance(
    web: Web, depth: int, dice: Random, per_site: int
) -> None:
    """Each once, whatever order they come back in, redirects and cycles among them."""
    with tempfile.TemporaryDirectory() as folder:
        walk = Walk(folder, web, CrawlLimits(scope=SCOPE, depth=depth), dice, per_site=per_site)
        walk.run()
    expected = {page: distance for page, distance in web.distances().items() if distance <= depth}
    assert walk.depths == expected
    assert len(walk.landed) == len(expected)


@examples
@given(webs(), st.integers(1, 6), seeds, st.lists(st.integers(1, 12), max_size=4))
def test_an_interrupted_crawl_ends_with_the_same_pages_and_depths(
    web: Web, depth: int, dice: Random, breaks: list[int]
) -> None:
    """Entries in flight are handed out again, completed ones are not."""
    with tempfile.TemporaryDirectory() as folder:
        walk = Walk(folder, web, CrawlLimits(scope=SCOPE, depth=depth), dice)
        for steps in breaks:
            walk.run(steps=steps)
        walk.run()
    assert walk.depths == {page: far for page, far in web.distances().items() if far <= depth}
    assert len(walk.landed) == len(walk.depths)


@examples
@given(webs(), seeds, st.lists(st.integers(1, 12), max_size=3))
def test_without_a_depth_every_page_is_fetched_once(web: Web, dice: Random, breaks: list[int]) -> None:
    """Never nearer than it is, and the walk ends by itself."""
    with tempfile.TemporaryDirectory() as folder:
        walk = Walk(folder, web, CrawlLimits(scope=SCOPE), dice)
        for steps in breaks:
            walk.run(steps=steps)
        walk.run()
    distances = web.distances()
    assert Counter(walk.depths.keys()) == Counter(distances.keys())
    assert len(walk.landed) == len(distances)
    assert all(walk.depths[page] >= far for page, far in distances.items())


@examples
@given(webs(), seeds, st.integers(1, 10), st.integers(0, 10))
def test_max_pages_is_exact_and_a_higher_one_continues(web: Web, dice: Random, most: int, more: int) -> None:
    """Redirects do not count as pages."""
    reachable = sum(page not in web.redirects for page in web.distances())
    with tempfile.TemporaryDirectory() as folder:
        walk = Walk(folder, web, CrawlLimits(scope=SCOPE, max_pages=most), dice)
        walk.run()
        assert sum(map(walk.counts, walk.landed)) == min(most, reachable)
        walk.plan = CrawlLimits(scope=SCOPE, max_pages=most + more)
        walk.run()
    assert sum(map(walk.counts, walk.landed)) == min(most + more, reachable)
    assert len(walk.landed) == len(walk.depths)


@pytest.mark.parametrize("depth", [None, 3])
@pytest.mark.parametrize("plan", [{"budgets": (("http://h/1", 1),)}, {"max_per_host": 3}])
def test_refusals_in_a_row_do_not_end_the_crawl(
    depth: int | None, plan: dict[str, Any], tmp_path: Path
) -> None:
    """More than are handed out at once: what comes after them is still looked at."""
    many = [*range(100, 200), 2, 3]
    web = Web([many, *[[] for _ in range(200)]])
    walk = Walk(str(tmp_path), web, CrawlLimits(scope=SCOPE, depth=depth, **plan), Random(1))
    walk.run()
    assert len(walk.landed) == (4 if "budgets" in plan else 3)
    with UrlStore.open(walk.path, options=walk.plan.fixed()) as store:
        counts = store.counts()
    assert (counts.pending, sum(counts.refused.values())) == (0, 103 - len(walk.landed))


def test_deeper_pages_do_not_wait_for_ever(tmp_path: Path) -> None:
    """When a page hangs, the next depth begins after a minute; entries that wait are None."""
    moment = [0.0]
    plan = CrawlLimits(scope=SCOPE, depth=2)
    web = Web([[1, 2], [3], [], []])
    with UrlStore.open(tmp_path / "frontier", options=plan.fixed()) as store:
        source = CrawlSchedule(store, plan, per_site=4, clock=lambda: moment[0])
        source.admission.add_starts([START], [])
        entries = iter(source)
        source.completed(start := next(entries), web.outcome(start))  # type: ignore[arg-type,type-var]
        first, hanging = next(entries), next(entries)
        assert first is not None
        assert hanging is not None
        source.completed(first, web.outcome(first))
        assert [next(entries), next(entries)] == [None, None]
        moment[0] = MAX_WAIT + 1
        deeper = next(entries)
        assert deeper is not None
        assert deeper.url == "http://h/3"
