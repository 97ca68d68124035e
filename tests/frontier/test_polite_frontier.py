"""A polite frontier: hosts take turns within their limits, and every entry leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from parascrape.frontier import (
    IDLE_POLL,
    Frontier,
    FrontierBounds,
    PoliteFrontier,
    Visit,
    VisitSource,
)
from parascrape.frontier.host_store import HostStore, Peers
from parascrape.frontier.politeness import FetchReport, PolitenessPolicy
from parascrape.records import Entry
from tests.helpers.frontiers import (
    GOOD,
    REFUSED,
    Clock,
    Source,
    drain,
    entries,
    hosts_of,
    must,
    polite,
    simulate,
)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


def test_one_host_is_visited_in_the_lists_order(clock: Clock) -> None:
    """Without a limit all at once."""
    visits = drain(polite(entries(100), clock, per_host=0))
    assert [visit.number for visit in visits] == list(range(100))


def test_hosts_are_interleaved_and_the_longest_tail_goes_first(clock: Clock) -> None:
    """A list that is sorted by host is not visited so."""
    frontier = polite([*entries(2, "a"), *entries(3, "b"), *entries(4, "c")], clock, per_host=0)
    assert hosts_of(drain(frontier)) == "cbcabcabc"


def test_no_slot_waits_for_one_host_while_another_is_ready(clock: Clock) -> None:
    """A host at its limit is passed over; the end of a fetch lets its next visit come."""
    frontier = polite([*entries(5, "a"), *entries(2, "b")], clock, per_host=1)
    first, second = drain(frontier)
    assert hosts_of([first, second]) == "ab"
    assert frontier.wait() is None
    frontier.mark_fetched(first)
    assert hosts_of(drain(frontier)) == "a"
    frontier.finish(first, GOOD)
    assert drain(frontier) == []


@pytest.mark.parametrize(("per_host", "seconds"), [(1, 10.0), (4, 2.5), (0, 0.125)])
def test_a_host_has_so_many_fetches_at_once(clock: Clock, per_host: int, seconds: float) -> None:
    """Eighty pages of an eighth of a second each take as long as the limit says."""
    began = clock.now
    starts, _ = simulate(polite(entries(80), clock, per_host=per_host), clock)
    assert len(starts) == 80
    assert clock.now - began == seconds


@pytest.mark.parametrize("jitter", [0.0, 0.5])
def test_starts_are_apart_by_the_delay_and_at_most_its_jitter(clock: Clock, jitter: float) -> None:
    """Per host: the hosts do not wait for each other."""
    began = clock.now
    listed = [entry for name in "abc" for entry in entries(20, name)]
    frontier = polite(listed, clock, delay=2.0, jitter=jitter)
    starts, _ = simulate(frontier, clock)
    for name in "abc":
        times = [start.time for start in starts if f"//{name}/" in start.visit.entry.url]
        gaps = [later - sooner for sooner, later in pairwise(times)]
        assert min(gaps) >= 2.0
        assert max(gaps) <= 2.0 * (1 + jitter)
    assert clock.now - began <= 20 * 2.0 * (1 + jitter)


def test_with_a_delay_the_next_visit_waits_for_the_true_start(clock: Clock) -> None:
    """A visit that lay in a queue before it started does not make the next one too early."""
    frontier = polite(entries(3), clock, delay=4)
    visit = must(frontier.take())
    clock.now += 100
    assert frontier.take() is None
    assert frontier.wait() is None
    frontier.mark_started(visit, clock.now - 1)
    assert frontier.wait() == 3
    clock.now += 3
    assert must(frontier.take()).number == 1


@pytest.mark.parametrize(("wish", "pause"), [(60.0, 60.0), (0.0, 1.0), (-3.0, 1.0), (None, 1.0)])
def test_retry_after_pauses_the_whole_host_and_no_other(
    clock: Clock, wish: float | None, pause: float
) -> None:
    """What is ready of the host waits too; without a wish it is a second."""
    frontier = polite([*entries(3, "a"), *entries(3, "b")], clock, per_host=1)
    visits = {hosts_of([visit]): visit for visit in drain(frontier)}
    frontier.finish(visits["a"], FetchReport("status", 429, wish))
    frontier.postpone(visits["a"], 0.5)
    frontier.finish(visits["b"], GOOD)
    assert hosts_of(drain(frontier)) == "b"
    assert frontier.wait() == pause
    clock.now += pause
    assert drain(frontier) == [visits["a"]]


def test_a_wish_past_what_may_be_waited_for_ends_the_host_for_this_run(clock: Clock) -> None:
    """Its visits become records at once, and say why."""
    frontier = polite(entries(5), clock, per_host=1)
    visit = must(frontier.take())
    frontier.finish(visit, FetchReport("status", 503, 900.0))
    assert [v.refused_code for v in drain(frontier)] == ["host_down"] * 4
    assert frontier.drained


def test_a_dead_host_costs_a_few_fetches_and_bounded_time(clock: Clock) -> None:
    """Of a thousand pages eight are fetched; the others say that the host was given up, within minutes."""
    began = clock.now
    starts, refused = simulate(polite(entries(1000), clock, per_host=1), clock, answer=lambda _: REFUSED)
    assert len(starts) == 8
    assert len(refused) == 992
    assert {visit.refused_code for visit in refused} == {"host_down"}
    assert "got no answer, the last: connect" in refused[0].refused_why
    assert 210 <= clock.now - began < 215


def test_the_living_do_not_wait_for_a_dead_host(clock: Clock) -> None:
    """Even where its tail is the longest."""
    began = clock.now
    starts, _ = simulate(
        polite([*entries(900, "dead"), *entries(80, "good")], clock),
        clock,
        answer=lambda visit: REFUSED if "dead" in visit.entry.url else GOOD,
    )
    good = [start.time for start in starts if "good" in start.visit.entry.url]
    assert len(good) == 80
    assert max(good) - began <= 2.5


def test_a_host_that_comes_back_at_its_trial_goes_on(clock: Clock) -> None:
    """Nothing of it is lost but the time."""
    began = clock.now
    starts, refused = simulate(
        polite(entries(100), clock),
        clock,
        answer=lambda _: REFUSED if clock.now < began + 60 else GOOD,
    )
    assert (len(starts), refused) == (100, [])


def test_a_retry_obeys_its_hosts_limits(clock: Clock) -> None:
    """It comes at its time at the soonest, when the host has a slot and the delay is over."""
    frontier = polite(entries(2), clock, delay=8, per_host=1)
    visit = must(frontier.take())
    frontier.mark_started(visit, clock.now)
    frontier.finish(visit, FetchReport("status", 500))
    frontier.postpone(visit, 1)
    assert frontier.wait() == 8
    clock.now += 8
    assert must(frontier.take()) is visit
    assert frontier.take() is None


def test_postponing_alone_frees_the_slot(clock: Clock) -> None:
    """The call implies those that should have come before it."""
    frontier = polite(entries(2), clock, per_host=1)
    visit = must(frontier.take())
    frontier.postpone(visit, 64)
    assert must(frontier.take()).number == 1
    assert frontier.wait() is None
    assert not frontier.drained


def test_what_is_no_url_and_what_was_seen_needs_no_host(clock: Clock) -> None:
    """They come at once, with their place in the list and the reason."""
    listed = [
        *entries(3),
        Entry("x", problem="no host"),
        Entry("http://[", 0),
        Entry("http://h/0", 7),
    ]
    asked: list[int] = []

    def seen(entry: Entry, number: int) -> str:
        asked.append(number)
        return "the same as line 0" if entry.line == 7 else ""

    frontier = PoliteFrontier(VisitSource(listed, clock=clock, seen=seen), PolitenessPolicy(per_host=1))
    told = [(visit.number, visit.refused_code, visit.refused_why) for visit in drain(frontier)]
    assert told == [(3, "", ""), (4, "", ""), (5, "duplicate", "the same as line 0"), (0, "", "")]
    assert asked == [0, 1, 2, 4, 5]


def test_duplicates_are_told_without_politeness_too(clock: Clock) -> None:
    """In the list's order."""
    source = VisitSource(entries(2), clock=clock, seen=lambda _, number: "again" if number else "")
    frontier = Frontier(source)
    assert [visit.refused_code for visit in drain(frontier)] == ["", "duplicate"]


