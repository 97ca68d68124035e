"""The harvest: one short loop that fills the window, takes a finished record and hands it on.

    entries -> Frontier.take -> executor.submit(scrape_url) -> finished -> outcome
                   ^                                              |
                   +------------------ postpone <-----------------+  (worth another try)

The loop decides, workers do: politeness, retries and order live here and in the frontier.
"""

from __future__ import annotations

import itertools
import logging
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from parascrape import records
from parascrape.errors import InvalidUrl, TaskError, UsageError
from parascrape.executors import open_executor
from parascrape.executors.guard import refuse_during_import
from parascrape.executors.pump import capacity
from parascrape.frontier import Frontier, Visit
from parascrape.retry import backoff
from parascrape.scrapers import check_scraper
from parascrape.settings import Settings
from parascrape.text import printable
from parascrape.urls import Entry, prepare, redact
from parascrape.worker import Outcome, fail, scrape_url

__all__ = ["GRACE", "Stop", "crawl", "harvest"]

GRACE = 5.0
"""Seconds that pages in flight have when a harvest is asked to end."""

log = logging.getLogger("parascrape")

_ORDER_WINDOW = 20
"""With ``ordered``, how many times the fetches in flight may be finished ahead of the slowest."""

_SCRAPE_GRACE = 5.0
"""Seconds a task may take beyond `Settings.timeout`, for decoding and scraping, before it is ended."""


