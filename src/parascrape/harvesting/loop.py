"""The loop of a harvest: it fills the window, takes what is finished and hands its outcome on.

    entries -> Frontier.take -> executor.submit(scrape_url) -> finished -> outcome
                   ^                                              |
                   +------------------ postpone <-----------------+  (worth another try)

The loop decides, workers do: politeness, retries and order live here and in the frontier.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import Empty
from typing import Any

from parascrape.errors import InvalidUrl, TaskError
from parascrape.files import FRESH, Outcome, fail, fail_task, open_previous
from parascrape.frontier import FetchReport, Visit, VisitSource, open_frontier, politeness_policy, refusal
from parascrape.harvesting.auto_mode import AutoMode, HarvestHooks, WorkerGroup
from parascrape.harvesting.in_flight import InFlight
from parascrape.records import Entry, note_attempt, with_earlier
from parascrape.settings import Settings
from parascrape.web import backoff, redact

__all__ = ["GRACE", "HarvestLoop", "Stop"]

GRACE = 5.0
"""Seconds that pages in flight have when a harvest is asked to end."""

log = logging.getLogger("parascrape")

_ORDER_WINDOW = 20
"""With ``ordered``, how many times the fetches in flight may be finished ahead of the slowest."""

_LONG_SCRAPE = 0.005
"""Seconds of scraping a page from which on a host's slot is given free as soon as the fetch is over: the
word costs the parent 0.1 ms.
"""

_SCRAPE_GRACE = 5.0
"""Seconds a task may take beyond `Settings.timeout`, for decoding and scraping, before it is ended."""


class Stop:
    """A way to ask a harvest to end, safe to use in a signal handler.

    Asked once, nothing new is fetched and what is in flight has `GRACE` seconds; asked twice, it ends.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.wake: Callable[[], None] = lambda: None

    def ask(self) -> None:
        """Ask the harvest to end, or to end at once."""
        self.asked += 1
        self.wake()


def _find_duplicate(entry: Entry, _: int) -> str:
    return entry.duplicate


