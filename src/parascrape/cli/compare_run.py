"""A comparison from its options to its exit status: recorded, run over a replay server, shown, written."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from parascrape.comparison import (
    COLUMNS,
    Comparison,
    ListSample,
    RepetitionGrid,
    as_data,
    checking_strategies,
    compare,
    default_strategies,
    describe,
    make_page,
    open_recording,
    parse_strategies,
    row_of,
    shown_command,
)
from parascrape.errors import UsageError
from parascrape.files import default_name, read_lists
from parascrape.loopback import serve_recording
from parascrape.scrapers import check_scraper
from parascrape.settings import Settings
from parascrape.system import (
    available_cpus,
    output_errors,
    printable,
    replace_file,
    show_count,
    temporary_folder,
)


class Ask(NamedTuple):
    """The choices of a user for one comparison."""

    sources: tuple[str, ...]
    url_column: str
    sample: int
    recording: str = ""
    time_scale: float = 1.0
    latency: str = ""
    strategies: str = ""
    repeat: int = 3
    report: str = ""
    json: str = ""
    quiet: bool = False


def run_comparison(ask: Ask, settings: Settings) -> int:
    """Compare the strategies, show the result on standard output, write the files, return the exit status."""
    strategies = parse_strategies(ask.strategies) if ask.strategies else default_strategies(available_cpus())
    comparison = _compare(ask, RepetitionGrid(strategies, ask.repeat), settings)
    best = comparison.verdict.best.strategy if comparison.verdict else strategies[0]
    command = shown_command(ask.sources, best, settings)
    _show_comparison(comparison, command)
    if ask.json:
        import orjson

        _write(ask.json, orjson.dumps(as_data(comparison, command), option=orjson.OPT_INDENT_2))
    if ask.report:
        _write(ask.report, make_page(comparison, default_name(ask.sources), command).encode())
    return 0 if comparison.is_good else 1


def run_verification(ask: Ask, settings: Settings) -> int:
    """Compare only the records, show the differences on standard output, return the exit status."""
    grid = RepetitionGrid(checking_strategies(available_cpus()), 1, timed=False)
    comparison = _compare(ask, grid, settings)
    console = _console()
    _print_faults(console, comparison)
    if comparison.disagreements:
        console.print(
            "\nThe records depend on how the list is harvested: the scraper uses more than its page."
        )
    if comparison.is_good:
        names = ", ".join(strategy.name for strategy in comparison.strategies)
        console.print(f"The same records of {len(comparison.sample.entries):,} URLs in all: {names}.")
    return 0 if comparison.is_good else 1


def _compare(ask: Ask, grid: RepetitionGrid, settings: Settings) -> Comparison:
    check_scraper(settings.scraper, "process", settings.select)
    latency = parse_time("--latency", ask.latency) if ask.latency else None
    if not 0 < ask.time_scale <= 1000:
        raise UsageError(f"--time-scale: {ask.time_scale:g} is not between 0 and 1000")
    tell = _teller(ask.quiet)
    entries = read_lists(ask.sources, url_column=ask.url_column)
    with _ending_on_sigterm(), _recording_path(ask.recording) as path:
        recorded = open_recording(entries, ask.sample, path, settings, tell)
        tell(_describe_sample(recorded.sample))
        with serve_recording(path, time_scale=ask.time_scale, latency=latency) as server:
            times = "Once" if grid.repeat == 1 else f"{grid.repeat} times"
            tell(f"{times} each, interleaved: {', '.join(strategy.name for strategy in grid.strategies)}.")
            return compare(recorded, grid, settings, server, tell)


def _describe_sample(sample: ListSample) -> str:
    """Return ``60 of 3,984 URLs on 1 host, 2 lines without a URL left out.``"""
    invalid = f", {show_count(sample.invalid, 'line')} without a URL left out" if sample.invalid else ""
    hosts = show_count(sample.hosts, "host")
    return f"{len(sample.entries):,} of {show_count(sample.total, 'URL')} on {hosts}{invalid}."


def _teller(quiet: bool) -> Callable[[str], object]:
    return (lambda line: None) if quiet else lambda line: sys.stderr.write(printable(line, 1000) + "\n")


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that processes are ended and temporary files removed."""

    def end(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _recording_path(wanted: str) -> Iterator[Path]:
    """Yield the path of the recording; without a name it is temporary."""
    if wanted:
        yield Path(wanted)
        return
    with temporary_folder("parascrape-recording-") as folder:
        yield folder / "pages.warc.gz"


def _write(path: str, data: bytes) -> None:
    with output_errors(path), replace_file(Path(path)) as file:
        file.write(data)


_TIME = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(ms|s|)")


def parse_time(option: str, text: str) -> float:
    """Return the seconds of ``200ms``, ``1.5s`` or ``0.2``, at most a minute. Raises UsageError."""
    match = _TIME.fullmatch(text.strip())
    seconds = float(match[1]) / (1000 if match[2] == "ms" else 1) if match else -1.0
    if not 0 <= seconds <= 60:
        raise UsageError(f"{option} {text!r}: write a time such as 200ms or 1.5s, at most 60s")
    return seconds


_BAR = 12  # characters
_SHOWN = 3  # URLs with other records
_PIPED = 120  # columns of a table that is not shown on a terminal
_OPTIONAL = ("", "range", "p90", "p50", "CPU ms/page", "memory")
"""Columns of the table that are left out, in this order, until it fits; the bar has no name."""


def _console() -> Console:
    piped = not sys.stdout.isatty()
    width = _PIPED if piped else None
    return Console(file=sys.stdout, markup=False, highlight=False, soft_wrap=piped, width=width)


def _show_comparison(comparison: Comparison, command: str) -> None:
    """Print the table, the differences and the verdict."""
    console = _console()
    if comparison.figures:
        console.print(_table(console, comparison))
    _print_faults(console, comparison)
    verdict = comparison.verdict
    if verdict is None:
        console.print("No strategy did its work.")
        return
    console.print()
    for line in (verdict.choice, verdict.reason, verdict.sureness, *verdict.doubts):
        console.print(Text(line))
    console.print(Text(f"\n    {command}"), soft_wrap=True)


def _table(console: Console, comparison: Comparison) -> Table:
    """Return the table with as many columns as fit."""
    figures = comparison.figures
    most = max(each.rate for each in figures)
    block = "█" if "utf" in (console.encoding or "").lower() else "#"
    bars = [block * max(1, round(_BAR * each.rate / most)) for each in figures]
    cells = list(zip(*(row_of(each, figures[0]) for each in figures), strict=True))
    columns = dict(zip((*COLUMNS[:2], "", *COLUMNS[2:]), (*cells[:2], bars, *cells[2:]), strict=True))
    for name in _OPTIONAL:
        if sum(1 + max(map(len, (name, *column))) for name, column in columns.items()) > console.width:
            del columns[name]
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in columns:
        table.add_column(name, justify="left" if name in ("strategy", "") else "right", no_wrap=True)
    for each, *row in zip(figures, *columns.values(), strict=True):
        best = comparison.verdict is not None and each is comparison.verdict.best
        table.add_row(*map(Text, row), style="bold" if best else None)
    return table


def _print_faults(console: Console, comparison: Comparison) -> None:
    """Print the strategies that failed, and those with other records."""
    for strategy, fault in comparison.faults.items():
        console.print(Text(f"{strategy.name} {fault}"))
    for each in comparison.disagreements:
        left, right, urls = each.reference.name, each.strategy.name, show_count(each.urls, "URL")
        if left == right:
            console.print(Text(f"\nTwo runs of {left} gave different records for {urls}:"))
        else:
            console.print(Text(f"\n{right} gave other records than {left} for {urls}:"))
        for one in each.shown[:_SHOWN]:
            for line in describe(one, left, right):
                console.print(Text(f"  {line}"), soft_wrap=True)
