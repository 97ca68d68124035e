"""Resuming: the same command again ends with one outcome for every line, whatever ended the run before."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parascrape.cli import run
from parascrape.cli.harvest_run import left_to_do
from parascrape.cli.report import RunTotals
from parascrape.files.ledger import entry_key, read_ledger, read_pages
from parascrape.files.lists import read_lists
from parascrape.files.sink import JsonlSink, System
from parascrape.harvesting.harvest import harvest
from tests.helpers.command import RUDE, finish, read_records, start_scrape, until
from tests.sites.site import Site

PATHS = ["/page/1", "/items", "/status/404", "/page/2", "ftp://h/", "/page/1"]
OPTIONS = (*RUDE, "--mode", "sequential", "--scraper", "tests.sites.shop:product", "--quiet", "--retries", 0)
OUTPUT = Path("out.jsonl")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


pytestmark = pytest.mark.usefixtures("folder")


def scrape(*arguments: object) -> int:
    """The exit status of a quick harvest into OUTPUT."""
    return run([str(one) for one in (*arguments, "-o", OUTPUT, *OPTIONS)])


def write_list(site: Site, paths: list[str], name: str = "list.csv") -> Path:
    """A list of these pages, each with a column of its own beside it; equal paths make equal lines."""
    rows = [f"{site(path) if path[0] == '/' else path},本 {path}\n" for path in paths]
    Path(name).write_text("url,id\n" + "".join(rows), encoding="utf-8")
    return Path(name)


def essence(record: dict[str, Any]) -> str:
    """What a record says, but for the time and the place in the list."""
    kept = {key: record["meta"].get(key) for key in ("status", "item", "items")}
    return json.dumps({**record, "meta": kept}, sort_keys=True)


def outcomes(output: Path = OUTPUT) -> Counter[str]:
    """The multiset of an output's records."""
    return Counter(map(essence, read_records(output)))


def paths_done(site: Site) -> Counter[str]:
    """How many outcomes the output holds for each path."""
    firsts = [one for one in read_records(OUTPUT) if one["meta"].get("item", 1) == 1]
    return Counter(one["url"].removeprefix(site.url) for one in firsts)


# --- an output that was cut -------------------------------------------------------------------------


def test_an_output_cut_at_any_byte_is_completed(site: Site) -> None:
    """The same multiset of records comes out, and only what was cut is done again: every offset, the
    work itself replaced by the lines that are known.
    """
    listed = write_list(site, PATHS)
    assert scrape(listed) == 1
    whole, expected = OUTPUT.read_bytes(), outcomes()
    lines = {page.key: whole[page.start : page.start + page.size] for page in read_pages(OUTPUT)}
    ends = [0, *(page.start + page.size for page in read_pages(OUTPUT))]
    for cut in range(len(whole) + 1):
        OUTPUT.write_bytes(whole[:cut])
        tally = RunTotals()
        with JsonlSink(str(OUTPUT), system=System(sync=lambda _: None)) as sink:
            kept = sink.ledger.size
            for entry in left_to_do(read_lists([str(listed)]), sink.ledger, tally):
                assert entry is not None
                sink.write(lines[entry_key(entry)])
        assert kept == max(end for end in ends if end <= cut)
        assert OUTPUT.read_bytes()[:kept] == whole[:kept]
        assert outcomes() == expected
        assert tally.read == len(PATHS)


def test_a_run_on_a_cut_output_fetches_only_what_is_missing(site: Site) -> None:
    """End to end, at every 41st byte: the pages whose lines are whole are not asked for again."""
    listed = write_list(site, PATHS)
    assert scrape(listed) == 1
    whole, expected = OUTPUT.read_bytes(), outcomes()
    for cut in range(0, len(whole) + 1, 41):
        OUTPUT.write_bytes(whole[:cut])
        before = len(site.log)
        there = len(read_ledger(OUTPUT))
        assert scrape(listed) == 1
        assert outcomes() == expected
        assert len(site.log) - before <= len(PATHS) - there


# --- the list changes, the output stays -------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "fetched"),
    [
        (["/page/1", "/page/2"], ["/page/1", "/page/3", "/page/2", "/page/4"], ["/page/3", "/page/4"]),
        (["/page/1", "/page/2", "/page/3"], ["/page/3"], []),
        (["/page/1", "/page/2", "/page/3"], ["/page/3", "/page/2", "/page/1"], []),
        (["/page/1"], ["/page/1", "/page/1", "/page/1"], ["/page/1", "/page/1"]),
        (["/page/1", "/page/1"], ["/page/1"], []),
        (["/items", "/page/1"], ["/page/1", "/items", "/items"], ["/items"]),
        (["/status/404", "/page/1"], ["/page/1", "/status/404"], []),
        ([], ["/page/1"], ["/page/1"]),
        (["/page/1"], [], []),
    ],
)
def test_a_list_may_gain_lose_and_reorder_lines(
    first: list[str], second: list[str], fetched: list[str], site: Site
) -> None:
    """Every line has its own outcome, equal lines too; what is no longer in the list stays."""
    scrape(write_list(site, first))
    before = len(site.log)
    scrape(write_list(site, second, "other.csv"))
    assert Counter(target for target, _ in site.log[before:]) == Counter(fetched)
    assert paths_done(site) == Counter(first) | Counter(second)


