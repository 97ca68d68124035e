"""What a host has to bear, in every mode, by the hosts' own logs: how many at once, in turn, and what not."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from parascrape import Page, crawl
from tests.helpers.harvests import MODES, make
from tests.sites.polite_hosts import Host, counted, most_at_once, serving, size

ROBOTS = "User-agent: *\nDisallow: /private\n"
HOSTS, PAGES, PER_HOST = 6, 12, 2


class Harvested(NamedTuple):
    """What a harvest of several hosts has left in their logs, and its records."""

    mode: str
    hosts: list[Host]
    records: list[dict[str, Any]]
    met: bool


@pytest.fixture(scope="module", params=MODES)
def harvested(request: pytest.FixtureRequest) -> Iterator[Harvested]:
    """A list that names all pages of the first host, then all of the second, and so on."""
    meeting = None if request.param == "sequential" else threading.Barrier(HOSTS)
    names = [f"127.0.0.{number + 2}" for number in range(HOSTS)]
    made = [Host(name, seconds=0.02, robots=ROBOTS, meeting=meeting) for name in names]
    more = {"processes": 4, "threads": 16 if request.param == "thread" else 4}
    settings = make(request.param, per_host=PER_HOST, robots=True, scraper=size, **more)
    with serving(*made) as hosts:
        urls = [url for host in hosts for url in [host("/private/1"), *host.urls(PAGES)]]
        records = list(crawl(urls, settings))
        yield Harvested(request.param, hosts, records, meeting is not None and not meeting.broken)


def test_no_host_has_more_at_once_than_its_limit(harvested: Harvested) -> None:
    """Over all threads and processes; where there are several, the limit is used, and hosts add up."""
    most = [most_at_once(host.requests) for host in harvested.hosts]
    assert max(most) <= PER_HOST
    if harvested.mode != "sequential":
        assert max(most) == PER_HOST
        assert most_at_once([one for host in harvested.hosts for one in host.requests]) > PER_HOST


def test_hosts_take_turns(harvested: Harvested) -> None:
    """Though the list names one after the other.

    With many workers all hosts are asked for a page at the same time. With one, when all of them may be
    asked, none has half of its pages before each that has any left has had one.
    """
    if harvested.mode != "sequential":
        assert harvested.met
        return
    known = max(host.requests[0].end for host in harvested.hosts)
    begun = sorted((one.begin, host.url) for host in harvested.hosts for one in host.pages)
    due = [host for begin, host in begun if begin > known]
    had: Counter[str] = Counter()
    for host in due:
        had[host] += 1
        if len(had) == len(set(due)):
            break
    assert max(had.values()) <= PAGES // 2


def test_robots_txt_comes_first_and_once(harvested: Harvested) -> None:
    """However many workers there are: the parent has it fetched and keeps it."""
    for host in harvested.hosts:
        assert min(host.requests, key=lambda one: one.begin).path == "/robots.txt"
        assert host.seen["/robots.txt"] == 1


def test_what_robots_txt_forbids_is_not_asked_for(harvested: Harvested) -> None:
    """It has a record that says so; all the rest is fetched once."""
    wanted = [url for host in harvested.hosts for url in [host("/robots.txt"), *host.urls(PAGES)]]
    assert counted(harvested.hosts) == Counter(wanted)
    assert len(harvested.records) == HOSTS * (PAGES + 1)
    refused = {one["url"]: one["error"] for one in harvested.records if "error" in one}
    assert set(refused) == {host("/private/1") for host in harvested.hosts}
    assert {(error["code"], error["message"]) for error in refused.values()} == {
        ("robots", "the host's robots.txt forbids it")
    }


@pytest.mark.parametrize(("per_domain", "most"), [(True, 1), (False, 2)])
def test_ports_of_one_domain_share_its_limit_when_told_to(per_domain: bool, most: int) -> None:
    """By itself a host is scheme, name and port (RFC 6454 §4)."""
    with serving(Host("127.0.0.2", seconds=0.1), Host("127.0.0.2", seconds=0.1)) as hosts:
        settings = make("thread", per_host=1, per_domain=per_domain, robots=False, scraper=size)
        assert len(list(crawl([url for host in hosts for url in host.urls(4)], settings))) == 8
        assert most_at_once([one for host in hosts for one in host.requests]) == most


def test_without_a_limit_one_host_has_every_thread() -> None:
    """For servers of one's own."""
    with serving(Host("127.0.0.2", seconds=0.3)) as hosts:
        settings = make("thread", per_host=0, threads=12, robots=True, scraper=size)
        assert len(list(crawl(hosts[0].urls(12), settings))) == 12
        assert most_at_once(hosts[0].pages) > 4


def test_a_page_is_parsed_while_its_host_serves_the_next() -> None:
    """The limit counts fetches: with one at once, two pages are scraped at the same time."""
    meeting = threading.Barrier(2)

    def scrape(page: Page) -> dict[str, Any]:
        """Return when another page is scraped at the same time."""
        time.sleep(0.1 if page.url == first else 0.02)  # scraping of 5 ms on average frees slots early
        if page.url != first:
            meeting.wait(20)
        return size(page)

    with serving(Host("127.0.0.2", seconds=0.01)) as (host,):
        first, *others = host.urls(9)
        settings = make("thread", per_host=1, threads=8, robots=False, scraper=scrape)
        records = list(crawl([first, *others], settings))
    assert not any("error" in one for one in records)
    assert most_at_once(host.pages) == 1