class HarvestLoop:
    """The state of one harvest: the frontier, the crew of workers, and what is in flight between them."""

    def __init__(
        self,
        entries: Iterable[Entry | None],
        settings: Settings,
        stop: Stop,
        idle: Callable[[], None],
        observer: HarvestHooks,
    ) -> None:
        self._previous = open_previous(settings, lambda: bool(stop.asked), observer.say)
        limits = politeness_policy(settings)
        deadline = settings.timeout + _SCRAPE_GRACE
        self._in_flight = flight = InFlight(settings, deadline, limits, observer.split, observer.page_hook)
        self._settings = flight.crew.settings
        self._observer = observer
        self._auto = AutoMode(settings, observer, flight.open_crew) if settings.mode == "auto" else None
        seen = _find_duplicate if self._previous is None else self._previous.why_skip
        flight.known_of = None if self._previous is None else self._previous.known
        source = VisitSource(self._until_fault(entries), seen=seen)
        self._frontier = open_frontier(source, limits, settings.hosts_file)
        self._fault: Exception | None = None  # what the list itself has raised
        self._stop = stop
        self._idle = idle
        self._draining = False
        stop.wake = lambda: flight.finished.put(None)
        self._scraping = 0.0  # seconds a page, the mean of about the last ten
        self._following = 0  # with ``ordered``, the number whose outcome comes next

    def outcomes(self) -> Iterator[Outcome]:
        """Final outcomes, in the list's order where the settings ask for it."""
        if not self._settings.ordered:
            for visit, outcome in self._loop():
                yield self._told(visit, outcome)
            return
        held: dict[int, Outcome] = {}
        for visit, outcome in self._loop():
            held[visit.number] = self._told(visit, outcome)
            while self._following in held:
                yield held.pop(self._following)
                self._following += 1
        for number in sorted(held):  # the run was ended: what should come between them never will
            yield held[number]

    def _told(self, visit: Visit, outcome: Outcome) -> Outcome:
        """The outcome, of which the observer has been told: where it leads need not go further."""
        if self._observer.on_outcome is None:
            return outcome
        self._observer.on_outcome(visit.entry, outcome)
        return outcome._replace(found=None)

    def _may_read(self) -> bool:
        """Whether the list may be read on: with ``ordered`` only so far ahead of the slowest."""
        ahead = self._frontier.read - self._following
        return not self._settings.ordered or ahead < _ORDER_WINDOW * self._in_flight.crew.window

    def _until_fault(self, entries: Iterable[Entry | None]) -> Iterator[Entry | None]:
        """The entries up to where the list ends or raises: what came before has its outcome first."""
        try:
            yield from entries
        except Exception as error:
            self._fault = error

    def _loop(self) -> Iterator[tuple[Visit, Outcome]]:
        """Visits with their outcomes as they are final. Raises what the list has raised, at the end."""
        while not self.must_stop():
            yield from self._fill()
            if not self._in_flight and self._frontier.drained:
                break
            self._frontier.sync()
            yield from self._take_in(self._frontier.wait(room=self._in_flight.has_room))
        while not self._in_flight.finished.empty():  # ended at once: what is finished already is not lost
            yield from self._take_in(0.0)
        if self._fault is not None and not self._stop.asked:
            raise self._fault

    def _fill(self) -> Iterator[tuple[Visit, Outcome]]:
        """Submit visits until the window is full; the outcomes of those that hold no URL."""
        if self._auto is not None and (crew := self._auto.successor(self._left)) is not None:
            self._in_flight.hand_over(crew)
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
                self._submit(visit)

    def _take_in(self, patience: float | None) -> Iterator[tuple[Visit, Outcome]]:
        """The outcome of the next visit that is finished, if one is in time and it is final."""
        if self._in_flight.finished.empty():
            self._idle()
        try:
            held, list_open = self._frontier.waiting, not self._frontier.exhausted
            finished = self._in_flight.wait(patience, held=held, list_open=list_open)
        except Empty:
            return
        if finished is None:  # somebody has called `Stop.ask`
            return
        if isinstance(finished, tuple):
            self._take_note(*finished)
            return
        landed = self._in_flight.land(finished)
        if landed is None:
            return
        visit, crew = landed
        if finished.cancelled():
            self._frontier.finish(visit)
        elif visit.robots:
            self._take_robots(visit, finished)
        elif outcome := self._judge(visit, finished, crew):
            if visit.earlier:
                outcome = outcome._replace(lines=with_earlier(outcome.lines, visit.earlier))
            yield visit, outcome

    def _left(self) -> int | None:
        """Outcomes that are still to come; None where nobody knows."""
        if self._frontier.exhausted:
            return self._frontier.waiting + len(self._in_flight)
        total = self._observer.total()
        if total is None:
            return None
        return max(0, total - self._frontier.read) + self._frontier.waiting + len(self._in_flight)

    def _take_note(self, future: Future[Any], value: float | None) -> None:
        """A fetch has started, at this monotonic time, or is over: None."""
        visit = self._in_flight.visit_of(future)
        if visit is None:
            return
        if value is None:
            self._frontier.mark_fetched(visit)
        else:
            self._frontier.mark_started(visit, value)

    def _take_robots(self, visit: Visit, future: Future[Any]) -> None:
        """A host's robots.txt is known, or could not be had."""
        try:
            rules = future.result()
            if self._observer.on_robots is not None:
                self._observer.on_robots(visit.robots, rules)
            self._frontier.set_robots(visit.robots, rules)
        except TaskError as error:
            log.warning("%s/robots.txt: %s", visit.robots, error)
        self._frontier.finish(visit)

    def must_stop(self) -> bool:
        """Whether the harvest was asked to end and waits no longer; when first asked it takes nothing new."""
        if self._stop.asked and not self._draining:
            self._draining = True
            self._frontier.drain(GRACE)
            self._in_flight.shutdown(cancel=True)
        return self._stop.asked > 1 or self._frontier.grace_over

    def end(self) -> None:
        """Let go of the workers, at once where the harvest was asked to end, and of other runs."""
        if self.must_stop():
            self.stop()
        self._in_flight.shutdown()
        self._in_flight.close_split()
        if self._auto is not None:
            self._auto.end()
        self._frontier.close()
        if self._previous is not None:
            self._previous.close()

    def stop(self) -> None:
        """End the workers now, whatever they do."""
        self._in_flight.stop()

    def _submit(self, visit: Visit) -> None:
        watched = not visit.robots and self._frontier.blocks_others(visit, slot=self._scraping > _LONG_SCRAPE)
        self._in_flight.submit(visit, watched=watched)

    def _count(self, outcome: Outcome, crew: WorkerGroup) -> None:
        """Add the outcome's times to the split, and let the choice of a mode learn from them."""
        fetch, scrape = outcome.fetch_seconds, outcome.scrape_seconds
        split, now = self._observer.split, time.monotonic()
        split.add(outcome.times, fetch, scrape, now=now, elsewhere=crew.in_processes)
        if self._auto is not None:
            self._auto.note(outcome)

    def _judge(self, visit: Visit, future: Future[Outcome], crew: WorkerGroup) -> Outcome | None:
        """The visit's final outcome, or None where it is to be made again."""
        try:
            outcome = future.result()
        except TaskError as error:
            self._frontier.finish(visit, FetchReport("task_error"))
            return fail_task(visit.entry, error, visit.attempts, settings=crew.settings, pages=crew.pages)
        self._count(outcome, crew)
        self._scraping += 0.1 * (outcome.scrape_seconds - self._scraping)
        report = FetchReport(outcome.code, outcome.status, outcome.retry_after, outcome.fetch_seconds)
        self._frontier.finish(visit, report)
        if outcome.carried and self._previous is not None:
            carried = self._previous.reuse_unchanged(visit, outcome)
            if carried is None:  # at once, and without a condition
                self._frontier.postpone(visit, 0.0)
            return carried
        if self._stop.asked or not outcome.retryable or visit.attempts > self._settings.retries:
            return outcome
        if (outcome.retry_after or 0.0) > self._settings.max_backoff:
            return outcome
        base, cap = self._settings.backoff, self._settings.max_backoff
        delay = backoff(visit.attempts, base, cap, outcome.retry_after)
        shown = redact(visit.entry.url)
        log.info("%s: %s, attempt %d, again in %.1f s", shown, outcome.code, visit.attempts, delay)
        visit.earlier += (note_attempt(outcome.lines, outcome.code),)
        self._frontier.postpone(visit, delay)
        return None
