"""The report: counts that add up, times and sizes a person can read, and nothing that moves a terminal."""

from __future__ import annotations

import io
import sys
import threading

import pytest
from hypothesis import given, strategies as st

from parascrape.cli.report import RunTotals, make_progress, summarise
from parascrape.files.outcomes import Outcome

GOOD = Outcome(b"", 1, "", bytes=1000, fetch_seconds=0.5, scrape_seconds=0.25)
LISTING = Outcome(b"", 40, "", bytes=2000, fetch_seconds=0.5, scrape_seconds=0.75)
LOST = Outcome(b"", 1, "timeout", fetch_seconds=2.0)
LIMIT = 20


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def tally_of(*outcomes: Outcome, seconds: float = 4.0, total: int | None = None) -> RunTotals:
    """A tally of these outcomes, so many seconds after its beginning."""
    clock = Clock()
    tally = RunTotals(clock=clock)
    tally.total = total
    for outcome in outcomes:
        tally.add(outcome)
    clock.now += seconds
    return tally


class Terminal(io.StringIO):
    """Standard error on a terminal."""

    def isatty(self) -> bool:
        return True


def test_entries_records_and_failures_are_counted() -> None:
    """A listing page is one entry with many records."""
    tally = tally_of(GOOD, LISTING, LOST)
    assert (tally.entries, tally.records, tally.failed, tally.bytes) == (3, 41, 1, 3000)
    assert (tally.fetch_seconds, tally.scrape_seconds) == (3.0, 1.0)
    assert (tally.seconds, tally.rate) == (4.0, 0.75)


@given(codes=st.lists(st.sampled_from(["", "timeout", "dns", "status"])))
def test_every_entry_is_good_or_failed(codes: list[str]) -> None:
    """This holds for any outcomes."""
    tally = tally_of(*(Outcome(b"", 1, code) for code in codes))
    assert tally.failed + codes.count("") == tally.entries == len(codes)
    assert set(tally.failures) == set(codes) - {""}


@given(
    before=st.lists(st.sampled_from(["", "timeout", "dns"])),
    codes=st.lists(st.sampled_from(["", "timeout", "status"])),
    lost=st.integers(-2, 2),
)
def test_lost_and_extra_entries_are_noticed(before: list[str], codes: list[str], lost: int) -> None:
    """Outcomes of this run and of earlier ones count."""
    tally = tally_of(*(Outcome(b"", 1, code) for code in codes))
    tally.before.update(before)
    tally.read = len(before) + len(codes) + lost
    assert (tally.done_before, tally.done) == (len(before), len(before) + len(codes))
    assert tally.failed == tally.done - (before + codes).count("")
    assert (tally.read == tally.done) == (lost == 0)


@pytest.mark.parametrize(
    ("entries", "total", "seconds", "left"),
    [(0, 10, 4.0, None), (5, None, 4.0, None), (5, 15, 4.0, 8.0), (5, 5, 4.0, 0.0), (6, 5, 4.0, 0.0)],
)
def test_time_left(entries: int, total: int | None, seconds: float, left: float | None) -> None:
    """It is unknown before the first entry and without a total, and never negative."""
    assert tally_of(*[GOOD] * entries, seconds=seconds, total=total).seconds_left == left


def test_earlier_outcomes_do_not_change_the_rate() -> None:
    """They count as done."""
    tally = tally_of(*[GOOD] * 5, total=1000)
    tally.before.update({"": 970, "dns": 15})
    assert (tally.rate, tally.seconds_left) == (1.25, 8.0)


def test_a_run_of_no_time_has_a_rate() -> None:
    """The clock may not have advanced."""
    assert tally_of(GOOD, seconds=0).rate > 0


def test_the_summary_of_a_run() -> None:
    """It has outcomes, speed, failures by frequency, and shares of time."""
    outcomes = [GOOD, LISTING, LOST, LOST._replace(code="dns", fetch_seconds=0.0), LOST]
    assert summarise(tally_of(*outcomes), threads=2, output="output/a.jsonl") == (
        "5 URLs in 4 s, 1.2 pages/s, 3.0 kB received.\n"
        "5 outcomes: 2 good, 3 failed: timeout 2, dns 1.\n"
        "The 2 threads were waiting for the network 62% of the time, parsing 12%, idle 25%.\n"
        "Records: output/a.jsonl"
    )


def test_the_summary_includes_earlier_runs() -> None:
    """Outcomes are those of the whole list; speed and bytes those of this run."""
    tally = tally_of(GOOD, LOST)
    tally.before.update({"": 489, "timeout": 5, "status": 2})
    assert summarise(tally, threads=1, output="-").splitlines()[:2] == [
        "2 URLs in 4 s, 0.5 pages/s, 1.0 kB received.",
        "498 outcomes, 496 of them done before: 490 good, 8 failed: timeout 6, status 2.",
    ]


