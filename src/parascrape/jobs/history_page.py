"""The last runs of each job as one HTML page that needs nothing beside it: no script, no network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, tzinfo
from html import escape
from typing import NamedTuple

from parascrape.jobs.summary import ChangeTotals, RunSummary
from parascrape.settings import VERSION
from parascrape.system import printable

__all__ = [
    "COLOURS",
    "COLUMNS",
    "LEGEND",
    "ChartMeasure",
    "cells_of",
    "draw_bars",
    "explain",
    "make_page",
    "measures",
]

COLUMNS = ("began", "took", "good", "unchanged", "failed", "skipped", "pages/s", "outcome", "exit", "changes")

LEGEND = "changes: + added or back, ~ changed, - removed or gone, ! failed that was good before"

_SHOWN = 3  # codes and hosts named


def cells_of(run: RunSummary, zone: tzinfo | None = None) -> list[str]:
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


def _changes(changes: ChangeTotals) -> str:
    signs = {
        "+": changes.added + changes.back,
        "~": changes.changed,
        "-": changes.removed + changes.gone,
        "!": changes.failed,
    }
    return " ".join(f"{sign}{count:,}" for sign, count in signs.items() if count)


def explain(runs: Sequence[RunSummary]) -> list[str]:
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


COLOURS = {
    "good": "#1f6fb2",
    "some_failed": "#d98f4e",
    "rejected": "#b3261e",
    "interrupted": "#767676",
    "crashed": "#5b2a86",
    "running": "#2e7d32",
}
"""By outcome; each has at least a contrast of 2.6 to white, the words beside the bars have 15."""

_WIDTH, _HEIGHT = 480, 160  # of the drawing, in its own units: a phone shows it at about three quarters
_LEFT, _TOP, _BOTTOM = 4, 22, 4
_UNKNOWN = 3  # units that a bar has whose run has no figure


class ChartMeasure(NamedTuple):
    """What is drawn of each run: a title, the value, and how it is written."""

    title: str
    value: Callable[[RunSummary], float]
    written: Callable[[float], str]


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def measures() -> tuple[ChartMeasure, ...]:
    """The plots of a job, in their order."""
    return (
        ChartMeasure("Records", lambda run: run.records, _whole),
        ChartMeasure("Failures", lambda run: run.failures, _whole),
        ChartMeasure("Pages a second", lambda run: run.pages_per_second, lambda value: f"{value:,.1f}"),
        ChartMeasure("Seconds", lambda run: run.seconds, lambda value: f"{value:,.1f}"),
    )


def draw_bars(runs: Sequence[RunSummary], measure: ChartMeasure) -> str:
    """The SVG, oldest run at the left; each bar tells its run, figure and outcome when it is pointed at."""
    values = [measure.value(run) if run.ended else None for run in runs]
    known = [value for value in values if value is not None]
    greatest = max(known, default=0)
    words = f"{measure.title} of the last {len(runs)} runs, oldest first: " + ", ".join(
        "unknown" if value is None else measure.written(value) for value in values
    )
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(words)}">',
        f'<line x1="0" x2="{_WIDTH}" y1="{_TOP}" y2="{_TOP}" stroke="#ccc"/>',
        f'<text x="{_LEFT}" y="{_TOP - 6}">{escape(measure.written(greatest))}</text>',
        *_bars(runs, values, measure, greatest),
        f'<line x1="0" x2="{_WIDTH}" y1="{_HEIGHT - _BOTTOM}" y2="{_HEIGHT - _BOTTOM}" stroke="#333"/></svg>',
    ]
    return "".join(parts)


def _bars(
    runs: Sequence[RunSummary], values: Sequence[float | None], measure: ChartMeasure, greatest: float
) -> Iterable[str]:
    step = (_WIDTH - 2 * _LEFT) / max(len(runs), 12)  # few runs are no walls
    room = _HEIGHT - _TOP - _BOTTOM
    for number, (run, value) in enumerate(zip(runs, values, strict=True)):
        height = _UNKNOWN if value is None else room * value / greatest if greatest > 0 else 0.0
        figure = "unknown" if value is None else measure.written(value)
        label = f"{run.began:%Y-%m-%d %H:%M} UTC: {figure} ({run.outcome.replace('_', ' ')})"
        yield (
            f'<rect x="{_LEFT + number * step:.2f}" y="{_HEIGHT - _BOTTOM - height:.2f}" '
            f'width="{step * 0.8:.2f}" height="{height:.2f}" fill="{COLOURS[run.outcome]}">'
            f"<title>{escape(label)}</title></rect>"
        )


_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff;
       max-width: 66rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.wide { overflow-x: auto; margin-top: 1rem; } h1, h2, p { overflow-wrap: anywhere; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums;
        font-size: .9rem; white-space: nowrap; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1.5rem; }
figure { margin: 0; } figcaption { font-weight: 600; }
figure svg { width: 100%; height: auto; max-width: 34rem; } svg text { font-size: 18px; fill: #222; }
.key { display: flex; flex-wrap: wrap; gap: .25rem 1rem; padding: 0; list-style: none; }
.key svg { width: .8em; height: .8em; margin-right: .4em; }
footer { margin-top: 2rem; color: #555; font-size: .875rem; }
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def make_page(title: str, jobs: Mapping[str, Sequence[RunSummary]]) -> str:
    """The page of these jobs' runs, each newest first; times are UTC."""
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Runs of {_text(title)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>Runs of {_text(title)}</h1>"
    )
    parts = [part for job, runs in jobs.items() for part in _job(job, runs)]
    shown = {run.outcome for runs in jobs.values() for run in runs}
    foot = f"<footer>Times are UTC. {_text(LEGEND)}. parascrape {VERSION}</footer></main></body></html>\n"
    return "\n".join([head, *_key(shown), *(parts or ["<p>No runs yet.</p>"]), foot])


def _text(text: str) -> str:
    return escape(printable(text))


def _key(outcomes: Iterable[str]) -> Iterable[str]:
    """What the colours of the bars mean."""
    shown = [outcome for outcome in COLOURS if outcome in outcomes]
    square = '<svg viewBox="0 0 1 1" aria-hidden="true"><rect width="1" height="1" fill="{}"/></svg>'
    items = (
        f"<li>{square.format(COLOURS[outcome])}{_text(outcome.replace('_', ' '))}</li>" for outcome in shown
    )
    if shown:
        yield f'<ul class="key">{"".join(items)}</ul>'


def _job(job: str, runs: Sequence[RunSummary]) -> Iterable[str]:
    yield f"<h2>{_text(job)}: the last {len(runs)} run{'s' * (len(runs) != 1)}</h2>"
    yield '<div class="plots">'
    oldest_first = runs[::-1]
    for measure in measures():
        svg = draw_bars(oldest_first, measure)
        yield f"<figure><figcaption>{_text(measure.title)}</figcaption>{svg}</figure>"
    yield "</div>"
    yield from (f"<p>{escape(line)}</p>" for line in explain(runs))
    yield '<div class="wide"><table><thead><tr>'
    yield "".join(f'<th scope="col">{_text(name)}</th>' for name in COLUMNS) + "</tr></thead><tbody>"
    for run in runs:
        yield "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in cells_of(run, UTC)) + "</tr>"
    yield "</tbody></table></div>"
