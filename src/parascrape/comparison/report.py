"""Report of a comparison: table cells, an HTML page with charts, and JSON."""

from __future__ import annotations

import math
import platform
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from parascrape.comparison.comparison import Comparison, Disagreement
from parascrape.comparison.differences import describe
from parascrape.comparison.runs import StrategyRun
from parascrape.comparison.statistics import PARTS, Statistics, milliseconds_a_page, share_out
from parascrape.comparison.verdict import Verdict, cpu_share, times
from parascrape.harvesting import STAGES
from parascrape.settings import VERSION
from parascrape.system import (
    Chart,
    ChartSeries,
    HtmlReport,
    available_cpus,
    printable,
    show_count,
    show_size,
)

COLUMNS = ("strategy", "pages/s", "range", "× first", "CPU ms/page", "memory", "p50", "p90", "p99", "failed")
"""Columns of the table, in the page and on the terminal."""


def make_page(comparison: Comparison, title: str, command: str) -> str:
    """Return the HTML page. ``title`` names the list, ``command`` is what to type."""
    report = HtmlReport(f"Strategies for {title}")
    _add_verdict(report, comparison, command)
    _add_disagreements(report, comparison.disagreements)
    _add_table(report, comparison)
    if charts := draw_charts(comparison):
        report.heading("Charts")
        report.charts(charts)
    _add_stages(report, comparison.figures)
    _add_method(report, comparison)
    return report.page(f"parascrape {VERSION} on {_machine()}")


def _add_verdict(report: HtmlReport, comparison: Comparison, command: str) -> None:
    verdict = comparison.verdict
    if verdict is None:
        report.paragraph("All strategies failed.", "lead")
        return
    report.paragraph(verdict.choice, "lead")
    report.paragraph(f"{verdict.reason} {verdict.sureness}")
    report.code([command])
    for doubt in verdict.doubts:
        report.paragraph(doubt, "warning")


def _add_disagreements(report: HtmlReport, found: Sequence[Disagreement]) -> None:
    if not found:
        report.paragraph("Every strategy gave the same records.")
        return
    report.heading("The records differ")
    for each in found:
        left, right = each.reference.name, each.strategy.name
        report.paragraph(
            f"{right} gave different records from {left} for {show_count(each.urls, 'URL')}.", "warning"
        )
        report.code(line for one in each.shown[:5] for line in describe(one, left, right))


def row_of(figures: Statistics, first: Statistics) -> list[str]:
    """Return the cells of a strategy, as `COLUMNS` names them."""
    rates, cpu = figures.rates, figures.cpu
    latencies = [value and 1000 * value for value in map(figures.percentile, (0.5, 0.9, 0.99))]
    errors = sorted(figures.errors.items())
    return [
        figures.strategy.name,
        f"{figures.rate:,.1f}",
        f"{min(rates):,.1f}-{max(rates):,.1f}",
        times(figures.rate / first.rate),
        "unknown" if cpu is None else f"{cpu / figures.pages * 1000:.1f}",
        show_size(figures.memory) if figures.memory else "unknown",
        *("" if ms is None else f"{ms:,.{0 if ms >= 9.95 else 1}f} ms" for ms in latencies),
        ", ".join(f"{code} {count // len(figures.runs)}" for code, count in errors) or "0",
    ]


def _add_table(report: HtmlReport, comparison: Comparison) -> None:
    figures = comparison.figures
    if not figures:
        return
    best = figures.index(comparison.verdict.best) if comparison.verdict else -1
    report.heading("Measured")
    report.table(COLUMNS, [row_of(each, figures[0]) for each in figures], best)
    for strategy, fault in comparison.faults.items():
        report.paragraph(f"{strategy.name} {fault}", "warning")


def _add_stages(report: HtmlReport, figures: Sequence[Statistics]) -> None:
    """Add a table of the milliseconds that a page takes in every stage, by strategy."""
    columns = {each.strategy.name: each_ms for each in figures if (each_ms := milliseconds_a_page(each))}
    if not columns:
        return
    report.heading("Where a page's time goes, in ms")
    rows = [[text, *(f"{each[name]:,.2f}" for each in columns.values())] for name, text in STAGES.items()]
    report.table(["stage", *columns], rows)
    report.paragraph(
        "While threads wait for hosts, wait for the list or are idle, they have no page. In the queue, in "
        "the pipe and while it is written, a page has no thread. All other times are those of a page in its "
        "thread, waits for the processor included."
    )


