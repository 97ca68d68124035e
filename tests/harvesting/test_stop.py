"""A harvest that is asked to end: at first it finishes what is in flight, asked again it ends at once."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from parascrape.harvesting import Stop, harvest
from parascrape.records import Entry, parse
from tests.helpers.command import until
from tests.helpers.harvests import MODES, assert_all_ended, entries, make, ours, window
from tests.sites.site import Site


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


def ask_twice(stop: Stop) -> None:
    """What two signals do."""
    stop.ask()
    stop.ask()


@pytest.mark.parametrize("mode", MODES)
def test_asked_once_it_finishes_what_is_in_flight(mode: str, site: Site) -> None:
    """Nothing new is fetched, what was begun gives its records, and then it ends."""
    settings, stop = make(mode), Stop()
    paths = [f"/slow?seconds=0.15&of={mode}{number}" for number in range(200)]
    found = []
    for outcome in harvest(entries(site, paths), settings, stop=stop):
        found.append(parse(outcome.lines))
        if len(found) == 1:
            stop.ask()
    asked = {path for path, _ in site.log if f"of={mode}" in path}
    assert {record["url"] for record in found} == {site(path) for path in asked}
    assert 1 <= len(found) <= window(settings)


@pytest.mark.parametrize("mode", MODES)
def test_asked_twice_it_ends_at_once(mode: str, site: Site) -> None:
    """It does not wait for pages that never come."""
    before, stop = ours(), Stop()
    asking = threading.Timer(0.5, lambda: ask_twice(stop))
    asking.start()
    # Had it waited for its pages, they would have outcomes.
    assert list(harvest(entries(site, ["/slow?seconds=3"] * 40), make(mode), stop=stop)) == []
    assert_all_ended(before)


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_what_is_in_flight_has_its_grace_and_no_more(mode: str, site: Site) -> None:
    """Pages that come within it have their records, those that do not have none."""
    stop = Stop(grace=3)
    paths = ["/ok", "/slow?seconds=0.3", *["/silent"] * 40]
    found = []
    for outcome in harvest(entries(site, paths), make(mode), stop=stop):
        found.append(parse(outcome.lines)["meta"]["line"])
        if not stop.asked:
            stop.ask()
    assert found == [1, 2]


def test_asked_before_it_begins_it_fetches_nothing(site: Site) -> None:
    """A signal may come before the first page."""
    stop = Stop()
    stop.ask()
    logged = len(site.log)
    assert list(harvest(entries(site, ["/page/1"] * 40), make("thread"), stop=stop)) == []
    assert len(site.log) == logged


def test_a_failure_while_it_ends_is_not_tried_again(site: Site) -> None:
    """A failure that would be retried becomes a record: no time is left for another attempt."""
    stop, codes, late = Stop(), list[str](), "/slow-status/503?seconds=0.3"
    for outcome in harvest(entries(site, ["/ok", late]), make("thread"), stop=stop):
        if not codes:
            assert until(lambda: late in dict(site.log))
            stop.ask()
        codes.append(outcome.code)
    assert codes == ["", "status"]


def test_an_endless_list_of_bad_lines_can_be_ended() -> None:
    """Lines that need no fetch do not keep it from looking up."""
    stop = Stop()
    bad = (Entry("nonsense", line, problem="no scheme") for line in itertools.count(1))
    outcomes = itertools.islice(harvest(bad, make("thread"), stop=stop), 100_000)
    for number, _ in enumerate(outcomes):
        if number == 10:
            stop.ask()
    assert number < 1000


def test_ordered_records_that_are_finished_are_not_lost_at_the_end(site: Site) -> None:
    """Behind a gap that stays, they come in their order."""
    stop = Stop()
    paths = ["/page/1", "/silent", *(f"/page/{number}" for number in range(2, 12))]
    settings = make("thread", ordered=True, threads=2)
    asking = threading.Thread(target=lambda: until(lambda: site.seen["/page/6"]) and ask_twice(stop))
    asking.start()
    outcomes = harvest(entries(site, paths), settings, stop=stop)
    found = [parse(outcome.lines)["meta"]["line"] for outcome in outcomes]
    assert found == sorted(found)
    assert {1, 3, 4, 5} <= set(found)
    assert 2 not in found
    asking.join()
