"""The harvest: URLs in, records out, in the mode that the settings name. A script calls `crawl`.

    entries -> Frontier.take -> executor.submit(worker) -> finished -> outcome
                   ^                                              |
                   +------------------ postpone <-----------------+  (worth another try)

The loop decides, workers do: politeness, retries and order live here and in the frontier.
"""

from __future__ import annotations

import itertools
import logging
import os
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from queue import Empty
from typing import Any

from parascrape import records
from parascrape.errors import InvalidUrl, TaskError, UsageError
from parascrape.executors import refuse_during_import
from parascrape.files import (
    FRESH,
    Outcome,
    check_previous,
    fail,
    fail_task,
    mark_duplicates,
    open_previous,
)
from parascrape.frontier import FetchReport, Visit, VisitSource, open_frontier, refusal
from parascrape.harvesting.auto_mode import AutoMode
from parascrape.harvesting.in_flight import Environment, InFlight, WorkerGroup
from parascrape.harvesting.timings import Timings
from parascrape.harvesting.worker import PageHook
from parascrape.records import Entry, note_attempt, with_earlier
from parascrape.scrapers import check_scraper
from parascrape.settings import Settings
from parascrape.system import printable
from parascrape.web import RobotsRules, backoff, prepare, redact

log = logging.getLogger("parascrape")

_ORDER_WINDOW = 20
"""With ``ordered``, how many times the fetches in flight may be finished ahead of the slowest."""

_LONG_SCRAPE = 0.005
"""Seconds of scraping a page above which a host's slot is freed when the fetch ends, not when the page is
scraped. The message that says so costs the parent 0.1 ms.
"""


class Stop:
    """A way to ask a harvest to end, safe to use in a signal handler.

    The first call of `ask` ends new fetches, and those in flight have ``grace`` seconds; the second ends all.
    """

    def __init__(self, grace: float = 5.0) -> None:
        self.asked = 0
        self.grace = grace
        self.wake: Callable[[], None] = lambda: None

    def ask(self) -> None:
        """Ask the harvest to end, or to end at once."""
        self.asked += 1
        self.wake()


@dataclass(frozen=True, slots=True)
class HarvestHooks:
    """Callbacks and values that the caller of a harvest passes to it.

    ``total`` returns the number of entries where it is known, ``say`` gets lines for the user, ``split`` is
    filled, ``idle`` is called before each wait for workers. ``on_outcome`` is called with every final
    outcome before it is given, ``on_robots`` with each robots.txt, and ``page_hook`` in workers, with each
    page.
    """

    total: Callable[[], int | None] = lambda: None
    say: Callable[[str], None] = lambda line: log.info("%s", line)
    split: Timings = field(default_factory=Timings)
    idle: Callable[[], None] = lambda: None
    on_outcome: Callable[[Entry, Outcome], None] | None = None
    on_robots: Callable[[str, RobotsRules], None] | None = None
    page_hook: PageHook | None = None


def crawl(urls: Iterable[str | Entry], settings: Settings | None = None) -> Iterator[dict[str, Any]]:
    """Yield the records of the URLs, as they are finished (in the URLs' order where ``settings.ordered``).

    Every URL gives at least one record; a failed one gives a record with ``error``. The URLs are
    streamed, so they may be endless. Leaving the loop early ends the harvest. What ``urls`` itself
    raises comes out after the records of the URLs before it.

    Raises:
        UsageError: at once, where the settings or the scraper cannot work in this mode.
    """
    if isinstance(urls, str):
        raise UsageError("urls: a string, not URLs; write [url] for a single one")
    settings = settings or Settings()
    refuse_during_import()
    if settings.mode == "process":
        _check_main()
    check_scraper(settings.scraper, settings.mode, settings.select)
    check_previous(settings.previous)
    entries = map(_to_entry, itertools.count(1), urls)
    hooks = HarvestHooks(total=partial(len, urls)) if isinstance(urls, Sized) else None
    outcomes = harvest(mark_duplicates(entries, settings), settings, hooks=hooks)
    return (records.parse(line) for outcome in outcomes for line in outcome.lines.splitlines())


def harvest(
    entries: Iterable[Entry | None],
    settings: Settings,
    *,
    stop: Stop | None = None,
    hooks: HarvestHooks | None = None,
    environment: Environment | None = None,
) -> Generator[Outcome]:
    """Yield the final outcome of every entry, encoded. `crawl` and the commands build on it.

    ``entries`` may yield None for "nothing just now". A harvest that ``stop`` ends gives no outcome for
    entries that had none yet.
    """
    run = HarvestLoop(
        entries, settings, stop or Stop(), hooks or HarvestHooks(), environment or Environment()
    )
    try:
        yield from run.outcomes()
    except BaseException:
        run.stop()
        raise
    finally:
        run.end()


