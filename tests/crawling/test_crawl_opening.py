"""Opening a crawl on what earlier ones left: it goes on, or is refused in one line and changes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from parascrape.cli import run
from parascrape.crawling.site_crawl import frontier_path
from parascrape.files.sink import JsonlSink
from parascrape.records import encode
from tests.helpers.command import environment, finish, read_records, start_scrape, until
from tests.sites.crawl_site import OPTIONS, Answer, CrawlSite, by_path, crawl, page, tree


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Return the output file."""
    return tmp_path / "out.jsonl"


@pytest.fixture
def site() -> Iterator[CrawlSite]:
    """A tree of 30 pages."""
    with CrawlSite(tree(30)) as running:
        yield running


def assert_refused(
    site: CrawlSite, output: Path, words: str, capsys: pytest.CaptureFixture[str], *options: object
) -> None:
    """Assert one line with these words, no requests, and unchanged output and frontier."""
    files = {path: path.read_bytes() for path in output.parent.iterdir() if path.is_file()}
    asked = site.asked.total()
    capsys.readouterr()
    assert crawl(output, [site("/0")], *options)[0] == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert errors.startswith("scrape: ")
    assert errors.count("\n") == 1
    assert {path: path.read_bytes() for path in files} == files
    assert site.asked.total() == asked


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--depth", 2], "depth null, not 2"),
        (["--any-host"], 'reach "host", not "any"'),
        (["--include", "/1*"], "include"),
        (["--exclude", "/1*"], "exclude"),
        (["--ignore-query-order"], "ignore query order"),
        (["--content-type", "any"], "suffixes"),
    ],
    ids=str,
)
def test_other_options_are_refused(
    options: list[object], words: str, site: CrawlSite, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options that decide which URLs are known cannot change; --overwrite starts anew."""
    crawl(output, [site("/0")], "--max-pages", 3)
    assert_refused(site, output, words, capsys, *options)
    assert crawl(output, [site("/0")], *options, "--overwrite", "--max-pages", 2)[0] == 0


def test_a_missing_frontier_is_reported(
    site: CrawlSite, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The output alone does not hold the pending URLs."""
    crawl(output, [site("/0")], "--max-pages", 3)
    frontier_path(output).unlink()
    assert_refused(site, output, "there is no frontier out.jsonl.frontier", capsys)


@pytest.mark.parametrize("with_frontier", [False, True])
def test_the_output_of_another_run_is_not_changed(
    with_frontier: bool, site: CrawlSite, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The output of a list is refused, with or without a frontier."""
    if with_frontier:
        crawl(output, [site("/0")], "--max-pages", 3)
    output.write_bytes(encode({"url": site("/x"), "title": "a list's", "meta": {"status": 200}}))
    words = "holds records of another run" if with_frontier else "there is no frontier"
    assert_refused(site, output, words, capsys)


@pytest.mark.parametrize("data", [b"", b"no database", b"SQLite format 3\0" + bytes(5000)])
def test_a_damaged_frontier_is_reported(
    data: bytes, site: CrawlSite, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty frontier knows none of the output's pages, so they are fetched again."""
    crawl(output, [site("/0")], "--max-pages", 3)
    frontier_path(output).write_bytes(data)
    if data:
        assert_refused(site, output, "frontier", capsys)
    else:
        assert len(by_path(site, crawl(output, [site("/0")])[1])) == 30


def test_overwriting_starts_anew(site: CrawlSite, output: Path) -> None:
    """No record and no state of the earlier crawl is left."""
    crawl(output, [site("/0")])
    status, records = crawl(output, [site("/0")], "--overwrite", "--depth", 0)
    assert (status, len(records), site.asked["/0"]) == (0, 1, 2)


def test_a_finished_crawl_fetches_nothing(site: CrawlSite, output: Path) -> None:
    """The server gets no request, and the output is unchanged."""
    crawl(output, [site("/0")])
    data = output.read_bytes()
    assert crawl(output, [site("/0")])[0] == 0
    assert (site.asked.total(), output.read_bytes()) == (30, data)


def test_another_start_adds_its_pages(output: Path) -> None:
    """The second start is on the same hosts."""
    with CrawlSite({"/a": page("/b"), "/b": page(), "/c": page("/d"), "/d": page()}) as site:
        crawl(output, [site("/a")])
        _, records = crawl(output, [site("/a"), site("/c")])
        assert set(by_path(site, records)) == {"/a", "/b", "/c", "/d"}
        assert set(site.asked.values()) == {1}


def test_resume_failed_fetches_failed_pages_again(output: Path) -> None:
    """Their links are followed; good records stay."""
    pages = {"/": page("/late", "/hop"), "/late": page("/x"), "/x": page(), "/hop": page()}
    with CrawlSite({**pages, "/late": Answer(status="503 Later")}) as site:
        assert crawl(output, [site("/")])[0] == 1
        site.pages = pages
        status, records = crawl(output, [site("/")], "--resume-failed")
        assert status == 0
        assert set(by_path(site, records)) == set(pages)
        assert (site.asked["/"], site.asked["/late"]) == (1, 2)


def test_a_user_name_in_a_link_does_not_break_the_next_run(output: Path) -> None:
    """Its record has the URL of an earlier record."""
    with CrawlSite({}) as site:
        named = site("/a").replace("//", "//me:secret@")
        site.pages = {"/": page("/a", "/b"), "/a": page(), "/b": page(named, "/c"), "/c": page()}
        for most in (2, 10):
            _, records = crawl(output, [site("/")], "--max-pages", most)
        assert set(by_path(site, records)) == {"/", "/a", "/b", "/c"}


def test_two_crawls_do_not_share_an_output(site: CrawlSite, output: Path) -> None:
    """The second ends with status 75 and fetches nothing."""
    with JsonlSink(str(output)):
        assert crawl(output, [site("/0")])[0] == 75
    assert not site.asked


# --- stdout, signals and full disks -----------------------------------------------------------------


def test_records_may_go_to_stdout(site: CrawlSite, tmp_path: Path) -> None:
    """stdout has only whole records, and no frontier is left."""
    environ = environment(TMPDIR=str(tmp_path))
    status, out, errors = finish(start_scrape("crawl", site("/0"), "-o", "-", *OPTIONS, env=environ))
    assert (status, out.count("\n"), errors) == (0, 30, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="pipes as POSIX has them")
def test_a_closed_pipe_ends_the_crawl() -> None:
    """As with ``| head -1``, the status is 141 and stderr is empty."""
    with CrawlSite(tree(20_000, 10)) as site:
        process = start_scrape("crawl", site("/0"), "-o", "-", *OPTIONS)
        assert process.stdout
        assert process.stdout.readline()
        process.stdout.close()
        process.stdout = subprocess.DEVNULL  # type: ignore[assignment]
        assert process.wait(20) == 141
        assert process.stderr
        assert process.stderr.read() == b""
        process.stderr.close()


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_interrupted_crawl_resumes(times: int, output: Path) -> None:
    """One Ctrl-C finishes pages in flight, two end the crawl; the next run fetches the rest."""
    with CrawlSite(tree(300, 3)) as site:
        process = start_scrape("crawl", site("/0"), "-o", output, "-m", "thread", *OPTIONS)
        assert until(lambda: len(site.log) > 30, 20)
        for _ in range(times):
            process.send_signal(signal.SIGINT)
        assert finish(process)[0] == 130
        held = len(read_records(output))
        assert held < 300
        _, records = crawl(output, [site("/0")])
        assert len(by_path(site, records)) == 300
        assert max(site.asked.values()) <= 2


def limit_files() -> None:
    """Limit files of this process to 200,000 bytes."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


def talkative(pages: Callable[[str], Answer | None], size: int, path: str) -> Answer | None:
    """Return the pages with titles this many times as long."""
    found = pages(path)
    return found and Answer(found.body.replace(b"<title>", b"<title>" + b"x" * size))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")
@pytest.mark.parametrize(("count", "links"), [(40, 3), (700, 60)], ids=["output", "frontier"])
def test_a_crawl_resumes_after_a_full_disk(count: int, links: int, output: Path) -> None:
    """The output or the frontier is full: status 74 and one line; the next run completes the records."""
    with CrawlSite(partial(talkative, tree(count, links), 60_000 if links == 3 else 1)) as site:
        arguments = ("crawl", site("/0"), "-o", output, "-m", "sequential", *OPTIONS)
        process = start_scrape(*arguments, preexec_fn=limit_files)
        status, _, errors = finish(process)
        assert (status, "Traceback" in errors) == (74, False)
        assert ("out.jsonl.frontier" in errors) == (links == 60), errors
        status, records = crawl(output, [site("/0")])
        assert (status, len(by_path(site, records))) == (0, count)
    assert os.path.getsize(output) > 100_000


def test_retry_refuses_the_output_of_a_crawl(
    site: CrawlSite, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A retry would not follow the links of the pages it fetches."""
    crawl(output, [site("/0")], "--max-pages", 3)
    assert run(["retry", str(output)]) == 2
    assert "run `scrape crawl` again with --resume-failed" in capsys.readouterr().err
