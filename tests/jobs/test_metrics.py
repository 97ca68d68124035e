"""Metrics and hooks of a job, and the state that both are given."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from parascrape.jobs import Job
from parascrape.jobs.hooks import run_hooks
from parascrape.jobs.metrics import render_metrics, write_metrics
from parascrape.jobs.summary import ChangeTotals, RunState, RunSummary

AT = datetime(2026, 3, 1, 5, 0, tzinfo=UTC)
SUMMARY = RunSummary(
    "news",
    AT,
    AT,
    good=8,
    unchanged=5,
    failed={"timeout": 2},
    exit_status=1,
    outcome="some_failed",
    seconds=2.5,
)
FAILED = RunState(replace(SUMMARY, outcome="crashed"))


def values_of(text: str) -> dict[str, float]:
    """The samples of a text, read by Prometheus' own library."""
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_are_prometheus_text(tmp_path: Path) -> None:
    """Each value has its labels; without an accepted output its time is left out."""
    values = values_of(render_metrics(SUMMARY, tmp_path / "latest.jsonl"))
    assert values["parascrape_run_inputs news good"] == 8
    assert values["parascrape_run_failures news timeout"] == 2
    assert values["parascrape_run_accepted news"] == 1
    assert values["parascrape_run_end_timestamp_seconds news"] == AT.timestamp()
    assert "parascrape_accepted_timestamp_seconds news" not in values


def test_labels_are_escaped(tmp_path: Path) -> None:
    """An error code with special characters cannot end its line."""
    code = 'a"b\\c\nd'
    text = render_metrics(replace(SUMMARY, failed={code: 1}), tmp_path / "latest.jsonl")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    (sample,) = families["parascrape_run_failures"].samples
    assert sample.labels == {"job": "news", "code": code}


def test_the_metrics_file_is_replaced_atomically(tmp_path: Path) -> None:
    """No other file stays in the collector's folder, and the collector may read it."""
    path = tmp_path / "metrics" / "news.prom"
    for _ in range(2):
        write_metrics(path, SUMMARY, tmp_path / "latest.jsonl")
    assert [one.name for one in path.parent.iterdir()] == ["news.prom"]
    assert path.stat().st_mode & 0o444 == 0o444


def hook(code: str, timeout: float = 20.0) -> Job:
    """A job that runs this Python code at its end."""
    command = (sys.executable, "-c", code)
    hooks = {"on_success": command, "on_failure": command}
    return Job(name="news", arguments=(), output="", hook_timeout=timeout, **hooks)


def test_a_hook_gets_the_summary_as_json(tmp_path: Path) -> None:
    """The hook runs in the job file's folder, with the event and the job in its environment."""
    code = "import os, sys; open(os.environ['PARASCRAPE_EVENT'], 'w').write(sys.stdin.read())"
    state = RunState(replace(SUMMARY, changes=ChangeTotals(added=1)))
    assert state.events == ["on_success", "on_change"]
    assert list(run_hooks(hook(code), state, tmp_path)) == []
    told = json.loads((tmp_path / "on_success").read_text())
    assert told["event"] == "on_success"
    assert (told["good"], told["failed"], told["breaches"]) == (8, {"timeout": 2}, [])
    assert not (tmp_path / "on_change").exists()


@pytest.mark.parametrize(
    ("code", "timeout", "fault"),
    [
        ("raise SystemExit(3)", 20.0, "ended with status 3"),
        ("import sys; sys.stdin.close()", 20.0, ""),
        ("import signal; signal.pause()", 0.2, "was killed after 0.2 s"),
    ],
)
def test_a_failing_hook_is_reported(tmp_path: Path, code: str, timeout: float, fault: str) -> None:
    """Hooks have a time limit, and their failures do not raise."""
    faults = list(run_hooks(hook(code, timeout), FAILED, tmp_path))
    assert faults == ([f"on_failure: {sys.executable} {fault}"] if fault else [])


def test_a_missing_hook_is_reported(tmp_path: Path) -> None:
    """The line has the system's reason."""
    job = Job(name="news", arguments=(), output="", on_failure=("./no-such-hook",))
    (fault,) = run_hooks(job, FAILED, tmp_path)
    assert fault == "on_failure: ./no-such-hook could not be started: No such file or directory"


@pytest.mark.parametrize(
    ("outcome", "changes", "events"),
    [
        ("good", ChangeTotals(), ["on_success"]),
        ("some_failed", ChangeTotals(gone=1), ["on_success", "on_change"]),
        ("rejected", ChangeTotals(changed=9), ["on_failure"]),
        ("crashed", ChangeTotals(), ["on_failure"]),
    ],
)
def test_events_follow_from_the_outcome(outcome: str, changes: ChangeTotals, events: list[str]) -> None:
    """A run is accepted, accepted with changes, or not accepted."""
    assert RunState(RunSummary("news", AT, outcome=outcome, changes=changes)).events == events


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"breaches": 3}', "\x00", '{"breaches": [], "job": 1}'])
def test_a_damaged_finished_file_is_ignored(tmp_path: Path, text: str) -> None:
    """The run is then harvested again, which fetches nothing twice."""
    path = tmp_path / "finished.json"
    path.write_text(text)
    assert RunState.read(path) is None
