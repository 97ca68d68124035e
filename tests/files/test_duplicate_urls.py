"""What a harvest does not fetch: a record for each line all the same, and exit status 0."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parascrape import crawl
from parascrape.cli import run
from tests.helpers.command import finish, read_records, start_scrape, until
from tests.helpers.harvests import MODES, make
from tests.sites.polite_hosts import Host, counted, size
from tests.sites.site import Site

OPTIONS = ("--mode", "sequential", "--scraper", "tests.sites.polite_hosts:size", "--retries", "0")
OUTPUT = Path("out.jsonl")


@pytest.fixture
def host() -> Iterator[Host]:
    with Host("127.0.0.2", robots="User-agent: *\nDisallow: /private\n") as running:
        yield running


pytestmark = pytest.mark.usefixtures("folder")


def write_list(site: Site, *paths: str, name: str = "list.txt") -> str:
    """A list of these pages."""
    Path(name).write_text("".join(f"{site(path)}\n" for path in paths))
    return name


def scrape(*arguments: str) -> int:
    """The exit status of a quick harvest into OUTPUT."""
    return run([*arguments, "-o", str(OUTPUT), *OPTIONS])


def codes() -> dict[int, str]:
    """What came of each line: an error's code, nothing where it is good."""
    records = read_records(OUTPUT)
    found = {one["meta"]["line"]: one.get("error", {}).get("code", "") for one in records}
    assert len(found) == len(records)
    return found


@pytest.mark.parametrize("mode", MODES)
def test_equal_urls_are_fetched_once_and_each_has_its_record(mode: str, host: Host) -> None:
    """In every mode, with many at once; the message names the line whose page it is."""
    pages = host.urls(20)
    settings = make(mode, processes=4, scraper=size, fetch_duplicates=False)
    records = list(crawl([*pages, *(f"{url}#again" for url in pages), *pages], settings))
    assert counted([host]) == Counter(pages)
    by_line = {one["meta"]["line"]: one for one in records}
    assert sorted(by_line) == list(range(1, 61))
    assert not any("error" in by_line[line] for line in range(1, 21))
    for line in range(21, 61):
        error = by_line[line]["error"]
        first = (line - 1) % 20 + 1
        assert error == {"code": "duplicate", "message": f"the same URL as in line {first}"}


