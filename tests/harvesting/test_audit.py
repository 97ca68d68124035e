"""The audit of outputs: what records tell of gaps, fetches at once, Retry-After and robots.txt."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from parascrape.harvesting.audit import TOLERANCE, UNDER_WAY, Audit, HostAudit, audit
from parascrape.records import encode
from parascrape.settings import Settings
from parascrape.web.robots import ALLOW_ALL, RobotsRules, parse

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
URL = "http://a.example/1"


def stamp(seconds: float) -> str:
    """So long after noon, as records have it: cut to the millisecond."""
    when = NOON + timedelta(seconds=seconds)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def attempt(start: float, length: float | None = 0.0, **more: Any) -> dict[str, Any]:
    """The times of an attempt."""
    took = {} if length is None else {"fetch_seconds": length}
    return {"fetched_at": stamp(start), **took, **more}


def page(start: float, length: float | None = 0.0, url: str = URL, code: str = "", **meta: Any) -> bytes:
    """A record."""
    body: dict[str, Any] = {"error": {"code": code, "message": "x"}} if code else {"title": "t"}
    return encode({"url": url, **body, "meta": {"attempts": 1, **attempt(start, length), **meta}})


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An output to be written."""
    return tmp_path / "out.jsonl"


def of(
    output: Path, lines: Iterable[bytes], rules: dict[str, RobotsRules] | None = None, **options: Any
) -> Audit:
    """The audit of these lines; a host without rules of its own allows all."""
    output.write_bytes(b"".join(lines))
    rules_of = None if rules is None else lambda origin: rules.get(origin, ALLOW_ALL)
    return audit([output], Settings(**options), rules_of)


def only(made: Audit) -> HostAudit:
    """Its one host."""
    (host,) = made.hosts
    return host


# --- the limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("starts", "delay", "least", "too_soon"),
    [
        ([0.0], 5.0, None, 0),
        ([0.0, 5.0, 10.0], 5.0, 5.0, 0),
        ([10.0, 0.0, 5.0], 5.0, 5.0, 0),
        ([0.0, 4.99, 10.0], 5.0, 4.99, 1),
        ([0.0, 0.0, 0.0], 1.0, 0.0, 2),
        ([0.0, 0.999, 1.998], 1.0, 0.999, 0),  # what cutting two starts to the millisecond can do
        ([0.0, 0.997], 1.0, 0.997, 0),
        ([0.0, 0.996], 1.0, 0.996, 1),
        ([0.0, 59.94], 60.0, 59.94, 0),  # a clock that is slewed
        ([0.0, 59.93], 60.0, 59.93, 1),
        ([0.0, 0.0], 0.0, 0.0, 0),
    ],
)
def test_gaps_are_those_between_starts(
    output: Path, starts: list[float], delay: float, least: float | None, too_soon: int
) -> None:
    """In any order of the records; a gap that is short because of rounding is not a violation."""
    found = only(of(output, map(page, starts), delay=delay))
    assert (found.least_gap, found.too_soon, found.broken) == (least, too_soon, too_soon)


@pytest.mark.parametrize(
    ("fetches", "per_host", "most", "too_many"),
    [
        ([(0, 1), (1, 1), (2, 1)], 1, 1, 0),
        ([(0, 1), (0.5, 1), (0.7, 1)], 3, 3, 0),
        ([(0, 1), (0.5, 1), (0.7, 1)], 2, 3, 1),
        ([(0, 9), (1, 1), (3, 1), (5, 1)], 1, 2, 3),
        ([(0, 1), (0.5, 1), (0.7, 1)], 0, 3, 0),
        ([(0, 1.0019), (1, 1)], 1, 1, 0),  # within the tolerance
        ([(0, 1.003), (1, 1)], 1, 2, 1),
        ([(0, 0.001), (0, 0.001)], 1, 1, 0),  # shorter than what can be told apart
        ([(0, None), (0, None)], 1, 1, 0),
    ],
)
def test_fetches_at_once_are_those_under_way(
    output: Path, fetches: list[tuple[float, float]], per_host: int, most: int, too_many: int
) -> None:
    """From their start until the page was there: parsing it holds no slot of the host."""
    lines = [page(start, length, elapsed=100.0) for start, length in fetches]
    found = only(of(output, lines, per_host=per_host))
    assert (found.most_at_once, found.too_many, found.broken) == (most, too_many, too_many)


