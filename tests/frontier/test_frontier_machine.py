"""The polite frontier under a crawler's calls in any order, beside a plain account of what it may do."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from parascrape.frontier import PoliteFrontier, Visit, VisitSource
from parascrape.frontier.politeness import FetchReport, PolitenessPolicy
from parascrape.records import Entry
from tests.helpers.frontiers import GOOD, Clock, Robots, Source

REPORTS = st.sampled_from(
    [
        GOOD,
        GOOD,
        FetchReport("status", 404),
        FetchReport("status", 429),
        FetchReport("status", 429, 16.0),
        FetchReport("status", 503, 4000.0),
        FetchReport("connect"),
        FetchReport("timeout", 0, None, 30.0),
    ]
)
LIMITS = st.builds(
    PolitenessPolicy,
    per_host=st.integers(0, 3),
    delay=st.sampled_from([0.0, 0.0, 2.0]),
    jitter=st.just(0.5),
    circuit_after=st.sampled_from([0, 1, 3]),
    adaptive=st.booleans(),
    robots=st.booleans(),
)


class Politely(RuleBasedStateMachine):
    """Visits are taken, start, end their fetch and come back in any order; calls may be missing."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.source = Source()
        self.fed = 0
        self.taken: list[Visit] = []  # not started
        self.started: list[Visit] = []
        self.parsing: list[Visit] = []
        self.postponed: dict[int, float] = {}
        self.left: set[int] = set()
        self.last_start: dict[str, float] = defaultdict(lambda: -1e9)
        self.paused: dict[str, float] = defaultdict(float)
        self.unanswered: dict[str, int] = defaultdict(int)  # how often robots.txt could not be had
        self.none_before = 0.0

    @initialize(limits=LIMITS, share=st.sampled_from([0.0, 0.5, 0.99]))
    def begin(self, limits: PolitenessPolicy, share: float) -> None:
        self.limits = limits
        source = VisitSource(self.source, clock=self.clock)
        self.frontier = PoliteFrontier(source, limits, jitter=lambda: share)

    # --- what is there to be fetched ----------------------------------------------------------------

    @precondition(lambda self: not self.source.ended)
    @rule(hosts=st.lists(st.sampled_from("aaab"), max_size=6), ends=st.booleans())
    def feed(self, hosts: list[str], ends: bool) -> None:
        for host in hosts:
            path = "private" if self.fed % 5 == 4 else "open"
            self.source.waiting.append(Entry(f"http://{host}/{path}", self.fed))
            self.fed += 1
        self.source.ended = ends
        self.none_before = 0.0

    @rule()
    def take(self) -> None:
        visit = self.frontier.take()
        if visit is None:
            return
        assert self.clock.now >= self.none_before, "wait() had said that nothing comes"
        self.account(visit)

    def account(self, visit: Visit) -> None:
        """A visit that came must be allowed, and is due."""
        now = self.clock.now
        host = visit.entry.url.split("/")[2].split(":")[0]
        if not visit.robots:
            due = self.postponed.pop(visit.number, None)
            assert (due is None) == (visit.number not in self.left)
            self.left.add(visit.number)
        if visit.refused_code:
            assert visit.refused_code in ("robots", "host_down")
            assert (
                visit.refused_code == "host_down"
                or "private" in visit.entry.url
                or self.unanswered[host] >= 3
            )
            return
        if not visit.robots:
            assert due is None or due <= now
            assert not (self.limits.robots and "private" in visit.entry.url)
        flying = [other for other in self.taken + self.started if other.entry.url.split("/")[2][0] == host]
        assert not self.limits.per_host or len(flying) < self.limits.per_host
        if self.limits.delay:
            assert now >= self.last_start[host] + self.limits.delay
            assert not [other for other in flying if other in self.taken]
        assert now >= self.paused[host]
        visit.attempts += 1
        self.taken.append(visit)

    # --- what becomes of visits ---------------------------------------------------------------------

    @precondition(lambda self: self.taken)
    @rule(which=st.integers(0, 9), ago=st.sampled_from([0.0, 0.25, 99.0]))
    def start(self, which: int, ago: float) -> None:
        visit = self.taken.pop(which % len(self.taken))
        at = max(visit.taken, self.clock.now - ago)
        host = visit.entry.url.split("/")[2][0]
        self.last_start[host] = max(self.last_start[host], at)
        self.frontier.mark_started(visit, self.clock.now - ago)
        self.started.append(visit)
        self.none_before = 0.0

    @precondition(lambda self: self.started)
    @rule(which=st.integers(0, 9))
    def end_fetch(self, which: int) -> None:
        visit = self.started.pop(which % len(self.started))
        self.frontier.mark_fetched(visit)
        self.parsing.append(visit)
        self.none_before = 0.0

    @precondition(lambda self: self.taken + self.started + self.parsing)
    @rule(which=st.integers(0, 9), report=REPORTS, again=st.sampled_from([None, None, 0.0, 3.0]))
    def come_back(self, which: int, report: FetchReport, again: float | None) -> None:
        """From wherever it was: the last call implies the others."""
        flying = self.taken + self.started + self.parsing
        self.land(flying[which % len(flying)], report, again)

    def land(self, visit: Visit, report: FetchReport, again: float | None = None) -> None:
        host = visit.entry.url.split("/")[2][0]
        if visit in self.taken:
            self.last_start[host] = self.clock.now
        for place in (self.taken, self.started, self.parsing):
            if visit in place:
                place.remove(visit)
        if report.status == 429:
            self.paused[host] = max(self.paused[host], self.clock.now + (report.retry_after or 0.0))
        if visit.robots:
            self.unanswered[host] += report.code == "connect"
            self.frontier.set_robots(visit.robots, None if report.code == "connect" else Robots())
        self.frontier.finish(visit, report)
        if again is not None and not visit.robots:
            self.postponed[visit.number] = self.clock.now + again
            self.frontier.postpone(visit, again)
        self.none_before = 0.0

    # --- time ---------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.125, 1.0, 40.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(short=st.booleans())
    def wait(self, short: bool) -> None:
        """Before its time is up nothing comes; then something does, unless it was the list's turn."""
        if (visit := self.frontier.take()) is not None:
            assert self.clock.now >= self.none_before
            self.account(visit)
            return
        exhausted, seconds = self.frontier.exhausted, self.frontier.wait()
        if seconds is None:
            assert self.taken + self.started + self.parsing or self.frontier.drained
            return
        assert seconds > 0 or not self.frontier.exhausted
        self.none_before = self.clock.now + seconds
        if short:
            self.clock.now += seconds / 2
            return
        self.clock.now = self.none_before
        visit = self.frontier.take()
        if visit is not None:
            self.account(visit)
        else:
            assert self.limits.robots or not exhausted

    @invariant()
    def nothing_is_lost(self) -> None:
        assert len(self.left) <= self.fed
        if hasattr(self, "frontier") and self.frontier.drained:
            assert len(self.left) == self.fed
            assert not self.postponed

    def teardown(self) -> None:
        """With good answers from now on everything leaves, in bounded time."""
        if not hasattr(self, "frontier"):
            return
        self.source.ended = True
        self.none_before = 0.0
        for _ in range(50 + 20 * self.fed):
            while (visit := self.frontier.take()) is not None:
                self.account(visit)
            for visit in self.taken + self.started + self.parsing:
                self.land(visit, GOOD)
            if self.frontier.drained:
                break
            wait = self.frontier.wait()
            assert wait is not None
            self.clock.now += wait
        assert self.frontier.drained
        assert self.left == set(range(self.fed))
        assert not self.postponed


Politely.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestPolitely = Politely.TestCase
