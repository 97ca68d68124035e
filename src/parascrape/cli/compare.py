"""``scrape compare`` and ``scrape verify``: the fastest strategy for a list, and a scraper's hidden state."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from parascrape.cli import options as opt
from parascrape.cli.options import Choices, Options, command, pick
from parascrape.comparison import (
    COLUMNS,
    Comparison,
    RepetitionGrid,
    as_data,
    checking_strategies,
    compare as run_strategies,
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
from parascrape.settings import Option, Settings
from parascrape.system import (
    available_cpus,
    output_errors,
    printable,
    replace_file,
    show_count,
    temporary_folder,
)

_RECORDING = "WARC of the pages (.warc.gz): used where it exists, else made and kept [made, not kept]."
_STRATEGIES = "Such as sequential,thread:8,process:2x8 [a grid for these CPUs]."
_SCALE = "Multiply the recorded times by X [{default}]."
_LATENCY = "Time to the first byte: 200ms, 1.5s [as recorded]."
_OPTIONS: Options = {
    "sample": Option(200, "--sample N", "URLs drawn from the lists, 0 all [{default}].", "Lists"),
    "strategies": Option("", "--strategies LIST", _STRATEGIES, "How"),
    "repeat": Option(3, "--repeat N", "Runs of each strategy [{default}].", "How", (1, 100)),
    "recording": Option("", "--recording FILE", _RECORDING, "How"),
    "time_scale": Option(1.0, "--time-scale X", _SCALE, "How"),
    "latency": Option("", "--latency TIME", _LATENCY, "How"),
    "report": Option("", "--report FILE", "An HTML page with charts [none].", "Output"),
    "json": Option("", "--json FILE", "All figures as JSON [none].", "Output"),
}
_QUIET = pick(opt.DISPLAY, "quiet")
_BEFORE = pick(_OPTIONS, "sample strategies repeat recording time_scale latency")


@command(opt.LISTS, _BEFORE, opt.EXTRACT, opt.POLITENESS, opt.FETCHING, pick(_OPTIONS, "report json"), _QUIET)
def compare(chosen: Choices) -> int:
    """Find the fastest strategy for a list. Every page is fetched once and recorded; then each strategy
    harvests the list from a local server that replays the recording, and is measured.

    Exit status: 0 all strategies gave the same records, 1 they did not or one failed, 2 wrong usage.
    """
    settings, wanted = chosen.make(Settings), chosen["strategies"]
    strategies = parse_strategies(wanted) if wanted else default_strategies(available_cpus())
    comparison = _compare(chosen, RepetitionGrid(strategies, chosen["repeat"]), settings)
    best = comparison.verdict.best.strategy if comparison.verdict else strategies[0]
    command = shown_command(chosen["sources"], best, settings)
    _show_comparison(comparison, command)
    if chosen["json"]:
        import orjson

        _write(chosen["json"], orjson.dumps(as_data(comparison, command), option=orjson.OPT_INDENT_2))
    if chosen["report"]:
        _write(chosen["report"], make_page(comparison, default_name(chosen["sources"]), command).encode())
    return 0 if comparison.is_good else 1


@command(opt.LISTS, pick(_OPTIONS, "sample recording"), opt.EXTRACT, opt.POLITENESS, opt.FETCHING, _QUIET)
def verify(chosen: Choices) -> int:
    """Find a scraper's hidden state before a big run: the same pages must give the same records one after the
    other, in reverse order, in threads and in processes.

    Exit status: 0 they did, 1 they did not (the differences are shown), 2 wrong usage.
    """
    grid = RepetitionGrid(checking_strategies(available_cpus()), 1, timed=False)
    comparison = _compare(chosen, grid, chosen.make(Settings))
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


def _compare(chosen: Choices, grid: RepetitionGrid, settings: Settings) -> Comparison:
    check_scraper(settings.scraper, "process", settings.select)
    latency = parse_time("--latency", chosen["latency"]) if chosen.get("latency") else None
    time_scale = chosen.get("time_scale", 1.0)
    if not 0 < time_scale <= 1000:
        raise UsageError(f"--time-scale: {time_scale:g} is not between 0 and 1000")

    def tell(line: str) -> None:
        if not chosen["quiet"]:
            sys.stderr.write(printable(line, 1000) + "\n")

    entries = read_lists(chosen["sources"], url_column=chosen["url_column"])
    with _ending_on_sigterm(), _recording_path(chosen["recording"]) as path:
        recorded = open_recording(entries, chosen["sample"], path, settings, tell)
        sample = recorded.sample
        urls, hosts = show_count(sample.total, "URL"), show_count(sample.hosts, "host")
        invalid = f", {show_count(sample.invalid, 'line')} without a URL left out" if sample.invalid else ""
        tell(f"{len(sample.entries):,} of {urls} on {hosts}{invalid}.")
        with serve_recording(path, time_scale=time_scale, latency=latency) as server:
            times = "Once" if grid.repeat == 1 else f"{grid.repeat} times"
            tell(f"{times} each, interleaved: {', '.join(strategy.name for strategy in grid.strategies)}.")
            return run_strategies(recorded, grid, settings, server, tell)


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
_SHOWN = 3  # URLs with different records
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
        console.print("All strategies failed.")
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
    """Print the strategies that failed, and those with different records."""
    for strategy, fault in comparison.faults.items():
        console.print(Text(f"{strategy.name} {fault}"))
    for each in comparison.disagreements:
        left, right, urls = each.reference.name, each.strategy.name, show_count(each.urls, "URL")
        if left == right:
            console.print(Text(f"\nTwo runs of {left} gave different records for {urls}:"))
        else:
            console.print(Text(f"\n{right} gave different records from {left} for {urls}:"))
        for one in each.shown[:_SHOWN]:
            for line in describe(one, left, right):
                console.print(Text(f"  {line}"), soft_wrap=True)
