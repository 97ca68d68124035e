"""The last runs of each job as one HTML page that needs nothing beside it: no script, no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from html import escape

from parascrape.jobs.bars import COLOURS, draw_bars, measures
from parascrape.jobs.summary import Summary
from parascrape.jobs.wording import COLUMNS, LEGEND, cells_of, explain
from parascrape.settings import VERSION
from parascrape.web.text import printable

__all__ = ["make_page"]

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


def make_page(title: str, jobs: Mapping[str, Sequence[Summary]]) -> str:
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


def _job(job: str, runs: Sequence[Summary]) -> Iterable[str]:
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
