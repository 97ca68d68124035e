"""``scrape replay FILE``: the records of a page that was set aside, and its crash or hang, seen in front."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from parascrape.cli import run
from parascrape.files.quarantine import describe_quarantined, keep_page, quarantine_path
from parascrape.records import Entry
from parascrape.settings import Settings
from parascrape.web.page import Page
from tests.helpers.command import finish, start_scrape, until
from tests.sites.site import HTML

SCRAPER = """
import os
from pathlib import Path


def dying(page):
    os._exit(7)


def crashing(page):
    os.abort()


def spinning(page):
    Path("spins").touch()
    while True:
        pass


def looking(page):
    print("seen by the scraper")
    return {"body": len(page.body), "coding": page.headers.get("content-encoding"), "base": page.base_url}


def failing(page):
    raise LookupError("no price")


def interrupted(page):
    raise KeyboardInterrupt


def several(page):
    return [{"n": n} for n in range(3)]
"""

ENTRY = Entry("http://h.example/asked", 3)
PAGE = Page(ENTRY.url, HTML, final_url="http://h.example/final", headers={"Content-Encoding": "gzip"})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a page set aside and scrapers of every kind."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(SCRAPER)
    keep_page(PAGE, quarantine_path("out.aside", ENTRY))
    return tmp_path


def command(scraper: str, *select: str) -> list[str]:
    """The arguments of the command that a record gives, as a shell takes it apart."""
    settings = Settings(scraper=scraper, select=select)
    program, *arguments = shlex.split(describe_quarantined(ENTRY, settings, "out.aside")["command"])
    assert program == "scrape"
    return arguments


def replay(capfdbinary: Any, scraper: str, *select: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit status and the records of a replay in this process."""
    status = run(command(scraper, *select))
    return status, [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]


# --- records ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scraper", "select", "fields"),
    [
        ("mine.py:looking", [], [{"body": len(HTML), "coding": "gzip", "base": PAGE.final_url}]),
        ("mine.py:several", [], [{"n": 0}, {"n": 1}, {"n": 2}]),
        ("", ["heading=h1"], [{"heading": "Bread"}]),
        ("mine.py:several", ["h=h1"], [{"n": n, "h": "Bread"} for n in range(3)]),
    ],
)
def test_a_replay_gives_the_records_of_the_harvest(
    scraper: str, select: list[str], fields: list[dict[str, Any]], capfdbinary: Any
) -> None:
    """On standard output, with the page's own URL; what the scraper sees is what the server sent."""
    status, records = replay(capfdbinary, scraper, *select)
    assert status == 0
    assert {one["url"] for one in records} == {ENTRY.url}
    assert {one["meta"]["final_url"] for one in records} == {PAGE.final_url}
    assert [{key: one[key] for key in one if key not in ("url", "meta")} for one in records] == fields


def test_what_a_scraper_prints_goes_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    """Standard output has only the record."""
    assert run(command("mine.py:looking")) == 0
    out, errors = capfd.readouterr()
    assert len(out.splitlines()) == 1
    assert "seen by the scraper" in errors


@pytest.mark.parametrize(
    ("scraper", "kind"), [("mine.py:failing", "LookupError"), ("mine.py:interrupted", "KeyboardInterrupt")]
)
def test_a_scraper_that_raises_gives_a_failure(scraper: str, kind: str, capfdbinary: Any) -> None:
    """The record has the stack and the exit status is 1, as in a harvest."""
    status, (record,) = replay(capfdbinary, scraper)
    assert (status, record["error"]["code"], record["error"]["type"]) == (1, "scrape_error", kind)
    assert "mine.py" in record["error"]["traceback"]


def test_signal_handlers_are_restored(capfdbinary: Any) -> None:
    """A replay called by a program does not change its handlers."""
    before = signal.getsignal(signal.SIGINT)
    replay(capfdbinary, "mine.py:several")
    assert signal.getsignal(signal.SIGINT) is before


# --- wrong usage ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.http", "is not a file"),
        (".", "is not a file"),
        ("mine.py", "is not a page that a harvest has set aside"),
        ("empty.http", "is not a page that a harvest has set aside"),
        ("a\x1b[2Jb\nc", "is not a file"),
    ],
)
def test_other_files_are_wrong_usage(name: str, reason: str, capfd: pytest.CaptureFixture[str]) -> None:
    """One line gives the reason, and the exit status is 2."""
    Path("empty.http").touch()
    assert run(["replay", name]) == 2
    out, errors = capfd.readouterr()
    assert out == ""
    assert errors.startswith("scrape: ")
    assert errors.endswith(f": {reason}\n")
    assert errors.count("\n") == 1
    assert "\x1b" not in errors


@pytest.mark.skipif(sys.platform != "linux", reason="named pipes and rights as Linux has them")
def test_a_named_pipe_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    """It may never have a writer."""
    os.mkfifo("pipe")
    assert run(["replay", "pipe"]) == 2
    assert capfd.readouterr().err == "scrape: pipe: is not a file\n"


@pytest.mark.parametrize("scraper", ["mine.py:absent", "nowhere.py:item", "nonsense"])
def test_a_missing_scraper_is_reported_first(scraper: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The message is that of a harvest."""
    assert run(["replay", "missing.http", "--scraper", scraper]) == 2
    assert capfd.readouterr().err.startswith("scrape: scraper")


# --- crashes and hangs ------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="exit statuses of signals as POSIX has them")
@pytest.mark.parametrize(
    ("scraper", "status", "shown"),
    [("mine.py:dying", 7, ""), ("mine.py:crashing", -signal.SIGABRT, 'mine.py", line 11 in crashing')],
)
def test_a_page_that_kills_a_worker_kills_the_command(scraper: str, status: int, shown: str) -> None:
    """The scraper runs in the started process itself; a crash shows the current line."""
    code, out, errors = finish(start_scrape(*command(scraper)))
    assert (code, out) == (status, "")
    assert shown in errors


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
def test_a_page_that_hangs_a_worker_hangs_the_command() -> None:
    """There is no deadline; Ctrl-C ends it and shows the current line."""
    process = start_scrape(*command("mine.py:spinning"))
    assert until(Path("spins").exists, 20)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    code, out, errors = finish(process)
    assert (code, out) == (-signal.SIGINT, "")
    assert 'mine.py", line' in errors
    assert "in spinning" in errors


@pytest.mark.skipif(sys.platform == "win32", reason="pipes as POSIX has them")
def test_a_closed_pipe_stops_the_command_quietly() -> None:
    """For example ``| head``."""
    reading, writing = os.pipe()
    os.close(reading)
    process = start_scrape(*command("mine.py:several"), stdout=writing)
    os.close(writing)
    assert finish(process) == (141, "", "")


def test_help_names_the_command() -> None:
    """``scrape --help`` lists it, and ``scrape replay --help`` shows its usage."""
    _, out, _ = finish(start_scrape("replay", "--help", stderr=subprocess.DEVNULL))
    assert out.startswith("Usage: scrape replay [OPTIONS] FILE\n")
    assert "replay FILE" in finish(start_scrape("--help"))[1]