@pytest.mark.parametrize(
    ("start", "broken"),
    [
        (0.5, 0),
        (1.0, 0),
        (1.0 + UNDER_WAY - 0.01, 0),
        (1.0 + UNDER_WAY + 0.01, 1),
        (10.9, 1),
        (11.0 - TOLERANCE / 2, 0),
        (11.0, 0),
    ],
)
@pytest.mark.parametrize("told", ["in the last attempt", "in an earlier one"])
def test_nothing_is_fetched_while_a_retry_after_runs(
    output: Path, start: float, broken: int, told: str
) -> None:
    """It runs from the answer, one second after the start here, for ten; what was on its way is let be."""
    asked = attempt(0.0, 1.0, code="status", retry_after=10.0)
    first = page(0.0, 1.0, code="status", retry_after=10.0)
    if told == "in an earlier one":
        first = page(100.0, earlier=[asked], attempts=2)
    found = only(of(output, [first, page(start)]))
    assert (found.in_retry_after, found.broken) == (broken, broken)


def test_the_longest_of_several_wishes_counts(output: Path) -> None:
    """A later answer that asks for less takes nothing back."""
    wishes = [page(0.0, retry_after=60.0, code="status"), page(0.05, retry_after=1.0, code="status")]
    assert only(of(output, [*wishes, page(30.0), page(61.0)])).in_retry_after == 1


def test_forbidden_fetches_are_found_by_robots_txt(output: Path) -> None:
    """Its Crawl-delay counts too, where it is longer than the delay; unreachable, it says nothing."""
    rules = {
        "http://a.example:80": parse(b"User-agent: *\nDisallow: /1\nCrawl-delay: 5", "parascrape"),
        "http://b.example:80": RobotsRules(unreachable=True),
    }
    lines = [page(0.0), page(4.0, url="http://a.example/2"), page(9.0, url="http://b.example/")]
    made = of(output, lines, rules, delay=2.0)
    assert {one.host: (one.forbidden, one.too_soon) for one in made.hosts} == {
        "http://a.example:80": (1, 1),
        "http://b.example:80": (0, 0),
    }
    assert (made.broken, made.unreachable) == (2, 1)
    assert of(output, lines, delay=2.0).broken == 0


def test_what_a_record_calls_forbidden_was_not_to_be_fetched(output: Path) -> None:
    """With a start it was fetched; without one it counts as refused."""
    refused = encode({"url": URL, "error": {"code": "robots", "message": "x"}, "meta": {"line": 1}})
    made = of(output, [refused, refused, page(0.0, code="robots")])
    assert (made.refused, only(made).forbidden, made.broken) == (2, 1, 1)


def test_hosts_are_told_apart_as_the_limits_are_kept(output: Path) -> None:
    """By scheme, host and port, or by domain; those that were wronged come first."""
    urls = ["http://a.example.org/", "https://a.example.org/", "http://b.example.org/", "http://c.org/"]
    lines = [page(float(number), url=url) for number, url in enumerate(urls)] + [page(3.5, url=urls[3])]
    made = of(output, lines, delay=0.9)
    assert [one.host for one in made.hosts][:2] == ["http://c.org:80", "http://a.example.org:80"]
    assert [one.too_soon for one in made.hosts] == [1, 0, 0, 0]
    domains = of(output, lines, delay=1.5, per_domain=True).hosts
    assert [(one.host, one.fetches, one.too_soon) for one in domains] == [
        ("example.org", 3, 2),
        ("c.org", 2, 1),
    ]


# --- what records tell ------------------------------------------------------------------------------


def test_several_outputs_are_one_account(tmp_path: Path) -> None:
    """Two runs at once wrong a host that each alone treats well."""
    paths = [tmp_path / name for name in ("a.jsonl", "b.jsonl")]
    for path, start in zip(paths, (0.0, 0.5), strict=True):
        path.write_bytes(page(start) + page(start + 1.0))
    assert [audit([path], Settings(delay=1.0)).broken for path in paths] == [0, 0]
    assert audit(paths, Settings(delay=1.0)).broken == 3


def test_a_page_of_several_records_is_one_fetch(output: Path) -> None:
    """All of its records name the same start."""
    lines = [page(0.0, 1.0, item=number, items=3) for number in (1, 2, 3)]
    made = of(output, [*lines, page(2.0, items=0, item=0)], per_host=1)
    assert (made.pages, made.fetches, only(made).most_at_once) == (2, 2, 1)