def crawl(urls: Iterable[str | Entry], settings: Settings | None = None) -> Iterator[dict[str, Any]]:
    """The records of the URLs, as they are finished (in the URLs' order where ``settings.ordered``).

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
    outcomes = harvest(map(_to_entry, itertools.count(1), urls), settings)
    return (records.parse(line) for outcome in outcomes for line in outcome.lines.splitlines())


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


def _do_nothing() -> None:
    """Nothing."""


def harvest(
    entries: Iterable[Entry | None],
    settings: Settings,
    *,
    stop: Stop | None = None,
    idle: Callable[[], None] = _do_nothing,
) -> Generator[Outcome]:
    """The final outcome of every entry, encoded; what `crawl` and the command are made of.

    ``entries`` may yield None for "nothing just now"; ``idle`` is called before each wait for workers.
    A harvest that ``stop`` ends gives no outcome for entries that had none yet.
    """
    run = _Run(entries, settings, stop or Stop(), idle)
    try:
        yield from run.outcomes()
    except BaseException:
        run.executor.stop()
        raise
    finally:
        if run.must_stop():
            run.executor.stop()
        run.executor.shutdown(wait=False)
        if not settings.process_count:
            from parascrape.fetch import close_connections

            close_connections()


def _check_main() -> None:
    """Nothing, or a UsageError where worker processes could not import the main script: it came by stdin."""
    main = sys.modules["__main__"]
    path = getattr(main, "__file__", None)
    if path and getattr(main, "__spec__", None) is None and not os.path.exists(path):
        raise UsageError(
            f"worker processes cannot import the script {path}: write it to a file, or use mode thread"
        )


def _to_entry(number: int, url: str | Entry) -> Entry:
    """The entry of a URL; of anything else one that says what is wrong with it."""
    if isinstance(url, Entry):
        return url
    try:
        if not isinstance(url, str):
            raise InvalidUrl(f"{type(url).__name__}, not a string")
        prepare(url)
    except InvalidUrl as error:
        return Entry(printable(str(url)), number, problem=str(error))
    return Entry(url, number)


class _Run:
    """The state of one harvest: the frontier, the executor, and what is in flight between them."""

    def __init__(
        self, entries: Iterable[Entry | None], settings: Settings, stop: Stop, idle: Callable[[], None]
    ) -> None:
        deadline = settings.timeout + _SCRAPE_GRACE
        self.executor = open_executor(settings.process_count, settings.thread_count, deadline=deadline)
        self._settings = settings
        self._work: Callable[..., Outcome] = partial(scrape_url, settings=settings)
        self._frontier = Frontier(self._until_fault(entries))
        self._fault: Exception | None = None  # what the list itself has raised
        self._finished: SimpleQueue[tuple[Visit, Future[Outcome]] | None] = SimpleQueue()
        self._stop = stop
        self._idle = idle
        self._draining = False
        stop.wake = lambda: self._finished.put(None)
        self._in_flight = 0
        self._taken = 0
        self._following = 0  # with ``ordered``, the number whose outcome comes next
        # More than the fetches, so that a free thread finds its next task without a round trip.
        self._window = capacity(settings.thread_count) * max(1, settings.process_count)

    def outcomes(self) -> Iterator[Outcome]:
        """Final outcomes, in the list's order where the settings ask for it."""
        if not self._settings.ordered:
            for _, outcome in self._loop():
                yield outcome
            return
        held: dict[int, Outcome] = {}
        for number, outcome in self._loop():
            held[number] = outcome
            while self._following in held:
                yield held.pop(self._following)
                self._following += 1
        for number in sorted(held):  # the run was ended: what should come between them never will
            yield held[number]

    def _may_read(self) -> bool:
        """Whether the list may be read on: with ``ordered`` only so far ahead of the slowest."""
        return not self._settings.ordered or self._taken - self._following < _ORDER_WINDOW * self._window

    def _until_fault(self, entries: Iterable[Entry | None]) -> Iterator[Entry | None]:
        """The entries up to where the list ends or raises: what came before has its outcome first."""
        try:
            yield from entries
        except Exception as error:
            self._fault = error

    def _loop(self) -> Iterator[tuple[int, Outcome]]:
        """Numbered outcomes as they are final. Raises what the list has raised, at the end."""
        while not self.must_stop():
            yield from self._fill()
            if not self._in_flight and self._frontier.finished:
                break
            yield from self._take_in(self._frontier.wait(room=self._in_flight < self._window))
        while not self._finished.empty():  # ended at once: what is finished already is not lost
            yield from self._take_in(0.0)
        if self._fault is not None and not self._stop.asked:
            raise self._fault

    def _fill(self) -> Iterator[tuple[int, Outcome]]:
        """Submit visits until the window is full; the outcomes of those that hold no URL."""
        while self._in_flight < self._window and not self._stop.asked:
            visit = self._frontier.take(new=self._may_read())
            if visit is None:
                return
            self._taken = max(self._taken, visit.number + 1)
            if visit.entry.problem:
                yield visit.number, fail(visit.entry, InvalidUrl(visit.entry.problem))
            else:
                self._submit(visit)

    def _take_in(self, patience: float | None) -> Iterator[tuple[int, Outcome]]:
        """The outcome of the next visit that is finished, if one is in time and it is final."""
        if self._finished.empty():
            self._idle()
        try:
            finished = self._finished.get(timeout=patience)
        except Empty:
            return
        if finished is None:  # somebody has called `Stop.ask`
            return
        visit, future = finished
        self._in_flight -= 1
        outcome = None if future.cancelled() else self._judge(visit, future)
        if outcome is not None:
            yield visit.number, outcome

    def must_stop(self) -> bool:
        """Whether the harvest was asked to end and waits no longer; when first asked it takes nothing new."""
        if self._stop.asked and not self._draining:
            self._draining = True
            self._frontier.close(GRACE)
            self.executor.shutdown(wait=False, cancel_futures=True)
        return self._stop.asked > 1 or self._frontier.overdue

    def _submit(self, visit: Visit) -> None:
        visit.attempts += 1
        future = self.executor.submit(self._work, tuple(visit.entry), visit.attempts)
        self._in_flight += 1
        future.add_done_callback(lambda done: self._finished.put((visit, done)))

    def _judge(self, visit: Visit, future: Future[Outcome]) -> Outcome | None:
        """The visit's final outcome, or None where it is to be made again."""
        try:
            outcome = future.result()
        except TaskError as error:
            return fail(visit.entry, error, {"attempts": visit.attempts})
        if self._stop.asked or not outcome.retryable or visit.attempts > self._settings.retries:
            return outcome
        if (outcome.retry_after or 0.0) > self._settings.max_backoff:
            return outcome
        base, cap = self._settings.backoff, self._settings.max_backoff
        delay = backoff(visit.attempts, base, cap, outcome.retry_after)
        shown = redact(visit.entry.url)
        log.info("%s: %s, attempt %d, again in %.1f s", shown, outcome.code, visit.attempts, delay)
        self._frontier.postpone(visit, delay)
        return None
