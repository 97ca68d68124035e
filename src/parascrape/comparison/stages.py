"""Stages of a page that is fetched alone: ``python -m parascrape.comparison.stages LIST``.

Runs in a process of its own, because the first page pays for imports. It reads the settings as JSON from
standard input, fetches and scrapes the pages one after the other, and prints the mean of each stage as JSON.
The timings of a run do not have these stages: they count decoding, parsing and encoding as one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from parascrape import records
from parascrape.comparison.sample import URL_COLUMN
from parascrape.errors import ParascrapeError
from parascrape.fetch import DIRECT, Client, FetchTrace, NetworkOptions
from parascrape.files import read_lists
from parascrape.loopback import ReplayServer
from parascrape.records import Entry
from parascrape.scrapers import scraper_for
from parascrape.settings import Settings
from parascrape.system import printable
from parascrape.web import Page, prepare

_MOST_PAGES = 100
_MOST_SECONDS = 5.0


class StageTimes(NamedTuple):
    """Mean seconds a page over ``pages``. All but ``waiting`` are CPU time of one thread.

    Receiving is the protocol, TLS and content codings. What a scraper decodes itself is parsing.
    """

    pages: int = 0
    waiting: float = 0.0
    receiving: float = 0.0
    decoding: float = 0.0
    parsing: float = 0.0
    writing: float = 0.0

    @property
    def cpu(self) -> float:
        """CPU seconds a page."""
        return self.receiving + self.decoding + self.parsing + self.writing


def run_stages(path: Path, settings: Settings, server: ReplayServer | None = None) -> StageTimes:
    """Measure the stages of the list's pages in a new process; without pages if that fails."""
    command = [sys.executable, "-m", "parascrape.comparison.stages", str(path)]
    where = (server.connect_to, server.ca_file) if server is not None else ()
    data = json.dumps({"settings": asdict(settings), "network": where}, default=dict).encode()
    done = subprocess.run(command, input=data, capture_output=True, check=False)  # noqa: S603 (this Python)
    try:
        return StageTimes(**json.loads(done.stdout))
    except (ValueError, TypeError):
        return StageTimes()


def measure_stages(
    entries: Iterable[Entry], settings: Settings, network: NetworkOptions = DIRECT
) -> StageTimes:
    """Return the mean of each stage over the entries, without the first if there are others.

    Stops after 100 pages or 5 s, which is enough for a mean.
    """
    client = Client(settings, network)
    scraper = scraper_for(settings)
    ends = time.monotonic() + _MOST_SECONDS
    rows: list[list[float]] = []
    for entry in entries:
        rows.append(_time_page(entry, client, scraper))
        if len(rows) > _MOST_PAGES or time.monotonic() > ends:
            break
    client.close()
    counted = rows[1:] or rows
    if not counted:
        return StageTimes()
    return StageTimes(len(counted), *(sum(column) / len(counted) for column in zip(*counted, strict=True)))


def _time_page(entry: Entry, client: Client, scraper: Any) -> list[float]:
    """Return the seconds of each stage of `StageTimes`; a page that fails has no later ones."""
    trace = FetchTrace()
    began = time.perf_counter()
    cpu = [time.thread_time()]
    waiting = None
    with suppress(ParascrapeError, TypeError):  # a failed fetch, or no record: the runs report it
        try:
            page = client.fetch(prepare(entry.url), trace)
        finally:
            trace.release()
        cpu.append(time.thread_time())
        waiting = time.perf_counter() - began
        encoding = page.encoding
        cpu.append(time.thread_time())
        rows = _rows(scraper, page)
        cpu.append(time.thread_time())
        for row in rows:
            records.encode({"url": page.url, **row, "meta": {"encoding": encoding}})
    cpu.append(time.thread_time())
    waiting = time.perf_counter() - began if waiting is None else waiting
    seconds = [after - before for before, after in pairwise(cpu)]
    return [max(0.0, waiting - seconds[0]), *seconds, *[0.0] * (4 - len(seconds))]


def _rows(scraper: Any, page: Page) -> list[dict[str, Any]]:
    try:
        found = scraper(page)
        return [found] if isinstance(found, dict) else list(found)
    except BaseException as error:  # also sys.exit() in a scraper
        return [{"error": printable(str(error))}]


def main() -> None:
    """Measure the stages of the list on the command line and print them."""
    given = json.load(sys.stdin)
    network = NetworkOptions(*given["network"])
    settings = Settings(**{**given["settings"], "select": tuple(given["settings"]["select"])})
    before, sys.stdout = sys.stdout, sys.stderr  # takes what scrapers print
    stages = measure_stages(read_lists([sys.argv[1]], url_column=URL_COLUMN), settings, network)
    before.write(json.dumps(stages._asdict()))


if __name__ == "__main__":
    main()
