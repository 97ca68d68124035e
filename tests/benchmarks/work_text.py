"""Main text: trafilatura's own command against ``scrape --scraper article``, which uses the same library."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from .bench import Bench, tell
from .catalogue import PEERS, Job, parascrape
from .checking import check_contents, check_urls, read
from .environments import environment_variables
from .measure import Task, interleave
from .servers import asyncio_server
from .tables import Report, quiet_note, raw, times

__all__ = ["text"]

HOSTS = 50  # trafilatura's command takes one URL a host at a time


def text(bench: Bench) -> Report:
    """Pages/s of both, each URL another page on one of many hosts. Raises checking.WrongResult."""
    pages, options = bench.pages(), bench.options
    names = bench.peers(("trafilatura", "parascrape"))
    with asyncio_server(pages.root, hosts=HOSTS) as server:
        listed = pages.urls("", len(pages.titles)).items()  # it names its files by content: no page twice
        urls = {server.base(1 + i % HOSTS) + path: title for i, (path, title) in enumerate(listed)}
        tasks = [_task(bench, name, urls) for name in names]
        figures = interleave(tasks, options.rounds, server=server.pid, patience=options.patience, tell=tell)
    check_contents(bench.characters)
    base = figures[names[0]]
    rows = [
        [PEERS[name].title, times(each.rate / base.rate), times(each.cpu_per_page / base.cpu_per_page)]
        for name, each in figures.items()
    ]
    notes = (f"{len(urls)} URLs on {HOSTS} hosts, {pages.description}.", quiet_note(figures))
    return Report("Main text", ("", "pages/s", "CPU a page"), rows, notes, raw(figures))


def _task(bench: Bench, name: str, urls: Mapping[str, str]) -> Task:
    peer, job = PEERS[name], bench.job(name, urls)
    command = peer.command if name == "trafilatura" else _article
    check = partial(_check, bench, name, urls)
    arguments = tuple(command(bench.python(name), job))
    return Task(name, arguments, job.output, check, len(urls), environment_variables(peer))


def _article(python: Path, job: Job) -> list[str]:
    return parascrape(python, job, "--mode", "process", "--scraper", "article")


def _check(bench: Bench, name: str, urls: Mapping[str, str], output: Path) -> None:
    """One record a URL; the characters of text are compared at the end. Raises WrongResult."""
    records = read(output)
    check_urls(name, records, urls)
    texts = (str(record.get("content") or record.get("text") or "") for record in records)
    bench.characters[name] = sum(len("".join(text.split())) for text in texts)
