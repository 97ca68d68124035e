"""Counts of an output's records in the summary of its run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from parascrape.errors import UsageError
from parascrape.jobs.summary import RunSummary, count_records
from parascrape.records import encode
from tests.helpers.histories import NOON

SUMMARY = RunSummary("news", NOON)


def count(path: Path, **limits: int) -> RunSummary:
    """Return a summary with the counts of an output."""
    return count_records(path, SUMMARY, **limits)


def good(number: int = 1, item: int = 0, items: int = 1, **fields: Any) -> bytes:
    """Return a good record."""
    meta: dict[str, Any] = {"bytes": 100} | ({"item": item, "items": items} if item else {})
    return encode({"url": f"http://a.example/{number}", **fields, "meta": meta})


def bad(code: str, url: str = "http://b.example/") -> bytes:
    """Return the record of a failure."""
    return encode({"url": url, "error": {"code": code, "message": "x"}, "meta": {}})


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """The path of the output."""
    return tmp_path / "out.jsonl"


def test_pages_are_counted_by_outcome(output: Path) -> None:
    """Pages are counted, not lines; a skipped page is not a failure of its host."""
    lines = [good(), good(2, 1, 2), good(2, 2, 2), bad("timeout"), bad("dns", "https://c.example:8/x")]
    lines += [bad("timeout", "http://B.example/y"), bad("duplicate"), bad("invalid_url", "no URL")]
    output.write_bytes(b"".join(lines))
    facts = count(output)
    assert (facts.inputs, facts.good, facts.records, facts.bytes) == (7, 2, 3, 200)
    assert facts.failed == {"timeout": 2, "dns": 1, "invalid_url": 1}
    assert facts.skipped == {"duplicate": 1}
    assert facts.failing_hosts == {"http://b.example:80": 2, "https://c.example:8": 1}
    assert facts.inputs == facts.good + facts.failures + sum(facts.skipped.values())


def test_unchanged_pages_are_counted(output: Path) -> None:
    """Each page counts once, by its first record."""
    meta = {"unchanged": True}
    records = [{"url": "http://a.example/", "meta": {**meta, "item": n, "items": 2}} for n in (1, 2)]
    output.write_bytes(b"".join(map(encode, records)) + good())
    facts = count(output)
    assert (facts.unchanged, facts.good, facts.records) == (1, 2, 3)


@pytest.mark.parametrize("value", [None, "", " \n\t", [], {}, "\u00a0"])
def test_values_without_content_are_empty(output: Path, value: Any) -> None:
    """A missing field is empty too; columns of the list are not fields."""
    output.write_bytes(good(title=value) + good(title="x", input={"a": ""}) + good() + good(title="y"))
    assert count(output).empty == {"title": 0.5}


@pytest.mark.parametrize("value", [0, False, "x", [None], {"a": None}, 0.0])
def test_values_with_content_are_not_empty(output: Path, value: Any) -> None:
    """Zero and false are values."""
    output.write_bytes(good(title=value))
    assert count(output).empty == {"title": 0.0}


def test_a_page_without_records_has_no_empty_fields(output: Path) -> None:
    """Its line stands for the page and is not a record."""
    output.write_bytes(encode({"url": "http://a.example/", "meta": {"items": 0}}) + good(title="x"))
    facts = count(output)
    assert (facts.good, facts.records, facts.empty) == (2, 1, {"title": 0.0})


def test_lines_that_are_not_records_are_skipped(output: Path) -> None:
    """For example a torn last line."""
    output.write_bytes(good(title="x") + b'[]\n{"url": 1, "meta": {}}\n\n{"url": "a"}\n' + good()[:20])
    assert count(output).inputs == 1


def test_a_file_that_cannot_be_read_is_an_error(output: Path) -> None:
    """The message names it."""
    with pytest.raises(UsageError, match=r"out\.jsonl: No such file"):
        count(output)


def test_an_empty_output_has_no_shares(output: Path) -> None:
    """There is no division by zero."""
    output.write_bytes(b"")
    assert count(output) == SUMMARY


def test_counting_is_bounded(output: Path) -> None:
    """Fields and codes beyond a limit are not counted by name, nor are the hosts with the fewest failures."""
    lines = [bad("dns", f"http://h{number}.example/") for number in range(100)]
    lines += [bad("dns", "http://worst.example/")] * 50 + [bad(f"code {number}") for number in range(9)]
    output.write_bytes(b"".join(lines) + good(**{f"f{number}": 1 for number in range(9)}))
    facts = count(output, max_names=5, max_hosts=30)
    assert len(facts.empty) == 5
    assert facts.failed == {"dns": 150, **{f"code {number}": 1 for number in range(4)}, "error": 5}
    assert next(iter(facts.failing_hosts)) == "http://worst.example:80"
    assert len(facts.failing_hosts) <= 20


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.sampled_from([None, "", 0, "x"]), max_size=3)),
    st.lists(st.sampled_from(["dns", "timeout", "duplicate", "robots"])),
)
def test_the_counts_add_up(output: Path, records: list[dict[str, Any]], codes: list[str]) -> None:
    """A field's share is that of the records without a value."""
    output.write_bytes(b"".join([*(good(**fields) for fields in records), *map(bad, codes)]))
    facts = count(output)
    assert (
        facts.inputs
        == len(records) + len(codes)
        == facts.good + sum({**facts.failed}.values()) + sum(facts.skipped.values())
    )
    for name, share in facts.empty.items():
        lacking = sum(fields.get(name) in (None, "") for fields in records)
        assert round(share * len(records)) == lacking
