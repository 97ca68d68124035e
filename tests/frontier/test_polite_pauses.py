"""Pauses that hosts are given, in every mode, proved by the hosts' own logs: delays, wishes, trouble."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

import pytest

from parascrape import crawl
from parascrape.frontier.politeness import PolitenessPolicy, politeness_policy
from parascrape.harvesting import HarvestHooks, harvest
from parascrape.records import Entry
from parascrape.settings import Settings
from tests.helpers.harvests import MODES, make, records_of
from tests.sites.polite_hosts import MOMENT, Host, gaps, most_at_once, serving, size

DELAY, CRAWL_DELAY, PAGES = 0.1, 0.25, 6
ROBOTS = "/robots.txt"
BROKEN = ("500 Broken", "")


class Harvested(NamedTuple):
    """The hosts, the pause that each is owed, and the records by URL."""

    hosts: list[Host]
    owed: list[float]
    records: dict[str, dict[str, Any]]


def polite(mode: str, **more: Any) -> Settings:
    """Settings of many workers with manners."""
    workers = {"processes": 4, "threads": 4, "scraper": size}
    return make(mode, **{**workers, "per_host": 4, "robots": True, "retries": 0, **more})


@pytest.fixture(scope="module", params=MODES)
def delayed(request: pytest.FixtureRequest) -> Iterator[Harvested]:
    """Hosts of which one asks for a Crawl-delay that is longer than ours."""
    made = [Host(f"127.0.0.{number}", seconds=0.01) for number in (2, 3)]
    made.append(Host("127.0.0.4", robots=f"User-agent: *\nCrawl-delay: {CRAWL_DELAY}\n"))
    with serving(*made) as hosts:
        urls = [url for host in hosts for url in host.urls(PAGES)]
        records = crawl(urls, polite(request.param, per_host=4, delay=DELAY))
        yield Harvested(hosts, [DELAY, DELAY, CRAWL_DELAY], {one["url"]: one for one in records})


def starts(host: Host, records: dict[str, dict[str, Any]]) -> list[tuple[float, float]]:
    """When the host had each request, and how many seconds after the worker began; in the workers' order.

    A busy machine may hold a request up on its way until the next one has overtaken it.
    """
    found: list[tuple[float, float, float]] = []
    for one in host.pages:
        began = datetime.fromisoformat(records[host(one.path)]["meta"]["fetched_at"]).timestamp()
        found.append((began, one.begin, max(0.0, one.wall - began)))
    return [(begin, late) for _, begin, late in sorted(found)]


def test_fetches_of_a_host_start_so_far_apart(delayed: Harvested) -> None:
    """By the host's clock: each but for what the earlier request was late, and half of them as they are."""
    for host, owed in zip(delayed.hosts, delayed.owed, strict=True):
        assert len(host.pages) == PAGES
        found = starts(host, delayed.records)
        for (earlier, late), (later, _) in pairwise(found):
            assert later - earlier >= owed - late - MOMENT
        assert median(gaps(host.pages)) >= owed - median(late for _, late in found) - MOMENT


@pytest.mark.parametrize(
    ("mode", "status"), [*((mode, "429 Too Many Requests") for mode in MODES), ("thread", "503 Busy")]
)
def test_a_retry_after_pauses_the_whole_host(mode: str, status: str) -> None:
    """Not only the page that was refused; other hosts go on meanwhile."""
    busy = Host("127.0.0.2", refuse=lambda path, count: (status, "1") if path == "/busy" else None)
    with serving(busy, Host("127.0.0.3", seconds=0.01)) as hosts:
        urls = [busy("/busy"), busy("/page/1"), *hosts[1].urls(20)]
        records = list(crawl(urls, polite(mode, per_host=1, processes=1, robots=False)))
    refused, after = busy.pages
    assert refused.path == "/busy"
    assert after.begin >= refused.end + 1.0
    assert {one["error"]["code"] for one in records if "error" in one} == {"status"}
    assert sum(refused.end < one.begin < after.begin for one in hosts[1].pages) > 5


