"""Long lists: a million URLs over a hundred thousand hosts."""

from __future__ import annotations

import pytest

from parascrape.frontier.politeness import PolitenessPolicy
from tests.helpers.frontiers import cost


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_million_urls_over_a_hundred_thousand_hosts_are_cheap() -> None:
    """At most 20 us of CPU a visit, with all the calls that there are."""
    assert cost(1_000_000, 100_000, PolitenessPolicy()) <= 20e-6
