"""The harvest: one contract for every mode, and what it does when pages, scrapers or lists misbehave."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st

from parascrape import crawl
from parascrape.harvesting import HarvestHooks, harvest
from parascrape.records import Entry, parse
from tests.helpers.harvests import MODES, assert_all_ended, make, ours, records_of, window
from tests.sites.shop import moody
from tests.sites.site import Site

Record = dict[str, Any]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


def timeless(record: Record) -> Record:
    """A record without what differs from run to run: times, and the worker's name in a stack."""
    times = ("fetched_at", "elapsed", "fetch_seconds")
    meta = {key: value for key, value in record["meta"].items() if key not in times}
    for attempt in meta.get("earlier", ()):
        for key in times:
            attempt.pop(key, None)
    error = {key: value for key, value in record.get("error", {}).items() if key != "traceback"}
    return {**record, "meta": meta, **({"error": error} if error else {})}


# --- the contract -----------------------------------------------------------------------------------

TEXT = "<meta charset={}><title>日本語の店</title>"
LIST = [  # path, the records' own values or the error's code, attempts
    ("/page/7", ["Bread 7 — a loaf"], 1),
    ("/items", [0, 1, 2], 1),
    ("/coded/br", ["Bread — a loaf"], 1),
    ("/chunked", ["Bread — a loaf"], 1),
    *[
        (f"/body?type=text/html&hex={TEXT.format(name).encode(codec).hex()}", ["日本語の店"], 1)
        for name, codec in (("utf-8", "utf-8"), ("shift_jis", "cp932"), ("euc-jp", "euc_jp"))
    ],
    ("/body?type=text/html;charset=iso-2022-jp&hex=" + TEXT.encode("iso2022_jp").hex(), ["日本語の店"], 1),
    ("/hops/3", ["Bread — a loaf"], 1),
    ("/flaky/1/bread", ["Bread — a loaf"], 2),
    ("/flaky/9/bread", "status", 3),
    ("/status/404", "status", 1),
    ("/status/503?after=121", "status", 1),
    ("/loop", "bad_redirect", 1),
    ("/echo", "not_html", 1),
    ("/not-gzip", "bad_encoding", 1),
    ("/no-answer", "reset", 3),
    ("/page/7", ["Bread 7 — a loaf"], 1),
]
INVALID = ["ftp://example.org/", "example.org/bread", "http://", "http://h\ud800/", ""]


@pytest.fixture(scope="module", params=MODES)
def harvested(request: pytest.FixtureRequest, site: Site) -> list[Record]:
    """The records of the whole list in one mode, in the list's order."""
    site.seen.clear()
    urls = [site(path) for path, _, _ in LIST] + INVALID
    return list(crawl(urls, make(request.param, ordered=True)))


def test_every_url_gives_what_its_page_holds(harvested: list[Record], site: Site) -> None:
    """Good pages their values, bad ones their code, each with its attempts."""
    by_line = itertools.groupby(harvested[: -len(INVALID)], lambda record: record["meta"]["line"])
    found = [list(records) for _, records in by_line]
    assert [records[0]["url"] for records in found] == [site(path) for path, _, _ in LIST]
    for records, (path, expected, attempts) in zip(found, LIST, strict=True):
        assert {record["meta"]["attempts"] for record in records} == {attempts}, path
        if isinstance(expected, str):
            assert [record["error"]["code"] for record in records] == [expected], path
        else:
            assert [record.get("title", record.get("item")) for record in records] == expected, path


def test_what_is_no_url_is_a_record(harvested: list[Record]) -> None:
    """Nothing is fetched for it, and nothing crashes over it."""
    records = harvested[-len(INVALID) :]
    assert [record["error"]["code"] for record in records] == ["invalid_url"] * len(INVALID)
    assert [record["meta"]["line"] for record in records] == [len(LIST) + n + 1 for n in range(len(INVALID))]


