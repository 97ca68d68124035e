"""The worker: whatever a server or a scraper does, an entry has lines that are whole records."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from parascrape.errors import InvalidUrl, NotHtml, ParascrapeError, StatusError, TaskError, TaskTimeout
from parascrape.executors import TaskContext
from parascrape.files.lists import read_lists
from parascrape.files.outcomes import Outcome, fail
from parascrape.harvesting.worker import PageTask, Worker
from parascrape.records import Entry, Meta, parse
from parascrape.scrapers import call
from parascrape.settings import Settings
from parascrape.web import Page
from tests.helpers import scrapers as own
from tests.sites.site import HTML, Site

PNG = "89504e470d0a1a0a"
SURROGATE = own.SURROGATE


def scrape(
    url: str | Entry, scraper: Callable[..., Any] | str = own.title, attempt: int = 1, **options: Any
) -> Outcome:
    """The outcome of a URL or entry."""
    entry = url if isinstance(url, Entry) else Entry(url)
    return outcome_of(Settings(scraper=scraper, timeout=20, **options), entry, attempt)


def outcome_of(settings: Settings, fields: Any, attempt: int = 1) -> Outcome:
    """The outcome of a task in a worker of these settings."""
    with closing(Worker(settings)) as worker:
        outcome = worker(TaskContext(), PageTask(fields, attempt))
    assert isinstance(outcome, Outcome)
    return outcome


def records(outcome: Outcome) -> list[dict[str, Any]]:
    """The records of an outcome, whose lines are as many as it says and each whole."""
    lines = outcome.lines.splitlines(keepends=True)
    assert len(lines) == outcome.records
    assert all(line.endswith(b"\n") for line in lines)
    return [parse(line) for line in lines]


def only(outcome: Outcome) -> dict[str, Any]:
    """The only record of an outcome."""
    (record,) = records(outcome)
    return record


@pytest.mark.parametrize(
    ("scraper", "fields"),
    [
        (own.title, {"title": "list"}),
        (own.single, {"n": 0}),
        (own.hollow, {}),
        (own.mapped, {"a": 1, "b": [2]}),
    ],
)
def test_one_dict_is_one_line(site: Site, scraper: Callable[..., Any], fields: dict[str, Any]) -> None:
    """A dict, any mapping, or a list of one: the record has no item number."""
    outcome = scrape(site("/items"), scraper)
    record = only(outcome)
    assert record == {"url": site("/items"), **fields, "meta": record["meta"]}
    assert record["meta"].keys().isdisjoint({"item", "items"})
    assert (outcome.code, outcome.retryable) == ("", False)


@pytest.mark.parametrize(
    ("scraper", "fields"),
    [
        (own.listed, [{"n": 0}, {"n": 1}, {"n": 2}]),
        (own.generated, [{"item": "0"}, {"item": "1"}, {"item": "2"}]),
    ],
)
def test_an_iterable_is_a_line_for_each_dict(
    site: Site, scraper: Callable[..., Any], fields: list[dict[str, Any]]
) -> None:
    """Numbered from 1, with how many there are; each line names the page."""
    found = records(scrape(site("/items"), scraper))
    assert [(one["meta"]["item"], one["meta"]["items"]) for one in found] == [(1, 3), (2, 3), (3, 3)]
    assert [{key: one[key] for key in one if key not in ("url", "meta")} for one in found] == fields
    assert {one["url"] for one in found} == {site("/items")}


def test_an_entry_may_come_as_its_bare_fields(site: Site) -> None:
    """A tuple crosses to a worker process for less than a class does; the record is the same."""
    entry = Entry(site("/items"), 7, "goods.csv", {"sku": "S1"})
    for fields in (tuple(entry), list(entry)):
        outcome = outcome_of(Settings(scraper=own.title, timeout=20), fields)
        whole, bare = only(scrape(entry)), only(outcome)
        for record in (whole, bare):
            assert record["meta"].pop("fetched_at")
            assert record["meta"].pop("elapsed") >= record["meta"].pop("fetch_seconds") > 0
        assert bare == whole
        assert (bare["input"], bare["meta"]["line"]) == ({"sku": "S1"}, 7)


def test_a_page_without_items_has_its_line_all_the_same(site: Site) -> None:
    """Otherwise it would look like a page that was never fetched."""
    outcome = scrape(site("/items"), own.nothing)
    record = only(outcome)
    assert list(record) == ["url", "meta"]
    assert (record["meta"]["item"], record["meta"]["items"], outcome.code) == (0, 0, "")


@pytest.mark.parametrize(
    ("scraper", "message"),
    [
        (own.none, "the scraper returned NoneType, not a dict or an iterable of dicts"),
        (own.text, "the scraper returned str, "),
        (own.raw, "the scraper returned bytes, "),
        (own.texts, "the scraper's item 2 is str, not a dict"),
        (own.reserved, "the key 'meta' is the record's own"),
        (own.other_url, "the key 'url' is the record's own"),
        (own.nan, "price[0].eur: nan is not a JSON number"),
        (own.a_set, "tags: "),
        (own.endless_depth, "nested deeper than"),
        (own.surrogate, "a: "),
    ],
)
def test_what_is_no_record_says_where(site: Site, scraper: Callable[..., Any], message: str) -> None:
    """A typed failure that names the key or the item."""
    outcome = scrape(site("/ok"), scraper)
    record = only(outcome)
    assert outcome.code == record["error"]["code"] == "bad_record"
    assert message in record["error"]["message"]


def test_a_scraper_that_never_ends_its_items_is_stopped(site: Site) -> None:
    """At MAX_RECORDS; with just so many it is still good."""
    message = only(scrape(site("/ok"), own.endless))["error"]["message"]
    assert f"more than {call.MAX_RECORDS} records" in message
    found, _ = call.scrape(Page("http://h/", b""), Settings(scraper=own.listed), max_records=3)
    assert len(found) == 3


@pytest.mark.parametrize(
    ("scraper", "kind", "message"),
    [
        (own.failing, "KeyError", "KeyError: 'price'"),
        (own.failing_late, "RuntimeError", "RuntimeError: third item"),
        (own.leaving, "SystemExit", "SystemExit: no products here"),
        (own.failing_unprintably, "ValueError", "ValueError: bad text \\ud800"),
        (own.failing_mutely, "Mute", "Mute: (its message cannot be shown)"),
        (own.mapped_and_broken, "LookupError", "LookupError: row is gone"),
    ],
)
def test_an_exception_in_a_scraper_is_the_urls_record(
    site: Site, scraper: Callable[..., Any], kind: str, message: str
) -> None:
    """Its type, its message and its stack, which begins with the worker and ends in the scraper."""
    outcome = scrape(site("/ok"), scraper)
    error = only(outcome)["error"]
    assert list(error) == ["code", "message", "type", "traceback"]
    assert (error["code"], error["type"], error["message"]) == ("scrape_error", kind, message)
    assert (outcome.code, outcome.retryable) == ("scrape_error", False)
    lines = error["traceback"].splitlines()
    assert re.fullmatch(r"Worker \S+:", lines[0])


def test_the_stack_holds_the_scrapers_own_frames(site: Site) -> None:
    """It names the file and the line that failed, and none of ours."""
    trace = only(scrape(site("/ok"), own.failing))["error"]["traceback"]
    frames = re.findall(r'File "(.+)", line (\d+), in (\w+)', trace)
    assert [(path, name) for path, _, name in frames] == [(own.__file__, "failing")]
    line = Path(own.__file__).read_text(encoding="utf-8").splitlines()[int(frames[0][1]) - 1]
    assert line.strip() == 'return {"price": prices["price"]}'


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (f"/body?hex={PNG}&type=image/png", "not HTML but image/png"),
        ("/echo", "not HTML but application/json"),
    ],
)
def test_a_page_that_is_no_html_is_a_typed_failure(site: Site, path: str, message: str) -> None:
    """For a scraper that asks for HTML; the media type is named."""
    outcome = scrape(site(path), own.html_only)
    assert only(outcome)["error"] == {"code": "not_html", "message": message}
    assert outcome.code == NotHtml.code


@pytest.mark.parametrize("name", ["article", "page", "links"])
def test_the_bundled_scrapers_want_html(site: Site, name: str) -> None:
    """An image in the list is a failure, not a crash and not an empty record."""
    assert scrape(site(f"/body?hex={PNG}&type=image/png"), name).code == "not_html"


@pytest.mark.parametrize(
    ("path", "code", "retryable", "status"),
    [
        ("/status/404", "status", False, 404),
        ("/status/503", "status", True, 503),
        ("/no-answer", "reset", True, None),
        ("/loop", "bad_redirect", False, 302),
        ("/bomb/gzip", "too_large", False, 200),
        ("/not-gzip", "bad_encoding", False, 200),
    ],
)
def test_a_failed_fetch_is_a_record_with_what_is_known(
    site: Site, path: str, code: str, retryable: bool, status: int | None
) -> None:
    """The code, whether it is worth another try, and as much of meta as there was."""
    outcome = scrape(site(path), max_bytes=100_000)
    record = only(outcome)
    assert list(record) == ["url", "error", "meta"]
    assert (outcome.code, outcome.retryable, record["meta"].get("status")) == (code, retryable, status)
    assert record["error"]["message"]
    assert {"fetched_at", "elapsed", "attempts"} <= record["meta"].keys()


def test_a_servers_wish_for_later_reaches_the_parent(site: Site) -> None:
    """Retry-After crosses with the outcome: waiting is not the worker's. The record tells of it too."""
    outcome = scrape(site("/status/429?after=7"))
    assert outcome.retry_after == only(outcome)["meta"]["retry_after"] == 7.0
    assert "retry_after" not in only(scrape(site("/status/429")))["meta"]


