"""Report of a job file's last runs: table cells for the terminal, and an HTML page with charts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, tzinfo

from parascrape.jobs.summary import ChangeTotals, RunSummary
from parascrape.settings import VERSION
from parascrape.system import Chart, ChartSeries, HtmlReport, printable, show_duration

COLUMNS = ("began", "took", "good", "unchanged", "failed", "skipped", "pages/s", "outcome", "exit", "changes")

LEGEND = "changes: + added or back, ~ changed, - removed or gone, ! failed that was good before"

_SHOWN = 3  # codes and hosts named


def cells_of(run: RunSummary, zone: tzinfo | None = None) -> list[str]:
    """Return the cells of a run, as `COLUMNS` names them; the time zone is the machine's by default."""
    when = f"{run.began.astimezone(zone):%Y-%m-%d %H:%M}"
    outcome = run.outcome.replace("_", " ")
    if run.ended is None:
        return [when, *[""] * 6, outcome, "", ""]
    status = "" if run.exit_status is None else str(run.exit_status)
    counts = (run.good, run.unchanged, run.failures, sum(run.skipped.values()))
    cells = [when, show_duration(run.seconds), *(f"{count:,}" for count in counts)]
    return [*cells, f"{run.pages_per_second:,.1f}", outcome, status, _changes(run.changes)]


def _changes(changes: ChangeTotals) -> str:
    signs = {
        "+": changes.added + changes.back,
        "~": changes.changed,
        "-": changes.removed + changes.gone,
        "!": changes.failed,
    }
    return " ".join(f"{sign}{count:,}" for sign, count in signs.items() if count)


def explain(runs: Sequence[RunSummary]) -> list[str]:
    """Return sentences on the failures of the last run that ended. ``runs`` are newest first."""
    last = next((run for run in runs if run.ended is not None), None)
    if last is None or not last.failed:
        return []
    counts = {"code": last.failed, "host": last.failing_hosts}
    return [f"Last run, failed by {what}: {_most(its)}." for what, its in counts.items() if its]


def _most(counts: Mapping[str, int]) -> str:
    shown = [f"{printable(name, 100)} {count:,}" for name, count in Counter(counts).most_common(_SHOWN)]
    if len(counts) > _SHOWN:
        shown.append(f"and {len(counts) - _SHOWN:,} more")
    return ", ".join(shown)


COLOURS = {
    "good": "#1f6fb2",
    "some_failed": "#d98f4e",
    "rejected": "#b3261e",
    "interrupted": "#767676",
    "crashed": "#5b2a86",
    "running": "#2e7d32",
}
"""By outcome; each has at least a contrast of 2.6 to white."""

_MEASURES: dict[str, Callable[[RunSummary], float]] = {
    "Records": lambda run: run.records,
    "Failures": lambda run: run.failures,
    "Pages a second": lambda run: run.pages_per_second,
    "Seconds": lambda run: run.seconds,
}
"""The charts of a job, and the value of a run in each."""


def draw_charts(runs: Sequence[RunSummary]) -> Iterable[Chart]:
    """Yield the charts of a job's runs, oldest run first, with a colour for each outcome.

    A run that has not ended has a place but no bar.
    """
    began = [f"{run.began:%Y-%m-%d %H:%M}" for run in runs]
    outcomes = [outcome for outcome in COLOURS if any(run.outcome == outcome for run in runs)]
    for title, measure in _MEASURES.items():
        series = []
        for outcome in outcomes:
            values = [measure(run) if run.ended and run.outcome == outcome else None for run in runs]
            series.append(ChartSeries(outcome.replace("_", " "), values, [COLOURS[outcome]]))
        yield Chart("columns", title, "began", began, "", series)


def make_page(title: str, jobs: Mapping[str, Sequence[RunSummary]]) -> str:
    """Return the page of these jobs' runs, each newest first. Times are UTC."""
    report = HtmlReport(f"Runs of {title}")
    for job, runs in jobs.items():
        report.heading(f"{job}: the last {len(runs)} run{'s' * (len(runs) != 1)}")
        if runs:
            report.charts(draw_charts(runs[::-1]))
        for line in explain(runs):
            report.paragraph(line)
        report.table(COLUMNS, [cells_of(run, UTC) for run in runs])
    if not jobs:
        report.paragraph("No runs yet.")
    return report.page(f"Times are UTC. {LEGEND}. parascrape {VERSION}")
