"""The cost of a visit, counted in calls; tests/benchmarks/frontier_cost.py measures it in seconds."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from parascrape.frontier import Frontier, VisitSource, open_frontier
from parascrape.frontier.politeness import PolitenessPolicy
from tests.helpers.frontiers import listed, run_through


def calls_a_visit(frontier: Frontier) -> float:
    """Calls of Python functions a visit, while every visit is taken and finished."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        visits = run_through(frontier)
    finally:
        sys.setprofile(before)
    return calls / visits


@pytest.mark.parametrize(("urls", "hosts"), [(5_000, 1), (5_000, 5_000), (20_000, 2_000)])
def test_a_visit_costs_no_more_however_many_hosts_there_are(urls: int, hosts: int) -> None:
    """Read, keyed, scheduled, taken, started, fetched and finished."""
    frontier = open_frontier(VisitSource(listed(urls, hosts)), PolitenessPolicy())
    assert calls_a_visit(frontier) < 80


def test_without_politeness_a_visit_costs_next_to_nothing() -> None:
    """Little more than the calls of the harvest itself."""
    assert calls_a_visit(open_frontier(VisitSource(listed(5_000, 1)), None)) < 15