def test_a_column_that_changed_is_another_line(site: Site) -> None:
    """The record carries the columns, so the old one does not answer for the new."""
    listed = write_list(site, ["/page/1"])
    scrape(listed)
    listed.write_text(listed.read_text().replace("本", "新"))
    scrape(listed)
    assert [one["input"]["id"] for one in read_records(OUTPUT)] == ["本 /page/1", "新 /page/1"]


def test_overwrite_starts_anew(site: Site) -> None:
    """Whatever the file held, output of ours or not."""
    scrape(write_list(site, ["/page/1", "/page/2"]))
    OUTPUT.write_bytes(OUTPUT.read_bytes() + b"dear diary\n")
    listed = write_list(site, ["/page/3"])
    assert scrape(listed) == 2
    assert OUTPUT.read_bytes().endswith(b"dear diary\n")
    assert scrape(listed, "--overwrite") == 0
    assert paths_done(site) == Counter(["/page/3"])


def test_resume_failed_replaces_failures_only(site: Site) -> None:
    """A page that has recovered, one that has not; good lines stay byte for byte."""
    paths = ["/page/1", "/flaky/1/resume", "/items", "/status/404"]
    listed = write_list(site, paths)
    assert scrape(listed) == 1
    good = [line for line in OUTPUT.read_bytes().splitlines() if b'"error"' not in line]
    before = len(site.log)
    assert scrape(listed, "--resume-failed") == 1
    assert Counter(target for target, _ in site.log[before:]) == Counter(["/flaky/1/resume", "/status/404"])
    assert OUTPUT.read_bytes().splitlines()[: len(good)] == good
    assert paths_done(site) == Counter(paths)
    assert [one["url"] for one in read_records(OUTPUT) if "error" in one] == [site("/status/404")]


# --- what the exit status says ----------------------------------------------------------------------


@pytest.mark.parametrize(("paths", "status"), [(["/page/1"], 0), (["/page/1", "/status/404"], 1)])
def test_a_run_that_finds_nothing_to_do_says_how_things_stand(
    paths: list[str], status: int, site: Site
) -> None:
    """Failures of the first run are failures of the list."""
    listed = write_list(site, paths)
    assert scrape(listed) == status
    before, data = len(site.log), OUTPUT.read_bytes()
    assert scrape(listed) == status
    assert (len(site.log), OUTPUT.read_bytes()) == (before, data)


def test_failures_that_the_list_has_lost_do_not_count(site: Site) -> None:
    """The status is about the lines of this list."""
    assert scrape(write_list(site, ["/page/1", "/status/404"])) == 1
    assert scrape(write_list(site, ["/page/1"], "less.csv")) == 0


def test_the_summary_counts_earlier_outcomes(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    """Both kinds, under their codes."""
    listed = write_list(site, ["/page/1", "/status/404", "/items"])
    quiet = OPTIONS.index("--quiet")
    options = [str(one) for one in (*OPTIONS[:quiet], *OPTIONS[quiet + 1 :])]
    run([str(listed), "-o", str(OUTPUT), "--limit", "2", *options])
    assert run([str(listed), "-o", str(OUTPUT), *options]) == 1
    errors = capfd.readouterr().err
    assert "Continuing out.jsonl, which has 2 outcomes" in errors
    assert "3 outcomes, 2 of them done before: 2 good, 1 failed: status 1." in errors


def test_a_count_that_does_not_add_up_is_loud(
    site: Site, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With --quiet too: a harvest that loses its last outcome, which ours must not."""
    from parascrape.cli import harvest_run as session

    def lossy(*arguments: Any, **options: Any) -> Any:
        yield from list(harvest(*arguments, **options))[:-1]

    monkeypatch.setattr(session, "harvest", lossy)
    assert scrape(write_list(site, ["/page/1", "/page/2"])) == 70
    errors = capfd.readouterr().err
    assert "THE COUNT DOES NOT ADD UP: the list gave 2 entries, 1 have an outcome" in errors


@pytest.mark.skipif(sys.platform == "win32", reason="a list from a named pipe")
def test_a_second_run_on_an_output_in_use_ends_at_once(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    """With status 75 and the first one's process id; when that has ended the output is free."""
    listed = write_list(site, ["/page/1", "/slow?seconds=30"])
    first = start_scrape(listed, "-o", OUTPUT, *OPTIONS)
    assert until(lambda: OUTPUT.exists() and OUTPUT.stat().st_size > 0)
    assert scrape(listed) == 75
    assert f"out.jsonl is being written by process {first.pid}" in capfd.readouterr().err
    first.kill()
    finish(first)
    assert scrape(write_list(site, ["/page/1"])) == 0
    assert not Path("out.jsonl.lock").exists()
