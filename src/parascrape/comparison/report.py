"""A comparison as one HTML page that needs nothing beside it: styles and plots stand in it, no script."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from parascrape.comparison.comparison import Comparison, Disagreement
from parascrape.comparison.differences import describe
from parascrape.comparison.network import count_of
from parascrape.comparison.plots import Plot, draw_plots
from parascrape.comparison.runs import StrategyRun
from parascrape.comparison.statistics import Statistics, milliseconds_a_page, share_out
from parascrape.comparison.verdict import span, times
from parascrape.harvesting import STAGES
from parascrape.settings import VERSION
from parascrape.system import available_cpus, printable

__all__ = ["COLUMNS", "as_data", "machine", "make_page", "row_of"]

COLUMNS = ("strategy", "pages/s", "range", "× first", "CPU ms/page", "memory", "p50", "p90", "p99", "failed")
"""Of the table, here and on the terminal."""

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff;
       max-width: 66rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.choice { font-size: 1.15rem; font-weight: 600; }
.doubt { border-left: 4px solid #d98f4e; padding-left: .75rem; }
pre { background: #f3f4f6; padding: .75rem; overflow-x: auto; border-radius: 4px; font-size: .875rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums;
        font-size: .9rem; white-space: nowrap; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff; }
th[scope=row] { font-weight: normal; } tr.best td { font-weight: 600; background: #eef5fb; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1.5rem; }
figure { margin: 0; } figcaption { font-weight: 600; }
figure svg { width: 100%; height: auto; max-width: 34rem; }
footer { margin-top: 2rem; color: #555; font-size: .875rem; }
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def make_page(comparison: Comparison, title: str, command: str) -> str:
    """The page; ``title`` names the list, ``command`` is what to type. It needs matplotlib."""
    parts = [
        f"<h1>Strategies for {_text(title)}</h1>",
        *_verdict(comparison, command),
        *_disagreements(comparison.disagreements),
        *_table(comparison),
        *_plots(draw_plots(comparison)),
        *_split(comparison.figures),
        *_method(comparison),
    ]
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Strategies for {_text(title)}</title><style>{_STYLE}</style></head><body><main>"
    )
    return "\n".join([head, *parts, "</main></body></html>\n"])


def _text(text: str, limit: int = 300) -> str:
    return escape(printable(text, limit))


def _verdict(comparison: Comparison, command: str) -> Iterable[str]:
    verdict = comparison.verdict
    if verdict is None:
        yield '<p class="choice">No strategy did its work.</p>'
        return
    yield f'<p class="choice">{_text(verdict.choice)}</p>'
    yield f"<p>{_text(verdict.reason)} {_text(verdict.sureness, 600)}</p>"
    yield f"<pre>{_text(command, 2000)}</pre>"
    yield from (f'<p class="doubt">{_text(doubt)}</p>' for doubt in verdict.doubts)


def _disagreements(found: Sequence[Disagreement]) -> Iterable[str]:
    if not found:
        yield "<p>Every strategy gave the same records.</p>"
        return
    yield "<h2>The records differ</h2>"
    for each in found:
        left, right = each.reference.name, each.strategy.name
        urls = count_of(each.urls, "URL")
        yield f'<p class="doubt">{right} gave other records than {left} for {urls}.</p>'
        lines = [line for one in each.shown[:5] for line in describe(one, left, right)]
        yield f"<pre>{escape(chr(10).join(lines))}</pre>"


def row_of(figures: Statistics, first: Statistics) -> list[str]:
    """The cells of a strategy, as `COLUMNS` names them."""
    rates, cpu = figures.rates, figures.cpu
    latencies = [figures.percentile(share) for share in (0.5, 0.9, 0.99)]
    failed = ", ".join(
        f"{code} {count // len(figures.runs)}" for code, count in sorted(figures.errors.items())
    )
    return [
        figures.strategy.name,
        f"{figures.rate:,.1f}",
        f"{min(rates):,.1f}-{max(rates):,.1f}",
        times(figures.rate / first.rate),
        "unknown" if cpu is None else f"{cpu / figures.pages * 1000:.1f}",
        f"{figures.memory / 1e6:.0f} MB" if figures.memory else "unknown",
        *("" if seconds is None else span(seconds) for seconds in latencies),
        failed or "0",
    ]


def _table(comparison: Comparison) -> Iterable[str]:
    if not comparison.figures:
        return
    yield '<h2>Measured</h2><div class="wide"><table><thead><tr>'
    yield "".join(f'<th scope="col">{_text(name)}</th>' for name in COLUMNS) + "</tr></thead><tbody>"
    for figures in comparison.figures:
        best = comparison.verdict is not None and figures is comparison.verdict.best
        cells = "".join(f"<td>{_text(cell)}</td>" for cell in row_of(figures, comparison.figures[0]))
        yield f"<tr{' class=best' if best else ''}>{cells}</tr>"
    yield "</tbody></table></div>"
    for strategy, fault in comparison.faults.items():
        yield f'<p class="doubt">{strategy.name} {_text(fault)}</p>'


def _plots(plots: Sequence[Plot]) -> Iterable[str]:
    if plots:
        yield '<h2>Plots</h2><div class="plots">'
        for plot in plots:
            svg = plot.svg.replace("<svg", f'<svg role="img" aria-label="{_text(plot.words, 2000)}"', 1)
            yield f"<figure><figcaption>{_text(plot.title)}</figcaption>{svg}</figure>"
        yield "</div>"


def _split(figures: Sequence[Statistics]) -> Iterable[str]:
    """A table of the milliseconds a page of every stage in every strategy."""
    columns = {each.strategy.name: each_ms for each in figures if (each_ms := milliseconds_a_page(each))}
    if not columns:
        return
    yield '<h2>Where a page\'s time goes, in ms</h2><div class="wide"><table><thead><tr>'
    yield (
        "".join(f'<th scope="col">{_text(name)}</th>' for name in ("stage", *columns))
        + "</tr></thead><tbody>"
    )
    for stage, text in STAGES.items():
        cells = "".join(f"<td>{each[stage]:,.2f}</td>" for each in columns.values())
        yield f'<tr><th scope="row">{text}</th>{cells}</tr>'
    yield "</tbody></table></div>"
    yield (
        "<p>Waiting for hosts and for the list, and being idle, are times of threads without a page; in the "
        "queue, in the pipe and while it is written a page has no thread. All else is the page's in its "
        "thread, waits for the processor included.</p>"
    )


def _method(comparison: Comparison) -> Iterable[str]:
    sample, stages = comparison.sample, comparison.stages
    runs = max((len(each.runs) for each in comparison.figures), default=0)
    yield "<h2>How it was measured</h2>"
    yield (
        f"<p>{len(sample.entries):,} of {count_of(sample.total, 'URL')} on "
        f"{count_of(sample.hosts, 'host')}, {count_of(comparison.laps, 'time')} a run; "
        f"{count_of(runs, 'run')} of each strategy, each in a fresh process, in turn "
        "(A B C, A B C). Pages/s count the start of Python; "
        "latency is from the connection to the record. A strategy is called faster only where every run of "
        "it was faster, and the medians are 3 % apart (20 % with single runs).</p>"
    )
    if stages.pages:
        yield (
            f"<p>A page alone is the mean of {stages.pages:,} pages fetched one at a time: waiting includes "
            "connecting, the first byte and the transfer, receiving includes inflating. What the threads do "
            "is what each strategy's run of the median time has told of itself.</p>"
        )
    yield f"<footer>parascrape {VERSION} on {_text(machine())}</footer>"


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


def _strategy(figures: Statistics, comparison: Comparison) -> dict[str, Any]:
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


def _run(run: StrategyRun) -> dict[str, Any]:
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
