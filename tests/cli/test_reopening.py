"""Opening an output: what a signal does meanwhile, what is said, and what an output that is gone leaves."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from parascrape import records
from parascrape.cli import run
from parascrape.files.ledger import Ledger, PageLines
from parascrape.files.retry_list import RetryFiles, prepare_retry
from parascrape.records import Entry, encode
from tests.helpers.command import read_records
from tests.sites.site import Site

OPTIONS = ("--mode", "sequential", "--scraper", "tests.sites.shop:product", "--retries", "0")
OUTPUT = Path("out.jsonl")
HELD = 1000

pytestmark = pytest.mark.usefixtures("folder")


def line(url: str, code: str = "") -> bytes:
    """A record of an earlier run."""
    body: dict[str, Any] = {"error": {"code": code, "message": "earlier"}} if code else {"title": "earlier"}
    return encode({"url": url, **body, "meta": {}})


# --- signals ----------------------------------------------------------------------------------------


@pytest.fixture
def interrupted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sends this process a signal when the tenth record is read; its one item counts the records read."""
    seen = [0]
    parse = records.parse

    def parse_and_interrupt(data: bytes) -> dict[str, Any]:
        seen[0] += 1
        if seen[0] == 10:
            os.kill(os.getpid(), request.param)
        return parse(data)

    monkeypatch.setattr(records, "parse", parse_and_interrupt)
    return seen


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
@pytest.mark.parametrize(
    ("interrupted", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143)],
    indirect=["interrupted"],
)
@pytest.mark.parametrize("command", [["list.txt", "-o", "out.jsonl"], ["retry", "out.jsonl"]])
def test_a_signal_interrupts_the_reading_of_an_output(
    interrupted: list[int],
    status: int,
    command: list[str],
    site: Site,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """At once, however much is left to read, with nothing fetched and nothing changed, a torn tail too."""
    held = b"".join(line(site(f"/page/{number}"), "timeout") for number in range(HELD)) + b'{"url":"torn'
    OUTPUT.write_bytes(held)
    Path("list.txt").write_text(site("/page/9999"))
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert run([*command, *OPTIONS]) == status
    assert interrupted[0] <= 11
    assert capfd.readouterr().err == "Stopped before the first fetch.\n"
    assert OUTPUT.read_bytes() == held
    assert site.log == []
    assert not Path("out.jsonl.lock").exists()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


# --- what is counted --------------------------------------------------------------------------------


def test_a_good_record_counts_before_a_failure() -> None:
    """Of two equal lines one is good and one failed; if the list loses one of them, none has failed."""
    held = [PageLines({"url": "http://h/"}, 0, 1, code) for code in ("timeout", "", "dns")]
    ledger = Ledger(held)
    assert (len(ledger), ledger.failed) == (3, 2)
    assert [ledger.take(Entry("http://h/")) for _ in range(4)] == ["", "timeout", "dns", None]
    assert ledger.failed == 0


def test_unknown_codes_are_counted_together() -> None:
    """An output may have any number of them."""
    ledger = Ledger(PageLines({"url": f"http://h/{n}"}, n, 1, f"code-{n}") for n in range(1000))
    assert (len(ledger), ledger.failed) == (1000, 1000)
    codes = [ledger.take(Entry(f"http://h/{n}")) for n in range(1000)]
    assert codes[:3] == ["code-0", "code-1", "code-2"]
    assert codes[-1] == "error"


def test_equal_lines_are_each_taken_once() -> None:
    """They are taken as often as the output has them."""
    ledger = Ledger(PageLines({"url": "http://h/"}, n, 1, "") for n in range(5000))
    assert sum(ledger.take(Entry("http://h/")) == "" for _ in range(5001)) == 5000


# --- an output that is gone -------------------------------------------------------------------------


def test_a_retry_list_is_removed_with_its_output(site: Site) -> None:
    """After the output was deleted, a new one of the same name does not get the old failures."""
    OUTPUT.write_bytes(line(site("/page/1"), "timeout") + line(site("/page/2")))
    prepare_retry(OUTPUT, ())
    assert RetryFiles.of(OUTPUT).list.exists()
    OUTPUT.unlink()
    assert run(["retry", str(OUTPUT), *OPTIONS]) == 2
    Path("list.txt").write_text(f"{site('/page/3')}\n{site('/status/404')}\n")
    assert run(["list.txt", "-o", str(OUTPUT), *OPTIONS]) == 1
    assert not any(path.exists() for path in RetryFiles.of(OUTPUT))
    assert run(["retry", str(OUTPUT), *OPTIONS]) == 1
    assert [one["url"] for one in read_records(OUTPUT)] == [site("/page/3"), site("/status/404")]
    assert site.seen["/status/404"] == 2


# --- what is said -----------------------------------------------------------------------------------


def test_each_command_reports_an_existing_output(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    """A retry does not mention --overwrite, which it does not have."""
    OUTPUT.write_bytes(line(site("/page/1")) + line(site("/page/2"), "timeout"))
    assert run(["retry", str(OUTPUT), *OPTIONS]) == 0
    retrying = capfd.readouterr().err
    assert "Retrying the failures of out.jsonl; it keeps 1 outcome.\n" in retrying
    assert "--overwrite" not in retrying
    assert run([site("/page/1"), "-o", str(OUTPUT), *OPTIONS]) == 0
    going_on = "Continuing out.jsonl, which has 2 outcomes (--overwrite starts anew).\n"
    assert going_on in capfd.readouterr().err
