"""Long lists: whether the parent's memory is flat, what a record costs it, when the first one is there."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from . import pages as page_makers
from .bench import Bench, tell
from .catalogue import PEERS, Job, parascrape
from .checking import WrongResult
from .environments import environment_variables
from .measure import Run, Task, run
from .servers import Server, serve
from .tables import Report

__all__ = ["long"]

TINY = 1_000  # bytes a page: the parent does not see bodies
PARENT_SECONDS, PARENT_BYTES, FIRST_SECONDS, GROWTH_BYTES = 60e-6, 150e6, 1.0, 10e6


def long(bench: Bench) -> Report:
    """The parent's figures for a list and one a tenth as long, as shares of what they may be."""
    lines = 2_000 if bench.options.quick else bench.options.lines
    if not bench.peers(("parascrape",)):
        raise SystemExit("long: parascrape is not there to be measured")
    pages = page_makers.generate(bench.work / "tiny", 1, TINY)
    runs: dict[int, Run] = {}
    with serve(pages.root, prefer_nginx=not bench.options.quick) as server:
        for count in (max(1, lines // 10), lines):
            runs[count] = run(_task(bench, server, count), server.pid)
            tell(f"{count} lines: {count / runs[count].seconds:.0f} pages/s")
    short, whole = runs[max(1, lines // 10)], runs[lines]
    growth = (whole.own_peak - short.own_peak) / GROWTH_BYTES
    further = (whole.own_cpu - short.own_cpu) / (lines * 0.9) / PARENT_SECONDS
    rows = [_row(count, each) for count, each in runs.items()]
    notes = (
        f"Growth from the short list to the long one: {growth:.0%} of the 10 MB it may be; without the start,"
        f" a record costs the parent {further:.0%} of 60 µs of CPU.",
    )
    head = ("lines", "parent's memory of 150 MB", "parent's CPU a record of 60 µs", "first record of 1 s")
    data = {str(count): each.__dict__ for count, each in runs.items()}
    return Report("Long lists, process mode", head, rows, notes, data)


def _row(count: int, each: Run) -> list[str]:
    cpu = each.own_cpu / count / PARENT_SECONDS  # start-up counted, which a short list shows
    first = (each.first_record or 0.0) / FIRST_SECONDS
    return [f"{count:,}", f"{each.own_peak / PARENT_BYTES:.0%}", f"{cpu:.0%}", f"{first:.0%}"]


def _task(bench: Bench, server: Server, count: int) -> Task:
    """A list written line by line: neither is it held here."""
    job = Job(bench.work / "long.txt", bench.work / "long.jsonl")
    with job.urls.open("w") as file:
        file.writelines(_lines(server, count))
    python = bench.python("parascrape")
    command = parascrape(python, job, "--mode", "process", "--select", "title=title")
    environment = environment_variables(PEERS["parascrape"])
    return Task("long", tuple(command), job.output, partial(_check, count), count, environment)


def _lines(server: Server, count: int) -> Iterator[str]:
    base = server.base()
    return (f"{base}/page-0000.html?copy={number}\n" for number in range(count))


def _check(count: int, output: Path) -> None:
    """As many lines as the list has, none a failure. Raises WrongResult."""
    with output.open("rb") as file:
        good = sum(b'"error":' not in line for line in file)
    if good != count:
        raise WrongResult(f"long: {good} good records of {count} lines")
