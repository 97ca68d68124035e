"""The harvest: one contract for every mode, and what it does when pages, scrapers or lists misbehave."""

from __future__ import annotations

import itertools
import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from parascrape import Settings, crawl, crawler
from parascrape.crawler import Stop, harvest
from parascrape.records import parse
from parascrape.urls import Entry
from tests.shop import moody, product
from tests.site import Site

MODES = ("sequential", "thread", "process")
Record = dict[str, Any]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


def make(mode: str, **more: Any) -> Settings:
    """Settings of few workers that lose no time."""
    chosen = {"processes": 2, "threads": 4, "scraper": product, "backoff": 0.01, "timeout": 20, **more}
    return Settings(mode=mode, **chosen)  # type: ignore[arg-type]


def window(settings: Settings) -> int:
    """How many entries may be on their way at once."""
    return settings.fetches * 5 // 4 + 2 * max(1, settings.process_count)


def timeless(record: Record) -> Record:
    """A record without what differs from run to run: times, and the worker's name in a stack."""
    meta = {key: value for key, value in record["meta"].items() if key not in ("fetched_at", "elapsed")}
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


def ours() -> list[threading.Thread]:
    """The threads that a harvest starts."""
    names = ("thread-", "worker-", "process-pump")
    return [thread for thread in threading.enumerate() if thread.name.startswith(names)]


def assert_all_ended(before: list[threading.Thread], seconds: float = 1.0) -> None:
    """Nothing that a harvest started is left after so many seconds."""
    ends = time.monotonic() + seconds
    for child in multiprocessing.active_children():
        child.join(max(0.0, ends - time.monotonic()))
    for thread in set(ours()) - set(before):
        thread.join(max(0.0, ends - time.monotonic()))
    assert not multiprocessing.active_children()
    assert set(ours()) <= set(before)


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
    assert 1.0 <= time.monotonic() - began < 3


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
def test_a_bad_scraper_fails_its_own_pages_only(
    mode: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may raise, hang, exit or kill its process: the pages around it have their records."""
    monkeypatch.setattr(crawler, "_SCRAPE_GRACE", 0.0)
    deeds = [deed for deed in DEEDS if deed != "die" or mode == "process"]
    around = [site(f"/ok?n={number}") for number in range(20)]
    urls = around[:10] + [site(f"/ok?do={deed}") for deed in deeds] + around[10:]
    records = {record["url"]: record for record in crawl(urls, make(mode, scraper=moody, timeout=1.2))}
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


# --- being asked to end -----------------------------------------------------------------------------


def ask_twice(stop: Stop) -> None:
    """What two signals do."""
    stop.ask()
    stop.ask()


def entries(site: Site, paths: list[str]) -> Iterator[Entry]:
    return (Entry(site(path), line) for line, path in enumerate(paths, 1))


@pytest.mark.parametrize("mode", MODES)
def test_asked_once_it_finishes_what_is_in_flight(mode: str, site: Site) -> None:
    """Nothing new is fetched, what was begun gives its records, and then it ends."""
    settings, stop = make(mode), Stop()
    paths = [f"/slow?seconds=0.15&of={mode}{number}" for number in range(200)]
    found = []
    for outcome in harvest(entries(site, paths), settings, stop=stop):
        found.append(parse(outcome.lines))
        if len(found) == 1:
            stop.ask()
    asked = {path for path, _ in site.log if f"of={mode}" in path}
    assert {record["url"] for record in found} == {site(path) for path in asked}
    assert 1 <= len(found) <= window(settings)


@pytest.mark.parametrize("mode", MODES)
def test_asked_twice_it_ends_at_once(mode: str, site: Site) -> None:
    """It does not wait for pages that never come."""
    before, stop = ours(), Stop()
    asking = threading.Timer(0.5, lambda: ask_twice(stop))
    asking.start()
    began = time.monotonic()
    assert list(harvest(entries(site, ["/slow?seconds=1.2"] * 40), make(mode), stop=stop)) == []
    assert time.monotonic() - began < 1.1
    assert_all_ended(before, 4)


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_what_is_in_flight_has_its_grace_and_no_more(
    mode: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages that come within it have their records, those that do not have none."""
    monkeypatch.setattr(crawler, "GRACE", 0.9)
    stop, began = Stop(), time.monotonic()
    paths = ["/ok", "/slow?seconds=0.3", *["/slow?seconds=4"] * 40]
    found = []
    for outcome in harvest(entries(site, paths), make(mode), stop=stop):
        found.append(parse(outcome.lines)["meta"]["line"])
        if not stop.asked:
            stop.ask()
    assert found == [1, 2]
    assert time.monotonic() - began < 3.5


def test_asked_before_it_begins_it_fetches_nothing(site: Site) -> None:
    """A signal may come before the first page."""
    stop = Stop()
    stop.ask()
    logged = len(site.log)
    assert list(harvest(entries(site, ["/page/1"] * 40), make("thread"), stop=stop)) == []
    assert len(site.log) == logged


def test_a_failure_while_it_ends_is_not_tried_again(site: Site) -> None:
    """What would be worth another try is a failure's record: there is no time for more."""
    stop, codes = Stop(), list[str]()
    for outcome in harvest(entries(site, ["/ok", "/slow-status/503?seconds=0.3"]), make("thread"), stop=stop):
        if not codes:
            stop.ask()
        codes.append(outcome.code)
    assert codes == ["", "status"]


def test_an_endless_list_of_bad_lines_can_be_ended() -> None:
    """Lines that need no fetch do not keep it from looking up."""
    stop = Stop()
    bad = (Entry("nonsense", line, problem="no scheme") for line in itertools.count(1))
    outcomes = itertools.islice(harvest(bad, make("thread"), stop=stop), 100_000)
    for number, _ in enumerate(outcomes):
        if number == 10:
            stop.ask()
    assert number < 1000


def test_ordered_records_that_are_finished_are_not_lost_at_the_end(site: Site) -> None:
    """Behind a gap that stays, they come in their order."""
    stop = Stop()
    paths = ["/page/1", "/slow?seconds=3", *(f"/page/{number}" for number in range(2, 12))]
    settings = make("thread", ordered=True, threads=2)
    outcomes = harvest(stopping(entries(site, paths), stop), settings, stop=stop)
    found = [parse(outcome.lines)["meta"]["line"] for outcome in outcomes]
    assert found == sorted(found)
    assert {1, 3, 4, 5} <= set(found)
    assert 2 not in found


def stopping(listed: Iterator[Entry], stop: Stop) -> Iterator[Entry]:
    """The entries; at their end the harvest is asked twice, soon after."""
    yield from listed
    threading.Timer(0.3, lambda: ask_twice(stop)).start()
