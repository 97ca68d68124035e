"""Quantities are shown as they are read, and misspelt names are recognised."""

from __future__ import annotations

import pytest

from parascrape.system import did_you_mean, show_duration, show_interval, show_size


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (0.00001, "0 s"),
        (8.3333, "8.33 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (3599.6, "1 h 00 min"),
        (86_399, "23 h 59 min"),
        (86_400 * 1000, "1,000 d 00 h"),
    ],
)
def test_durations_are_rounded_to_their_unit(seconds: float, shown: str) -> None:
    """No unit ever reaches the next larger one."""
    assert show_duration(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(90_061, "1d1h1m1s"), (604_800, "7d"), (59.6, "1m"), (0.2, "0s")]
)
def test_intervals_are_exact(seconds: float, shown: str) -> None:
    """Each unit that is not zero is shown."""
    assert show_interval(seconds) == shown


@pytest.mark.parametrize(("size", "shown"), [(0, "0 B"), (999_949, "999.9 kB"), (999_950, "1.0 MB")])
def test_sizes_are_rounded_to_their_unit(size: float, shown: str) -> None:
    """The largest unit is TB."""
    assert show_size(size) == shown
    assert show_size(5e15) == "5000.0 TB"


def test_a_suggestion_ignores_case() -> None:
    """The known name is shown as it is written."""
    assert did_you_mean("USRL", ["Url", "id"]) == "; did you mean 'Url'?"
    assert did_you_mean("url", []) == ""
