"""The last runs of a job as bars, in SVG to stand in a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import NamedTuple

from parascrape.jobs.summary import Summary

__all__ = ["COLOURS", "Measure", "draw_bars", "measures"]

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


class Measure(NamedTuple):
    """What is drawn of each run: a title, the value, and how it is written."""

    title: str
    value: Callable[[Summary], float]
    written: Callable[[float], str]


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def measures() -> tuple[Measure, ...]:
    """The plots of a job, in their order."""
    return (
        Measure("Records", lambda run: run.records, _whole),
        Measure("Failures", lambda run: run.failures, _whole),
        Measure("Pages a second", lambda run: run.pages_per_second, lambda value: f"{value:,.1f}"),
        Measure("Seconds", lambda run: run.seconds, lambda value: f"{value:,.1f}"),
    )


def draw_bars(runs: Sequence[Summary], measure: Measure) -> str:
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
    runs: Sequence[Summary], values: Sequence[float | None], measure: Measure, greatest: float
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
