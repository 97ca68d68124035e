"""The frontier: each entry is handed out once, a postponed visit when its time has come, none is lost."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from parascrape.frontier import IDLE_POLL, Visit
from parascrape.records import Entry
from tests.helpers.frontiers import Clock, Source, drain, entries, must, plain


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


def test_entries_come_once_each_and_in_their_order(clock: Clock) -> None:
    """Numbers count from 0, nobody has been fetched before, and then it is finished."""
    frontier = plain(entries(5), clock)
    assert [(v.number, v.entry.line, v.attempts) for v in drain(frontier)] == [(n, n, 0) for n in range(5)]
    assert frontier.drained


def test_the_list_is_read_no_further_than_it_is_taken(clock: Clock) -> None:
    """An endless list costs no more than what is asked for."""
    source = itertools.count()
    frontier = plain((Entry(str(number)) for number in source), clock)
    assert [must(frontier.take()).number for _ in range(3)] == [0, 1, 2]
    assert next(source) == 3


def test_a_postponed_visit_comes_at_its_time_before_new_ones(clock: Clock) -> None:
    """Not a moment earlier, as the same visit, and ahead of the rest of the list."""
    frontier = plain(entries(9), clock)
    visit = must(frontier.take())
    frontier.postpone(visit, 8)
    assert frontier.wait() == 8
    clock.now += 7.75
    assert must(frontier.take()).number == 1
    assert frontier.wait() == 0.25
    clock.now += 0.25
    assert frontier.wait() == 0
    assert frontier.take() is visit
    assert must(frontier.take()).number == 2


def test_postponed_visits_come_by_their_time_and_then_by_their_place(clock: Clock) -> None:
    """Whoever is due first is first; those due together come in the list's order."""
    frontier = plain(entries(4), clock)
    visits = drain(frontier)
    for visit, seconds in zip(reversed(visits), (2, 4, 2, 1), strict=True):
        frontier.postpone(visit, seconds)
    clock.now += 4
    assert [visit.number for visit in drain(frontier)] == [0, 1, 3, 2]


def test_only_visits_made_before_are_taken_where_nothing_new_is_wanted(clock: Clock) -> None:
    """``new=False`` does not touch the list."""
    source = Source(entries(3))
    frontier = plain(source, clock)
    visit = must(frontier.take())
    assert frontier.take(new=False) is None
    frontier.postpone(visit, 0)
    assert frontier.take(new=False) is visit
    assert source.asked == 1


def test_a_source_with_nothing_just_now_is_asked_again_after_a_while(clock: Clock) -> None:
    """None is no end: until IDLE_POLL has passed the source is left alone, then it goes on."""
    source = Source()
    frontier = plain(source, clock)
    assert frontier.take() is None
    assert frontier.take() is None
    assert source.asked == 1
    assert frontier.wait() == pytest.approx(IDLE_POLL)
    assert not frontier.drained
    source.waiting += entries(2)
    clock.now += 2 * IDLE_POLL
    assert must(frontier.take()).number == 0
    assert frontier.wait() is None
    assert [visit.number for visit in drain(frontier)] == [1]
    source.ended = True
    clock.now += 2 * IDLE_POLL
    assert frontier.take() is None
    assert frontier.drained


def test_visits_that_are_due_do_not_wait_for_an_idle_source(clock: Clock) -> None:
    """A slow pipe holds up no retry."""
    frontier = plain(Source([*entries(1), None]), clock)
    visit = must(frontier.take())
    assert frontier.take() is None
    frontier.postpone(visit, IDLE_POLL / 4)
    assert frontier.wait() == pytest.approx(IDLE_POLL / 4)
    clock.now += IDLE_POLL / 2
    assert frontier.take() is visit


def test_nothing_new_is_taken_while_too_many_are_postponed(clock: Clock) -> None:
    """A list whose every URL fails is not gathered in memory; it goes on as retries are taken."""
    source = Source(entries(10))
    frontier = plain(source, clock, max_waiting=3)
    while (visit := frontier.take()) is not None:
        frontier.postpone(visit, 16)
    assert source.asked == 3
    assert frontier.wait() == 16
    assert not frontier.drained
    clock.now += 16
    assert [visit.number for visit in drain(frontier)] == list(range(10))


def test_waiting_has_no_end_of_its_own_while_only_flights_matter(clock: Clock) -> None:
    """With nothing postponed and the list at its end, only what is in flight can bring more."""
    frontier = plain(entries(1), clock)
    visit = must(frontier.take())
    assert frontier.take() is None
    assert frontier.wait() is None
    frontier.postpone(visit, 4)
    assert not frontier.drained


