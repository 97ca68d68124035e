"""What a visit costs: bounded, whatever the number of hosts, and nothing where no politeness is asked for."""

from __future__ import annotations

import pytest

from parascrape.frontier.politeness import PolitenessPolicy
from tests.helpers.frontiers import cost


@pytest.mark.parametrize("hosts", [1, 50_000])
def test_a_visit_costs_no_more_however_many_hosts_there_are(hosts: int) -> None:
    """Read, keyed, picked, started, fetched and finished: about 13 us; 60 on a machine that is busy."""
    assert cost(50_000, hosts, PolitenessPolicy()) < 60e-6


def test_without_politeness_a_visit_costs_next_to_nothing() -> None:
    """About 1 us, with the calls that do nothing then."""
    assert cost(50_000, 1, None) < 10e-6