def _add_method(report: HtmlReport, comparison: Comparison) -> None:
    sample, stages = comparison.sample, comparison.stages
    runs = max((len(each.runs) for each in comparison.figures), default=0)
    urls, hosts = show_count(sample.total, "URL"), show_count(sample.hosts, "host")
    times_each = show_count(comparison.repetitions, "time")
    report.heading("How it was measured")
    report.paragraph(
        f"{len(sample.entries):,} of {urls} on {hosts}, {times_each} a run; {show_count(runs, 'run')} of "
        "each strategy, each in a fresh process, interleaved (A B C, A B C). Pages/s count the start of "
        "Python; latency is from the connection to the record. A strategy is called faster only if every "
        "run of it was faster and the medians are 3 % apart (20 % with single runs)."
    )
    if stages.pages:
        report.paragraph(
            f"A page alone is the mean of {stages.pages:,} pages fetched one at a time: waiting includes "
            "connecting, the first byte and the transfer, receiving includes inflating. What the threads do "
            "is measured in each strategy's run of the median time."
        )


_BAR, _BEST = "#8fb3d9", "#1f6fb2"
_STAGES = ("waiting", "receiving", "decoding", "parsing", "writing")
_STAGE_COLOURS = ("#c9c9c9", _BAR, "#9fcf9f", _BEST, "#d98f4e")
_PART_COLOURS = {
    "politeness": "#e3c567",
    "list_wait": "#b8a9c9",
    "connect": "#707070",
    "turn": "#d98f4e",
    "first_byte": "#a3a3a3",
    "transfer": "#cccccc",
    "inflate": _BAR,
    "scrape": _BEST,
    "idle": "#f1f1f1",
}
_LEAST_SHOWN = 0.005
"""Parts of the threads' time with a smaller share in every strategy are left out."""


def draw_charts(comparison: Comparison) -> list[Chart]:
    """Return the charts whose values are known; none if all strategies failed."""
    figures, seconds = comparison.figures, comparison.recorded.seconds
    if not figures or comparison.verdict is None:
        return []
    cpus, memory = comparison.limits.cpus, [(each.memory or 0) / 1e6 or None for each in figures]
    names = [each.strategy.name for each in figures]
    colours = [_BEST if each is comparison.verdict.best else _BAR for each in figures]
    ranges = [(min(each.rates), max(each.rates)) for each in figures]
    rates = ChartSeries("", [each.rate for each in figures], colours, ranges)
    busy = [None if each.cpu is None else 100 * min(1.0, cpu_share(each, cpus)) for each in figures]
    stages = {name: getattr(comparison.stages, name) for name in _STAGES}
    network = {"name": seconds.dns, "connect": seconds.connect, "TLS": seconds.tls}
    network |= {"first byte": seconds.first_byte, "transfer": seconds.transfer}
    charts = [
        Chart(
            "rows", "Pages a second", "strategy", names, "pages/s: median, and the range of the runs", [rates]
        ),
        *_speed_ups(figures),
        _milliseconds("A page alone", stages, _STAGE_COLOURS),
        _shares([each for each in figures if share_out(each)]),
        _milliseconds("What the network took, as recorded", network, [_BAR]),
    ]
    for title, unit, values, most in (
        ("How busy the processor is", "% busy of the cores that it can use (threads: one)", busy, 100),
        ("Memory", "MB: the most of any run, all processes", memory, None),
    ):
        if any(value is not None for value in values):
            series = [ChartSeries("", values, colours)]
            charts.append(Chart("rows", title, "strategy", names, unit, series, most))
    return [chart for chart in charts if chart]


def _speed_ups(figures: Sequence[Statistics]) -> Iterable[Chart | None]:
    """Yield the speed-up by threads, and by processes that have the most usual number of threads."""
    threads = [each for each in figures if each.strategy.mode in ("sequential", "thread")]
    yield _speed_up("threads", "threads", [(each.strategy.threads, each) for each in threads])
    counts = [each.strategy.threads for each in figures if each.strategy.processes]
    usual = max(set(counts), key=lambda count: (counts.count(count), count), default=0)
    processes = [each for each in figures if each.strategy.processes and each.strategy.threads == usual]
    points = [(each.strategy.processes, each) for each in processes]
    yield _speed_up("processes", f"processes of {usual} threads", points)