@pytest.mark.parametrize("wish", ["-7", "Wed, 21 Oct 2015 07:28:00 GMT", "soon", ""])
def test_a_senseless_retry_after_stops_nobody(wish: str) -> None:
    """Negative, long past, no number: the host is slowed down as without one, for a second at first."""
    host = Host("127.0.0.2", refuse=lambda path, count: ("503 Busy", wish) if count == 1 else None)
    with serving(host):
        (record,) = crawl([host("/page")], polite("thread", retries=1, robots=False))
    assert (record["meta"]["attempts"], "error" in record) == (2, False)
    first, second = host.pages
    assert 1.0 <= second.begin - first.end < 30


def test_waiting_for_a_host_costs_no_cpu() -> None:
    """While a host is to be left alone the harvest looks up a few times only."""
    waits: list[None] = []
    with serving(Host("127.0.0.2")) as (host,):
        entries = [Entry(url, line) for line, url in enumerate(host.urls(3), 1)]
        settings = polite("thread", delay=0.7, robots=False)
        hooks = HarvestHooks(idle=lambda: waits.append(None))
        assert len(list(harvest(entries, settings, hooks=hooks))) == 3
    assert sum(gaps(host.pages)) >= 1.3
    assert len(waits) < 30


# --- hosts that are gone ----------------------------------------------------------------------------


def impatient(settings: Settings) -> PolitenessPolicy | None:
    """A policy that leaves a host in trouble alone for a moment only, so that the tries are over soon."""
    policy = politeness_policy(settings)
    return policy and replace(policy, circuit_delay=0.05, robots_retry=0.05)


@pytest.mark.parametrize("mode", MODES)
def test_a_dead_host_costs_a_few_fetches(mode: str) -> None:
    """Five failures, and three tries later it is given up; other hosts know nothing of it."""
    with serving(Host("127.0.0.2", dead=True), Host("127.0.0.3")) as (dead, alive):
        urls = [url for pair in zip(dead.urls(300), alive.urls(300), strict=True) for url in pair]
        records = {
            one["url"]: one
            for one in records_of(urls, polite(mode, per_host=2, robots=False), limits=impatient)
        }
    codes = [records[url].get("error", {}).get("code", "") for url in dead.urls(300)]
    assert len(dead.requests) <= 12
    assert codes.count("reset") == len(dead.requests)
    assert codes.count("host_down") == 300 - len(dead.requests)
    assert not any("error" in records[url] for url in alive.urls(300))


@pytest.mark.parametrize("mode", MODES)
def test_a_dead_host_with_robots_obeyed_costs_three_fetches(mode: str) -> None:
    """It has no robots.txt either: its pages are failures that say why, not pages that are forbidden."""
    with serving(Host("127.0.0.2", dead=True), Host("127.0.0.3")) as (dead, alive):
        urls = [url for pair in zip(dead.urls(30), alive.urls(30), strict=True) for url in pair]
        records = {one["url"]: one for one in records_of(urls, polite(mode, processes=1), limits=impatient)}
    assert [one.path for one in dead.requests] == [ROBOTS] * 3
    assert not any("error" in records[url] for url in alive.urls(30))
    errors = [records[url]["error"] for url in dead.urls(30)]
    assert {error["code"] for error in errors} == {"host_down"}
    assert all("reset" in error["message"] for error in errors)


def test_a_robots_txt_that_fails_at_first_is_asked_for_again() -> None:
    """A 5xx forbids everything for now (RFC 9309 §2.3.1.4), and nothing is fetched before it is known."""
    with serving(
        Host("127.0.0.2", refuse=lambda path, count: BROKEN if (path, count) == (ROBOTS, 1) else None)
    ) as (host,):
        records = records_of(host.urls(3), polite("thread"), limits=impatient)
    assert not any("error" in one for one in records)
    assert [one.path for one in host.requests[:2]] == [ROBOTS] * 2
    assert most_at_once(host.requests[:2]) == 1
