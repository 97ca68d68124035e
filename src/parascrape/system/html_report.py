"""HTML reports with tables and charts: one file that needs nothing beside it and loads nothing.

Charts are drawn by Chart.js, which stands in the page. The content security policy allows that script and
the one that starts it by their hashes, and no other.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import Any, Literal, NamedTuple

from parascrape.system.text import printable

_LIMIT = 2000  # characters of one text that are shown
_INK, _GRID = "#333333", "#e5e5e5"


class ChartSeries(NamedTuple):
    """One value for each label of a chart; None where it is unknown."""

    name: str
    values: Sequence[float | None]
    colours: Sequence[str]  # one for all values, or one for each
    ranges: Sequence[tuple[float, float]] = ()  # least and greatest, drawn as a thin bar
    dashed: bool = False


class Chart(NamedTuple):
    """A chart, which is also shown as a table. ``rows`` are horizontal bars, ``columns`` vertical ones.

    The values of several series of bars are stacked. ``most`` is the end of the axis of values.
    """

    kind: Literal["rows", "columns", "lines"]
    title: str
    label_title: str
    labels: Sequence[str]
    value_title: str
    series: Sequence[ChartSeries]
    most: float | None = None

    @property
    def height(self) -> int:
        """CSS pixels."""
        legend = 20 * math.ceil(len(self.series) / 2) if self.has_legend else 0
        return 70 + 30 * max(2, len(self.labels)) + legend if self.kind == "rows" else 260

    @property
    def has_legend(self) -> bool:
        """Whether there are names of series to show."""
        return any(series.name for series in self.series)

    def config(self) -> dict[str, Any]:
        """Return the configuration of Chart.js."""
        across = self.kind == "rows"
        values: dict[str, Any] = {
            "beginAtZero": True,
            "max": self.most,
            "stacked": self.kind != "lines",
            "title": {"display": bool(self.value_title), "text": printable(self.value_title)},
            "grid": {"color": _GRID},
        }
        labels = {
            "stacked": self.kind != "lines",
            "title": {"display": self.kind == "lines", "text": printable(self.label_title)},
            "grid": {"display": False},
            "ticks": {"autoSkip": not across, "maxRotation": 0},
            "offset": True,
        }
        datasets = [dataset for series in self.series for dataset in self._datasets(series)]
        plugins = {"legend": {"display": self.has_legend, "labels": {"boxWidth": 14}}}
        return {
            "type": "line" if self.kind == "lines" else "bar",
            "data": {"labels": [printable(label, 40) for label in self.labels], "datasets": datasets},
            "options": {
                "indexAxis": "y" if across else "x",
                "scales": {"x": values, "y": labels} if across else {"x": labels, "y": values},
                "plugins": plugins,
            },
        }

    def _datasets(self, series: ChartSeries) -> Iterable[dict[str, Any]]:
        colours = list(series.colours) if len(series.colours) > 1 else series.colours[0]
        yield {
            "label": printable(series.name, 60),
            "data": [_finite(value) for value in series.values],
            "backgroundColor": "transparent" if series.dashed else colours,
            "borderColor": colours,
            "borderDash": [6, 4] if series.dashed else [],
            "pointRadius": 0 if series.dashed else 4,
            "maxBarThickness": 32,
            "order": 1,
        }
        if series.ranges:
            thin = {"type": "bar", "barThickness": 3, "backgroundColor": _INK, "order": 0, "stack": "range"}
            yield {"label": "range", "data": [list(each) for each in series.ranges], "grouped": False, **thin}

    def rows_of_numbers(self) -> list[list[str]]:
        """Return the label and its values in every series, ranges included."""
        columns = [[_number(value) for value in series.values] for series in self.series]
        for number, series in enumerate(self.series):
            for place, (least, most) in enumerate(series.ranges):
                columns[number][place] += f" ({_number(least)}-{_number(most)})"
        return [list(row) for row in zip(self.labels, *columns, strict=True)]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _number(value: float | None) -> str:
    """Return the value in about three digits.

    >>> _number(1234.5), _number(12.345), _number(None)
    ('1,234', '12.3', '')
    """
    if _finite(value) is None:
        return ""
    return f"{value:,.0f}" if abs(value or 0) >= 100 else f"{value:.3g}"


class HtmlReport:
    """A page, written from the top down. Every text is escaped, control characters too."""

    def __init__(self, title: str) -> None:
        self._title = _text(title)
        self._parts = [f"<h1>{self._title}</h1>"]
        self._has_charts = False

    def heading(self, text: str) -> None:
        """Add a heading."""
        self._parts.append(f"<h2>{_text(text)}</h2>")

    def paragraph(self, text: str, kind: Literal["", "lead", "warning"] = "") -> None:
        """Add a paragraph."""
        self._parts.append(f'<p class="{kind}">{_text(text)}</p>' if kind else f"<p>{_text(text)}</p>")

    def code(self, lines: Iterable[str]) -> None:
        """Add lines of preformatted text."""
        self._parts.append(f"<pre>{chr(10).join(map(_text, lines))}</pre>")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], best: int = -1) -> None:
        """Add a table, whose row ``best`` stands out. The first cell of a row is its heading."""
        self._parts.append(_table(columns, rows, best))

    def charts(self, charts: Iterable[Chart]) -> None:
        """Add charts side by side, each with its numbers as a table."""
        figures = [_figure(chart) for chart in charts]
        self._has_charts = self._has_charts or bool(figures)
        self._parts.append(f'<div class="charts">{"".join(figures)}</div>' if figures else "")

    def page(self, footer: str) -> str:
        """Return the whole page."""
        scripts = [_asset("chart.umd.min.js"), _asset("report.js")] if self._has_charts else []
        digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()) for script in scripts)
        allowed = " ".join(f"'sha256-{digest.decode()}'" for digest in digests) or "'none'"
        policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}"
        return "\n".join(
            [
                '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
                f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                f"<title>{self._title}</title>\n<style>{_asset('report.css')}</style></head><body><main>",
                *filter(None, self._parts),
                f"<footer>{_text(footer)}</footer></main>",
                *(f"<script>{script}</script>" for script in scripts),
                "</body></html>\n",
            ]
        )


def _text(text: str) -> str:
    return escape(printable(text, _LIMIT))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], best: int = -1) -> str:
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in columns)
    body = []
    for number, (first, *others) in enumerate(rows):
        cells = "".join(f"<td>{_text(cell)}</td>" for cell in others)
        body.append(
            f'<tr{" class=best" if number == best else ""}><th scope="row">{_text(first)}</th>{cells}</tr>'
        )
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
    )


def _figure(chart: Chart) -> str:
    """Return the chart with its numbers. No text can end the script element: "<" is escaped in its JSON."""
    data = json.dumps(chart.config()).replace("<", "\\u003c")
    names = [series.name for series in chart.series] if chart.has_legend else [chart.value_title]
    numbers = _table([chart.label_title, *names], chart.rows_of_numbers())
    label = f"{chart.title}: the numbers are in the table below"
    canvas = f'<canvas role="img" aria-label="{_text(label)}"></canvas>'
    return (
        f"<figure><figcaption>{_text(chart.title)}</figcaption>"
        f'<div class="chart" style="height: {chart.height}px">{canvas}</div>'
        f'<script type="application/json">{data}</script>'
        f"<details open><summary>Numbers</summary>{numbers}</details></figure>"
    )


def _asset(name: str) -> str:
    return (files("parascrape.system") / "assets" / name).read_text(encoding="utf-8")
