"""The plan of a harvest: counts, hosts, what robots.txt forbids, and how long politeness makes it last."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, strategies as st

from parascrape.errors import TaskError
from parascrape.frontier import PoliteFrontier, VisitSource
from parascrape.frontier.politeness import PolitenessPolicy
from parascrape.harvesting.estimate import Estimate, plan
from parascrape.records import Entry
from parascrape.settings import Settings
from parascrape.web.robots import ALLOW_ALL, RobotsRules, parse

A, B = "http://a.example:80", "http://b.example:80"
UNREACHABLE = RobotsRules(unreachable=True, reason="robots.txt: timeout")


def entries(*urls: str) -> Iterator[Entry]:
    """A list of these URLs; what has no scheme is a line without one."""
    for line, url in enumerate(urls, 1):
        yield Entry(url, line, problem="" if "//" in url else "no http:// or https:// at its start")


def pages(count: int, host: str = "http://a.example", folder: str = "") -> list[str]:
    """So many URLs of a host."""
    return [f"{host}/{folder}{number}" for number in range(count)]


def make(urls: Iterable[str], rules: dict[str, RobotsRules] | None = None, **options: Any) -> Estimate:
    """The plan for these URLs; a host without rules of its own allows all."""
    chosen = {name: options.pop(name) for name in ("latency", "top") if name in options}
    rules_of = None if rules is None else lambda origin: rules.get(origin, ALLOW_ALL)
    return plan(entries(*urls), Settings(**options), rules_of, **chosen)


def rules(text: str) -> RobotsRules:
    """The rules of a robots.txt for everybody."""
    return parse(f"User-agent: *\n{text}".encode(), "parascrape")


# --- counts -----------------------------------------------------------------------------------------


def test_every_line_is_counted_once() -> None:
    """As invalid, as a duplicate by the harvest's own rule, as forbidden, or as a fetch."""
    urls = ["http://a.example/1", "HTTP://a.example:80/1#top", "nonsense", "http://a.example/x/1", *pages(2)]
    made = make([*urls, "http://b.example/", "http://c.example/"], {A: rules("Disallow: /x"), B: UNREACHABLE})
    assert (made.lines, made.invalid, made.duplicates) == (8, 1, 2)
    assert (made.forbidden, made.unreachable, made.fetches) == (1, 1, 3)
    assert made.lines == sum((made.invalid, made.duplicates, made.forbidden, made.unreachable, made.fetches))
    assert made.hosts == 3


@pytest.mark.parametrize(
    ("options", "duplicates"),
    [({}, 0), ({"drop_tracking": True}, 1), ({"sort_query": True}, 1), ({"fetch_duplicates": True}, 0)],
)
def test_duplicates_are_what_the_options_say(options: dict[str, bool], duplicates: int) -> None:
    """Tracking parameters and the query's order make no difference on request."""
    urls = [
        "http://h/?a=1&b=2",
        "http://h/?b=2&a=1" if "sort_query" in options else "http://h/?a=1&b=2&gclid=7",
    ]
    assert make(urls, **options).duplicates == duplicates


def test_hosts_are_named_by_their_urls_most_first() -> None:
    """The ten largest unless another number is asked for; the rest is counted."""
    urls = [url for number in range(12) for url in pages(number + 1, f"http://h{number:02}.example")]
    made = make(urls)
    assert (made.hosts, len(made.top)) == (12, 10)
    assert [one.urls for one in made.top] == list(range(12, 2, -1))
    assert [one.host for one in make(urls, top=1).top] == ["http://h11.example:80"]


def test_with_per_domain_a_domain_counts_as_one_host() -> None:
    """It keeps the longest delay of its origins, and what each forbids."""
    urls = [
        *pages(2, "http://a.example.org"),
        *pages(3, "https://b.example.org"),
        *pages(1, "http://other.org"),
    ]
    found = {
        "http://a.example.org:80": rules("Crawl-delay: 3"),
        "https://b.example.org:443": rules("Disallow: /1"),
    }
    made = make(urls, found, per_domain=True)
    assert [(one.host, one.urls, one.fetches, one.delay) for one in made.top] == [
        ("example.org", 5, 4, 3.0),
        ("other.org", 1, 1, 0.0),
    ]
    assert made.bound == (9.0, "robots", "example.org")


# --- robots.txt -------------------------------------------------------------------------------------


def test_each_host_is_asked_once() -> None:
    """However its URLs are spread over the list."""
    asked: Counter[str] = Counter()

    def rules_of(origin: str) -> RobotsRules:
        asked[origin] += 1
        return ALLOW_ALL

    urls = [f"http://h{number % 50}.example/{number}" for number in range(500)]
    assert plan(entries(*urls), Settings(threads=3), rules_of).fetches == 500
    assert set(asked.values()) == {1}
    assert len(asked) == 50


@pytest.mark.parametrize("settings", [Settings(robots=False), Settings()])
def test_hosts_are_asked_only_if_needed(settings: Settings) -> None:
    """Not where robots.txt is ignored, and not without a function that asks."""

    def rules_of(origin: str) -> RobotsRules:
        raise AssertionError(origin)

    made = plan(entries(*pages(3)), settings, None if settings.robots else rules_of)
    assert (made.asked, made.forbidden, made.fetches) == (False, 0, 3)


def test_a_fault_of_the_asking_is_not_swallowed() -> None:
    """It ends the plan."""

    def rules_of(origin: str) -> RobotsRules:
        raise KeyError(origin)

    with pytest.raises(TaskError, match=r"a\.example"):
        plan(entries(*pages(3)), Settings(), rules_of)


# --- the bound --------------------------------------------------------------------------------------

