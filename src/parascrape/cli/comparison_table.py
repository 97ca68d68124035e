"""A comparison on the terminal: a table with bars, what differs, and the verdict. Plain text where piped."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from parascrape.comparison.comparison import Comparison, Disagreement
from parascrape.comparison.differences import describe
from parascrape.comparison.report import COLUMNS, row_of

__all__ = ["show_comparison", "show_disagreements"]

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