def test_the_first_visit_is_out_before_the_list_is_read(clock: Clock) -> None:
    """A small step is read, whatever the list's length; no more is held than may be."""
    source = Source(entries(1000))
    frontier = polite(source, clock)
    assert must(frontier.take()).number == 0
    assert source.asked <= 32


def test_no_more_is_held_than_may_be(clock: Clock) -> None:
    """Waiting, postponed and held visits together."""
    source = Source(entries(1000))
    policy = PolitenessPolicy(per_host=1)
    frontier = PoliteFrontier(VisitSource(source, clock=clock), policy, bounds=FrontierBounds(visits=50))
    visit = must(frontier.take())
    for _ in range(9):
        frontier.take()
    assert source.asked == frontier.read == 51
    assert frontier.wait() is None
    frontier.postpone(visit, 8)
    assert must(frontier.take()).number == 1
    assert source.asked == 51


def test_what_was_read_of_a_slow_pipe_is_handed_out_at_once(clock: Clock) -> None:
    """None ends the reading for a while, not the visits."""
    source = Source()
    source.waiting = [*entries(2), None, *entries(2)]
    frontier = polite(source, clock)
    assert len(drain(frontier)) == 2
    assert frontier.wait() == pytest.approx(IDLE_POLL)
    clock.now += 2 * IDLE_POLL
    assert len(drain(frontier)) == 2


