"""Crews: the executor of a harvest with what it is given; in mode auto a second one takes over in mid-run.

    thread crew: measured --> `choosing.choose` --> worker processes start, the threads go on
                                                      |  all are ready, with the scraper loaded
    new visits, and those no thread has begun <-------+  (or one is not: the threads keep all)

Visits are handed over only to processes that have shown that they work, so that none depends on it.
"""

from __future__ import annotations

import functools
import inspect
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from parascrape.errors import UsageError
from parascrape.executors import ProcessExecutor, WithContext, capacity, open_executor, why_not_importable
from parascrape.fetch import fetch_robots
from parascrape.files import Outcome, StashedPages
from parascrape.harvesting.mode_choice import Machine, ModeChoice, ModeSample, choose
from parascrape.harvesting.timings import Timings
from parascrape.harvesting.worker import scrape_url
from parascrape.records import Entry
from parascrape.scrapers import check_scraper, scraper_for
from parascrape.settings import Settings
from parascrape.system import available_cpus, worker_limit
from parascrape.web import RobotsRules

if TYPE_CHECKING:
    from parascrape.harvesting.worker import PageHook

__all__ = ["AutoMode", "HarvestHooks", "WorkerGroup"]

log = logging.getLogger("parascrape")

_FIRST_LOOK, _LEAST_PAGES = 0.15, 8
"""Seconds and pages that a look needs behind it."""

_SLOW_LOOK = 0.5
"""Seconds after which one page is enough."""

_SURE = 1.0
"""Seconds over which what some pages pay for all is no matter."""

_LATER = 1.5
"""How many times longer it waits from look to look."""

_ROUNDS = 1.5
"""How many times the latency a look needs behind it: threads that began together come back together."""

_MOST_KEPT = 200
"""Pages between two looks whose times are kept apart."""


def _unknown() -> None:
    """None: nobody knows how many entries there are."""


def _ignore(line: str) -> None:
    """Nothing, but for the log."""
    log.info("%s", line)


@dataclass(frozen=True, slots=True)
class HarvestHooks:
    """Who runs a harvest: the ``total`` of entries where they know it, what they are told, and the time split
    that is filled for them.

    ``on_outcome`` is called with every final outcome before it is given, ``on_robots`` with each robots.txt,
    and ``page_hook`` in workers, with each page.
    """

    total: Callable[[], int | None] = _unknown
    say: Callable[[str], None] = _ignore
    split: Timings = field(default_factory=Timings)
    on_outcome: Callable[[Entry, Outcome], None] | None = None
    on_robots: Callable[[str, RobotsRules], None] | None = None
    page_hook: PageHook | None = None


