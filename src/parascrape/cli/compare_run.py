"""A comparison from its options to its exit status: recorded or read, run over the twin, shown, written."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from parascrape.comparison import (
    COLUMNS,
    Comparison,
    Disagreement,
    ListSample,
    RepetitionGrid,
    as_data,
    checking_strategies,
    compare,
    count_of,
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
from parascrape.system import available_cpus, output_errors, printable, replace_file, temporary_folder

__all__ = ["Ask", "parse_time", "run_comparison", "run_verification", "show_comparison", "show_disagreements"]


class Ask(NamedTuple):
    """What the command was asked."""

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
    """The exit status of a comparison, which is shown on standard output and written as asked."""
    strategies = parse_strategies(ask.strategies) if ask.strategies else default_strategies(available_cpus())
    if not 1 <= ask.repeat <= 100:
        raise UsageError(f"--repeat: {ask.repeat} is not between 1 and 100")
    comparison = _compare(ask, RepetitionGrid(strategies, ask.repeat), settings)
    best = comparison.verdict.best.strategy if comparison.verdict else strategies[0]
    command = shown_command(ask.sources, best, settings)
    show_comparison(comparison, command)
    if ask.json:
        import orjson

        _write(ask.json, orjson.dumps(as_data(comparison, command), option=orjson.OPT_INDENT_2))
    if ask.report:
        title = default_name(ask.sources)
        _write(ask.report, make_page(comparison, title, command).encode("utf-8", "backslashreplace"))
    return 0 if comparison.is_good else 1


def run_verification(ask: Ask, settings: Settings) -> int:
    """The exit status of comparing nothing but records."""
    comparison = _compare(
        ask, RepetitionGrid(checking_strategies(available_cpus()), 1, timed=False), settings
    )
    show_disagreements(comparison)
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
        sample = recorded.sample
        tell(_said_of(sample))
        with serve_recording(path, time_scale=ask.time_scale, latency=latency) as twin:
            times = "Once" if grid.repeat == 1 else f"{grid.repeat} times"
            tell(f"{times} each, in turn: {', '.join(strategy.name for strategy in grid.strategies)}.")
            return compare(recorded, grid, settings, twin, tell)


def _said_of(sample: ListSample) -> str:
    """What was drawn: ``60 of 3,984 URLs on 1 host, 2 lines without a URL left out.``"""
    invalid = f", {count_of(sample.invalid, 'line')} without a URL left out" if sample.invalid else ""
    hosts = count_of(sample.hosts, "host")
    return f"{len(sample.entries):,} of {count_of(sample.total, 'URL')} on {hosts}{invalid}."


def _teller(quiet: bool) -> Callable[[str], object]:
    return (lambda line: None) if quiet else lambda line: sys.stderr.write(printable(line, 1000) + "\n")


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind as Ctrl-C does: what was started is ended, temporary files go."""

    def end(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _recording_path(wanted: str) -> Iterator[Path]:
    """Where the recording is or is to be; without a name it is gone at the end."""
    if wanted:
        yield Path(wanted)
        return
    with temporary_folder("parascrape-recording-") as folder:
        yield folder / "pages.warc.gz"


def _write(path: str, data: bytes) -> None:
    """Write a whole file, or leave the one that is there. Raises OutputError."""
    with output_errors(path), replace_file(Path(path)) as file:
        file.write(data)


_TIME = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(ms|s|)")


def parse_time(option: str, text: str) -> float:
    """Seconds of ``200ms``, ``1.5s`` or ``0.2``. Raises UsageError for what is no time up to a minute."""
    match = _TIME.fullmatch(text.strip())
    seconds = float(match[1]) / (1000 if match[2] == "ms" else 1) if match else -1.0
    if not 0 <= seconds <= 60:
        raise UsageError(f"{option} {text!r}: write a time such as 200ms or 1.5s, at most 60s")
    return seconds


_BAR = 12  # characters
_SHOWN = 3
_PIPED = 120


def _console() -> Console:
    piped = not sys.stdout.isatty()
    return Console(
        file=sys.stdout, markup=False, highlight=False, soft_wrap=piped, width=_PIPED if piped else None
    )


def show_comparison(comparison: Comparison, command: str) -> None:
    """Print the table, the differences and the verdict on standard output."""
    console = _console()
    if comparison.figures:
        console.print(_table(comparison, "utf" in (console.encoding or "").lower()))
    _print_faults(console, comparison)
    _print_disagreements(console, comparison.disagreements)
    verdict = comparison.verdict
    if verdict is None:
        console.print("No strategy did its work.")
        return
    console.print()
    for line in (verdict.choice, verdict.reason, verdict.sureness, *verdict.doubts):
        console.print(Text(line))
    console.print(Text(f"\n    {command}"), soft_wrap=True)


def show_disagreements(comparison: Comparison) -> None:
    """Print whether all strategies gave the same records, and what differs where they did not."""
    console = _console()
    _print_faults(console, comparison)
    _print_disagreements(console, comparison.disagreements)
    if comparison.disagreements:
        console.print(
            "\nThe records depend on how the list is harvested: the scraper uses more than its page."
        )
    if comparison.is_good:
        names = ", ".join(strategy.name for strategy in comparison.strategies)
        console.print(f"The same records of {len(comparison.sample.entries):,} URLs in all: {names}.")


def _table(comparison: Comparison, unicode: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(COLUMNS):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
        if number == 1:
            table.add_column("", no_wrap=True)
    most = max(figures.rate for figures in comparison.figures)
    for figures in comparison.figures:
        best = comparison.verdict is not None and figures is comparison.verdict.best
        cells = row_of(figures, comparison.figures[0])
        bar = ("█" if unicode else "#") * max(1, round(_BAR * figures.rate / most))
        row = [Text(cell) for cell in (*cells[:2], bar, *cells[2:])]
        table.add_row(*row, style="bold" if best else None)
    return table


def _print_faults(console: Console, comparison: Comparison) -> None:
    for strategy, fault in comparison.faults.items():
        console.print(Text(f"{strategy.name} {fault}"))


def _print_disagreements(console: Console, found: Sequence[Disagreement]) -> None:
    for each in found:
        left, right = each.reference.name, each.strategy.name
        urls = "one URL" if each.urls == 1 else f"{each.urls:,} URLs"
        if left == right:
            console.print(Text(f"\nTwo runs of {left} gave different records for {urls}:"))
        else:
            console.print(Text(f"\n{right} gave other records than {left} for {urls}:"))
        for one in each.shown[:_SHOWN]:
            for line in describe(one, left, right):
                console.print(Text(f"  {line}"), soft_wrap=True)
