"""Light parsing from one fast host: pages a second of every peer, title and article's text, JSONL."""

from __future__ import annotations

from collections.abc import Mapping

from .bench import Bench, tell
from .catalogue import PEERS
from .checking import check_contents
from .measure import Figures, interleave
from .servers import serve
from .tables import Report, quiet_note, raw, times

__all__ = ["USUAL", "light"]

USUAL = ("script", "scrapy", "crawlee", "aiohttp", "parascrape-thread", "parascrape", "ceiling")
WARM_UP = 100  # pages: enough to compile bytecode and fill the page cache


def light(bench: Bench) -> Report:
    """Ratios of pages/s, CPU a page and memory. Raises checking.WrongResult."""
    pages, options = bench.pages(), bench.options
    names = bench.peers(USUAL, ("aiohttp-isal", "ceiling-isal"))
    with serve(pages.root, prefer_nginx=not options.quick) as server:
        urls = pages.urls(server.base(), options.urls)
        if not options.quick:
            bench.warm_up(names, dict(list(urls.items())[:WARM_UP]), server.pid)
        tasks = [bench.task(name, urls) for name in names]
        figures = interleave(tasks, options.rounds, server=server.pid, patience=options.patience, tell=tell)
    check_contents(bench.characters)
    fetches = options.fetches or "each peer its best number of"
    notes = (
        f"{options.urls} URLs, {pages.description}, {server.name}; {fetches} fetches at once;"
        f" {options.rounds} interleaved rounds, start-up counted; (least-most).",
        "CPU of the whole process tree; memory is the peak of its PSS, four samples a second.",
        quiet_note(figures),
    )
    head = ("same titles from", *_heads(figures), "CPU a page", "memory")
    return Report("Light parsing, fast server", head, _rows(figures), notes, raw(figures))


def _heads(figures: Mapping[str, Figures]) -> list[str]:
    ours = ["parascrape is"] if "parascrape" in figures else []
    return [f"pages/s ÷ {_reference(figures)}", *ours, *(["of the ceiling"] if "ceiling" in figures else [])]


def _reference(figures: Mapping[str, Figures]) -> str:
    """The peer that all are divided by: the script, or the first where it does not run."""
    return "script" if "script" in figures else next(iter(figures))


def _rows(figures: Mapping[str, Figures]) -> list[list[str]]:
    base, ours, ceiling = figures[_reference(figures)], figures.get("parascrape"), figures.get("ceiling")
    rows = []
    for name, each in figures.items():
        low, high = min(each.rates) / base.rate, max(each.rates) / base.rate
        row = [PEERS[name].title, f"{times(each.rate / base.rate)} ({low:.2f}-{high:.2f})"]
        row += [f"{times(ours.rate / each.rate)} as quick"] if ours else []
        row += [f"{each.rate / ceiling.rate:.0%}"] if ceiling else []
        memory = each.median(lambda run: run.tree_peak) / 1e6
        rows.append(
            [*row, times(each.cpu_per_page / base.cpu_per_page), f"{memory:.0f} MB" if memory else "?"]
        )
    return rows
