"""Politeness: senseless values are refused by name."""

from __future__ import annotations

import math

import pytest

from parascrape.errors import UsageError
from parascrape.frontier.politeness import FetchReport, PolitenessPolicy


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("per_host", -1),
        ("delay", -0.5),
        ("delay", math.nan),
        ("jitter", -1),
        ("jitter", math.inf),
        ("max_delay", 1e9),
        ("max_backoff", -1),
        ("circuit_after", -1),
        ("circuit_delay", math.nan),
        ("circuit_trials", 101),
        ("robots_asks", 0),
        ("robots_retry", -1),
    ],
)
def test_a_value_out_of_its_range_is_refused_by_name(name: str, value: float) -> None:
    """NaN and infinity too."""
    with pytest.raises(UsageError, match=f"^{name}: "):
        PolitenessPolicy(**{name: value})  # type: ignore[arg-type]


def test_the_defaults_are_those_of_a_polite_stranger() -> None:
    """Four at once and no delay; a report of nothing is a good one."""
    assert (PolitenessPolicy().per_host, PolitenessPolicy().delay) == (4, 0)
    assert FetchReport().code == ""
