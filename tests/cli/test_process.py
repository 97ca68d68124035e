"""The command in a process of its own: signals, pipes, terminals, full disks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.command import (
    RUDE,
    children,
    environment,
    finish,
    lives,
    on_a_terminal,
    read_records,
    start,
    start_scrape,
    until,
)
from tests.sites.site import Site

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="signals, /proc and terminals as Linux has them"
)

MODES = ("sequential", "thread", "process")
SELECT = ("--select", "title=title")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


def write_list(folder: Path, site: Site, *paths: str) -> Path:
    """A list of the site's pages."""
    file = folder / "list.txt"
    file.write_text("".join(f"{site(path)}\n" for path in paths))
    return file


def started(folder: Path, site: Site, mode: str, *paths: str) -> subprocess.Popen[bytes]:
    """A harvest of these pages, after the first of them has been asked for."""
    before = len(site.log)
    listed = write_list(folder, site, *paths)
    options = ("-m", mode, "-p", 2, "-t", 4, "-o", folder / "out", *SELECT, *RUDE)
    process = start_scrape(listed, *options)
    assert until(lambda: len(site.log) >= before + {"sequential": 1, "thread": 4, "process": 6}[mode])
    return process


# --- signals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_run_after_the_pages_in_flight(
    mode: str, number: int, status: int, site: Site, tmp_path: Path
) -> None:
    """Whole lines, a page for each that was asked for; the status says which signal; no process is left."""
    before = len(site.log)
    process = started(tmp_path, site, mode, *["/slow?seconds=0.4"] * 500)
    below = children(process.pid)
    os.killpg(process.pid, number)  # as a terminal and timeout(1) do: the workers are not to answer it
    code, out, errors = finish(process)
    assert (code, out) == (status, "")
    assert "Traceback" not in errors
    assert "Stopped before the end." in errors
    assert 1 <= len(read_records(tmp_path / "out")) == len(site.log) - before < 60
    assert bool(below) == (mode == "process")
    assert until(lambda: not any(map(lives, below)), 1.0)


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_a_second_signal_stops_the_run_at_once(mode: str, site: Site, tmp_path: Path) -> None:
    """Pages in flight are abandoned; finished ones are in the output."""
    process = started(tmp_path, site, mode, "/ok", *["/slow?seconds=20"] * 100)
    below = children(process.pid)
    assert until(lambda: (tmp_path / "out").stat().st_size > 0)
    process.send_signal(signal.SIGINT)
    for _ in range(10):  # two that come at once may arrive as one
        process.send_signal(signal.SIGINT)
        if until(lambda: process.poll() is not None, 0.3):
            break
    code, _, errors = finish(process)
    assert code == 130
    assert "Traceback" not in errors
    assert [record["url"] for record in read_records(tmp_path / "out")] == [site("/ok")]
    assert until(lambda: not any(map(lives, below)), 1.0)


def test_no_worker_outlives_a_killed_command(site: Site, tmp_path: Path) -> None:
    """After kill -9 no process is left, and the output has whole lines."""
    process = started(tmp_path, site, "process", "/ok", *["/slow?seconds=20"] * 100)
    below = children(process.pid)
    process.kill()
    finish(process)
    assert len(below) >= 2
    assert until(lambda: not any(map(lives, below)), 1.0)
    read_records(tmp_path / "out")


def test_a_signal_before_the_harvest_stops_the_command_quietly(site: Site, tmp_path: Path) -> None:
    """For example while the scraper is loaded."""
    page = site("/ok?never=asked-for")
    scraper = tmp_path / "slow_to_load.py"
    scraper.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    process = start_scrape(page, "--scraper", f"{scraper}:product", "-o", tmp_path / "out")
    code, out, errors = finish(process)
    assert (code, out, errors.strip()) == (130, "", "")
    assert page not in [site(path) for path, _ in site.log]


# --- pipes ------------------------------------------------------------------------------------------


_LATE = """
import atexit, os, signal
from parascrape import cli
from parascrape.__main__ import main
def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
def run(arguments):
    {when}
    return 130
cli.run = run
main()
"""


@pytest.mark.parametrize("when", ["interrupt()", "atexit.register(interrupt)"])
def test_a_signal_after_the_harvest_changes_nothing(when: str) -> None:
    """Another Ctrl-C while the command ends shows no traceback and keeps the status."""
    assert finish(start("-c", _LATE.format(when=when))) == (130, "", "")


def test_a_list_is_read_from_stdin_and_records_are_written_to_stdout(site: Site) -> None:
    """Plain text and JSON lines are distinguished."""
    for line, columns in (
        (site("/page/1"), None),
        (json.dumps({"url": site("/page/1"), "sku": 7}), {"sku": 7}),
    ):
        process = start_scrape("-", "-o", "-", "-q", *SELECT, stdin=subprocess.PIPE)
        code, out, errors = finish(process, f"{line}\n".encode())
        assert (code, errors) == (0, "")
        assert [json.loads(line).get("input") for line in out.splitlines()] == [columns]