SLOW = {A: rules("Crawl-delay: 10")}
CASES = [
    (pages(1), None, {}, (0, "", "")),
    (pages(100), None, {}, (0, "", "")),
    (pages(1), None, {"delay": 5.0}, (0, "", "")),
    (pages(101), None, {"delay": 2.0}, (200, "delay", A)),
    (pages(101), SLOW, {"delay": 2.0}, (1000, "robots", A)),
    (pages(101), SLOW, {"delay": 20.0}, (2000, "delay", A)),
    (pages(101), SLOW, {"delay": 2.0, "robots": False}, (200, "delay", A)),
    (pages(101), {A: UNREACHABLE}, {"delay": 2.0}, (0, "", "")),
    (pages(101), {A: rules("Disallow: /")}, {"delay": 2.0}, (0, "", "")),
    (pages(11) + pages(21, "http://b.example"), None, {"delay": 1.0}, (20, "delay", B)),
    (pages(11) + pages(21, "http://b.example"), SLOW, {"delay": 1.0}, (100, "robots", A)),
    (pages(1), None, {"latency": 0.5}, (0.5, "latency", A)),
    (pages(10), None, {"latency": 0.5}, (1.5, "per_host", A)),
    (pages(10), None, {"latency": 0.5, "per_host": 0}, (0.5, "latency", A)),
    (pages(10), None, {"latency": 0.5, "threads": 2}, (2.5, "fetches", A)),
    (pages(9) + pages(9, "http://b.example"), None, {"latency": 1, "threads": 3}, (6, "fetches", "")),
    (pages(5), None, {"latency": 3.0, "delay": 1.0, "per_host": 1}, (15, "per_host", A)),
    (pages(5), None, {"latency": 0.5, "delay": 1.0}, (4.5, "delay", A)),
]


@pytest.mark.parametrize(("urls", "found", "options", "bound"), CASES)
def test_the_bound_is_that_of_the_slowest_host(urls: Any, found: Any, options: Any, bound: Any) -> None:
    """By its own delay, the delay asked for, the fetches at once or, where these bind, all threads."""
    assert make(urls, found, **options).bound == bound


@given(
    counts=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    delay=st.sampled_from([0.0, 0.5, 3.0]),
    per_host=st.integers(0, 3),
    latency=st.sampled_from([0.0, 0.25, 2.0]),
    threads=st.integers(1, 6),
)
def test_the_frontier_takes_no_less_time_than_planned(
    counts: list[int], delay: float, per_host: int, latency: float, threads: int
) -> None:
    """A harvest simulated with a clock of its own, every fetch of this latency, is never quicker."""
    urls = [url for host, count in enumerate(counts) for url in pages(count, f"http://h{host}.example")]
    bound = make(urls, delay=delay, per_host=per_host, latency=latency, threads=threads).bound
    assert simulate(urls, delay, per_host, latency, threads) >= bound.seconds - 1e-6


def simulate(urls: list[str], delay: float, per_host: int, latency: float, threads: int) -> float:
    """The seconds until the last page is there."""
    now = 0.0
    limits = PolitenessPolicy(per_host=per_host, delay=delay, jitter=0.0, adaptive=False, robots=False)
    frontier = PoliteFrontier(VisitSource(entries(*urls), clock=lambda: now), limits)
    under_way: list[tuple[float, Any]] = []
    while True:
        while len(under_way) < threads and (visit := frontier.take()) is not None:
            frontier.mark_started(visit, now)
            under_way.append((now + latency, visit))
        if not under_way and frontier.drained:
            return now
        wait = frontier.wait(room=len(under_way) < threads)
        times = [end for end, _ in under_way] + ([] if wait is None else [now + wait])
        now = max(now, min(times))
        for end, visit in [one for one in under_way if one[0] <= now]:
            under_way.remove((end, visit))
            frontier.mark_fetched(visit)
            frontier.finish(visit)


@pytest.mark.parametrize(
    ("urls", "found", "options", "changes"),
    [
        (pages(100), None, {}, {}),
        (pages(101), None, {"delay": 2.0}, {"--delay 1": (100, 101)}),
        (pages(101), SLOW, {"delay": 2.0}, {"--ignore-robots": (200, 101)}),
        (pages(101), {A: UNREACHABLE}, {}, {"--ignore-robots": (0, 101)}),
        (pages(101), {A: UNREACHABLE}, {"robots": False}, {}),
        (pages(8), None, {"latency": 1.0}, {"--per-host 8": (1, 8)}),
        (pages(8), None, {"latency": 1.0, "threads": 2}, {"--threads 4": (2, 8)}),
        (pages(8), None, {"latency": 1.0, "mode": "sequential"}, {"--mode thread": (2, 8)}),
        (
            pages(8),
            None,
            {"latency": 1.0, "mode": "process", "processes": 2, "threads": 1},
            {"--threads 2": (2, 8)},
        ),
    ],
)
def test_changes_are_those_that_would_make_a_difference(
    urls: Any, found: Any, options: Any, changes: Any
) -> None:
    """Each with the bound that would then hold, and the fetches that there would be."""
    made = make(urls, found, **options)
    assert {one.options: (one.bound.seconds, one.fetches) for one in made.changes} == changes


def test_memory_grows_with_the_hosts_and_not_with_the_lines() -> None:
    """Ten times the lines of the same hosts take no more than a megabyte more."""

    def peak(count: int) -> int:
        lines = (f"http://h{number % 100}.example/{number % 1000}" for number in range(count))
        tracemalloc.start()
        try:
            assert plan(entries(*()), Settings(), None).lines == 0
            made = plan((Entry(url) for url in lines), Settings(), lambda _: ALLOW_ALL)
            assert (made.lines, made.hosts, made.fetches) == (count, 100, 1000)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(20_000) < peak(2_000) + 1_000_000