def test_a_full_window_waits_for_no_visit(clock: Clock) -> None:
    """Where nothing would be taken, a visit that is due does not make the caller turn in circles."""
    frontier = plain([*entries(1), None], clock)
    frontier.postpone(must(frontier.take()), 0)
    assert frontier.wait() == 0
    assert frontier.wait(room=False) is None
    drain(frontier)
    clock.now += 2 * IDLE_POLL
    assert frontier.wait() == 0
    assert frontier.wait(room=False) is None
    frontier.drain(4)
    assert frontier.wait(room=False) == 4


def test_closing_hands_out_nothing_more_and_ends_after_its_grace(clock: Clock) -> None:
    """Neither the list nor what is or will be postponed; what is in flight is waited for so long."""
    frontier = plain(entries(9), clock)
    early, late = must(frontier.take()), must(frontier.take())
    frontier.postpone(early, 0)
    assert not frontier.grace_over
    frontier.drain(4)
    frontier.postpone(late, 0)
    assert frontier.take() is None
    assert frontier.drained
    assert frontier.wait() == 4
    clock.now += 3.75
    assert not frontier.grace_over
    clock.now += 0.25
    assert frontier.grace_over
    assert frontier.wait() == 0


def test_what_the_list_raises_comes_through(clock: Clock) -> None:
    """A list that breaks is not a list that ends."""

    def breaking() -> Iterator[Entry]:
        yield Entry("http://h/")
        raise OSError("disk")

    frontier = plain(breaking(), clock)
    assert must(frontier.take()).number == 0
    with pytest.raises(OSError, match="disk"):
        frontier.take()


class Harvest(RuleBasedStateMachine):
    """A crawler's calls in any order, beside a plain account of where every entry must be."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.source = Source()
        self.frontier = plain(self.source, self.clock)
        self.fed = self.seen = 0
        self.in_flight: list[Visit] = []
        self.due: dict[int, float] = {}

    @precondition(lambda self: not self.source.ended)
    @rule(count=st.integers(0, 3), ends=st.booleans())
    def feed(self, count: int, ends: bool) -> None:
        self.source.waiting += [Entry("http://h/", self.fed + number) for number in range(count)]
        self.fed += count
        self.source.ended = ends

    @rule(new=st.booleans())
    def take(self, new: bool) -> None:
        visit = self.frontier.take(new=new)
        if visit is None:
            assert all(time > self.clock.now for time in self.due.values())
            return
        self.in_flight.append(visit)
        if visit.attempts:
            time = self.due.pop(visit.number)
            assert time <= self.clock.now
            assert all(time <= other for other in self.due.values())
        else:
            assert new
            assert visit.number == visit.entry.line == self.seen
            self.seen += 1
        visit.attempts += 1

    @precondition(lambda self: self.in_flight)
    @rule(which=st.integers(0, 99), seconds=st.sampled_from([0, 0.0625, 1, 64]))
    def postpone(self, which: int, seconds: float) -> None:
        visit = self.in_flight.pop(which % len(self.in_flight))
        self.due[visit.number] = self.clock.now + seconds
        self.frontier.postpone(visit, seconds)

    @precondition(lambda self: self.in_flight)
    @rule(which=st.integers(0, 99))
    def finish(self, which: int) -> None:
        self.in_flight.pop(which % len(self.in_flight))

    @rule(seconds=st.sampled_from([0.03125, 0.125, 2]))
    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def wait(self) -> None:
        """Waiting for as long as it says brings a visit, the source's turn, or nothing if there is none."""
        seconds = self.frontier.wait()
        if seconds is None:
            assert not self.due
        else:
            assert seconds <= max(0.0, min([*self.due.values(), float("inf")]) - self.clock.now)
            self.clock.now += seconds

    @invariant()
    def nothing_is_lost(self) -> None:
        assert self.seen + len(self.source.waiting) == self.fed
        assert self.frontier.drained == (self.frontier.exhausted and not self.due)
        assert not self.frontier.exhausted or self.seen == self.fed


Harvest.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestHarvest = Harvest.TestCase


@given(delays=st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=20))
def test_every_visit_is_made_as_often_as_it_is_postponed(delays: list[list[int]]) -> None:
    """Entry n leaves once, and once more for each of its delays, whatever the others do."""
    clock = Clock()
    frontier = plain(entries(len(delays)), clock)
    left = [list(waits) for waits in delays]
    made = [0] * len(delays)
    while not frontier.drained:
        while (visit := frontier.take()) is not None:
            made[visit.number] += 1
            if left[visit.number]:
                frontier.postpone(visit, left[visit.number].pop())
        clock.now += frontier.wait() or 0
    assert made == [len(waits) + 1 for waits in delays]