def test_a_run_without_new_entries_has_a_summary() -> None:
    """The line about time is left out."""
    tally = tally_of(seconds=0.5)
    tally.before[""] = 3
    assert summarise(tally, threads=8, output="a.jsonl").splitlines() == [
        "0 URLs in 0.5 s, 0.0 pages/s, 0 B received.",
        "3 outcomes, 3 of them done before: 3 good, 0 failed.",
        "Records: a.jsonl",
    ]


def test_one_is_singular() -> None:
    """One URL, one outcome, one thread."""
    assert summarise(tally_of(GOOD), threads=1, output="a.jsonl").splitlines()[:3] == [
        "1 URL in 4 s, 0.2 pages/s, 1.0 kB received.",
        "1 outcome: 1 good, 0 failed.",
        "The thread was waiting for the network 12% of the time, parsing 6%, idle 81%.",
    ]


def test_an_empty_run_has_a_summary() -> None:
    """The line about time is left out, and so is the file name if the output is stdout."""
    assert summarise(tally_of(seconds=0.5), threads=8, output="-").splitlines() == [
        "0 URLs in 0.5 s, 0.0 pages/s, 0 B received.",
        "0 outcomes: 0 good, 0 failed.",
    ]


@given(
    fetch=st.floats(0, 1e6), scrape=st.floats(0, 1e6), seconds=st.floats(0, 1e5), threads=st.integers(1, 999)
)
def test_shares_add_up_to_100_percent(fetch: float, scrape: float, seconds: float, threads: int) -> None:
    """If clocks disagree, each share is still between 0 and 100 %."""
    outcome = Outcome(b"", 1, "", fetch_seconds=fetch, scrape_seconds=scrape)
    sentence = summarise(tally_of(outcome, seconds=seconds), threads=threads, output="-").splitlines()[2]
    shares = [int(word.rstrip("%,.")) for word in sentence.split() if "%" in word]
    assert all(0 <= share <= 100 for share in shares)
    assert "-" not in sentence
    assert abs(sum(shares) - 100) <= 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.04 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (61.4, "1 min 01 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (90_000, "1 d 01 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """They have at most two units, rounded correctly."""
    assert summarise(tally_of(seconds=seconds), threads=1, output="-").startswith(f"0 URLs in {text},")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_960, "1.0 MB"),
        (20_000_000, "20.0 MB"),
        (1_500_000_000, "1.5 GB"),
        (4_000_000_000_000, "4.0 TB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    """Units are decimal; a number that rounds to 1000 gets the next unit."""
    summary = summarise(tally_of(GOOD._replace(bytes=count)), threads=1, output="-")
    assert f" {text} received." in summary


def test_control_characters_in_an_output_name_are_escaped() -> None:
    """The summary stays at four printable lines."""
    summary = summarise(tally_of(GOOD), threads=1, output="a\x1b[31m\nb\u202e.jsonl")
    assert len(summary.splitlines()) == 4
    assert all(map(str.isprintable, summary.splitlines()))
    assert "\\x1b[31m\\nb\\u202e.jsonl" in summary


def plain_lines(monkeypatch: pytest.MonkeyPatch, tally: RunTotals, count: int) -> list[str]:
    """Return the first progress lines if stderr is not a terminal."""
    written = threading.Semaphore(0)

    class Pipe(io.StringIO):
        def write(self, text: str) -> int:
            size = super().write(text)
            written.release()
            return size

    pipe = Pipe()
    monkeypatch.setattr(sys, "stderr", pipe)
    with make_progress(tally, quiet=False, every=0.001):
        for _ in range(count):
            assert written.acquire(timeout=LIMIT)
    return pipe.getvalue().splitlines()[:count]


@pytest.mark.parametrize(
    ("total", "line"),
    [
        (None, "2 done, 0.5 pages/s, 1 failed"),
        (6, "2/6 done, 0.5 pages/s, 1 failed, 8 s left"),
        (4_802, "2/4,802 done, 0.5 pages/s, 1 failed, 2 h 40 min left"),
    ],
)
def test_plain_progress_lines(monkeypatch: pytest.MonkeyPatch, total: int | None, line: str) -> None:
    """They are written if stderr is a file or a pipe."""
    assert plain_lines(monkeypatch, tally_of(GOOD, LOST, total=total), 2) == [line, line]


def test_the_progress_thread_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes no line after the summary."""
    plain_lines(monkeypatch, tally_of(GOOD), 1)
    assert [thread for thread in threading.enumerate() if thread.name == "progress"] == []


def test_quiet_shows_errors_only(capsys: pytest.CaptureFixture[str]) -> None:
    """There are no progress lines."""
    with make_progress(tally_of(GOOD), quiet=True, every=0.001) as progress:
        progress.say("scrape: cannot write a.jsonl")
    assert capsys.readouterr() == ("", "scrape: cannot write a.jsonl\n")


def test_lines_are_written_above_the_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brackets in them are not taken for markup."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with make_progress(tally_of(GOOD, total=4), quiet=False) as progress:
        progress.say("http://h/[/x] [bold]failed: timeout")
    assert "http://h/[/x] [bold]failed: timeout" in terminal.getvalue()
    assert [thread for thread in threading.enumerate() if thread.name == "progress"] == []
