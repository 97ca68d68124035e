"""Measured runs of real commands: their costs, their exit status, and the processes they leave."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from parascrape.comparison.runs import RunPlan, run_all
from parascrape.comparison.stages import StageTimes, run_stages
from parascrape.comparison.strategies import parse_strategies
from parascrape.records import Entry
from parascrape.settings import Settings
from tests.helpers.command import ENVIRONMENT
from tests.sites.site import Site

SLOW = """
import time

def slow(page):
    ends = time.thread_time() + 0.03
    while time.thread_time() < ends:
        pass
    return {}
"""
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
GRANDCHILD = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "x = bytearray(60_000_000)\\nfor _ in range(4_000_000): pass"])
"""


def measure(code: str) -> dict[str, Any]:
    """Return the measurement of a run of Python code."""
    command = [sys.executable, "-m", "parascrape.comparison.measure", "0", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, env=ENVIRONMENT, timeout=60, check=True)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


@linux_only
def test_the_whole_tree_is_counted() -> None:
    """CPU time and memory of a grandchild that outlives the command count too."""
    measured = measure(GRANDCHILD)
    assert measured["cpu"] > 0.05
    assert measured["status"] == 0
    assert measured["left_behind"] == 0
    assert 0 <= measured["others"] <= 1


@linux_only
def test_memory_is_the_largest_sum_that_was_seen() -> None:
    """It is the sum over all descendants."""
    measured = measure("import threading; x = bytearray(80_000_000); threading.Event().wait(0.6)")
    assert 80_000_000 < measured["memory"] < 200_000_000


def test_the_status_and_the_last_words_are_kept() -> None:
    """A failed command is measured too."""
    measured = measure("import sys; sys.stderr.write('x' * 9000 + 'the end'); sys.exit(7)")
    assert (measured["status"], measured["errors"][-7:], len(measured["errors"])) == (7, "the end", 4000)


@pytest.fixture
def plan(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunPlan:
    """Return a plan of five pages, to be run twice in two strategies."""
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
    plan = RunPlan(parse_strategies("sequential,thread:2"), 2, tmp_path, ("--select=title=title",))
    return plan.with_list([Entry(site(f"/page/{number}")) for number in range(5)])


def test_runs_are_interleaved(plan: RunPlan) -> None:
    """They run A B, A B, and each is reported."""
    told: list[str] = []
    runs = run_all(plan, told.append)
    assert [run.strategy.name for run in runs] == ["sequential", "thread:2"] * 2
    assert [line.split(" pages/s")[0].rpartition(": ")[0] for line in told] == [
        "round 1 of 2: sequential",
        "round 1 of 2: thread:2",
        "round 2 of 2: sequential",
        "round 2 of 2: thread:2",
    ]
    for run in runs:
        assert (run.fault, run.result.pages) == ("", 5)
        assert 0 < run.starting < run.measured.seconds


def test_lost_records_and_wrong_options_are_faults(plan: RunPlan) -> None:
    """The fault holds the command's message, and the strategy is not run again."""
    plan = plan._replace(strategies=plan.strategies[:1])
    (lost,) = run_all(plan._replace(pages=6), lambda line: None)
    assert lost.fault == "gave 5 outcomes for 6 URLs"
    (wrong,) = run_all(
        plan._replace(strategies=plan.strategies[:1], options=("--timeout=0",)), lambda line: None
    )
    assert wrong.fault.startswith("ended with status 2: timeout: 0")


def test_the_stages_of_a_page(plan: RunPlan) -> None:
    """The CPU time of a scraper counts as parsing, not as waiting."""
    stages = run_stages(
        plan.list_path(), Settings(scraper=f"{write_scraper(plan.folder)}:slow", robots=False)
    )
    assert stages.pages == 4
    assert stages.parsing > 0.02 > stages.writing
    assert stages.parsing > stages.receiving > 0


def write_scraper(folder: Path) -> Path:
    """Write a scraper that computes for 30 ms of CPU time."""
    path = folder / "slow.py"
    loop = "    while time.thread_time() < ends:\n        pass\n"
    path.write_text(
        f"import time\ndef slow(page):\n    ends = time.thread_time() + 0.03\n{loop}    return {{}}\n"
    )
    return path


def test_stages_that_cannot_be_measured_are_zero(plan: RunPlan) -> None:
    """The comparison goes on without stages."""
    assert run_stages(plan.list_path(), Settings(scraper="nowhere.py:nothing")) == StageTimes()
