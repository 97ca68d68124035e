"""Scrapers that do what none should, in process and thread mode: their own URL's record says so, no other.

What a scraper may give and raise, sys.exit, KeyboardInterrupt, hanging and os._exit among pages of one
harvest are in tests/harvesting/test_harvest.py and test_worker.py; single tasks in tests/executors.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from parascrape import crawl
from tests.helpers import scrapers
from tests.helpers.command import finish, read_records, start_scrape
from tests.helpers.harvests import make, records_of
from tests.sites.site import Site

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc as Linux has them")

RAISED = {
    "unloadable": ("scrape_error", "Unloadable: one"),
    "held": ("scrape_error", "Held: held"),
    "generator": ("scrape_error", "GeneratorExit: "),
    "recurse": ("scrape_error", "RecursionError: maximum recursion depth exceeded"),
    "bomb": ("scrape_error", "MemoryError: "),
}
"""What stays inside the call, in every mode."""

FATAL = {
    "crash": ("worker_died", "its worker process killed by SIGSEGV, twice"),
    "close": ("worker_died", "its worker process ended with exit status 0, twice"),
    "swell": ("worker_died", "its worker process was over its memory, more than 400 MB"),
}
"""What a process does not survive."""

STUCK = {
    "spin": ("timeout", "ran longer than 4 s, twice; its process was killed"),
    "regex": ("timeout", "ran longer than 4 s, twice; its process was killed"),
    "freeze": ("timeout", "ran longer than 4 s, twice; its process was killed"),
}
"""What ends only with the process: the second holds the interpreter's lock, the third stops all threads."""


def harvest(
    site: Site, mode: str, deeds: list[str], scrape_grace: float = 5.0, **more: Any
) -> dict[str, dict[str, Any]]:
    """The records of these deeds by deed; those of the forty pages around them must be good."""
    around = [site(f"/ok?n={number}") for number in range(40)]
    urls = [*around[:20], *(site(f"/ok?do={deed}") for deed in deeds), *around[20:]]
    settings = make(mode, scraper=scrapers.rude, **more)
    records = records_of(urls, settings, scrape_grace=scrape_grace)
    assert Counter(record["url"] for record in records) == Counter(urls)
    found = {record["url"]: record for record in records}
    assert [found[url] for url in around if not found[url].get("good")] == []
    return {deed: found[site(f"/ok?do={deed}")] for deed in deeds}


def assert_errors(records: dict[str, dict[str, Any]], expected: dict[str, tuple[str, str]]) -> None:
    """Each deed has the code, and a message that begins so."""
    for deed, (code, message) in expected.items():
        error = records[deed]["error"]
        assert (error["code"], error["message"][: len(message)]) == (code, message)


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_what_is_raised_fails_its_page(mode: str, site: Site) -> None:
    """Whether it pickles, unpickles, or is an Exception at all."""
    assert_errors(harvest(site, mode, list(RAISED)), RAISED)


def test_what_kills_its_process_fails_its_page(site: Site) -> None:
    """All of it in one harvest: every page beside them has its record, once."""
    assert_errors(harvest(site, "process", list(FATAL), worker_bytes=200_000_000), FATAL)


@pytest.mark.slow
def test_what_never_returns_is_killed(site: Site) -> None:
    """Also where no other thread of the process gets to run."""
    assert_errors(harvest(site, "process", list(STUCK), scrape_grace=0.0, timeout=4.0), STUCK)


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_a_hundred_megabytes_are_no_record(mode: str, site: Site) -> None:
    """It would hold up every other result of its worker; and all modes give the same records."""
    error = harvest(site, mode, ["vast"])["vast"]["error"]
    assert error["code"] == "bad_record"
    assert "bytes" in error["message"]


def test_a_leak_of_five_megabytes_a_page_stays_bounded(site: Site) -> None:
    """Half a gigabyte in all: workers are replaced, every page has its record, once."""
    urls = [site(f"/ok?n={number}") for number in range(100)]
    most = 200_000_000
    records = list(crawl(urls, make("process", scraper=scrapers.leaking, worker_bytes=most)))
    assert Counter(record["url"] for record in records) == Counter(urls)
    assert [record for record in records if "error" in record or record["meta"]["attempts"] != 1] == []
    assert sum(path.startswith("/ok") for path, _ in site.log) == 100
    assert max(record["size"] for record in records) < 1.5 * most


def write_list(folder: Path, site: Site, deed: str) -> list[str]:
    """A list of twenty pages with the deed among them."""
    urls = [site(f"/ok?n={number}") for number in range(20)]
    urls.insert(10, site(f"/ok?do={deed}"))
    (folder / "list.txt").write_text("".join(f"{url}\n" for url in urls))
    return urls


def command(folder: Path, mode: str, *more: object) -> list[object]:
    """The arguments of a harvest of that list."""
    scraper = ("--scraper", "tests.helpers.scrapers:rude")
    return [
        folder / "list.txt",
        "-o",
        folder / "out.jsonl",
        "--mode",
        mode,
        "-p",
        1,
        "-t",
        2,
        *scraper,
        *more,
    ]


def test_what_ends_the_thread_modes_process_is_left_to_process_mode(site: Site, tmp_path: Path) -> None:
    """Nothing holds os._exit in the parent itself; the same list goes on in processes, and ends."""
    urls = write_list(tmp_path, site, "exit")
    assert finish(start_scrape(*command(tmp_path, "thread")))[0] == 9
    status, _, errors = finish(start_scrape(*command(tmp_path, "process")))
    assert (status, "Traceback" in errors) == (1, False), errors
    records = read_records(tmp_path / "out.jsonl")
    assert Counter(record["url"] for record in records) == Counter(urls)
    assert [record["error"]["code"] for record in records if "error" in record] == ["worker_died"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "deed", "code"),
    [("thread", "spin", "timeout"), ("process", "spin", "timeout"), ("process", "swell", "worker_died")],
)
def test_the_command_ends_with_a_scraper_that_does_not(
    mode: str, deed: str, code: str, site: Site, tmp_path: Path
) -> None:
    """``while True: pass``, with and without half a gigabyte: the exit does not wait for it either."""
    urls = write_list(tmp_path, site, deed)
    arguments = command(tmp_path, mode, "--timeout", 1, "--worker-memory", 200)
    status, _, errors = finish(start_scrape(*arguments))
    assert (status, "Traceback" in errors) == (1, False), errors
    records = read_records(tmp_path / "out.jsonl")
    assert Counter(record["url"] for record in records) == Counter(urls)
    assert [record["error"]["code"] for record in records if "error" in record] == [code]
