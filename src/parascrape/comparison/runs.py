"""Measured runs of the strategies, interleaved (A B C, A B C), each in a process of its own."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from parascrape.comparison.measure import Measurement
from parascrape.comparison.sample import URL_COLUMN, host_of, write_list
from parascrape.comparison.strategies import Strategy
from parascrape.errors import ParascrapeError
from parascrape.files import read_pages
from parascrape.harvesting import Timings, read_split
from parascrape.loopback import LoadStats, ReplayServer
from parascrape.records import Entry
from parascrape.system import printable

_TIMINGS = ".timings.json"
_EXITS = (0, 1)  # all pages good, some failed: either way the run did its work


class HostLoad(NamedTuple):
    """What one host had to do in a run: its pages, and the seconds that they took together."""

    pages: int
    seconds: float


@dataclass(frozen=True)
class Result:
    """The totals of a run's records. Seconds are those of a page's last attempt, from connect to record."""

    pages: int = 0
    first: float | None = None  # when the first fetch began, in seconds since the epoch
    latencies: tuple[float, ...] = ()  # sorted
    errors: Counter[str] = field(default_factory=Counter)
    hosts: dict[str, HostLoad] = field(default_factory=dict)

    def percentile(self, share: float) -> float | None:
        """Return the latency that this share of the pages stays within (nearest rank); None without pages."""
        if not self.latencies:
            return None
        return self.latencies[max(0, math.ceil(share * len(self.latencies)) - 1)]


class StrategyRun(NamedTuple):
    """One run of a strategy, and the load of the replay server; ``fault`` is why the run does not count."""

    strategy: Strategy
    measured: Measurement
    result: Result
    output: Path
    fault: str = ""
    server: LoadStats = LoadStats()
    timings: Timings = Timings()

    @property
    def rate(self) -> float:
        """Pages a second, with the start."""
        return self.result.pages / self.measured.seconds

    @property
    def starting(self) -> float:
        """Seconds until the first fetch began; 0.0 if nothing was fetched."""
        if self.result.first is None:
            return 0.0
        return min(max(0.0, self.result.first - self.measured.began), self.measured.seconds)

    def machine_share(self, cpus: int) -> float | None:
        """Return the share of all CPUs that this run and the replay server used; None: unknown."""
        cpu = self.measured.cpu
        return None if cpu is None else (cpu + self.server.cpu) / (self.measured.seconds * cpus)

    def projected(self, pages: int) -> float:
        """Return the seconds that so many pages would take: the start once, the rest in proportion."""
        going = self.measured.seconds - self.starting
        return self.starting + going * pages / max(1, self.result.pages)


class RunPlan(NamedTuple):
    """The runs to make: strategies, the number of runs, the folder of lists and outputs, common options."""

    strategies: tuple[Strategy, ...]
    repeat: int
    folder: Path
    options: tuple[str, ...] = ()
    server: ReplayServer | None = None
    pages: int = 0

    def list_path(self, *, reverse: bool = False) -> Path:
        """Return the path of the list, or of the list in reverse order."""
        return self.folder / ("reversed.jsonl" if reverse else "list.jsonl")

    def with_list(self, entries: Sequence[Entry]) -> RunPlan:
        """Write the list in both orders and return the plan with its number of pages."""
        write_list(self.list_path(), entries)
        write_list(self.list_path(reverse=True), reversed(entries))
        return self._replace(pages=len(entries))

    def command(self, strategy: Strategy, output: Path) -> list[str]:
        """Return the command of a run; ``python -m`` takes the package that this process has."""
        source = self.list_path(reverse=strategy.reverse)
        return [
            *(sys.executable, "-m", "parascrape", str(source), f"--url-column={URL_COLUMN}"),
            *("--output", str(output), "--overwrite", "--quiet", *strategy.options, *self.options),
            f"--profile-json={output.with_suffix(_TIMINGS)}",
        ]


def run_all(plan: RunPlan, tell: Callable[[str], object]) -> list[StrategyRun]:
    """Return every run in the order in which it was made; a strategy that failed is not run again."""
    runs: list[StrategyRun] = []
    failed: set[Strategy] = set()
    for number in range(1, plan.repeat + 1):
        for index, strategy in enumerate(plan.strategies):
            if strategy in failed:
                continue
            run = run_once(plan, strategy, plan.folder / f"{number}-{index}.jsonl")
            runs.append(run)
            if run.fault:
                failed.add(strategy)
            shown = run.fault or f"{run.rate:,.1f} pages/s"
            tell(f"round {number} of {plan.repeat}: {strategy.name}: {shown}")
    return runs


def run_once(plan: RunPlan, strategy: Strategy, output: Path) -> StrategyRun:
    """Run a strategy once and measure it."""
    server = plan.server
    if server:
        server.reset()
    command = [sys.executable, "-m", "parascrape.comparison.measure", str(server.pid if server else 0)]
    process = subprocess.Popen(  # noqa: S603 (this Python and this package)
        [*command, *plan.command(strategy, output)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        answer, trouble = process.communicate()
    finally:  # the run that it measures ends with it
        process.terminate()
        process.wait()
    try:
        measured = Measurement(**json.loads(answer))
    except ValueError as error:
        said = printable(trouble.decode(errors="replace").strip().rpartition("\n")[2])
        raise ParascrapeError(f"{strategy.name} could not be measured: {said}") from error
    result = read_result(output) if output.exists() else Result()
    load = server.stats() if server else LoadStats()
    fault = _fault(measured, result, plan.pages)
    timings = read_split(output.with_suffix(_TIMINGS))
    return StrategyRun(strategy, measured, result, output, fault, load, timings)


def _fault(measured: Measurement, result: Result, pages: int) -> str:
    """Return why the run does not count, in one line; empty if it did its work."""
    if measured.status not in _EXITS:
        signal = measured.status < 0
        fault = (
            f"was killed by signal {-measured.status}" if signal else f"ended with status {measured.status}"
        )
    elif result.pages == pages:
        return ""
    else:
        fault = f"gave {result.pages} outcomes for {pages} URLs"
    said = printable(measured.errors.strip().rpartition("\n")[2].removeprefix("scrape: "))
    return f"{fault}: {said}" if said else fault


def read_result(output: Path) -> Result:
    """Return what the records of an output say; a page with several records counts once."""
    pages = 0
    first = ""
    latencies: list[float] = []
    errors: Counter[str] = Counter()
    hosts: dict[str, HostLoad] = {}
    for page in read_pages(output):
        meta = page.record["meta"]
        elapsed = float(meta.get("elapsed", 0.0))
        pages += 1
        if "elapsed" in meta:
            latencies.append(elapsed)
        if page.code:
            errors[page.code] += 1
        if began := meta.get("fetched_at"):
            first = min(first or began, began)
        host = _host(page.record["url"])
        load = hosts.get(host, HostLoad(0, 0.0))
        hosts[host] = HostLoad(load.pages + 1, load.seconds + elapsed)
    stamp = datetime.fromisoformat(first).timestamp() if first else None
    return Result(pages, stamp, tuple(sorted(latencies)), errors, hosts)


def _host(url: str) -> str:
    try:
        return host_of(url)
    except ParascrapeError:  # such as a URL that is shown in part
        return ""
