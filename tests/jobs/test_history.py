"""The run history of a job file: stored runs, summaries as JSON, and several processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from parascrape.jobs.history import SCHEMA, History, history_path
from parascrape.jobs.summary import OUTCOMES, ChangeTotals, RunSummary
from parascrape.system import ReopenedFile, is_alive, process_mark
from tests.helpers.histories import NOON, Clock, open_history, run_job, summary


@pytest.fixture
def clock() -> Clock:
    """Noon."""
    return Clock()


@pytest.fixture
def history(tmp_path: Path, clock: Clock) -> History:
    """A history that is not there yet."""
    return open_history(tmp_path / "harvest.history.sqlite3", clock=clock)


# --- summaries --------------------------------------------------------------------------------------

counts = st.integers(0, 10**12)
by_name = st.dictionaries(st.text(max_size=20), counts, max_size=4)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
summaries = st.builds(
    RunSummary,
    job=st.text(min_size=1, max_size=20),
    began=moments,
    ended=st.none() | moments,
    run=counts,
    version=st.text(max_size=9),
    outcome=st.sampled_from(sorted(OUTCOMES)),
    exit_status=st.none() | st.integers(0, 255),
    inputs=counts,
    good=counts,
    records=counts,
    failed=by_name,
    skipped=by_name,
    failing_hosts=by_name,
    seconds=st.floats(0, 1e9),
    pages_per_second=st.floats(0, 1e9),
    bytes=counts,
    changes=st.builds(ChangeTotals, added=counts, rewritten=counts),
    empty=st.dictionaries(st.text(max_size=20), st.floats(0, 1), max_size=4),
    output=st.text(max_size=20),
    size=counts,
)


@given(summaries)
def test_a_summary_survives_json(made: RunSummary) -> None:
    """Every summary equals itself after writing and reading."""
    assert RunSummary.from_json(made.to_json()) == made


def test_every_field_of_a_summary_can_be_read() -> None:
    """A summary with default values survives too, so no field lacks a reader."""
    bare = RunSummary("news", NOON)
    assert RunSummary.from_json(bare.to_json()) == bare
    assert set(bare.as_dict()) == {one.name for one in fields(RunSummary)}


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"job": 1, "began": "2026-03-01T12:00:00Z"}',
        '{"job": "a", "began": "soon"}',
        '{"job": "a", "began": "2026-03-01T12:00:00"}',
        '{"job": "a", "began": "2026-03-01T12:00:00Z", "outcome": "splendid"}',
        '{"job": "a", "began": "2026-03-01T12:00:00Z", "good": true}',
        '{"job": "a", "began": "2026-03-01T12:00:00Z", "seconds": NaN}',
        '{"job": "a", "began": "2026-03-01T12:00:00Z", "failed": []}',
        '{"job": "a", "began": "2026-03-01T12:00:00Z", "changes": {"added": "1"}}',
    ],
)
def test_invalid_summaries_are_refused(text: str) -> None:
    """Every fault raises ValueError."""
    with pytest.raises(ValueError, match=r"."):
        RunSummary.from_json(text)


def test_keys_of_later_versions_are_ignored() -> None:
    """This holds for the summary and for its changes."""
    text = (
        '{"job": "a", "began": "2026-03-01T13:00:00+01:00", "mood": "fine", "changes": {"added": 2, "x": 1}}'
    )
    assert RunSummary.from_json(text) == RunSummary("a", NOON, changes=ChangeTotals(added=2))


# --- runs -------------------------------------------------------------------------------------------


def test_runs_are_listed_newest_first(history: History, clock: Clock, tmp_path: Path) -> None:
    """They are listed by job, or all together for an empty name."""
    assert (history.recent("news", 5), history.jobs(), history.path.exists()) == ([], [], False)
    for good in range(3):
        run_job(history, tmp_path / f"{good}.jsonl", clock, good=good)
        clock.forward(hours=4)
    run_job(history, tmp_path / "shop.jsonl", clock, job="shop")
    assert [(run.run, run.good) for run in history.recent("news", 2)] == [(3, 2), (2, 1)]
    assert [run.job for run in history.recent("", 9)] == ["shop", "news", "news", "news"]
    assert history.jobs() == ["news", "shop"]
    assert history.recent("news", 1)[0].began == NOON + timedelta(hours=8)


def test_times_are_stored_in_utc(history: History, clock: Clock, tmp_path: Path) -> None:
    """The zone of the clock does not matter."""
    clock.now = NOON.astimezone(timezone(timedelta(hours=5)))
    history.begin("news", tmp_path / "a", "1.0")
    assert history.recent("news", 1)[0].began.tzinfo is UTC
    assert history.recent("news", 1)[0].began == NOON


def test_a_run_without_an_end_is_running_or_interrupted(history: History, tmp_path: Path) -> None:
    """Only the last run of a job can be running, and only while its process lives."""
    history.begin("news", tmp_path / "a", "1.0")
    history.begin("news", tmp_path / "b", "1.0")
    begin = f"from parascrape.jobs import History; History({str(history.path)!r}).begin('shop', 'c', '1')"
    subprocess.run([sys.executable, "-c", begin], check=True, timeout=60)
    outcomes = {Path(run.output).name: run.outcome for run in history.recent("", 9)}
    alive = "running" if process_mark() else "interrupted"
    assert outcomes == {"a": "interrupted", "b": alive, "c": "interrupted"}


@pytest.mark.parametrize("mark", ["", "x", "1", "999999999/1/x", "own/0/x", "²/1/x", "-1/1/x"])
def test_a_reused_process_number_is_not_alive(mark: str) -> None:
    """The start time of the process and the boot of the machine must match too."""
    assert not is_alive(mark.replace("own", str(os.getpid())))


def test_a_history_lost_during_a_run_still_gets_its_summary(
    history: History, clock: Clock, tmp_path: Path
) -> None:
    """The summary gets a new number and does not replace another run."""
    number = history.begin("news", tmp_path / "a", "1.0")
    history.path.unlink()
    open_history(history.path).begin("shop", tmp_path / "b", "1.0")
    history.finish(number, summary(good=7))
    assert {run.job: (run.run, run.good) for run in history.recent("", 9)} == {"news": (2, 7), "shop": (1, 0)}


def test_an_unreadable_summary_counts_as_a_crash(history: History, clock: Clock, tmp_path: Path) -> None:
    """Other runs are listed as before."""
    number = run_job(history, tmp_path / "a", clock)
    run_job(history, tmp_path / "b", clock)
    ReopenedFile(history.path, SCHEMA).write(
        lambda database: database.execute("UPDATE runs SET summary = '{' WHERE run = ?", (number,)), None
    )
    assert [run.outcome for run in history.recent("news", 9)] == ["good", "crashed"]
    assert [output.outcome for output in history.outputs("news")] == ["good", "crashed"]


# --- files ------------------------------------------------------------------------------------------


def test_outputs_are_recorded_as_they_were_written(history: History, clock: Clock, tmp_path: Path) -> None:
    """So are change feeds; a later run with the same file name takes it over; forgotten files are gone."""
    output, feed = tmp_path / "a.jsonl", tmp_path / "a.changes.jsonl"
    feed.write_bytes(b"{}\n")
    first = run_job(history, output, clock, files=[feed, tmp_path / "missing"])
    rejected = run_job(history, tmp_path / "b.jsonl", clock, outcome="rejected")
    known = [(one.run, one.path.name, one.size, one.outcome) for one in history.outputs("news")]
    assert known == [
        (rejected, "b.jsonl", 28, "rejected"),
        (first, "a.changes.jsonl", 3, "good"),
        (first, "a.jsonl", 28, "good"),
    ]
    history.forget(feed)
    again = run_job(history, output, clock, lines=2)
    assert [(one.run, one.size) for one in history.outputs("news")] == [(again, 56), (rejected, 28)]
    assert [run.run for run in history.recent("news", 9)] == [again, rejected, first]


def test_a_run_is_finished_once(history: History, clock: Clock, tmp_path: Path) -> None:
    """A second summary with the same number is stored as another run."""
    number = run_job(history, tmp_path / "a.jsonl", clock, good=1)
    history.finish(number, summary(good=2))
    assert [(run.run, run.good) for run in history.recent("news", 9)] == [(number + 1, 2), (number, 1)]


@pytest.mark.parametrize("outcome", ["interrupted", "crashed"])
def test_unfinished_outputs_are_not_recorded(
    history: History, clock: Clock, tmp_path: Path, outcome: str
) -> None:
    """The next run continues them."""
    run_job(history, tmp_path / "a.jsonl", clock, outcome=outcome)
    assert history.outputs("news") == []


def test_links_are_not_recorded(history: History, clock: Clock, tmp_path: Path) -> None:
    """A link may point to any file; links in the folder's path are resolved when a file is recorded."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    run_job(history, tmp_path / "link" / "a.jsonl", clock)
    (tmp_path / "latest.jsonl").symlink_to("real/a.jsonl")
    history.finish(0, summary(output=str(tmp_path / "latest.jsonl")))
    assert [one.path for one in history.outputs("news")] == [tmp_path.resolve() / "real" / "a.jsonl"]