def test_a_source_that_takes_its_time_is_not_read_ahead_of_what_is_ready(clock: Clock) -> None:
    """A second for each entry: once that is known, what is ready goes first, and then it is read again."""
    read: list[int] = []

    def slow() -> Iterator[Entry]:
        for number in range(20):
            clock.now += 1.0 if number >= 5 else 0.0
            read.append(number)
            yield Entry(f"http://h{number}/", number)

    frontier = polite(slow(), clock)
    assert must(frontier.take()).number == 0
    assert len(read) == 6
    assert [must(frontier.take()).number for _ in range(5)] == [1, 2, 3, 4, 5]
    assert len(read) == 6
    assert must(frontier.take()).number == 6
    assert len(drain(frontier)) == 13


def test_where_the_list_may_not_be_read_on_what_was_read_still_comes(clock: Clock) -> None:
    """And nobody waits in circles for what will not be read."""
    frontier = polite(Source(entries(100)), clock, per_host=1)
    visit = must(frontier.take())
    frontier.mark_fetched(visit)
    assert must(frontier.take(new=False)).number == 1
    assert frontier.take(new=False) is None
    assert frontier.wait() is None
    assert frontier.take() is None
    assert frontier.wait() == 0


def test_closing_forgets_what_waits_and_takes_late_calls(clock: Clock) -> None:
    """Nothing comes any more, whatever the visits in flight bring; what is known of the hosts stays."""
    frontier = polite([*entries(9, "a"), *entries(9, "b")], clock, delay=8)
    first, second = drain(frontier)
    frontier.mark_started(first, clock.now)
    frontier.drain(4)
    frontier.finish(first, FetchReport("status", 429, 50.0))
    frontier.postpone(first, 1)
    frontier.mark_started(second, clock.now)
    frontier.set_robots("http://a:80", None)
    clock.now += 3
    assert frontier.take() is None
    assert frontier.drained
    assert frontier.wait() == 1
    assert first.host is not None
    assert first.host.state(clock.now, 5_000.0).paused_until == 5_047
    assert len(frontier.hosts) == 2


def peer(path: Path, listed: list[Entry | None], clock: Clock, **limits: Any) -> PoliteFrontier:
    """A frontier that shares host states; its wall clock shows 5,000 s more than the other."""
    policy = PolitenessPolicy(**{"jitter": 0, **limits})

    def wall() -> float:
        return clock.now + 5_000.0

    peers = Peers(HostStore(path, clock=wall), policy, clock=clock, wall=wall)
    return PoliteFrontier(VisitSource(listed, clock=clock), policy, peers=peers)