def test_text_that_is_no_url_is_fetched_from_nowhere(site: Site) -> None:
    """The worker checks URLs as the list does."""
    assert scrape("ftp://127.0.0.1/").code == InvalidUrl.code
    assert scrape(site.url + "\\@127.0.0.2/").code == InvalidUrl.code
    assert site.log == []


def test_keys_stand_in_a_fixed_order(site: Site) -> None:
    """url, the scraper's own, input, meta; and meta as records.Meta has it, whatever happened first."""
    entry = Entry(site("/to?where=/items"), 12, "shops.csv", {"id": "7", "name": "Bäcker"})
    for number, record in enumerate(records(scrape(entry, own.generated, attempt=2)), 1):
        assert list(record) == ["url", "item", "input", "meta"]
        assert record["input"] == entry.columns
        others = {"retry_after", "earlier", "robots", "etag", "last_modified"}
        others |= {"unchanged", "fresh", "changed_at", "canonical", "depth", "found_on"}
        assert list(record["meta"]) == [key for key in Meta.__annotations__ if key not in others]
        assert (record["meta"]["item"], record["meta"]["attempts"]) == (number, 2)
    failed = only(scrape(entry._replace(url=site("/status/500")), attempt=3))
    assert list(failed) == ["url", "error", "input", "meta"]
    order = list(Meta.__annotations__)
    assert list(failed["meta"]) == sorted(failed["meta"], key=order.index)
    assert (failed["meta"]["source"], failed["meta"]["line"], failed["meta"]["attempts"]) == (
        "shops.csv",
        12,
        3,
    )


