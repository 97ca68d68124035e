"""A slow network, 200 hosts that answer after 200 ms: how near all comes to fetches in flight ÷ latency."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from . import pages as page_makers
from .bench import Bench, tell
from .catalogue import PEERS, Job, parascrape
from .checking import WrongResult, read
from .measure import Run, Task, run
from .pages import Pages
from .servers import Server, asyncio_server
from .tables import Report

__all__ = ["USUAL", "slow"]

USUAL = ("scrapy", "aiohttp", "parascrape", "parascrape-thread")
HOSTS, LATENCY = 200, 0.2
SMALL = 8_000  # bytes: the work is to wait, not to inflate
DEAD_EVERY = 200  # one URL of the dead host after so many others


@dataclass(frozen=True)
class Wait:
    """One peer's run: seconds from the server's first request to its last answer, against the ideal."""

    name: str
    fetches: int
    pages: int
    seconds: float
    run: Run

    @property
    def share(self) -> float:
        """Of the ideal: every fetch begins the moment another ends."""
        return math.ceil(self.pages / self.fetches) * LATENCY / self.seconds

    @property
    def busy(self) -> float:
        """CPUs' worth of CPU that the run used."""
        return self.run.cpu / self.run.seconds


def slow(bench: Bench) -> Report:
    """The share of the ideal for every peer and number of fetches in flight, then with a dead host."""
    options = bench.options
    pages = page_makers.generate(bench.work / "small", 20, SMALL)
    count, hosts = (options.urls, 4) if options.quick else (4_000, HOSTS)
    counts = [8] if options.quick else [int(number) for number in options.in_flight.split(",")]
    waits: list[Wait] = []
    with asyncio_server(pages.root, hosts=hosts, latency=LATENCY, dead=True) as server:
        urls = _spread(pages, server, hosts, count)
        for fetches in counts:
            for name in bench.peers(USUAL):
                waits.append(_wait(bench, server, name, urls, fetches))
                tell(f"{name}, {fetches} in flight: {waits[-1].share:.0%} of the ideal")
        dead = [_dead(bench, server, urls, hosts, wait) for wait in waits if wait.name == "parascrape-thread"]
    rows = [[PEERS[w.name].title, str(w.fetches), f"{w.share:.0%}", f"{w.busy:.1f} CPUs", ""] for w in waits]
    rows += [
        ["the same with a dead host", str(w.fetches), f"{w.share:.0%}", f"{w.busy:.1f} CPUs", d]
        for w, d in dead
    ]
    notes = (
        f"{count} URLs on {hosts} hosts, {LATENCY * 1e3:.0f} ms to first byte, {SMALL / 1e3:.0f} KB pages;"
        " time from the server's first request to its last answer; one run each.",
    )
    head = ("", "in flight", "of fetches ÷ latency", "busy", "time ÷ without the dead host")
    data = {f"{wait.name}-{wait.fetches}": wait.share for wait in waits}
    return Report("Slow network", head, rows, notes, data)


def _spread(pages: Pages, server: Server, hosts: int, count: int) -> dict[str, str]:
    """URL -> title, each URL on the next host."""
    listed = pages.urls("", count).items()
    return {server.base(1 + i % hosts) + path: title for i, (path, title) in enumerate(listed)}


def _wait(bench: Bench, server: Server, name: str, urls: Mapping[str, str], fetches: int) -> Wait:
    mode = {"parascrape": "process", "parascrape-thread": "thread"}.get(name)
    command = partial(_ours, mode=mode) if mode else None
    task = bench.task(name, urls, fetches=fetches, command=command)
    return _timed(server, task, name, fetches)


def _ours(python: Path, job: Job, mode: str) -> list[str]:
    """Our command with as many threads in all as there are fetches to be in flight."""
    select = ("--select", "title=title", "--select", "content=article")
    if mode == "thread":
        return parascrape(python, job, *select, "--mode", "thread", "--threads", str(job.fetches))
    threads = str(max(1, job.fetches // 2))
    return parascrape(python, job, *select, "--mode", "process", "--processes", "2", "--threads", threads)


def _timed(server: Server, task: Task, name: str, fetches: int) -> Wait:
    server.take_counts()
    result = run(task, server.pid)
    counts = server.take_counts()
    if counts["pages"] < task.pages:
        raise WrongResult(f"{name}: the server gave {counts['pages']} pages of {task.pages}")
    return Wait(name, fetches, task.pages, counts["seconds"], result)


def _dead(
    bench: Bench, server: Server, urls: Mapping[str, str], hosts: int, without: Wait
) -> tuple[Wait, str]:
    """The same list with URLs of the dead host among the others."""
    mixed: list[str] = []
    for number, url in enumerate(urls):
        mixed.append(url)
        if number % DEAD_EVERY == DEAD_EVERY // 2:
            mixed.append(f"{server.base(hosts + 1)}/dead.html?copy={number}")
    job = bench.job("dead", dict.fromkeys(mixed, ""), without.fetches)
    options = ("--timeout", "5", "--retries", "0")
    arguments = (*_ours(bench.python("parascrape-thread"), job, "thread"), *options)
    living = partial(_check_living, urls)
    task = Task("dead", arguments, job.output, living, len(urls), {**_environment()}, (0, 1))
    wait = _timed(server, task, "dead", without.fetches)
    return wait, f"{wait.seconds / without.seconds:.2f} ×"


def _environment() -> dict[str, str]:
    from .environments import environment_variables

    return environment_variables(PEERS["parascrape-thread"])


def _check_living(urls: Mapping[str, str], output: Path) -> None:
    """All but the dead host's URLs have a good record. Raises WrongResult."""
    records: list[dict[str, Any]] = [record for record in read(output) if record["url"] in urls]
    bad = [record["url"] for record in records if "error" in record]
    if bad or len(records) != len(urls):
        raise WrongResult(f"with a dead host, {len(records)} records of {len(urls)}, failed: {bad[:3]}")
