"""Robots: asked for once an origin, held visits go on in their order, and a host without an answer ends."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from parascrape.frontier import PoliteFrontier
from parascrape.frontier.host import Host
from parascrape.frontier.politeness import FetchReport, PolitenessPolicy
from parascrape.frontier.robots_gate import RobotsGate
from parascrape.records import Entry
from tests.helpers.frontiers import GOOD, REFUSED, Clock, Robots, drain, entries, must, polite, simulate

OBEY = PolitenessPolicy(robots=True)


def frontier_of(listed: list[Entry | None], clock: Clock, **limits: Any) -> PoliteFrontier:
    """A frontier that obeys robots.txt."""
    return polite(listed, clock, PolitenessPolicy(robots=True, **limits))


def test_the_first_visit_to_an_origin_asks_for_its_robots() -> None:
    """It is no entry of the list, and no other comes until the answer is there; then all in their order."""
    frontier = frontier_of(entries(3), Clock())
    [asking] = drain(frontier)
    assert (asking.robots, asking.entry.url, asking.number) == ("http://h:80", "http://h:80/robots.txt", -1)
    assert frontier.wait() is None
    assert not frontier.drained
    frontier.set_robots(asking.robots, Robots())
    visits = drain(frontier)
    assert [visit.number for visit in visits] == [0, 1, 2]
    assert frontier.drained
    for visit in (asking, *visits):
        frontier.finish(visit, GOOD)
    assert visits[0].host is not None
    assert visits[0].host.idle


@pytest.mark.parametrize("known_first", [True, False])
def test_the_answer_may_come_before_or_after_the_end_of_its_visit(known_first: bool) -> None:
    """The order of the two calls does not matter."""
    frontier = frontier_of(entries(2), clock := Clock())
    asking = must(frontier.take())
    if known_first:
        frontier.set_robots(asking.robots, Robots())
    frontier.finish(asking, GOOD)
    if not known_first:
        frontier.set_robots(asking.robots, Robots())
    assert [visit.number for visit in drain(frontier)] == [0, 1]
    while not frontier.drained:
        clock.now += frontier.wait() or 0.0
        assert frontier.take() is None


def test_what_is_forbidden_is_refused_and_costs_no_slot() -> None:
    """With a code and a reason; the allowed ones come all the same."""
    listed = [Entry(f"http://h/{path}") for path in ("private/1", "a", "private/2", "b", "private/3")]
    frontier = frontier_of(list(listed), Clock(), per_host=1)
    asking = must(frontier.take())
    frontier.set_robots(asking.robots, Robots())
    frontier.finish(asking, GOOD)
    seen = [(visit.entry.url[9:], visit.refused_code, visit.refused_why) for visit in drain(frontier)]
    assert seen == [("private/1", "robots", "the host's robots.txt forbids it"), ("a", "", "")]


def test_every_origin_is_asked_once_and_every_entry_leaves_once() -> None:
    """Twelve hosts with ten pages, half of them forbidden."""
    listed: list[Entry | None] = [
        Entry(f"http://h{number % 12}/{'private' if number % 24 < 12 else 'open'}/{number}", number)
        for number in range(120)
    ]
    clock = Clock()
    starts, refused = simulate(polite(listed, clock, OBEY), clock)
    asked = Counter(start.visit.robots for start in starts if start.visit.robots)
    assert asked == {f"http://h{number}:80": 1 for number in range(12)}
    pages = [start.visit.entry.line for start in starts if not start.visit.robots]
    assert sorted(pages + [visit.entry.line for visit in refused]) == list(range(120))
    assert {visit.refused_code for visit in refused} == {"robots"}
    assert len(refused) == 60


@pytest.mark.parametrize(("asked_for", "gap"), [(2.0, 2.0), (1e9, 60.0), (float("nan"), 0.0), (-4.0, 0.0)])
def test_a_crawl_delay_holds_from_page_to_page_up_to_its_cap(asked_for: float, gap: float) -> None:
    """Senseless ones are none."""
    clock = Clock()
    frontier = frontier_of(entries(4), clock, jitter=0)
    starts, _ = simulate(frontier, clock, robots=lambda _: Robots(delay=asked_for))
    times = [start.time for start in starts if not start.visit.robots]
    assert [later - sooner for sooner, later in pairwise(times)] == [gap] * 3


@pytest.mark.parametrize(
    ("answer", "code", "why"),
    [
        (Robots(unreachable=True, reason="HTTP 500"), "robots", "(HTTP 500)"),
        (Robots(unreachable=True, silent=True, reason="connect"), "host_down", "(connect)"),
        (None, "host_down", "(dns)"),
    ],
)
def test_robots_that_cannot_be_had_is_asked_for_again_and_then_forbids_all(
    answer: Robots | None, code: str, why: str
) -> None:
    """Three times, 5 s and 10 s apart, in which nothing else is fetched from the host."""
    clock = Clock()
    began = clock.now
    starts, refused = simulate(
        polite(entries(50), clock, OBEY),
        clock,
        answer=lambda _: FetchReport("dns"),
        seconds=0.0,
        robots=lambda _: answer,
    )
    assert [start.time - began for start in starts] == [0, 5, 15]
    assert all(start.visit.robots for start in starts)
    assert len(refused) == 50
    assert all(visit.refused_code == code and why in visit.refused_why for visit in refused)


def test_robots_that_is_there_the_second_time_lets_all_go_on() -> None:
    """A short trouble loses nothing."""
    clock = Clock()
    answers = [Robots(unreachable=True), Robots()]
    starts, refused = simulate(polite(entries(5), clock, OBEY), clock, robots=lambda _: answers.pop(0))
    assert [start.visit.number for start in starts] == [-1, -1, 0, 1, 2, 3, 4]
    assert not refused


def test_the_other_hosts_do_not_wait_for_a_robots() -> None:
    """While one is asked, and while it is not there."""
    clock = Clock()
    began = clock.now
    listed = [*entries(3, "dead"), *entries(3, "good")]
    starts, _ = simulate(
        polite(listed, clock, OBEY),
        clock,
        robots=lambda origin: None if "dead" in origin else Robots(),
        answer=lambda visit: REFUSED if "dead" in visit.entry.url else GOOD,
    )
    assert max(start.time for start in starts if "good" in start.visit.entry.url) - began < 1


@pytest.mark.parametrize(
    ("expires", "valid"), [(3600.0, 3600.0), (1e12, 86_400.0), (-1.0, 60.0), (float("nan"), 86_400.0)]
)
def test_rules_are_asked_for_again_when_they_have_expired(expires: float, valid: float) -> None:
    """After a day at the most and a minute at the least."""
    clock = Clock()
    listed = entries(3)
    frontier = frontier_of(listed, clock, per_host=1)
    asking = must(frontier.take())
    frontier.set_robots(asking.robots, Robots(expires=expires))
    frontier.finish(asking, GOOD)
    clock.now += valid - 1
    visit = must(frontier.take())
    assert visit.number == 0
    clock.now += 2
    frontier.finish(visit, GOOD)
    assert must(frontier.take()).robots


def test_origins_of_one_domain_have_their_own_rules_and_share_their_limits() -> None:
    """With ``per_domain``."""
    listed: list[Entry | None] = [Entry(f"http://{name}.site.example/private", 0) for name in "ab"]
    clock = Clock()
    frontier = frontier_of(listed, clock, per_host=1, per_domain=True)
    origins_asked = []
    starts, refused = simulate(
        frontier,
        clock,
        robots=lambda origin: (
            origins_asked.append(origin) or Robots("/private" if "//a." in origin else "/no")
        ),
    )
    assert sorted(origins_asked) == ["http://a.site.example:80", "http://b.site.example:80"]
    assert [visit.entry.url for visit in refused] == ["http://a.site.example/private"]
    times = [start.time for start in starts]
    assert len(times) == len(set(times)) == 3


def test_only_so_many_origins_are_remembered() -> None:
    """The oldest are asked for again; those that visits wait for stay."""
    known = RobotsGate(3)
    for key in "abc":
        known[key].until = 9.0
    known["a"].ask(Host("a"))
    for key in "de":
        known[key].until = 9.0
    assert len(known) <= 4
    assert known["a"].asking is not None
    assert "b" not in known