def test_a_record_is_written_while_the_next_url_is_awaited(site: Site) -> None:
    """A slow source does not delay finished records."""
    process = start_scrape("-", "-o", "-", "-q", *SELECT, stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    for number in (1, 2):
        process.stdin.write(site(f"/page/{number}\n").encode())
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["title"] == f"Bread {number} — a loaf"
    assert finish(process)[0] == 0


@pytest.mark.parametrize(("mode", "count"), [("thread", 1), ("thread", 400), ("process", 400)])
def test_a_closed_pipe_stops_the_command_quietly(mode: str, count: int, site: Site, tmp_path: Path) -> None:
    """With ``| head -1`` there is no traceback and no message."""
    listed = write_list(tmp_path, site, *(f"/page/{number}" for number in range(count)))
    process = start_scrape(listed, "-o", "-", "-m", mode, "-p", 1, *SELECT)
    assert process.stdout is not None
    if count > 1:
        assert json.loads(process.stdout.readline())["url"].startswith(site.url)
    process.stdout.close()
    process.stdout = None
    code, _, errors = finish(process)
    assert (code, errors) == (141, "")


LIMITED = """
import resource, sys
from parascrape.__main__ import main
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
main()
"""


def test_a_full_disk_is_reported_and_leaves_whole_lines(site: Site, tmp_path: Path) -> None:
    """There is one message and a special status; the output ends with a whole line."""
    listed = write_list(tmp_path, site, *(f"/page/{number}" for number in range(60)))
    code, _, errors = finish(start("-c", LIMITED, listed, "-o", tmp_path / "out", *SELECT))
    assert code == 74
    assert f"scrape: cannot write {tmp_path / 'out'}: File too large" in errors
    assert "Traceback" not in errors
    assert len(read_records(tmp_path / "out")) >= 5


def test_an_output_that_cannot_be_written_is_wrong_usage(site: Site) -> None:
    """It is reported before the first fetch."""
    before = len(site.log)
    code, out, errors = finish(start_scrape(site("/ok"), "-o", "/proc/nowhere/out", *SELECT))
    assert (code, out) == (2, "")
    assert errors.startswith("scrape: cannot write /proc/nowhere/out: ")
    assert errors.count("\n") == 1
    assert len(site.log) == before


@pytest.mark.parametrize(
    ("closing", "destination", "code"),
    [("2>&-", "out", 0), (">&-", "out", 0), (">&-", "-", 2), ("<&-", "out", 0)],
)
def test_a_closed_standard_stream_loses_no_record(
    closing: str, destination: str, code: int, site: Site, tmp_path: Path
) -> None:
    """Some schedulers start commands so; only what needs the stream is refused."""
    arguments = [
        sys.executable,
        "-m",
        "parascrape",
        site("/ok"),
        "-o",
        destination,
        "-m",
        "process",
        "-p",
        "1",
    ]
    shell = ["sh", "-c", f'exec "$@" {closing}', "sh", *arguments, *SELECT]
    done = subprocess.run(
        shell, cwd=tmp_path, env=environment(), capture_output=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (code, b"")
    assert b"Traceback" not in done.stderr
    if code == 0:
        assert read_records(tmp_path / "out")[0]["title"] == "Bread — a loaf"


# --- terminals --------------------------------------------------------------------------------------


def test_progress_is_shown_on_a_terminal(site: Site, tmp_path: Path) -> None:
    """It has done and total, speed, failures and time left; the summary follows."""
    listed = write_list(tmp_path, site, "/status/404", *["/slow?seconds=0.7"] * 5)
    code, shown = on_a_terminal(listed, "-t", 2, "-o", tmp_path / "out", *SELECT, *RUDE, columns=200)
    assert code == 1
    assert "1/6 done" in shown
    assert "pages/s, 1 failed, " in shown
    assert "s left" in shown
    assert "6 outcomes: 5 good, 1 failed: status 1." in shown


def test_untrusted_text_is_escaped_on_a_terminal(site: Site, tmp_path: Path) -> None:
    """Control characters and markup in URLs, titles and messages are escaped everywhere."""
    evil = "/ok?[/x][bold]&t=\x1b]0;pwned\x07\x9b2J"
    scraper = tmp_path / "evil.py"
    scraper.write_text("def evil(page):\n    raise ValueError('[/x]\\x1b[2J\\x9b' + page.url)\n")
    listed = write_list(tmp_path, site, evil, "/ok?[/x][bold]", "/to?where=%1b%5B2J[/x]")
    code, shown = on_a_terminal(listed, "-v", "--scraper", f"{scraper}:evil", "-o", tmp_path / "out")
    assert code == 1
    assert len(read_records(tmp_path / "out")) == 3
    assert "/ok?[/x][bold] failed: scrape_error" in shown
    for raw in ("\x1b]0;", "\x1b[2J", "\x9b", "\x07"):
        assert raw not in shown
    shown = on_a_terminal("no\x1b[2J[/x]list.txt")[1]
    assert "\x1b" not in shown
    assert "[/x]list.txt" in shown
