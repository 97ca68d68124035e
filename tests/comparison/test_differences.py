"""Differences between the records of two runs, and what a run's output says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from parascrape.comparison.differences import compare_outputs, describe, steady
from parascrape.comparison.runs import read_result

VALUES = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=3))
RECORDS = st.lists(
    st.fixed_dictionaries({"url": st.sampled_from(["http://a/", "http://b/"]), "title": VALUES}), max_size=8
)

SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def record(url: str = "http://a/", meta: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A record of a page."""
    return {"url": url, **more, "meta": {"status": 200, "elapsed": 0.1, **(meta or {})}}


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    """An output of these records."""
    path.write_text("".join(json.dumps({"meta": {}, **each}) + "\n" for each in records))
    return path


def differ(folder: Path, left: list[dict[str, Any]], right: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """The number of URLs that differ, and their description."""
    count, shown = compare_outputs(write(folder / "left", left), write(folder / "right", right))
    return count, [line for one in shown for line in describe(one, "one", "two")]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([record(title="x"), record("http://b/")], [record("http://b/"), record(title="x")]),
        ([record(meta={"elapsed": 9, "attempts": 3, "line": 7})], [record(meta={"fetched_at": "now"})]),
        ([record(meta={"anything_new": 1})], [record()]),
        (
            [record(error={"code": "scrape_error", "message": "<shop.X object at 0x7f11aa22>"})],
            [record(error={"code": "scrape_error", "message": "<shop.X object at 0x7f33bb44>"})],
        ),
        (
            [record(error={"code": "scrape_error", "message": "m", "traceback": "thread-1"})],
            [record(error={"code": "scrape_error", "message": "m", "traceback": "worker-2"})],
        ),
        (
            [record(error={"code": "timeout", "message": "after 3.1 s"})],
            [record(error={"code": "host_down", "message": "given up"})],
        ),
    ],
)
def test_what_no_two_runs_share_is_no_difference(tmp_path: Path, left: Any, right: Any) -> None:
    """The order, times, attempts, places in the list, stacks, and the words of a network in trouble."""
    assert differ(tmp_path, left, right) == (0, [])


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        (record(title="x"), record(title="y"), '    + two: "y"'),
        (record(title="x"), record(), "    + two: (absent)"),
        (record(count=1), record(count="1"), '    + two: "1"'),
        (record(count=1), record(count=True), "    + two: true"),
        (record(meta={"encoding": "utf-8"}), record(), "  meta.encoding:"),
        (record(error={"code": "status"}), record(error={"code": "not_html"}), "  error.code:"),
        (record(a={"b": [1]}), record(a={"b": [2]}), "  a.b:"),
        (record(title="x" * 500 + "1"), record(title="x" * 500 + "2"), f'    + two: "…{"x" * 30}2"'),
        (record(title="\x1b[31m"), record(title=""), '    - one: "\\u001b[31m"'),
        (record(title="\u202e"), record(title=""), '    - one: "\\u202e"'),
    ],
)
def test_a_difference_is_shown_where_it_is(
    tmp_path: Path, left: dict[str, Any], right: dict[str, Any], said: str
) -> None:
    """Its key, what each run has there, and nothing that a terminal would obey."""
    count, lines = differ(tmp_path, [left], [right])
    assert count == 1
    assert said in lines
    assert all(line.isprintable() for line in lines)


def test_a_failure_on_one_side_stands_for_itself(tmp_path: Path) -> None:
    """Its record is shown, not every key that it lacks."""
    _, lines = differ(tmp_path, [record(title="x", text="y")], [record(error={"code": "scrape_error"})])
    assert [line[:12] for line in lines] == ["http://a/", "    - one: {", "    + two: {"]


def test_records_are_counted(tmp_path: Path) -> None:
    """Twice is not once."""
    count, lines = differ(tmp_path, [record(title="x")] * 2, [record(title="x")])
    assert count == 1
    assert len(lines) == 2


@settings(suppress_health_check=SLOW, max_examples=50)
@given(RECORDS, st.randoms(use_true_random=False))
def test_an_output_equals_itself_in_any_order(tmp_path: Path, records: list[Any], random: Any) -> None:
    """And differs from itself with one record more, in one URL."""
    shuffled = random.sample(records, len(records))
    assert differ(tmp_path, records, shuffled) == (0, [])
    assert differ(tmp_path, records, [*shuffled, record("http://c/")])[0] == 1


def test_steady_keeps_what_the_scraper_made() -> None:
    """The list's other columns too."""
    kept = steady(record(title="x", input={"sku": 1}, meta={"items": 2, "item": 1, "source": "a.txt"}))
    assert kept == {
        "url": "http://a/",
        "title": "x",
        "input": {"sku": 1},
        "meta": {"status": 200, "item": 1, "items": 2},
    }


def test_a_page_counts_once_however_many_records_it_gave(tmp_path: Path) -> None:
    """With its latency, its error and its host; a task that never came back has no latency."""
    times = {"fetched_at": "2026-01-01T00:00:10.500Z", "bytes": 10}
    output = write(
        tmp_path / "out",
        [
            record(meta={"item": 1, "items": 2, **times}),
            record(meta={"item": 2, "items": 2, **times}),
            record(
                "http://b/",
                meta={"elapsed": 0.3, "fetched_at": "2026-01-01T00:00:09.000Z"},
                error={"code": "dns"},
            ),
            {"url": "no URL", "error": {"code": "worker_died"}, "meta": {}},
        ],
    )
    result = read_result(output)
    assert (result.pages, result.latencies) == (3, (0.1, 0.3))
    assert result.errors == {"dns": 1, "worker_died": 1}
    assert result.first == 1767225609.0
    assert result.hosts["http://b:80"] == (1, 0.3)


@pytest.mark.parametrize(("share", "latency"), [(0.5, 0.2), (0.9, 0.4), (0.99, 0.4), (0.0, 0.1)])
def test_a_percentile_is_one_of_the_latencies(tmp_path: Path, share: float, latency: float) -> None:
    """The nearest rank."""
    pages = [record(meta={"elapsed": seconds}) for seconds in (0.4, 0.1, 0.3, 0.2)]
    assert read_result(write(tmp_path / "out", pages)).percentile(share) == latency


def test_an_empty_output_has_no_latency(tmp_path: Path) -> None:
    """None, not zero."""
    assert read_result(write(tmp_path / "out", [])).percentile(0.5) is None
