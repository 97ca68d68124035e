"""Tables in Markdown, fit for a README: ratios with their spread, and below them what was measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .measure import DISTURBED, Figures

__all__ = ["Report", "machine", "markdown", "quiet_note", "raw", "times"]


@dataclass(frozen=True)
class Report:
    """One work's table: head, rows, notes below it, and the raw figures for ``--json``."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


def times(ratio: float) -> str:
    """A ratio in two or three digits: ``0.038 ×``, ``0.68 ×``, ``3.4 ×``, ``21 ×``."""
    decimals = 0 if ratio >= 10 else 1 if ratio >= 2 else 2 if ratio >= 0.1 else 3
    return f"{ratio:.{decimals}f} ×"


def markdown(report: Report) -> str:
    """The table with its title and notes."""
    lines = [f"### {report.title}", "", _row(report.head), _row(["---", *["---:"] * (len(report.head) - 1)])]
    lines += [_row(row) for row in report.rows]
    lines += ["", *(f"{note}  " for note in report.notes)] if report.notes else []
    return "\n".join(lines) + "\n"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def raw(figures: Mapping[str, Figures]) -> dict[str, Any]:
    """Every run's figures, by peer."""
    return {name: [asdict(run) for run in each.runs] for name, each in figures.items()}


def quiet_note(figures: Mapping[str, Figures]) -> str:
    """How much of the CPUs others used meanwhile: beyond `DISTURBED`, the ratios may be off."""
    worst = max((run.others, name) for name, each in figures.items() for run in each.runs)
    verdict = "disturbed: run it again on a quiet machine" if worst[0] > DISTURBED else "quiet"
    return f"Other processes used at most {worst[0]:.0%} of the CPUs in any run ({verdict})."


def machine() -> str:
    """Processor, CPUs, system and Python, in one line."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    system = f"{platform.system()} {platform.release()}"
    return f"{_processor()}, {cpus} CPUs, {system}, Python {platform.python_version()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