def test_the_history_is_beside_its_job_file() -> None:
    """The name of the job file may have any suffix or none."""
    assert history_path("a/b/harvest.toml") == Path("a/b/harvest.history.sqlite3")
    assert history_path(Path("jobs")) == Path("jobs.history.sqlite3")


# --- kills and neighbours ---------------------------------------------------------------------------

_HALF = """
import sys
from pathlib import Path
from parascrape.jobs.history import SCHEMA
from parascrape.system import ReopenedFile
def work(database):
    database.execute("UPDATE runs SET summary = NULL, output = 'lost'")
    database.execute("DELETE FROM files")
    print("half", flush=True)
    sys.stdin.read()
ReopenedFile(Path(sys.argv[1]), SCHEMA).write(work, None)
"""


def test_a_kill_in_a_transaction_changes_nothing(history: History, clock: Clock, tmp_path: Path) -> None:
    """The next process neither waits nor warns."""
    run_job(history, tmp_path / "a.jsonl", clock, good=5)
    command = [sys.executable, "-c", _HALF, str(history.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "half\n"
        child.send_signal(signal.SIGKILL)
    assert [(run.good, run.outcome) for run in history.recent("news", 9)] == [(5, "good")]
    assert len(history.outputs("news")) == 1
    assert history.begin("news", tmp_path / "b", "1.0") == 2


_MANY = """
import sys
from datetime import UTC, datetime
from parascrape.jobs.history import History
from parascrape.jobs.summary import RunSummary
path, job = sys.argv[1:]
for number in range(15):
    history = History(path)
    history.finish(history.begin(job, "", "1"), RunSummary(job, datetime.now(UTC), good=number))
"""


def test_two_processes_share_one_history(history: History, caplog: pytest.LogCaptureFixture) -> None:
    """Both start without a file, and no run is lost."""
    children = [
        subprocess.Popen([sys.executable, "-c", _MANY, str(history.path), job], stderr=subprocess.PIPE)
        for job in ("a", "b")
    ]
    assert [(child.communicate(timeout=60)[1], child.returncode) for child in children] == [(b"", 0)] * 2
    for job in ("a", "b"):
        assert [run.good for run in history.recent(job, 99)] == list(range(14, -1, -1))
    assert len({run.run for run in history.recent("", 99)}) == 30


def test_a_history_being_created_is_not_taken_for_a_foreign_file(
    history: History, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Another process creates the tables after this one has read that there is no application id."""
    other = threading.Thread(target=lambda: open_history(history.path).begin("other", "", "1"))
    connect = sqlite3.connect

    def begin_other(statement: str) -> None:
        if statement.endswith("sqlite_master") and other.ident is None:
            other.start()
            other.join(0.5)

    def traced(*args: Any, **options: Any) -> sqlite3.Connection:
        database = connect(*args, **options)
        database.set_trace_callback(begin_other)
        return database

    monkeypatch.setattr(sqlite3, "connect", traced)
    history.path.touch()  # as it is when another process has just opened it
    history.begin("news", "", "1")
    other.join(10)
    assert sorted(run.job for run in history.recent("", 9)) == ["news", "other"]
    assert not caplog.records


def test_a_run_stores_every_value_of_its_summary(history: History, tmp_path: Path) -> None:
    """It has the number that begin returned."""
    values: dict[str, Any] = {
        "failed": {"timeout": 2},
        "empty": {"title": 0.5},
        "changes": ChangeTotals(added=1),
    }
    made = summary(version="2.0", outcome="some_failed", exit_status=1, inputs=9, good=7, **values)
    number = history.begin("news", tmp_path / "a", "2.0")
    history.finish(number, made)
    assert history.recent("news", 1) == [replace(made, run=number)]
