"""Heavy parsing: a BeautifulSoup scraper of tens of milliseconds a page; processes, threads and the ideal."""

from __future__ import annotations

from pathlib import Path

from .bench import Bench, tell
from .catalogue import SCRIPTS, Job, parascrape
from .measure import Task, interleave
from .pages import Pages
from .servers import serve
from .tables import Report, quiet_note, raw

__all__ = ["heavy"]

URLS = 300
SCRAPER = f"{SCRIPTS / 'heavy_scraper.py'}:soup"


def heavy(bench: Bench) -> Report:
    """Pages/s of process and thread mode as shares of the ideal: a process a core, files from disk."""
    pages, options = bench.pages(), bench.options
    if not bench.peers(("parascrape",)):
        raise SystemExit("heavy: parascrape is not there to be measured")
    with serve(pages.root, prefer_nginx=not options.quick) as server:
        urls = pages.urls(server.base(), min(URLS, options.urls))
        tasks = [_ideal(bench, pages, urls), _ours(bench, "process", urls), _ours(bench, "thread", urls)]
        figures = interleave(tasks, options.rounds, server=server.pid, patience=options.patience, tell=tell)
    ideal = figures["ideal"].rate
    rows = [
        [name, f"{each.rate / ideal:.0%} ({min(each.rates) / ideal:.0%}-{max(each.rates) / ideal:.0%})"]
        for name, each in figures.items()
    ]
    notes = (f"{len(urls)} URLs, {pages.description}; {options.rounds} rounds.", quiet_note(figures))
    head = ("BeautifulSoup (html.parser) in", "pages/s ÷ one process a core without network")
    return Report("Heavy parsing", head, rows, notes, raw(figures))


def _ours(bench: Bench, mode: str, urls: dict[str, str]) -> Task:
    def command(python: Path, job: Job) -> list[str]:
        return parascrape(python, job, "--mode", mode, "--scraper", SCRAPER)

    task = bench.task("parascrape", urls, command=command)
    return Task(mode, task.command, task.output, task.check, task.pages, task.environment)


def _ideal(bench: Bench, pages: Pages, urls: dict[str, str]) -> Task:
    def command(python: Path, job: Job) -> list[str]:
        return [str(python), str(SCRIPTS / "heavy_ideal.py"), str(job.urls), str(job.output), str(pages.root)]

    task = bench.task("parascrape", urls, command=command)
    return Task("ideal", task.command, task.output, task.check, task.pages, task.environment)