def test_meta_says_how_it_was_fetched(site: Site) -> None:
    """Status, final URL, time in UTC, seconds, bytes on the wire, encoding, hops."""
    meta = only(scrape(site("/hops/2")))["meta"]
    assert (meta["status"], meta["final_url"], meta["redirects"]) == (200, site("/hops/0"), 2)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", meta["fetched_at"])
    assert 0 < meta["fetch_seconds"] <= meta["elapsed"] < 20
    assert (meta["bytes"], meta["encoding"], meta["attempts"]) == (len(HTML), "utf-8", 1)


def test_a_page_that_is_not_decoded_has_no_encoding(site: Site) -> None:
    """Unrequested values are not computed."""
    assert "encoding" not in only(scrape(site("/ok"), own.length))["meta"]


def test_an_outcome_says_where_the_time_went(site: Site) -> None:
    """Fetching and scraping apart; a failed fetch was all fetching."""
    good, lost = scrape(site("/slow?seconds=0.2")), scrape(site("/slow-status/503?seconds=0.2"))
    assert 0.2 <= good.fetch_seconds < 20
    assert 0 < good.scrape_seconds < 20
    assert good.bytes == len(HTML)
    assert 0.2 <= lost.fetch_seconds < 20
    assert lost.scrape_seconds == 0
    assert only(good)["meta"]["fetch_seconds"] == pytest.approx(good.fetch_seconds, abs=0.001)
    assert only(lost)["meta"]["fetch_seconds"] == only(lost)["meta"]["elapsed"]