def test_all_modes_give_the_same_records(site: Site) -> None:
    """But for times and workers' names they are equal."""
    urls = [site(path) for path, _, _ in LIST if path != "/no-answer"] + INVALID
    found = []
    for mode in MODES:
        site.seen.clear()
        found.append([timeless(record) for record in crawl(urls, make(mode, ordered=True))])
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_lost_or_doubled(mode: str, site: Site) -> None:
    """Of several hundred URLs each has one record, with what its own page says."""
    urls = [site(f"/page/{number}") for number in range(300)]
    titles = {record["url"]: record["title"] for record in crawl(urls, make(mode))}
    assert titles == {site(f"/page/{number}"): f"Bread {number} — a loaf" for number in range(300)}
    counted = Counter(path for path, _ in site.log[-300:])
    assert counted == Counter(f"/page/{number}" for number in range(300))


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    paths=st.lists(
        st.sampled_from(["/page/1", "/items", "/status/404", "/flaky/1/x", "ftp://x", "/slow?seconds=0.01"])
    ),
    threads=st.integers(1, 9),
)
def test_ordered_records_follow_any_list(paths: list[str], threads: int, site: Site) -> None:
    """Whatever is slow, retried, failed or several records: the lines' numbers never fall."""
    site.seen.clear()
    urls = [site(path) if path[0] == "/" else path for path in paths]
    records = list(crawl(urls, make("thread", threads=threads, ordered=True, backoff=0.001)))
    lines = [record["meta"]["line"] for record in records]
    assert lines == sorted(lines)
    assert Counter(lines) == {line: 3 if path == "/items" else 1 for line, path in enumerate(paths, 1)}


# --- streaming --------------------------------------------------------------------------------------


def endless(site: Site, taken: list[int], first: str = "/page/0") -> Iterator[str]:
    """URLs without end; ``taken`` gets a number for each that is asked for."""
    for number in itertools.count():
        taken.append(number)
        yield site(f"/page/{number}" if number else first)


@pytest.mark.parametrize("mode", MODES)
def test_an_endless_list_is_read_as_it_is_needed_and_may_be_left(mode: str, site: Site) -> None:
    """No more than the window is ever asked for ahead; leaving the loop ends threads and processes."""
    before = ours()
    settings, taken = make(mode), list[int]()
    ahead = []
    for number, record in enumerate(crawl(endless(site, taken), settings), 1):
        assert "error" not in record
        ahead.append(len(taken) - number)
        if number == 60:
            break
    assert max(ahead) <= window(settings)
    assert_all_ended(before)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_finished_is_passed_on_before_it_waits(mode: str, site: Site) -> None:
    """Whoever gathers outcomes is called while pages are still out, with all finished ones in hand."""
    gathered, seen = list[str](), list[int]()
    hooks = HarvestHooks(idle=lambda: seen.append(len(gathered)))
    urls = [Entry(site(path), 1) for path in ("/ok", "/slow?seconds=0.5")]
    for outcome in harvest(urls, make(mode, processes=1), hooks=hooks):
        gathered.append(parse(outcome.lines)["url"])
    assert gathered == [entry.url for entry in urls]
    assert seen[-1] == 1  # before the last wait; whether there was one before the first is timing


def test_ordered_holds_a_bounded_number(site: Site) -> None:
    """Behind one slow page the list is read on only so far."""
    settings, taken = make("thread", ordered=True), list[int]()
    records = crawl(endless(site, taken, "/slow?seconds=0.8"), settings)
    assert next(records)["url"] == site("/slow?seconds=0.8")
    assert window(settings) < len(taken) <= 21 * window(settings)
    assert [next(records)["url"] for _ in range(50)] == [site(f"/page/{n}") for n in range(1, 51)]


@pytest.mark.parametrize("mode", MODES)
def test_a_list_that_raises_does_so_after_the_records_before_it(mode: str, site: Site) -> None:
    """What was asked for has its record; then the list's own exception comes out."""

    def broken() -> Iterator[str]:
        yield from (site(f"/page/{number}") for number in range(10))
        raise LookupError("the database is gone")

    titles = set()
    with pytest.raises(LookupError, match="the database is gone"):  # noqa: PT012
        for record in crawl(broken(), make(mode)):
            titles.add(record["title"])
    assert titles == {f"Bread {number} — a loaf" for number in range(10)}


