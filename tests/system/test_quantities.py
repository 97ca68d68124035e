"""Quantities are parsed and shown, and misspelt names are recognised."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from parascrape.system import (
    did_you_mean,
    parse_duration,
    parse_share,
    parse_size,
    show_duration,
    show_interval,
    show_share,
    show_size,
)


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


@given(st.integers(0, 10_000))
def test_percentages_and_numbers_give_the_same_share(hundredths: int) -> None:
    """Both are read exactly."""
    assert parse_share(f"{hundredths / 100:.2f}%") == parse_share(hundredths / 10_000)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90d", 7_776_000), ("12h", 43_200), ("2w", 1_209_600), ("1.5m", 90), (" 3 s ", 3)]
)
def test_durations_have_a_unit(text: str, seconds: int) -> None:
    """Units go from seconds to weeks."""
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["90", "d", "0s", "-1d", "1y", "99999999w", "", 90, None, "1d2h", "１d"])
def test_invalid_durations_are_refused(text: object) -> None:
    """Zero and more than a century are invalid too."""
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GB", 2 * 10**9),
        ("500 MB", 5 * 10**8),
        ("1.5TB", 15 * 10**11),
        ("1GiB", 1 << 30),
        ("1KiB", 1024),
        ("10kB", 10_000),
        ("1KB", 1000),
        ("7B", 7),
    ],
)
def test_sizes_have_a_unit(text: str, size: int) -> None:
    """kB means 1,000 bytes, KiB 1,024."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["2", "2G", "GB", "-1GB", "1iB", "2gb", 5, None, "1e9B", ""])
def test_invalid_sizes_are_refused(text: object) -> None:
    """A number without a unit is invalid too."""
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0%"), (1, "100%"), (0.0004, "<0.1%"), (0.9996, ">99.9%"), (0.055, "5.5%")]
)
def test_only_exact_shares_are_shown_as_0_or_100_percent(share: float, text: str) -> None:
    """Other shares are shown with one decimal."""
    assert show_share(share) == text