def _with_body_bytes(settings: Settings) -> Settings:
    """The settings with a bound on what bodies may hold: a quarter of a process's memory."""
    if settings.body_bytes:
        return settings
    most = settings.worker_bytes or worker_limit(max(1, settings.process_count))
    return replace(settings, body_bytes=most // 4)


class WorkerGroup:
    """The workers of a harvest: their executor, what it is given of each visit, and how many at once.

    ``deadline`` is the seconds that a visit may take in all, ``on_note`` the executors'.
    """

    def __init__(
        self,
        settings: Settings,
        deadline: float,
        on_note: Callable[[Future[Any], Any], None],
        hook: PageHook | None = None,
    ) -> None:
        self.executor = open_executor(
            settings.process_count,
            settings.thread_count,
            deadline=deadline,
            worker_bytes=settings.worker_bytes,
        )
        self.executor.on_note = on_note
        self.settings = settings = _with_body_bytes(settings)
        self.pages: StashedPages | None = None if settings.process_count else {}
        self.work: Callable[..., Outcome] = WithContext(
            partial(scrape_url, settings=settings, pages=self.pages, hook=hook)
        )
        self.robots: Callable[..., Any] = partial(fetch_robots, settings=settings)
        # More than the fetches, so that a free thread finds its next task without a round trip.
        self.window = capacity(settings.thread_count) * max(1, settings.process_count)

    @property
    def in_processes(self) -> bool:
        """Whether the workers are processes."""
        return isinstance(self.executor, ProcessExecutor)

    @property
    def cores(self) -> int:
        """CPU cores that the workers can use at once."""
        return max(1, min(self.settings.process_count, available_cpus()))


class AutoMode:
    """Decides, in mode auto, whether worker processes take over, starts them, and says when they can.

    It looks at what the thread crew does since the look before, the first time after 0.15 s, then less
    and less often.
    """

    def __init__(
        self, settings: Settings, observer: HarvestHooks, start: Callable[[Settings], WorkerGroup]
    ) -> None:
        self._settings = settings
        self._observer = observer
        self._split = observer.split
        self._start = start
        self._choice = ModeChoice(0, 0, "what there was to do was too little for processes to pay")
        self._next: WorkerGroup | None = None
        self._warming: list[Future[None]] = []
        self._over = False
        self._every = _FIRST_LOOK
        self._due = 0.0
        self._latencies: list[float] = []
        self._cpus: list[float] = []
        self._mark()

    def _mark(self) -> None:
        """The next look counts from here."""
        split, self._at = self._split, time.monotonic()
        self._cpu = time.process_time()
        self._pages, self._scrape_cpu, self._politeness = split.pages, split.scrape_cpu, split.politeness
        self._latencies.clear()
        self._cpus.clear()
        self._due = self._at + self._every

    def note(self, outcome: Outcome) -> None:
        """Learn what a page took of the network and of the CPU."""
        if len(self._cpus) < _MOST_KEPT:
            _, connect, first_byte, transfer, _, _, cpu, _ = outcome.times
            self._latencies.append(connect + first_byte + transfer)
            self._cpus.append(cpu)
        if self._split.pages == 1:  # what the first page has loaded, others need not load again
            self._mark()

    def successor(self, left: Callable[[], int | None]) -> WorkerGroup | None:
        """The crew that new visits are to go to from now on; None: as before. Quick: called for each page."""
        if self._over:
            return None
        if self._next is not None:
            return self._when_ready(self._next)
        now = time.monotonic()
        if now < self._due:
            return None
        pages = self._split.pages - self._pages
        if pages < (_LEAST_PAGES if now - self._at < _SLOW_LOOK else 1):
            return None
        latency = sorted(self._latencies)[len(self._latencies) // 4]
        if now - self._at < _ROUNDS * latency:
            self._due = self._at + _ROUNDS * latency
            return None
        self._look(pages, now - self._at, latency, left())
        return None

    def _look(self, pages: int, seconds: float, latency: float, left: int | None) -> None:
        """Choose, and start what was chosen."""
        settings, split = self._settings, self._split
        machine = Machine(available_cpus(), settings.processes, settings.threads)
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
        self._choice = choose(sample, machine)
        self._every *= _LATER
        self._mark()
        if not self._choice.processes:
            return
        if why := _why_not(settings):
            self._give_up(why)
            return
        self._begin(self._choice)

    def _page_cpu(self, pages: int, seconds: float) -> float:
        """CPU seconds a page. In the beginning some pages pay for what all need, and are left out."""
        whole = (time.process_time() - self._cpu) / pages
        if seconds >= _SURE:
            return whole
        usual = sorted(self._cpus)[: -(len(self._cpus) // 8) or None]
        return min(whole, 1.5 * sum(usual) / len(usual) + 0.0003)  # more is not a page's own

    def _begin(self, choice: ModeChoice) -> None:
        """Start worker processes, each with a task that loads what pages need."""
        settings = replace(self._settings, mode="process", processes=choice.processes, threads=choice.threads)
        self._next = self._start(settings)
        submit = self._next.executor.submit
        self._warming = [submit(_warm_up, settings) for _ in range(choice.processes)]

    def _when_ready(self, crew: WorkerGroup) -> WorkerGroup | None:
        """The crew, once all its processes are ready; where one fails, none is used."""
        if not all(future.done() for future in self._warming):
            return None
        self._over = True
        errors = [error for future in self._warming if (error := future.exception())]
        if errors:
            self._give_up(f"worker processes do not start: {errors[0]}")
            crew.executor.stop()
            self._next = None
            return None
        threads, processes = self._choice.threads, self._choice.processes
        self._observer.say(f"Mode: process, {processes} x {threads}: {self._choice.reason}.")
        return crew

    def _give_up(self, why: str) -> None:
        self._over = True
        self._choice = ModeChoice(0, 0, f"processes would pay, but {why}")

    def end(self) -> None:
        """Stop what was started in vain, and say why the threads kept the harvest, if they did."""
        if self._over and self._next is not None:
            return
        if self._next is not None:
            self._next.executor.stop()
            self._choice = ModeChoice(0, 0, "the end came before worker processes were ready")
        if self._split.pages:
            self._observer.say(f"Mode: thread, {self._settings.thread_count}: {self._choice.reason}.")


def _warm_up(settings: Settings) -> None:
    """In a worker process: load what the first page will need. Raises what that raises."""

    scraper_for(settings)


def _why_not(settings: Settings) -> str:
    """Why processes are not started unasked, though they would pay; empty where they may be."""
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
    return why_not_importable()
