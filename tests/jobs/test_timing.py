"""Job schedules: clock changes, jitter and restarts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from parascrape.jobs.timing import Timing, make_timing
from parascrape.system import show_interval

BERLIN = ZoneInfo("Europe/Berlin")


def due_times(timing: Timing, start: str, count: int) -> list[str]:
    """Return the next times after a moment in Berlin, as day, hour and minute in UTC."""
    at = datetime.fromisoformat(start).replace(tzinfo=BERLIN)
    found = []
    for _ in range(count):
        at = timing.next_after(at, "news")
        assert at.tzinfo is UTC
        found.append(f"{at:%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("cron", "start", "expected"),
    [
        # 29 March 2026: 02:00 CET becomes 03:00 CEST, which is 01:00 UTC
        ("30 2 * * *", "2026-03-28T00:00", ["28 01:30", "29 01:00", "30 00:30"]),
        ("0 * * * *", "2026-03-29T00:30", ["29 00:00", "29 01:00", "29 02:00"]),
        ("*/30 * * * *", "2026-03-29T01:10", ["29 00:30", "29 01:00", "29 01:30"]),
        ("0 6 * * *", "2026-03-28T12:00", ["29 04:00", "30 04:00"]),
        # 25 October 2026: 03:00 CEST becomes 02:00 CET, which is 01:00 UTC
        ("30 2 * * *", "2026-10-24T00:00", ["24 00:30", "25 00:30", "26 01:30"]),
        ("0 * * * *", "2026-10-25T01:30", ["25 00:00", "25 01:00", "25 02:00"]),
        ("*/30 * * * *", "2026-10-25T01:40", ["25 00:00", "25 00:30", "25 01:00", "25 01:30"]),
        ("0 6 * * *", "2026-10-24T12:00", ["25 05:00", "26 05:00"]),
    ],
)
def test_clock_changes_follow_the_rules_of_cron(cron: str, start: str, expected: list[str]) -> None:
    """A skipped fixed time is due after the change, a repeated one once; hourly jobs follow elapsed time."""
    timing = make_timing(cron=cron, zone="Europe/Berlin")
    assert timing is not None
    assert due_times(timing, start, len(expected)) == expected


def test_the_repeated_hour_repeats_no_run() -> None:
    """A fixed time of the hour's first pass is not due again in the second."""
    timing = Timing("30 2 * * *", zone="Europe/Berlin")
    second = datetime(2026, 10, 25, 2, 15, tzinfo=BERLIN, fold=1)
    assert timing.next_after(second).day == 26


def test_days_of_month_and_week_are_alternatives() -> None:
    """As in cron, if both are restricted."""
    timing = make_timing(cron="0 0 13 * fri", zone="UTC")
    assert timing is not None
    at, found = datetime(2026, 3, 1, tzinfo=UTC), []
    for _ in range(5):
        at = timing.next_after(at)
        found.append(at.day)
    assert found == [6, 13, 20, 27, 3]


@pytest.mark.parametrize(("name", "cron"), [("@daily", "0 0 * * *"), (" 0  6 * * MON ", "0 6 * * MON")])
def test_expressions_are_normalised(name: str, cron: str) -> None:
    """Names such as @daily are replaced, and fields are separated by one space."""
    timing = make_timing(cron=name)
    assert timing is not None
    assert timing.cron == cron


def test_intervals_count_from_the_epoch() -> None:
    """Restarts and clock changes do not shift them."""
    timing = Timing(every=4 * 3600.0, zone="Europe/Berlin")
    assert due_times(timing, "2026-03-29T00:30", 3) == ["29 00:00", "29 04:00", "29 08:00"]
    assert due_times(timing, "2026-03-29T00:59", 1) == ["29 00:00"]


@given(
    seconds=st.integers(0, 10**6),
    jitter=st.integers(1, 600),
    steps=st.lists(st.integers(1, 900), min_size=1, max_size=20),
)
def test_restarts_neither_repeat_nor_skip_a_jittered_time(
    seconds: int, jitter: int, steps: list[int]
) -> None:
    """The next time stays the same until it has passed."""
    timing = Timing(every=900.0, jitter=float(jitter))
    now = datetime.fromtimestamp(1_700_000_000 + seconds, UTC)
    due = timing.next_after(now, "news")
    for step in steps:
        now += timedelta(seconds=step)
        later = timing.next_after(now, "news")
        assert later == due if now < due else later > due
        assert now < later <= now + timedelta(seconds=900 + jitter)
        due = later


def test_jitter_differs_between_jobs() -> None:
    """Two jobs with one schedule do not start in the same second."""
    timing = Timing("0 6 * * *", jitter=600.0)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert timing.next_after(at, "a") != timing.next_after(at, "b")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(14_400, "4h"), (5400, "1h30m"), (86_461, "1d1m1s"), (0.2, "0s")]
)
def test_intervals_are_shown_short(seconds: float, shown: str) -> None:
    """The largest unit comes first."""
    assert show_interval(seconds) == shown