def test_an_empty_list_gives_no_records_and_starts_nothing() -> None:
    """Neither a thread nor a process."""
    before = ours()
    assert list(crawl([], make("process"))) == []
    assert_all_ended(before)


def test_what_is_no_string_is_a_record(site: Site) -> None:
    """A None or a number in the list of URLs fails alone."""
    urls: Any = [None, 7, b"http://example.org/", site("/page/1")]
    codes = [record.get("error", {}).get("code") for record in crawl(urls, make("thread", ordered=True))]
    assert codes == ["invalid_url"] * 3 + [None]


# --- retries ----------------------------------------------------------------------------------------


def test_retry_after_is_waited_for(site: Site) -> None:
    """The second attempt comes no sooner than the server wishes, however short the backoff."""
    began = time.monotonic()
    record = next(crawl([site("/again/1/slowly")], make("thread", backoff=0)))
    assert (record["meta"]["attempts"], record["title"]) == (2, "Bread — a loaf")
    assert time.monotonic() - began >= 1.0


def test_a_longer_retry_after_than_the_limit_ends_the_attempts(site: Site) -> None:
    """The failure is reported at once: the server does not want to be asked again so soon."""
    record = next(crawl([site("/status/503?after=6")], make("thread", max_backoff=5)))
    assert record["error"]["code"] == "status"
    assert (record["meta"]["status"], record["meta"]["attempts"]) == (503, 1)


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_so_many_retries_are_made(retries: int, site: Site) -> None:
    """One fetch and then the retries, no more."""
    path = f"/flaky/99/{retries}"
    record = next(crawl([site(path)], make("thread", retries=retries, backoff=0)))
    assert record["meta"]["attempts"] == retries + 1 == site.seen[path]


# --- scrapers that misbehave ------------------------------------------------------------------------

DEEDS = {
    "raise": ("scrape_error", "ValueError"),
    "interrupt": ("scrape_error", "KeyboardInterrupt"),
    "leave": ("scrape_error", "SystemExit"),
    "hang": ("timeout", None),
    "die": ("worker_died", None),
    "null": ("bad_record", None),
    "text": ("bad_record", None),
    "set": ("bad_record", None),
    "nan": ("bad_record", None),
    "url": ("bad_record", None),
    "surrogate": ("bad_record", None),
}


@pytest.mark.parametrize("mode", MODES)
def test_a_bad_scraper_fails_its_own_pages_only(mode: str, site: Site) -> None:
    """It may raise, hang, exit or kill its process: the pages around it have their records."""
    deeds = [deed for deed in DEEDS if deed != "die" or mode == "process"]
    around = [site(f"/ok?n={number}") for number in range(20)]
    urls = around[:10] + [site(f"/ok?do={deed}") for deed in deeds] + around[10:]
    chosen = make(mode, scraper=moody, timeout=2.0)
    records = {record["url"]: record for record in records_of(urls, chosen, scrape_grace=0.0)}
    assert [records[url].get("good") for url in around] == [True] * 20
    for deed in deeds:
        error = records[site(f"/ok?do={deed}")]["error"]
        assert (error["code"], error["type"] if DEEDS[deed][1] else None) == DEEDS[deed], error
    assert "no price" in records[site("/ok?do=raise")]["error"]["traceback"]


def test_a_page_may_give_several_records_or_none(site: Site) -> None:
    """They are numbered; a page that gave none has one line that says so."""
    records = list(
        crawl([site("/ok?do=several"), site("/ok?do=none")], make("thread", scraper=moody, ordered=True))
    )
    numbers = [(record.get("number"), record["meta"]["item"], record["meta"]["items"]) for record in records]
    assert numbers == [(1, 1, 2), (2, 2, 2), (None, 0, 0)]
