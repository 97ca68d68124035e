"""The source of a crawl, walked over random graphs in random order: what it hands out, at which depth, and when it ends."""

from __future__ import annotations

import tempfile
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parascrape.crawling import database
from parascrape.crawling.plan import Plan
from parascrape.crawling.source import MAX_WAIT, Source
from parascrape.crawling.store import Store
from parascrape.discovery.found import Found, Lead
from parascrape.discovery.scope import Scope
from parascrape.outcomes import Outcome
from parascrape.urls import Entry

START = "http://h/0"
SCOPE = Scope(hosts=("h",))


@pytest.fixture(autouse=True)
def _without_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_SYNCHRONOUS", "OFF")


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
        """What comes of fetching a page."""
        number = int(entry.url.rpartition("/")[2])
        if number in self.redirects:
            lead = Lead(f"http://h/{self.redirects[number]}", "redirect")
            return Outcome(b"", 1, "redirected", found=Found(leads=(lead,)))
        links = "\n".join(f"http://h/{there}" for there in self.links[number])
        return Outcome(b"", 1, "", found=Found(links))


@st.composite
def webs(draw: st.DrawFn, redirects: bool = True) -> Web:
    """Up to 24 pages with up to four links each; some are redirects."""
    count = draw(st.integers(1, 24))
    numbers = st.integers(0, count - 1)
    links = draw(st.lists(st.lists(numbers, max_size=4), min_size=count, max_size=count))
    led = draw(st.dictionaries(numbers, numbers, max_size=4)) if redirects else {}
    return Web(links, {here: there for here, there in led.items() if here})


class Walk:
    """A crawl without a network: entries land in random order, and it may be broken off at any moment."""

    def __init__(self, folder: str, web: Web, plan: Plan, dice: Random, *, per_site: int = 4):
        self.path = Path(folder) / "frontier"
        self.web, self.plan, self.dice, self.per_site = web, plan, dice, per_site
        self.landed: list[Entry] = []
        self.handed = 0

    def run(self, *, steps: int = 10_000, clock: Iterator[float] | None = None) -> None:
        """Go on, at most for so many steps."""
        ticking = {"clock": clock.__next__} if clock else {}
        with Store.open(self.path, options=self.plan.fixed()) as store:
            source = Source(store, self.plan, per_site=self.per_site, **ticking)
            source.had = sum(self.counts(entry) for entry in self.landed)
            source.start([START], [])
            self._walk(source, steps)

    def _walk(self, source: Source, steps: int) -> None:
        out: list[Entry] = []
        entries = iter(source)
        for _ in range(steps):
            if out and self.dice.random() < 0.5:
                self._land(source, out)
            entry = next(entries, False)
            if entry is False:
                assert not out
                return
            if entry is None:
                if out:
                    self._land(source, out)
                continue
            assert isinstance(entry, Entry)
            out.append(entry)
            self.handed += 1
            assert len(out) <= self.per_site
        assert steps < 10_000

    def _land(self, source: Source, out: list[Entry]) -> None:
        entry = out.pop(self.dice.randrange(len(out)))
        self.landed.append(entry)
        source.landed(entry, self.web.outcome(entry))

    def counts(self, entry: Entry) -> bool:
        """Whether the entry was a page."""
        return not self.web.outcome(entry).code

    @property
    def depths(self) -> dict[int, int]:
        """The depth that each page was handed out at."""
        return {int(one.url.rpartition("/")[2]): one.place.depth for one in self.landed if one.place}


examples = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
seeds = st.integers(0, 1 << 30).map(Random)


@examples
@given(webs(), st.integers(0, 6), seeds, st.integers(1, 8))
def test_a_crawl_of_a_depth_has_the_pages_within_it_at_their_distance(
    web: Web, depth: int, dice: Random, per_site: int
) -> None:
    """Each once, whatever order they come back in, redirects and cycles among them."""
    with tempfile.TemporaryDirectory() as folder:
        walk = Walk(folder, web, Plan(scope=SCOPE, depth=depth), dice, per_site=per_site)
        walk.run()
    expected = {page: distance for page, distance in web.distances().items() if distance <= depth}
    assert walk.depths == expected
    assert len(walk.landed) == len(expected)


@examples
@given(webs(), st.integers(1, 6), seeds, st.lists(st.integers(1, 12), max_size=4))
def test_one_that_is_broken_off_ends_with_the_same_pages_at_the_same_depth(
    web: Web, depth: int, dice: Random, breaks: list[int]
) -> None:
    """What was in flight is handed out again, and nothing that has landed is."""
    with tempfile.TemporaryDirectory() as folder:
        walk = Walk(folder, web, Plan(scope=SCOPE, depth=depth), dice)
        for steps in breaks:
            walk.run(steps=steps)
        walk.run()
    assert walk.depths == {page: far for page, far in web.distances().items() if far <= depth}
    assert len(walk.landed) == len(walk.depths)
    assert walk.handed - len(walk.landed) <= walk.per_site * len(breaks)


@examples
@given(webs(), seeds, st.lists(st.integers(1, 12), max_size=3))
def test_without_a_depth_every_page_is_had_once(web: Web, dice: Random, breaks: list[int]) -> None:
    """Never nearer than it is, and the walk ends by itself."""
    with tempfile.TemporaryDirectory() as folder:
        walk = Walk(folder, web, Plan(scope=SCOPE), dice)
        for steps in breaks:
            walk.run(steps=steps)
        walk.run()
    distances = web.distances()
    assert Counter(walk.depths.keys()) == Counter(distances.keys())
    assert len(walk.landed) == len(distances)
    assert all(walk.depths[page] >= far for page, far in distances.items())


@examples
@given(webs(), seeds, st.integers(1, 10), st.integers(0, 10))
def test_a_number_of_pages_is_kept_exactly_and_a_higher_one_goes_on(
    web: Web, dice: Random, most: int, more: int
) -> None:
    """Redirects are no pages and do not count."""
    reachable = sum(page not in web.redirects for page in web.distances())
    with tempfile.TemporaryDirectory() as folder:
        walk = Walk(folder, web, Plan(scope=SCOPE, max_pages=most), dice)
        walk.run()
        assert sum(map(walk.counts, walk.landed)) == min(most, reachable)
        walk.plan = Plan(scope=SCOPE, max_pages=most + more)
        walk.run()
    assert sum(map(walk.counts, walk.landed)) == min(most + more, reachable)
    assert len(walk.landed) == len(walk.depths)