def test_a_pause_is_kept_across_runs(clock: Clock, tmp_path: Path) -> None:
    """The next run waits for what is left of it, and only for that host."""
    frontier = peer(tmp_path / "hosts", entries(2, "a"), clock)
    frontier.finish(must(frontier.take()), FetchReport("status", 429, 60.0))
    frontier.close()
    clock.now += 20
    following = peer(tmp_path / "hosts", [*entries(1, "a"), *entries(1, "b")], clock)
    assert hosts_of(drain(following)) == "b"
    clock.now += 39
    assert drain(following) == []
    clock.now += 1
    assert hosts_of(drain(following)) == "a"


def test_runs_at_the_same_time_share_a_hosts_limit(clock: Clock, tmp_path: Path) -> None:
    """A new run waits for two beats of the other; then each has its part, and fetches in flight stay."""
    first, second = (peer(tmp_path / "hosts", entries(9), clock) for _ in "ab")
    flying = drain(first)
    assert (len(flying), drain(second)) == (4, [])
    for _ in range(3):
        assert second.wait() == pytest.approx(1.0)
        clock.now += 1
        first.sync()
        second.sync()
        assert drain(second) == []
    for visit in flying:
        first.finish(visit, GOOD)
    clock.now += 1
    first.sync()
    second.sync()
    assert len(drain(second)) + len(drain(first)) == 4
    second.close()


def test_only_so_many_idle_hosts_are_remembered(clock: Clock) -> None:
    """Those that must still be left alone are not forgotten, nor those under way."""
    listed = [Entry(f"http://{'sick' if number == 2 else f'h{number}'}/", number) for number in range(200)]
    bounds = FrontierBounds(idle_hosts=5)
    frontier = PoliteFrontier(VisitSource(listed, clock=clock), PolitenessPolicy(), bounds=bounds)
    flying = must(frontier.take())
    sick: Visit | None = None
    for visit in drain(frontier):
        if "sick" in visit.entry.url:
            sick = visit
        frontier.finish(visit, FetchReport("status", 429, 100.0) if visit is sick else GOOD)
    assert len(frontier.hosts) <= 7
    assert flying.host in frontier.hosts
    assert must(sick).host in frontier.hosts


def test_a_host_that_was_forgotten_is_one_again_when_its_retry_waits(clock: Clock) -> None:
    """Two of a kind would have the limit twice."""
    source = Source()
    source.waiting = entries(1)
    bounds, policy = FrontierBounds(idle_hosts=0), PolitenessPolicy(per_host=1)
    frontier = PoliteFrontier(VisitSource(source, clock=clock), policy, bounds=bounds)
    visit = must(frontier.take())
    frontier.finish(visit, FetchReport("status", 500))
    source.waiting += entries(1)
    clock.now += 1
    other = must(frontier.take())
    frontier.postpone(visit, 1)
    clock.now += 1
    assert frontier.take() is None
    frontier.finish(other, GOOD)
    assert frontier.take() is visit


def test_every_entry_of_many_hosts_leaves_once(clock: Clock) -> None:
    """Three thousand entries over three hundred hosts of all sorts."""
    listed = [Entry(f"http://h{number * number % 300}/", number) for number in range(3000)]

    def answer(visit: Visit) -> FetchReport:
        kind = int(visit.entry.url[8:-1]) % 10
        return {0: REFUSED, 1: FetchReport("status", 429, 5.0), 2: FetchReport("status", 503)}.get(kind, GOOD)

    starts, refused = simulate(polite(list(listed), clock), clock, answer=answer)
    left = Counter([start.visit.entry.line for start in starts] + [visit.entry.line for visit in refused])
    assert left == dict.fromkeys(range(3000), 1)


def test_a_delay_is_not_much_longer_than_asked_for(clock: Clock) -> None:
    """The jitter adds up to a fifth, and other hosts add nothing."""
    listed = [entry for pair in zip(entries(20, "a"), entries(20, "b"), strict=True) for entry in pair]
    policy = PolitenessPolicy(delay=0.5, jitter=0.2)
    starts, _ = simulate(PoliteFrontier(VisitSource(listed, clock=clock), policy), clock)
    for host in "ab":
        times = [start.time for start in starts if start.visit.entry.url.startswith(f"http://{host}/")]
        assert len(times) == 20
        assert all(0.5 <= later - earlier <= 0.6 + 1e-6 for earlier, later in pairwise(times))