def test_what_was_never_fetched_is_no_fetch(output: Path) -> None:
    """Duplicates, invalid lines, hosts that were given up."""
    lines = [
        encode({"url": url, "error": {"code": code, "message": "x"}, "meta": {"line": 1}})
        for code, url in (("duplicate", URL), ("host_down", URL), ("invalid_url", "nonsense"))
    ]
    made = of(output, [*lines, page(0.0, url="nonsense", code="invalid_url")])
    assert (made.pages, made.fetches, made.hosts, made.unseen) == (4, 0, [], 0)


@pytest.mark.parametrize(
    ("meta", "unseen", "unmeasured"),
    [
        ({"attempts": 3}, 2, 0),
        ({"attempts": 3, "earlier": [attempt(-9.0), attempt(-5.0)]}, 0, 0),
        ({"attempts": 3, "earlier": [attempt(-9.0), {"code": "timeout"}]}, 1, 0),
        ({"attempts": 2, "earlier": [attempt(-9.0, None)]}, 0, 1),
        ({"fetched_at": "yesterday"}, 1, 0),
        ({"fetched_at": 7, "attempts": 2}, 2, 0),
        ({"fetch_seconds": -1}, 0, 1),
        ({"fetch_seconds": "long"}, 0, 1),
        ({"attempts": "many", "earlier": "?"}, 0, 0),
    ],
)
def test_what_records_do_not_tell_is_said(
    output: Path, meta: dict[str, Any], unseen: int, unmeasured: int
) -> None:
    """An attempt without a time, or without its length, is counted as one that is not judged."""
    made = of(output, [page(0.0, **{"fetch_seconds": 1.0, **meta})])
    assert (made.unseen, made.unmeasured, made.broken) == (unseen, unmeasured, 0)


@pytest.mark.parametrize(
    ("foreign", "count"),
    [
        (b"\n\n", 0),
        (b"\0" * 4096 + b"\n", 0),
        (b'{"url": 7, "meta": {}}\n', 1),
        (b'{"url": "http://h/"}\n', 1),
        (b"[1]\n\xff\xfe\n", 2),
        (b"[" * 100_000 + b"\n", 1),
    ],
)
def test_foreign_lines_and_torn_tails_are_survived(output: Path, foreign: bytes, count: int) -> None:
    """They are counted; the records around them are audited."""
    torn = page(9.0)[:-20]
    made = of(output, [page(0.0), foreign, page(0.5), torn], delay=1.0)
    assert (made.foreign, made.pages, made.broken) == (count + 1, 2, 1)


# --- against a slow and simple reading ----------------------------------------------------------------

MOMENTS = st.integers(0, 400).map(lambda number: number / 100)
LENGTHS = MOMENTS.map(lambda length: length + 0.005)  # so that no two times are the same but for noise
FETCH = st.one_of(
    st.tuples(MOMENTS, LENGTHS, MOMENTS), st.tuples(MOMENTS, LENGTHS | st.just(0.0), st.just(0.0))
)


@given(
    fetches=st.lists(FETCH, min_size=1, max_size=12),
    per_host=st.integers(1, 3),
    delay=st.sampled_from([0.0, 0.05, 1.0]),
)
def test_the_sweep_finds_what_comparing_all_pairs_does(
    tmp_path_factory: pytest.TempPathFactory,
    fetches: list[tuple[float, float, float]],
    per_host: int,
    delay: float,
) -> None:
    """Least gap, most at once, and the fetches of each violation."""
    lines = [page(start, length, retry_after=wish) for start, length, wish in fetches]
    random.Random(0).shuffle(lines)
    output = tmp_path_factory.mktemp("audit") / "out.jsonl"
    found = only(of(output, lines, per_host=per_host, delay=delay))
    starts = sorted(start for start, _, _ in fetches)
    gaps = [round(later - start, 6) for start, later in pairwise(starts)]
    assert found.least_gap == (pytest.approx(min(gaps), abs=1e-6) if gaps else None)
    assert found.too_soon == sum(gap + TOLERANCE + delay / 1000 < delay for gap in gaps)
    assert found.most_at_once == max(under_way(start, fetches) for start, _, _ in fetches)
    ends = [(start + length, start + length + wish) for start, length, wish in fetches if wish]
    wronged = [
        start
        for start in starts
        if any(end + UNDER_WAY < start and start + TOLERANCE < until for end, until in ends)
    ]
    assert found.in_retry_after == len(wronged)


def under_way(moment: float, fetches: list[tuple[float, float, float]]) -> int:
    """How many fetches are under way then, those that begin then among them, of length 0 at least one."""
    around = sum(start <= moment < start + length - TOLERANCE for start, length, _ in fetches)
    points = any(start == moment and length <= TOLERANCE for start, length, _ in fetches)
    return around + points