def test_a_run_that_skipped_only_what_it_should_is_good(
    host: Host, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exit status 0; the summary counts what was skipped apart from what failed."""
    assert scrape(write_list(host, "/a", "/b", "/a#x", "/private/1", "/b")) == 0
    assert codes() == {1: "", 2: "", 3: "duplicate", 4: "robots", 5: "duplicate"}
    assert "5 outcomes: 2 good, 0 failed, 3 skipped: duplicate 2, robots 1." in capfd.readouterr().err
    assert counted([host]) == Counter(map(host, ("/robots.txt", "/a", "/b")))


def test_a_failure_beside_what_was_skipped_is_status_1(capfd: pytest.CaptureFixture[str]) -> None:
    """The page that is equal to it is no good record either, but nothing of its own."""
    with Host("127.0.0.2", refuse=lambda path, count: ("404 Gone", "") if path == "/a" else None) as host:
        assert scrape(write_list(host, "/a", "/a")) == 1
    assert codes() == {1: "status", 2: "duplicate"}
    assert "0 good, 1 failed: status 1, 1 skipped: duplicate 1." in capfd.readouterr().err


def test_what_was_skipped_is_not_tried_again(host: Host) -> None:
    """Neither by the same command nor by a retry: nothing is left to do."""
    listed = write_list(host, "/a", "/a", "/private/1")
    assert scrape(listed) == 0
    before, asked = OUTPUT.read_bytes(), len(host.requests)
    assert scrape(listed) == 0
    assert run(["retry", str(OUTPUT), *OPTIONS]) == 0
    assert (OUTPUT.read_bytes(), len(host.requests)) == (before, asked)


@pytest.mark.parametrize(
    ("options", "fetched"),
    [
        ((), 3),
        (("--ignore-tracking",), 2),
        (("--ignore-query-order",), 2),
        (("--ignore-tracking", "--ignore-query-order"), 1),
        (("--fetch-duplicates",), 4),
    ],
)
def test_options_say_what_makes_one_url_of_two(options: tuple[str, ...], fetched: int, host: Host) -> None:
    """By themselves only spelling makes no difference."""
    paths = ("/a?x=1&y=2", "/a?x=1&y=2#top", "/a?y=2&x=1", "/a?x=1&y=2&utm_source=z")
    assert scrape(write_list(host, *paths), *options) == 0
    assert len(host.pages) == fetched
    assert Counter(codes().values()) == Counter({"": fetched, "duplicate": 4 - fetched}) - Counter()


def test_duplicates_are_found_across_lists(host: Host) -> None:
    """The message names the other list."""
    first, second = write_list(host, "/a", "/b"), write_list(host, "/c", "/b", name="more.txt")
    assert scrape(first, second) == 0
    (duplicate,) = (one for one in read_records(OUTPUT) if "error" in one)
    assert (duplicate["meta"]["source"], duplicate["meta"]["line"]) == ("more.txt", 2)
    assert duplicate["error"]["message"] == "the same URL as in line 2 of list.txt"
    assert len(host.pages) == 3


def test_ignoring_robots_txt_fetches_what_it_forbids_and_says_so(
    host: Host, capfd: pytest.CaptureFixture[str]
) -> None:
    """On the screen: whoever does it, knows it."""
    assert scrape(write_list(host, "/private/1"), "--ignore-robots") == 0
    assert [one.path for one in host.requests] == ["/private/1"]
    assert re.search(r"robots\.txt.*--ignore-robots", capfd.readouterr().err)


# --- resuming ---------------------------------------------------------------------------------------

LIST = ("/1", "/1#a", "/2", "/1", "/private/3", "/2?#b", "/4", "/2#c")


def test_an_output_cut_anywhere_is_completed_without_fetching_twice(host: Host) -> None:
    """Whatever of the lines a kill has left: what is missing is fetched once, duplicates never."""
    listed = write_list(host, *LIST)
    assert scrape(listed) == 0
    complete = codes()
    whole = OUTPUT.read_bytes().splitlines(keepends=True)
    for kept in range(len(whole) + 1):
        OUTPUT.write_bytes(b"".join(whole[:kept]))
        missing = {line for line, code in complete.items() if not code} - set(codes())
        before = len(host.pages)
        assert scrape(listed) == 0
        assert codes() == complete
        assert len(host.pages) - before == len(missing)


def test_a_killed_run_goes_on_without_fetching_duplicates(host: Host) -> None:
    """Killed with pages in flight; no page is fetched more than once, but for those in flight."""
    pages = [f"/page/{number}" for number in range(60)]
    listed = write_list(host, *pages, *(f"{path}#again" for path in pages))
    arguments = (listed, "-o", OUTPUT, *OPTIONS[2:], "--mode", "thread", "--threads", 4, "--delay", 0.01)
    first = start_scrape(*arguments, cwd=os.getcwd())
    assert until(lambda: len(host.pages) >= 20, 20)
    first.kill()
    finish(first)
    assert finish(start_scrape(*arguments, cwd=os.getcwd()))[0] == 0
    found = Counter(codes_by_url(host))
    assert found == Counter({**dict.fromkeys(map(host, pages), ""), **again(host, pages)}.items())
    extra = counted([host]) - Counter(host.urls(60)) - Counter({host("/robots.txt"): 2})
    assert sum(extra.values()) <= 4


def codes_by_url(host: Host) -> list[tuple[str, str]]:
    """Each record's URL and its error's code."""
    return [(one["url"], one.get("error", {}).get("code", "")) for one in read_records(OUTPUT)]


def again(host: Host, paths: list[str]) -> dict[str, Any]:
    """The duplicates' outcomes."""
    return {host(f"{path}#again"): "duplicate" for path in paths}