def _speed_up(what: str, axis: str, points: list[tuple[int, Statistics]]) -> Chart | None:
    """Return the speed by number of threads or processes, with the proportional speed; None of one point."""
    if len(points) < 2:
        return None
    points.sort(key=lambda point: point[0])
    least, base = points[0][0], points[0][1].rate
    gains = [each.rate / base for _, each in points]
    ranges = [(min(each.rates) / base, max(each.rates) / base) for _, each in points]
    ideal = [count / least for count, _ in points]
    series = [
        ChartSeries("measured", gains, [_BEST], ranges),
        ChartSeries(f"in proportion to the {what}", ideal, [_BAR], dashed=True),
    ]
    labels = [str(count) for count, _ in points]
    most = math.ceil(max(*gains, 2.0) * 1.2)
    return Chart("lines", f"Speed-up against {what}", axis, labels, f"times as fast as {least}", series, most)


def _milliseconds(title: str, seconds: dict[str, float], colours: Sequence[str]) -> Chart | None:
    values = ChartSeries("", [1000 * each for each in seconds.values()], colours)
    known = any(seconds.values())
    return Chart("rows", title, "stage", list(seconds), "ms a page (mean)", [values]) if known else None


def _shares(figures: Sequence[Statistics]) -> Chart | None:
    """Return what the threads of each strategy do with their time; None if that is not known."""
    shares = [share_out(each) for each in figures]
    parts = [part for part in PARTS if max((each[part] for each in shares), default=0) >= _LEAST_SHOWN]
    series = [
        ChartSeries(PARTS[part], [100 * each[part] for each in shares], [_PART_COLOURS[part]])
        for part in parts
    ]
    names = [each.strategy.name for each in figures]
    unit = "% of all threads' time"
    return Chart("rows", "What the threads do", "strategy", names, unit, series, 100) if series else None


def as_data(comparison: Comparison, command: str) -> dict[str, Any]:
    """Return the comparison as plain data for JSON. ``command`` is what to type."""
    return {
        "version": VERSION,
        "machine": _machine(),
        "pages": len(comparison.sample.entries),
        "laps": comparison.repetitions,
        "hosts": comparison.sample.hosts,
        "list": {"urls": comparison.sample.total, "invalid": comparison.sample.invalid},
        "limits": comparison.limits._asdict(),
        "stages": comparison.stages._asdict(),
        "recorded": comparison.recorded.seconds._asdict(),
        "strategies": [_strategy(each, comparison.sample.total) for each in comparison.figures],
        "faults": {strategy.name: fault for strategy, fault in comparison.faults.items()},
        "disagreements": [_disagreement(each) for each in comparison.disagreements],
        "verdict": comparison.verdict and {**_verdict(comparison.verdict), "command": command},
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    texts = {name: getattr(verdict, name) for name in ("choice", "reason", "sureness", "doubts")}
    tied = [each.strategy.name for each in verdict.tied]
    return {"strategy": verdict.best.strategy.name, "tied": tied, "bound": verdict.bound._asdict(), **texts}


def _disagreement(found: Disagreement) -> dict[str, Any]:
    names = {"reference": found.reference.name, "strategy": found.strategy.name}
    return {**names, "urls": found.urls, "shown": [one._asdict() for one in found.shown]}


def _strategy(figures: Statistics, total: int) -> dict[str, Any]:
    return {
        "name": figures.strategy.name,
        "mode": figures.strategy.mode,
        "processes": figures.strategy.processes,
        "threads": figures.strategy.threads,
        "pages_per_second": figures.rate,
        "projected_seconds": figures.projected(total),
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
    server = {**run.server._asdict(), "was_bottleneck": run.server.was_bottleneck}
    return {**measured, "twin": server, "starting": run.starting, "pages_per_second": run.rate}


def _machine() -> str:
    """Return processor, CPUs, system and Python in one line."""
    cpus, python = show_count(available_cpus(), "CPU"), platform.python_version()
    processor = platform.processor() or platform.machine()
    with suppress(OSError):  # Linux names it here only
        names = re.search(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(errors="replace"), re.M)
        processor = names[1].strip() if names else processor
    return printable(f"{processor}, {cpus}, {platform.system()} {platform.release()}, Python {python}")
