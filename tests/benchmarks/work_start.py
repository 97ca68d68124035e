"""Starting: the time of ``--help`` and of the first record, beside what Python and requests take."""

from __future__ import annotations

from .bench import Bench, tell
from .catalogue import PEERS, parascrape
from .environments import environment_variables
from .measure import Figures, Task, interleave
from .servers import serve
from .tables import Report, quiet_note, raw, times

__all__ = ["start"]

BARS = {"scrape --help": 0.3, "first record, process mode": 1.5}


def start(bench: Bench) -> Report:
    """Ratios to the bare interpreter, and shares of the bars."""
    if not bench.peers(("parascrape",)):
        raise SystemExit("start: parascrape is not there to be measured")
    pages = bench.pages()
    rounds = 2 if bench.options.quick else max(7, bench.options.rounds)
    with serve(pages.root, prefer_nginx=not bench.options.quick) as server:
        tasks = _tasks(bench, pages.urls(server.base(), min(50, bench.options.urls)))
        figures = interleave(tasks, rounds, server=server.pid, patience=bench.options.patience, tell=tell)
    bare = _seconds(figures["bare interpreter"])
    rows = [_row(name, _seconds(each), bare) for name, each in figures.items()]
    head = ("", "time ÷ bare interpreter", "of what it may take")
    return Report("Starting", head, rows, (f"{rounds} rounds, medians.", quiet_note(figures)), raw(figures))


def _tasks(bench: Bench, urls: dict[str, str]) -> list[Task]:
    python = bench.python("parascrape")
    first = bench.task(
        "parascrape",
        urls,
        command=lambda python, job: parascrape(python, job, "--mode", "process", "--select", "title=title"),
    )

    def simple(name: str, *arguments: str) -> Task:
        environment = environment_variables(PEERS["parascrape"])
        return Task(name, (str(python), *arguments), bench.work / "none", lambda _: None, 1, environment)

    return [
        simple("bare interpreter", "-c", "pass"),
        simple("import requests, bs4", "-c", "import requests, bs4"),
        simple("scrape --help", "-m", "parascrape", "--help"),
        Task("first record, process mode", first.command, first.output, lambda _: None, 1, first.environment),
    ]


def _seconds(figures: Figures) -> float:
    """To the first record where there is one, else to the end."""
    return figures.median(lambda run: run.first_record or run.seconds)


def _row(name: str, seconds: float, bare: float) -> list[str]:
    return [name, times(seconds / bare), f"{seconds / BARS[name]:.0%}" if name in BARS else ""]