@pytest.mark.parametrize("scraper", [own.addresses, own.telling, own.failing, "links"])
@pytest.mark.parametrize(
    "path", ["/ok", "/to?where=/ok", "/status/404", "/to?where=http://bob:hunter2@127.0.0.1:1/", "/loop"]
)
def test_a_password_is_nowhere_in_the_line(site: Site, path: str, scraper: Callable[..., Any] | str) -> None:
    """Neither the list's nor a redirect's: not in url, meta, messages or stacks, nor shown to scrapers."""
    login = site(path).replace("http://", "http://anna:s3cret@")
    outcome = scrape(Entry(login, 1, "list.txt"), scraper)
    assert records(outcome)[0]["url"] == site(path).replace("bob:hunter2@", "")
    assert not re.search(rb"s3cret|anna|hunter2|bob:", outcome.lines)
    assert site.log[0][1]["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    "url", ["ftp://me:s3cret@h/", "http://me:s3cret@/", "http://me:s3cret@h:99999/", "http://me:s3c/ret@h/"]
)
def test_a_password_in_what_is_no_url_is_not_shown_either(url: str) -> None:
    """The message does not quote it."""
    outcome = scrape(url)
    assert outcome.code == "invalid_url"
    assert b"s3c" not in outcome.lines


def test_a_csv_row_is_carried_through_without_its_password(site: Site, tmp_path: Path) -> None:
    """The URL's column is not repeated under input, so what `url` leaves out is left out."""
    path = tmp_path / "shops.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "url"], ["7", site("/ok").replace("//", "//me:s3cret@")]])
    (entry,) = read_lists([str(path)])
    outcome = scrape(entry)
    assert only(outcome)["input"] == {"id": "7"}
    assert b"s3cret" not in outcome.lines


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InvalidUrl("no host"), {"code": "invalid_url", "message": "no host"}),
        (
            TaskTimeout("past its deadline", "", "w-1", "Worker w-1:\n..."),
            {"code": "timeout", "message": "past its deadline", "type": "", "traceback": "Worker w-1:\n..."},
        ),
        (TaskError("x" * 9000), {"code": "task_error", "message": "x" * 2000}),
        (StatusError("503 Busy", 503, True, 9.0), {"code": "status", "message": "503 Busy"}),
    ],
)
def test_a_failure_has_its_code_and_its_stack(error: ParascrapeError, expected: dict[str, str]) -> None:
    """What the parent knows of a task is in the record too; messages are bounded."""
    outcome = fail(Entry("http://h/", 3), error, {"attempts": 2})
    assert only(outcome) == {"url": "http://h/", "error": expected, "meta": {"attempts": 2, "line": 3}}
    assert (outcome.code, outcome.retryable) == (error.code, error.retryable)
    assert outcome.retry_after == getattr(error, "retry_after", None)


@pytest.mark.parametrize(
    ("entry", "kept"),
    [
        (Entry(f"http://h/{SURROGATE}", 1), {"url": "http://h/\\ud800"}),
        (Entry("http://h/", 1, f"caf{SURROGATE}.txt"), {"meta": {"source": "caf\\ud800.txt", "line": 1}}),
        (Entry("http://h/", 1, "", {"a": float("nan")}), {"url": "http://h/"}),
        (Entry("http://h/", 1, "", {"a": {1, 2}}), {"url": "http://h/"}),
        (Entry("http://h/", 1, "", {"a": "b"}), {"input": {"a": "b"}}),
    ],
)
def test_every_entry_can_fail(entry: Entry, kept: dict[str, Any]) -> None:
    """There is a line for it even where its own text or columns are what JSON cannot carry."""
    record = only(fail(entry, InvalidUrl(f"no {SURROGATE}")))
    assert record["error"] == {"code": "invalid_url", "message": "no \\ud800"}
    assert {key: record[key] for key in kept} == kept


@given(url=st.text(max_size=40), column=st.text(max_size=20) | st.floats() | st.integers())
@settings(deadline=None)
def test_no_entry_makes_the_worker_raise(url: str, column: Any) -> None:
    """Any text, any column: one whole line that a JSON reader reads."""
    outcome = outcome_of(Settings(scraper=own.title), Entry(f"nothttp:{url}", 1, "", {"x": column}))
    assert outcome.code == "invalid_url"
    assert json.loads(outcome.lines)["meta"]["line"] == 1
    assert outcome.lines.count(b"\n") == 1
