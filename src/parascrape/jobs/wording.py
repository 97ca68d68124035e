"""A run in a row's cells, the same on the terminal and in the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo

from parascrape.jobs.summary import Changes, Summary
from parascrape.web.text import printable

__all__ = ["COLUMNS", "LEGEND", "cells_of", "explain"]

COLUMNS = ("began", "took", "good", "unchanged", "failed", "skipped", "pages/s", "outcome", "exit", "changes")

LEGEND = "changes: + added or back, ~ changed, - removed or gone, ! failed that was good before"

_SHOWN = 3  # codes and hosts named


def cells_of(run: Summary, zone: tzinfo | None = None) -> list[str]:
    """The cells, as `COLUMNS` names them; the time is of the zone, or of this machine's."""
    when = f"{run.began.astimezone(zone):%Y-%m-%d %H:%M}"
    outcome = run.outcome.replace("_", " ")
    if run.ended is None:
        return [when, *[""] * 6, outcome, "", ""]
    status = "" if run.exit_status is None else str(run.exit_status)
    counts = (run.good, run.unchanged, run.failures, sum(run.skipped.values()))
    cells = [when, _took(run.seconds), *(f"{count:,}" for count in counts)]
    return [*cells, f"{run.pages_per_second:,.1f}", outcome, status, _changes(run.changes)]


def _took(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{seconds:.1f} s"


def _changes(changes: Changes) -> str:
    signs = {
        "+": changes.added + changes.back,
        "~": changes.changed,
        "-": changes.removed + changes.gone,
        "!": changes.failed,
    }
    return " ".join(f"{sign}{count:,}" for sign, count in signs.items() if count)


def explain(runs: Sequence[Summary]) -> list[str]:
    """What went wrong in the last of these runs (newest first) that ended: codes and hosts, in a sentence
    each; none where nothing did.
    """
    last = next((run for run in runs if run.ended is not None), None)
    if last is None or not last.failed:
        return []
    codes = _most(last.failed)
    lines = [f"Last run, failed by code: {codes}."]
    if last.failing_hosts:
        lines.append(f"Last run, failed by host: {_most(last.failing_hosts)}.")
    return lines


def _most(counts: Mapping[str, int]) -> str:
    pairs = sorted(counts.items(), key=lambda pair: -pair[1])
    named = [f"{printable(name, 100)} {count:,}" for name, count in pairs[:_SHOWN]]
    return ", ".join([*named, *([f"and {len(pairs) - _SHOWN:,} more"] if len(pairs) > _SHOWN else [])])
