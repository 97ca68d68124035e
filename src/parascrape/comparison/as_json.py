"""A comparison as plain data, for ``--json``. Times are seconds, sizes bytes; what is unknown is null."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

from parascrape.comparison.comparison import Comparison, Disagreement
from parascrape.comparison.runs import Run
from parascrape.comparison.shares import milliseconds_a_page, share_out
from parascrape.comparison.statistics import Figures
from parascrape.settings import VERSION, available_cpus
from parascrape.web.text import printable

__all__ = ["as_data", "machine"]


def as_data(comparison: Comparison, command: str) -> dict[str, Any]:
    """The comparison; ``command`` is what to type."""
    verdict = comparison.verdict
    return {
        "version": VERSION,
        "machine": machine(),
        "pages": len(comparison.sample.entries),
        "laps": comparison.laps,
        "hosts": comparison.sample.hosts,
        "list": {"urls": comparison.sample.total, "invalid": comparison.sample.invalid},
        "limits": comparison.limits._asdict(),
        "stages": comparison.stages._asdict(),
        "recorded": comparison.recorded.seconds._asdict(),
        "strategies": [_strategy(each, comparison) for each in comparison.figures],
        "faults": {strategy.name: fault for strategy, fault in comparison.faults.items()},
        "disagreements": [_disagreement(each) for each in comparison.disagreements],
        "verdict": verdict
        and {
            "strategy": verdict.best.strategy.name,
            "tied": [each.strategy.name for each in verdict.tied],
            "bound": verdict.bound._asdict(),
            "choice": verdict.choice,
            "reason": verdict.reason,
            "sureness": verdict.sureness,
            "doubts": list(verdict.doubts),
            "command": command,
        },
    }


def _strategy(figures: Figures, comparison: Comparison) -> dict[str, Any]:
    return {
        "name": figures.strategy.name,
        "mode": figures.strategy.mode,
        "processes": figures.strategy.processes,
        "threads": figures.strategy.threads,
        "pages_per_second": figures.rate,
        "projected_seconds": figures.projected(comparison.sample.total),
        "cpu_seconds_per_page": None if figures.cpu is None else figures.cpu / figures.pages,
        "memory": figures.memory,
        "latency": {f"p{share}": figures.percentile(share / 100) for share in (50, 90, 99)},
        "errors": dict(figures.errors),
        "shares": share_out(figures),
        "milliseconds_a_page": milliseconds_a_page(figures),
        "runs": [_run(run) for run in figures.runs],
    }


def _run(run: Run) -> dict[str, Any]:
    measured = {key: value for key, value in run.measured._asdict().items() if key != "errors"}
    twin = {**run.twin._asdict(), "was_bottleneck": run.twin.was_bottleneck}
    return {**measured, "twin": twin, "starting": run.starting, "pages_per_second": run.rate}


def _disagreement(found: Disagreement) -> dict[str, Any]:
    return {
        "reference": found.reference.name,
        "strategy": found.strategy.name,
        "urls": found.urls,
        "shown": [each._asdict() for each in found.shown],
    }


def machine() -> str:
    """Processor, CPUs, system and Python, in one line."""
    cpus = available_cpus()
    system = f"{platform.system()} {platform.release()}"
    python = platform.python_version()
    return printable(f"{_processor()}, {cpus} CPU{'s' * (cpus > 1)}, {system}, Python {python}")


def _processor() -> str:
    if sys.platform == "linux" and os.path.exists("/proc/cpuinfo"):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
