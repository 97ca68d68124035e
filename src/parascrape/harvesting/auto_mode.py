"""Auto mode: decides while a harvest runs whether worker processes would pay, and starts them.

    thread group: measured --> `choose_mode` --> worker processes start, the threads go on
                                                   |  all are ready, with the scraper loaded
    new visits, and those no thread has begun <----+  (or one is not: the threads keep all)

Visits are handed over only to processes that have shown that they work, so that none depends on it.

Threads share one core for Python. With ``cpu`` seconds of it a page, P processes on N cores do

    min(P, N) / (cpu + pipe) pages a second, but no more than fetches / latency.

What starting them takes is spent beside the threads, which go on meanwhile.
"""

from __future__ import annotations

import functools
import inspect
import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

from parascrape.errors import UsageError
from parascrape.files import Outcome
from parascrape.harvesting.in_flight import LookPolicy, WorkerCount, WorkerGroup
from parascrape.harvesting.timings import Timings
from parascrape.scrapers import check_scraper, scraper_for
from parascrape.settings import Settings
from parascrape.system import available_cpus, show_count

_LATER = 1.5
"""The factor by which the time between looks grows."""

_ROUNDS = 1.5
"""Latencies that a look needs behind it: threads that began together come back together."""

_MOST_KEPT = 200
"""Pages between two looks whose times are kept one by one."""

_BUSY = 0.6
"""Share of one core below which threads wait for the network, not for each other."""

_START_CPU, _START_SECONDS = 0.3, 0.1
"""The start of a worker process: CPU seconds (0.25 to 0.3 measured), and seconds beyond that."""

_PIPE = 0.00015
"""CPU seconds that a page costs more when it crosses a process border, both sides together."""

_EFFICIENCY = 0.9
"""Share of the cores that the workers get; other programs and caches take the rest."""

_LEAST_THREADS, _MOST_THREADS = 8, 32
"""Threads in each process: more than 8 only where latency asks for them."""

_GAIN, _LEAST_GAIN = 0.08, 0.15
"""The least gain, as a share of the time left and in seconds: less than that is noise."""


class Machine(NamedTuple):
    """CPUs that may be used, and what the user has fixed: processes, threads in each (0: free)."""

    cpus: int
    processes: int = 0
    threads: int = 0


class ModeSample(NamedTuple):
    """Measurements of a harvest in threads, from one look to the next. Times are seconds."""

    pages: int  # finished, at least 1
    seconds: float
    cpu: float  # of the whole process
    scrape_cpu: float  # of that, decoding, parsing and scraping
    latency: float  # of a quick fetch; slow ones may have waited for the CPU
    allowed: float  # fetches at once that the hosts permit; infinity where they permit enough
    left: int  # pages that are expected still to come
    known: bool = True  # whether somebody has counted them


class ModeChoice(NamedTuple):
    """The decision: 0 ``processes`` means to go on in threads. ``reason`` has no full stop."""

    reason: str
    processes: int = 0
    threads: int = 0


def choose_mode(seen: ModeSample, machine: Machine) -> ModeChoice:
    """Return whether processes would finish what is left much sooner, how many, and why."""
    if machine.cpus < 2:
        return ModeChoice("there is only one CPU")
    busy = seen.cpu / seen.seconds
    if busy < _BUSY:
        return ModeChoice(f"one CPU was busy only {busy:.0%} of the time")
    processes = machine.processes or machine.cpus
    quickest = _EFFICIENCY * min(processes, machine.cpus) / (seen.cpu / seen.pages + _PIPE)
    spare = math.ceil(1.5 * quickest * seen.latency / processes)  # half as many more than are needed
    threads = machine.threads or min(_MOST_THREADS, max(_LEAST_THREADS, spare))
    fetches = min(processes * threads, seen.allowed)
    rate = min(quickest, fetches / seen.latency) if seen.latency else quickest
    now_rate = seen.pages / seen.seconds
    stay = seen.left / now_rate
    start = _START_SECONDS + _START_CPU * processes / max(0.5, machine.cpus - busy)
    start /= min(1.0, busy)  # where the threads do not get the whole of one CPU, neither will these
    change = start + max(0.0, seen.left - start * now_rate) / rate
    if stay - change >= max(_GAIN * stay, _LEAST_GAIN):
        return ModeChoice(_describe(seen, busy), processes, threads)
    if rate * (1.0 - _GAIN) <= now_rate:
        return ModeChoice("processes would not be faster")
    return ModeChoice("too few pages were left for processes to be faster")


def _describe(seen: ModeSample, busy: float) -> str:
    """Return what filled the CPU, and how many pages are left."""
    scrape_cpu = min(seen.scrape_cpu, seen.cpu)
    what, cpu = ("parsing", scrape_cpu) if scrape_cpu > seen.cpu / 2 else ("computing", seen.cpu)
    share = min(cpu / seen.seconds, busy, 1.0)
    left = float(f"{seen.left:.2g}")
    rest = f"about {left:,.0f} pages were left" if seen.known else "more pages were expected"
    return f"{what} took {share:.0%} of one CPU ({1000 * cpu / seen.pages:.2g} ms a page) and {rest}"


