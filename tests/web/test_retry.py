"""Retries: what a Retry-After header may mean, and how long a back-off is."""

from __future__ import annotations

import doctest
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given, strategies as st

from parascrape.web import retry
from parascrape.web.retry import MAX_RETRY_AFTER, RETRY_STATUSES, backoff, parse_retry_after

NOW = datetime(2024, 5, 6, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("0", 0.0),
        ("120", 120.0),
        (" 120 ", 120.0),
        ("007", 7.0),
        ("-5", 0.0),
        ("--5", None),
        ("1.5", None),
        ("1e3", None),
        ("٣", None),
        ("²", None),
        ("3601", MAX_RETRY_AFTER),
        ("9" * 400, MAX_RETRY_AFTER),
        ("-" + "9" * 400, 0.0),
        ("Mon, 06 May 2024 12:00:30 GMT", 30.0),
        ("Mon, 06 May 2024 12:00:30 -0000", 30.0),
        ("Mon, 06 May 2024 14:00:30 +0200", 30.0),
        ("Monday, 06-May-24 12:00:30 GMT", 30.0),
        ("Mon May  6 12:00:30 2024", 30.0),
        ("Mon, 06 May 2024 11:59:30 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER),
        ("Mon, 01 Jan 0001 00:00:00 GMT", 0.0),
        ("Mon, 99 May 2024 12:00:30 GMT", None),
        ("Mon, 06 May 2024 12:00:30 +9999", None),
    ],
)
def test_retry_after_is_seconds_within_bounds_or_nothing(value: str | None, seconds: float | None) -> None:
    """Delay-seconds and the three forms of an HTTP-date (RFC 9110 §5.6.7); other values are ignored."""
    assert parse_retry_after(value, NOW) == seconds


@given(st.text() | st.text("-0123456789 :,GMTaonMy+", max_size=40))
@example("Mon, 06 May 99999 12:00:00 GMT")
def test_any_header_gives_seconds_within_bounds_or_nothing(value: str) -> None:
    """Servers send anything; nothing raises."""
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or 0.0 <= seconds <= MAX_RETRY_AFTER


@given(st.integers(0, int(MAX_RETRY_AFTER)))
def test_a_date_means_the_seconds_until_it(seconds: int) -> None:
    """Both forms of the header agree."""
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert parse_retry_after(date, NOW) == parse_retry_after(str(seconds), NOW) == float(seconds)


@given(
    st.integers(1, 10_000), st.floats(0, 100), st.floats(0, 1000), st.none() | st.floats(0, MAX_RETRY_AFTER)
)
def test_a_backoff_is_within_its_bounds(
    attempt: int, base: float, cap: float, retry_after: float | None
) -> None:
    """Half to whole of the exponential wait, capped; a server's wish is kept, plus a tenth at most."""
    whole = min(cap, base * 2.0 ** min(attempt - 1, 60))
    wait = backoff(attempt, base, cap, retry_after)
    assert whole / 2 <= wait <= max(whole, 1.1 * (retry_after or 0.0))
    assert wait >= (retry_after or 0.0)


def test_backoffs_grow_and_differ() -> None:
    """Each attempt waits at least as long as the one before may have, and not all in step."""
    waits = [backoff(attempt, 1.0, 1000.0) for attempt in range(1, 9)]
    assert waits == sorted(waits)
    assert len({backoff(3, 1.0, 1000.0) for _ in range(20)}) > 1


def test_only_temporary_errors_are_retried() -> None:
    """These are server errors, and requests to come later."""
    assert sorted(RETRY_STATUSES) == [408, 425, 429, 500, 502, 503, 504]


def test_doctests_hold() -> None:
    """The examples in the docstrings are true."""
    assert doctest.testmod(retry).failed == 0
