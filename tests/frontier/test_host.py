"""One host: its queue's order, its slots, its gaps, and calls that come in any order or not at all."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from parascrape.frontier.host import Host, Visit
from parascrape.frontier.politeness import FetchReport, HostState, PolitenessPolicy
from parascrape.records import Entry
from tests.helpers.frontiers import GOOD


def visits(count: int) -> list[Visit]:
    """So many visits, numbered."""
    return [Visit(number, Entry("http://h/")) for number in range(count)]


def full(count: int) -> Host:
    """A host for which so many visits wait."""
    host = Host("http://h:80")
    for visit in visits(count):
        host.push(visit)
    return host


def no_jitter() -> float:
    """The least."""
    return 0.0


def test_the_queue_is_first_in_first_out_with_a_front_door() -> None:
    """What is put back at the head comes first, and the order of the others stays."""
    host = full(3)
    first = host.pop(0.0)
    host.push_front(first)
    host.push(Visit(3, Entry("http://h/")))
    assert [host.pop(0.0).number for _ in range(host.size)] == [0, 1, 2, 3]
    assert (host.first, host.last, host.size) == (None, None, 0)


def test_a_visit_whose_time_has_come_goes_before_the_queue() -> None:
    """And not before its time, unless nothing else waits (of a host that was given up)."""
    host = full(2)
    host.push_later(Visit(9, Entry("http://h/")), 5.0)
    assert host.pop(4.0).number == 0
    assert host.pop(5.0).number == 9
    host.push_later(Visit(8, Entry("http://h/")), 50.0)
    assert [host.pop(6.0).number for _ in range(2)] == [1, 8]


@given(st.lists(st.sampled_from(["push", "front", "later", "pop"]), max_size=60))
def test_the_queue_is_what_a_list_is(steps: list[str]) -> None:
    """The linked queue beside a plain one."""
    host, queue, later = Host("h"), list[int](), list[int]()
    for number, step in enumerate(steps):
        visit = Visit(number, Entry("http://h/"))
        if step == "push":
            host.push(visit)
            queue.append(number)
        elif step == "front":
            host.push_front(visit)
            queue.insert(0, number)
        elif step == "later":
            host.push_later(visit, 1.0)
            later.append(number)
        elif queue or later:
            assert host.pop(2.0).number == (later or queue).pop(0)
        assert host.size == len(queue) + len(later)


@pytest.mark.parametrize(("per_host", "most"), [(1, 1), (4, 4), (0, 10)])
def test_a_host_has_no_more_slots_than_it_may(per_host: int, most: int) -> None:
    """0 is no limit; the end of a fetch frees its slot, whatever becomes of the page."""
    limits = PolitenessPolicy(per_host=per_host)
    host = full(10)
    taken = []
    while host.due(1.0, limits) <= 1.0:
        taken.append(host.pop(1.0))
        host.hand_out(taken[-1], 1.0)
    assert len(taken) == most
    for _ in range(2):
        host.end_fetch(taken[0], 2.0, limits, no_jitter)
    assert host.in_flight == most - 1


@pytest.mark.parametrize(("share", "gap"), [(0.0, 8.0), (0.5, 10.0), (1.0, 12.0)])
def test_the_gap_counts_from_the_true_start_and_holds_its_jitter(share: float, gap: float) -> None:
    """At least the delay, at most the delay and the jitter."""
    limits = PolitenessPolicy(delay=8, jitter=0.5)
    host = full(2)
    visit = host.pop(16.0)
    host.hand_out(visit, 16.0)
    assert host.due(99.0, limits) == math.inf
    host.start(visit, 24.0, limits, lambda: share)
    assert host.due(99.0, limits) == 24 + gap


def test_a_start_before_the_visit_was_handed_out_is_no_start() -> None:
    """A clock that is off makes nothing too early."""
    limits = PolitenessPolicy(delay=8, jitter=0)
    host = full(2)
    visit = host.pop(16.0)
    host.hand_out(visit, 16.0)
    host.start(visit, -5.0, limits, no_jitter)
    assert host.due(99.0, limits) == 24


def test_a_start_that_nobody_told_of_was_at_the_end_at_the_latest() -> None:
    """So the gap is never too short."""
    limits = PolitenessPolicy(delay=8, jitter=0)
    host = full(2)
    visit = host.pop(16.0)
    host.hand_out(visit, 16.0)
    host.end_fetch(visit, 20.0, limits, no_jitter)
    host.start(visit, 16.0, limits, no_jitter)
    assert host.due(99.0, limits) == 28


def test_a_crawl_delay_counts_from_page_to_page() -> None:
    """Not from robots.txt itself, for which the own delay counts."""
    limits = PolitenessPolicy(delay=2, jitter=0)
    host = full(2)
    robots = Visit(-1, Entry("http://h/robots.txt"))
    robots.robots = "http://h:80"
    host.hand_out(robots, 16.0)
    host.start(robots, 16.0, limits, no_jitter)
    host.end_fetch(robots, 17.0, limits, no_jitter)
    host.crawl_delay = 32.0
    assert host.due(17.0, limits) == 18
    page = host.pop(18.0)
    host.hand_out(page, 18.0)
    host.start(page, 18.0, limits, no_jitter)
    assert host.due(18.0, limits) == 50


def test_an_open_circuit_lets_one_through_when_its_time_is_up() -> None:
    """And no second one while that is under way."""
    limits = PolitenessPolicy(circuit_after=1)
    host = full(5)
    visit = host.pop(1.0)
    host.hand_out(visit, 1.0)
    host.end_fetch(visit, 2.0, limits, no_jitter)
    host.finish(visit, FetchReport("connect"), 2.0, limits)
    assert host.due(2.0, limits) == 32
    visit = host.pop(32.0)
    host.hand_out(visit, 32.0)
    assert host.due(40.0, limits) == math.inf
    host.end_fetch(visit, 41.0, limits, no_jitter)
    host.finish(visit, GOOD, 41.0, limits)
    assert host.due(41.0, limits) <= 41
    assert host.health is not None
    assert host.health.trials == 0


def test_a_longer_tail_has_a_higher_rank() -> None:
    """By the time it takes: more visits, a longer gap, a slower server."""
    limits = PolitenessPolicy()
    slow, some, many = full(5), full(5), full(6)
    slow.crawl_delay = 10.0
    assert some.tail(limits) < many.tail(limits) < slow.tail(limits)
    visit = some.pop(1.0)
    host_latency = FetchReport("", 200, None, 5.0)
    some.hand_out(visit, 1.0)
    some.end_fetch(visit, 6.0, limits, no_jitter)
    some.finish(visit, host_latency, 6.0, limits)
    assert some.tail(limits) > many.tail(limits)


def test_what_is_known_of_a_host_lasts_to_the_next_run() -> None:
    """The pause, the circuit and the gap since the last start, though the monotonic clock begins anew."""
    limits = PolitenessPolicy(delay=64, jitter=0, circuit_after=1)
    host = full(3)
    visit = host.pop(100.0)
    host.hand_out(visit, 100.0)
    host.start(visit, 100.0, limits, no_jitter)
    host.end_fetch(visit, 101.0, limits, no_jitter)
    host.finish(visit, FetchReport("status", 503, 40.0), 101.0, limits)
    state = host.state(101.0, 5000.0)
    assert state == HostState(4999.0, 5040.0, 1.0, 0)
    again = full(1)
    again.restore(state, 7.0, 5010.0, limits)
    assert again.due(7.0, limits) == 7 + 64 - 11
    assert again.state(7.0, 5010.0) == state


@pytest.mark.parametrize(
    ("state", "due"),
    [
        (HostState(), 0.0),
        (HostState(paused_until=4_000.0), 0.0),
        (HostState(paused_until=5_100.0), 107.0),
        (HostState(paused_until=math.nan, slow=math.nan, trials=-3), 0.0),
        (HostState(last_start=9_999_999.0), 15.0),
        (HostState(last_start=4_998.0), 13.0),
        (HostState(slow=-1.0, trials=10**9), 0.0),
    ],
)
def test_senseless_states_do_no_harm(state: HostState, due: float) -> None:
    """A start in the future counts as now, a pause that is over not at all."""
    limits = PolitenessPolicy(delay=8, jitter=0)
    host = full(1)
    host.restore(state, 7.0, 5_000.0, limits)
    assert host.due(7.0, limits) == due


def test_a_host_that_must_be_left_alone_for_long_is_not_asked_in_the_next_run_either() -> None:
    """Its visits are handed out at once, to be recorded."""
    host = full(1)
    host.restore(HostState(paused_until=5_600.0), 7.0, 5_000.0, PolitenessPolicy())
    assert host.is_down(7.0)
    assert not host.is_down(608.0)
    assert host.health is not None
    assert "600 s" in host.health.why