def _check_main() -> None:
    """Raise UsageError where worker processes cannot import the main script: it came by stdin."""
    main = sys.modules["__main__"]
    path = getattr(main, "__file__", None)
    if path and getattr(main, "__spec__", None) is None and not os.path.exists(path):
        raise UsageError(
            f"worker processes cannot import the script {path}: write it to a file, or use mode thread"
        )


def _to_entry(number: int, url: str | Entry) -> Entry:
    """Return the entry of a URL; for anything else, an entry with a ``problem``."""
    if isinstance(url, Entry):
        return url
    try:
        if not isinstance(url, str):
            raise InvalidUrl(f"{type(url).__name__}, not a string")
        prepare(url)
    except InvalidUrl as error:
        return Entry(printable(str(url)), number, problem=str(error))
    return Entry(url, number)


class HarvestLoop:
    """One harvest: its frontier, its workers, and the visits in flight between them."""

    def __init__(
        self,
        entries: Iterable[Entry | None],
        settings: Settings,
        stop: Stop,
        hooks: HarvestHooks,
        environment: Environment,
    ) -> None:
        self._settings = settings
        self._hooks = hooks
        self._stop = stop
        self._previous = open_previous(settings, lambda: bool(stop.asked), hooks.say)
        limits = environment.limits(settings)
        self._in_flight = flight = InFlight(settings, environment, limits, hooks.split, hooks.page_hook)
        self._auto: AutoMode | None = None
        if settings.mode == "auto":
            self._auto = AutoMode(settings, environment.look, hooks.split, hooks.say, flight.open_group)
        seen = None
        if self._previous is not None:
            flight.known_of, seen = self._previous.known, self._previous.why_skip
        source = VisitSource(self._until_fault(entries), seen=seen)
        self._frontier = open_frontier(source, limits, environment.hosts_file)
        self._fault: Exception | None = None  # what the list itself has raised
        self._draining = False
        stop.wake = lambda: flight.finished.put(None)
        self._scraping = 0.0  # seconds a page, the mean of about the last ten
        self._following = 0  # with ``ordered``, the number whose outcome comes next

    def outcomes(self) -> Iterator[Outcome]:
        """Yield final outcomes, in the list's order where the settings ask for it."""
        held: dict[int, Outcome] = {}
        for visit, outcome in self._loop():
            if self._hooks.on_outcome is not None:
                self._hooks.on_outcome(visit.entry, outcome)
                outcome = outcome._replace(found=None)  # the links go no further
            if not self._settings.ordered:
                yield outcome
                continue
            held[visit.number] = outcome
            while self._following in held:
                yield held.pop(self._following)
                self._following += 1
        for number in sorted(held):  # the run was ended: what should come between them never will
            yield held[number]

    def _may_read(self) -> bool:
        """Return whether the list may be read on: with ``ordered`` only so far ahead of the slowest."""
        ahead = self._frontier.read - self._following
        return not self._settings.ordered or ahead < _ORDER_WINDOW * self._in_flight.group.window

    def _until_fault(self, entries: Iterable[Entry | None]) -> Iterator[Entry | None]:
        """Yield the entries until the list ends or raises: what came before has its outcome first."""
        try:
            yield from entries
        except Exception as error:
            self._fault = error

    def _loop(self) -> Iterator[tuple[Visit, Outcome]]:
        """Yield visits with their final outcomes. Raises what the list has raised, at the end."""
        while not self.must_stop():
            yield from self._fill()
            if not self._in_flight and self._frontier.drained:
                break
            self._frontier.sync()
            yield from self._take_in(self._frontier.wait(room=self._in_flight.has_room))
        while not self._in_flight.finished.empty():  # ended at once: finished visits are not lost
            yield from self._take_in(0.0)
        if self._fault is not None and not self._stop.asked:
            raise self._fault

    def _fill(self) -> Iterator[tuple[Visit, Outcome]]:
        """Submit visits until the window is full; yield the outcomes of those that are not fetched."""
        if self._auto is not None and (group := self._auto.replacement(self._left)) is not None:
            self._in_flight.replace_workers(group)
        while self._in_flight.has_room and not self._stop.asked:
            visit = self._frontier.take(new=self._may_read())
            if visit is None:
                return
            if visit.entry.problem:
                yield visit, fail(visit.entry, InvalidUrl(visit.entry.problem))
            elif self._previous is not None and visit.refused_why == FRESH:
                yield visit, self._previous.reuse_fresh(visit)
            elif visit.refused_code:
                yield visit, fail(visit.entry, refusal(visit))
            else:
                slot = self._scraping > _LONG_SCRAPE
                watched = not visit.robots and self._frontier.blocks_others(visit, slot=slot)
                self._in_flight.submit(visit, watched=watched)

    def _take_in(self, patience: float | None) -> Iterator[tuple[Visit, Outcome]]:
        """Yield the outcome of the next visit that finishes, if it comes in time and is final."""
        if self._in_flight.finished.empty():
            self._hooks.idle()
        try:
            held, list_open = self._frontier.waiting, not self._frontier.exhausted
            finished = self._in_flight.wait(patience, held=held, list_open=list_open)
        except Empty:
            return
        if isinstance(finished, tuple):
            self._take_note(*finished)
            return
        completed = None if finished is None else self._in_flight.complete(finished)
        if finished is None or completed is None:  # `Stop.ask` was called, or the visit was handed over
            return
        visit, group = completed
        if finished.cancelled():
            self._frontier.finish(visit)
        elif visit.robots:
            self._take_robots(visit, finished)
        elif outcome := self._judge(visit, finished, group):
            if visit.earlier:
                outcome = outcome._replace(lines=with_earlier(outcome.lines, visit.earlier))
            yield visit, outcome

    def _left(self) -> int | None:
        """Return how many outcomes are still to come; None if unknown."""
        read = self._frontier.read
        total = read if self._frontier.exhausted else self._hooks.total()
        waiting = self._frontier.waiting + len(self._in_flight)
        return None if total is None else max(0, total - read) + waiting

    def _take_note(self, future: Future[Any], value: float | None) -> None:
        """Note that a fetch has started, at this monotonic time, or is over (None)."""
        if (visit := self._in_flight.visit_of(future)) is None:
            return
        if value is None:
            self._frontier.mark_fetched(visit)
        else:
            self._frontier.mark_started(visit, value)

    def _take_robots(self, visit: Visit, future: Future[Any]) -> None:
        """Take in the rules of a robots.txt."""
        try:
            rules = future.result()
            if self._hooks.on_robots is not None:
                self._hooks.on_robots(visit.robots, rules)
            self._frontier.set_robots(visit.robots, rules)
        except TaskError as error:
            log.warning("%s/robots.txt: %s", visit.robots, error)
        self._frontier.finish(visit)

    def must_stop(self) -> bool:
        """Return whether the harvest ends now. When it is first asked to end it takes nothing new."""
        if self._stop.asked and not self._draining:
            self._draining = True
            self._frontier.drain(self._stop.grace)
            self._in_flight.shutdown(cancel=True)
        return self._stop.asked > 1 or self._frontier.grace_over

    def end(self) -> None:
        """Release the workers, at once where the harvest was asked to end, and the shared state of hosts."""
        if self.must_stop():
            self.stop()
        self._in_flight.shutdown()
        self._in_flight.close()
        if self._auto is not None:
            self._auto.end()
        self._frontier.close()
        if self._previous is not None:
            self._previous.close()

    def stop(self) -> None:
        """End the workers now, whatever they do."""
        self._in_flight.stop()

    def _judge(self, visit: Visit, future: Future[Outcome], group: WorkerGroup) -> Outcome | None:
        """Return the visit's final outcome, or None where it is to be made again."""
        try:
            outcome = future.result()
        except TaskError as error:
            self._frontier.finish(visit, FetchReport("task_error"))
            kept = group.worker.quarantine
            return fail_task(visit.entry, error, visit.attempts, settings=self._settings, kept=kept)
        self._hooks.split.add(outcome, now=time.monotonic(), elsewhere=bool(group.count.processes))
        if self._auto is not None:
            self._auto.note(outcome)
        self._scraping += 0.1 * (outcome.scrape_seconds - self._scraping)
        report = FetchReport(outcome.code, outcome.status, outcome.retry_after, outcome.fetch_seconds)
        self._frontier.finish(visit, report)
        if outcome.carried and self._previous is not None:
            carried = self._previous.reuse_unchanged(visit, outcome)
            if carried is None:  # at once, and without a condition
                self._frontier.postpone(visit, 0.0)
            return carried
        delay = None if self._stop.asked else _retry_delay(outcome, visit.attempts, self._settings)
        if delay is None:
            return outcome
        shown = redact(visit.entry.url)
        log.info("%s: %s, attempt %d, again in %.1f s", shown, outcome.code, visit.attempts, delay)
        visit.earlier += (note_attempt(outcome.lines, outcome.code),)
        self._frontier.postpone(visit, delay)
        return None


def _retry_delay(outcome: Outcome, attempts: int, settings: Settings) -> float | None:
    """Return in how many seconds to try again; None where the outcome is final."""
    too_late = (outcome.retry_after or 0.0) > settings.max_backoff
    if not outcome.retryable or attempts > settings.retries or too_late:
        return None
    return backoff(attempts, settings.backoff, settings.max_backoff, outcome.retry_after)