@dataclass(eq=False)
class AutoMode:
    """Decides whether worker processes take over, starts them, and says when they can.

    It looks at what the threads have done since the look before, less and less often. ``start`` starts
    a worker group, ``say`` gets a line that tells the mode and the reason.
    """

    settings: Settings
    look: LookPolicy
    split: Timings
    say: Callable[[str], None]
    start: Callable[[WorkerCount], WorkerGroup]

    def __post_init__(self) -> None:
        self._choice = ModeChoice("there were too few pages for processes to be faster")
        self._next: WorkerGroup | None = None
        self._warming: list[Future[None]] = []
        self._over = False
        self._every = self.look.first
        self._due = 0.0
        self._latencies: list[float] = []
        self._cpus: list[float] = []
        self._mark()

    def _mark(self) -> None:
        """Let the next look count from here."""
        split, self._at = self.split, time.monotonic()
        self._cpu = self.look.cpu_clock()
        self._pages, self._scrape_cpu, self._politeness = split.pages, split.scrape_cpu, split.politeness
        self._latencies.clear()
        self._cpus.clear()
        self._due = self._at + self._every

    def note(self, outcome: Outcome) -> None:
        """Learn what a page took of the network and of the CPU."""
        if len(self._cpus) < _MOST_KEPT:
            times = outcome.times
            self._latencies.append(times.connect + times.first_byte + times.transfer)
            self._cpus.append(times.cpu)
        if self.split.pages == 1:  # what the first page has loaded, others need not load again
            self._mark()

    def replacement(self, left: Callable[[], int | None]) -> WorkerGroup | None:
        """Return the group that new visits go to from now on; None: no change. Quick: called for each page.

        ``left`` returns how many outcomes are still to come, or None if unknown.
        """
        if self._over:
            return None
        if self._next is not None:
            return self._when_ready(self._next)
        now = time.monotonic()
        if now < self._due:
            return None
        pages = self.split.pages - self._pages
        if pages < (self.look.pages if now - self._at < self.look.slow else 1):
            return None
        latency = sorted(self._latencies)[len(self._latencies) // 4]
        if now - self._at < _ROUNDS * latency:
            self._due = self._at + _ROUNDS * latency
            return None
        self._decide(pages, now - self._at, latency, left())
        return None

    def _decide(self, pages: int, seconds: float, latency: float, left: int | None) -> None:
        """Choose a mode, and start worker processes if they would pay."""
        settings, split = self.settings, self.split
        machine = Machine(self.look.cpus or available_cpus(), settings.processes, settings.threads)
        waited = (split.politeness - self._politeness) / (seconds * settings.thread_count)
        busy_threads = settings.thread_count * (1.0 - min(waited, 1.0))
        sample = ModeSample(
            pages,
            seconds,
            self._page_cpu(pages, seconds) * pages,
            split.scrape_cpu - self._scrape_cpu,
            latency,
            max(1.0, busy_threads) if waited > 0.05 else math.inf,
            split.pages if left is None else left,  # as much again as there was
            left is not None,
        )
        self._choice = choose_mode(sample, machine)
        self._every *= _LATER
        self._mark()
        if not self._choice.processes:
            return
        if why := _why_not(settings) or self.look.why_not():
            self._give_up(why)
            return
        _, processes, threads = self._choice
        self._next = self.start(WorkerCount(processes, threads))
        self._warming = [self._next.executor.submit(_warm_up, settings) for _ in range(processes)]

    def _page_cpu(self, pages: int, seconds: float) -> float:
        """Return CPU seconds a page. In the beginning some pages pay for what all need; they are left out."""
        whole = (self.look.cpu_clock() - self._cpu) / pages
        if seconds >= self.look.sure:
            return whole
        usual = sorted(self._cpus)[: -(len(self._cpus) // 8) or None]
        return min(whole, 1.5 * sum(usual) / len(usual) + 0.0003)  # more is not a page's own

    def _when_ready(self, group: WorkerGroup) -> WorkerGroup | None:
        """Return the group once all its processes are ready; where one fails, none is used."""
        if not all(future.done() for future in self._warming):
            return None
        self._over = True
        errors = [error for future in self._warming if (error := future.exception())]
        if errors:
            self._give_up(f"worker processes do not start: {errors[0]}")
            group.executor.stop()
            self._next = None
            return None
        processes = show_count(self._choice.processes, "process", "es")
        threads = show_count(self._choice.threads, "thread")
        self.say(f"Changed to process mode with {processes} of {threads}: {self._choice.reason}.")
        return group

    def _give_up(self, why: str) -> None:
        self._over = True
        self._choice = ModeChoice(f"processes would be faster, but {why}")

    def end(self) -> None:
        """Stop processes that were not needed, and say why the threads kept the harvest, if they did."""
        if self._over and self._next is not None:
            return
        if self._next is not None:
            self._next.executor.stop()
            self._choice = ModeChoice("it ended before worker processes were ready")
        if self.split.pages:
            threads = show_count(self.settings.thread_count, "thread")
            self.say(f"Stayed in thread mode with {threads}: {self._choice.reason}.")


def _warm_up(settings: Settings) -> None:
    """Load what the first page needs, in a worker process."""
    scraper_for(settings)


def _why_not(settings: Settings) -> str:
    """Return why the scraper cannot go to processes unasked; empty where it can."""
    scraper = settings.scraper
    while isinstance(scraper, functools.partial):
        scraper = scraper.func
    # What a method or a callable object has in hand would be copied, and changes to it be lost.
    if not isinstance(scraper, str) and not inspect.isfunction(scraper):
        return "the scraper is an object, whose state would not be shared"
    try:
        check_scraper(settings.scraper, "process", settings.select)
    except UsageError as error:
        return str(error)
    return ""
