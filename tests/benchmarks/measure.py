"""Measured runs: one after the other, interleaved over the peers, each checked before it counts."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .runner import LINUX, busy_seconds

__all__ = ["DISTURBED", "Figures", "Run", "Task", "interleave", "run"]

DISTURBED = 0.08  # share of the CPUs that others used: beyond it a run is not like the others
RUNNER = Path(__file__).with_name("runner.py")


@dataclass(frozen=True)
class Run:
    """One run of one command, start-up counted."""

    seconds: float  # wall time of the whole command
    cpu: float  # seconds, its whole process tree
    own_cpu: float  # seconds, the command's first process alone
    server_cpu: float  # seconds
    others: float  # share of all CPUs that neither the command nor the server used: other people's load
    tree_peak: int  # bytes of PSS, whole tree, sampled four times a second; 0 where there is no /proc
    own_peak: int  # bytes, resident, the first process alone
    first_record: float | None  # seconds until the output was no longer empty
    status: int
    left_behind: int  # processes that outlived the command and had to be killed


@dataclass(frozen=True)
class Task:
    """A command to run, what it writes, and what makes sure that it did the work (raises where not)."""

    name: str
    command: tuple[str, ...]
    output: Path
    check: Callable[[Path], object]
    pages: int
    environment: Mapping[str, str] = field(default_factory=dict)
    statuses: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Figures:
    """The runs of one task, and what they come to."""

    task: Task
    runs: tuple[Run, ...]

    @property
    def rates(self) -> list[float]:
        """Pages a second of every run."""
        return [self.task.pages / run.seconds for run in self.runs]

    @property
    def rate(self) -> float:
        """Pages a second, the median."""
        return statistics.median(self.rates)

    @property
    def cpu_per_page(self) -> float:
        """Seconds of CPU a page, the median."""
        return self.median(lambda run: run.cpu) / self.task.pages

    def median(self, of: Callable[[Run], float]) -> float:
        """The median of one figure over the runs."""
        return statistics.median(of(run) for run in self.runs)


def run(task: Task, server: int = 0) -> Run:
    """One run of ``task``; its output is removed before and left after.

    Raises:
        SystemExit: the command failed; its last lines of stderr are shown.
        checking.WrongResult: it did not do the work.
    """
    task.output.unlink(missing_ok=True)
    command = [sys.executable, str(RUNNER), str(task.output), str(server), *task.command]
    environment = {**os.environ, **task.environment}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=task.output.parent)
    if done.returncode:
        raise SystemExit(f"the runner of {task.name} failed:\n{done.stderr[-3000:]}")
    result = Run(**json.loads(done.stdout))
    if result.status not in task.statuses:
        raise SystemExit(f"{task.name} ended with status {result.status}:\n{done.stderr[-3000:]}")
    task.check(task.output)
    return result


def _run_quietly(task: Task, server: int, patience: int, tell: Callable[[str], object]) -> Run:
    """A run that others did not disturb, or, after ``patience`` more, the least disturbed one."""
    runs: list[Run] = []
    while not runs or (runs[-1].others > DISTURBED and len(runs) <= patience):
        _wait_until_quiet(15.0 if patience else 0.0)
        runs.append(run(task, server))
        if runs[-1].others > DISTURBED and len(runs) <= patience:
            tell(f"{task.name}: others used {runs[-1].others:.0%} of the CPUs: once more")
    return min(runs, key=lambda each: each.others)


def _wait_until_quiet(seconds: float) -> None:
    """Return when the CPUs were idle for a third of a second, or after ``seconds``."""
    end = time.monotonic() + seconds
    while LINUX and time.monotonic() < end:
        before = busy_seconds()
        time.sleep(0.33)
        if (busy_seconds() - before) / (0.33 * (os.cpu_count() or 1)) < DISTURBED:
            return


def interleave(
    tasks: Iterable[Task], rounds: int, *, server: int = 0, patience: int = 0, tell: Callable[[str], object]
) -> dict[str, Figures]:
    """A B C, A B C, ... for ``rounds`` rounds; figures by the task's name.

    A run that others disturbed is made again, ``patience`` times at most.
    """
    listed = list(tasks)
    runs: dict[str, list[Run]] = {task.name: [] for task in listed}
    for number in range(1, rounds + 1):
        for task in listed:
            result = _run_quietly(task, server, patience, tell)
            runs[task.name].append(result)
            rate, others = task.pages / result.seconds, f"others used {result.others:.0%} of the CPUs"
            tell(f"round {number} of {rounds}: {task.name}: {rate:.0f} pages/s, {others}")
    return {task.name: Figures(task, tuple(runs[task.name])) for task in listed}
