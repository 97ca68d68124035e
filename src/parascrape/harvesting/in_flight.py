"""What a harvest has in flight: the visits that its crew of workers has, and the crew before it still has.

submit --> crew.executor --> finished --> wait --> land
                ^
                +-- hand_over: another crew, for new visits and for those that no thread has begun
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from parascrape.frontier import PolitenessPolicy, Visit, wait_reason
from parascrape.harvesting.auto_mode import WorkerGroup
from parascrape.harvesting.timings import Timings
from parascrape.settings import Settings

if TYPE_CHECKING:
    from parascrape.harvesting.worker import PageHook

__all__ = ["InFlight", "News"]

News = Future[Any] | tuple[Future[Any], Any] | None
"""A future that is done, a note of a task that goes on, or None: somebody wants the loop to look up."""


class InFlight:
    """The visits that workers have, each with ``deadline`` seconds, and what threads without one wait for."""

    known_of: Callable[[Visit], tuple[str, str, str]] | None = None
    """What is known of a visit's page from an earlier run, asked when it is handed out; None: nothing."""

    def __init__(
        self,
        settings: Settings,
        deadline: float,
        limits: PolitenessPolicy | None,
        split: Timings,
        hook: PageHook | None = None,
    ) -> None:
        self.finished: SimpleQueue[News] = SimpleQueue()
        self._visits: dict[Future[Any], Visit] = {}
        self._deadline = deadline
        self._limits = limits
        self._split = split
        self._hook = hook
        self._blocked = 0.0  # seconds of threads that waited for the visit that comes next
        self._before: WorkerGroup | None = None
        self._last: set[Future[Any]] = set()  # what the crew before still has
        self._began_cpu = time.process_time()
        self.crew = self.open_crew(settings)
        self._enter()

    def open_crew(self, settings: Settings) -> WorkerGroup:
        """A crew that reports here; for `hand_over`."""
        return WorkerGroup(settings, self._deadline, lambda *note: self.finished.put(note), self._hook)

    def _enter(self) -> None:
        settings = self.crew.settings
        self._fetches = settings.fetches  # kept: for a process count the system is asked, 60 us
        self._split.enter(time.monotonic(), settings.process_count, settings.thread_count, self.crew.cores)

    def __len__(self) -> int:
        return len(self._visits)

    @property
    def visits(self) -> Collection[Visit]:
        """All of them."""
        return self._visits.values()

    @property
    def has_room(self) -> bool:
        """Whether the crew takes one more; what the crew before has does not count."""
        return len(self._visits) - len(self._last) < self.crew.window

    def submit(self, visit: Visit, *, watched: bool) -> None:
        """Hand the visit out; ``watched``: its executor tells when its fetch starts and ends."""
        if self._blocked:
            self._split.accuse(wait_reason(visit, self._limits), self._blocked)
            self._blocked = 0.0
        visit.attempts += 1
        crew = self.crew
        if visit.robots:
            future = crew.executor.submit(crew.robots, visit.robots)
        else:
            more = (tuple(self.known_of(visit)),) if self.known_of is not None else ()
            arguments = (tuple(visit.entry), visit.attempts, watched, time.monotonic(), *more)
            future = crew.executor.submit(crew.work, *arguments)
        self._visits[future] = visit
        future.add_done_callback(self.finished.put)

    def wait(self, patience: float | None, *, held: int, list_open: bool) -> News:
        """What is finished next, from within so many seconds. Raises queue.Empty.

        Threads that have no visit meanwhile wait for one of the ``held``, or for the list if that is open.
        """
        free = self._fetches - len(self._visits)
        if free <= 0 or not self.finished.empty():
            return self.finished.get(timeout=patience)
        began = time.monotonic()
        try:
            return self.finished.get(timeout=patience)
        finally:
            seconds = time.monotonic() - began
            waiting = min(free, held)
            self._split.politeness += waiting * seconds
            self._blocked += waiting * seconds
            if list_open:
                self._split.list_wait += (free - waiting) * seconds

    def visit_of(self, future: Future[Any]) -> Visit | None:
        """The visit of a future that is not done; None where it was handed over."""
        return self._visits.get(future)

    def land(self, future: Future[Any]) -> tuple[Visit, WorkerGroup] | None:
        """The visit of a future that is done, and who has made it; None where it was handed over."""
        visit = self._visits.pop(future, None)
        if visit is None:
            return None
        if future in self._last and self._before is not None:
            self._last.discard(future)
            return visit, self._before
        return visit, self.crew

    def hand_over(self, crew: WorkerGroup) -> None:
        """New visits are this crew's from now on, and those that no thread of the crew before has begun."""
        before, self._before, self.crew = self.crew, self.crew, crew
        again = [(future, visit) for future, visit in self._visits.items() if future.cancel()]
        for future, _ in again:
            del self._visits[future]
        self._last = set(self._visits)
        before.executor.shutdown(wait=False)
        for _, visit in again:
            visit.attempts -= 1
            self.submit(visit, watched=True)
        self._enter()

    @property
    def _crews(self) -> list[WorkerGroup]:
        return [self.crew] if self._before is None else [self._before, self.crew]

    def shutdown(self, *, cancel: bool = False) -> None:
        """Take no more visits; ``cancel`` those that no thread has begun."""
        for crew in self._crews:
            crew.executor.shutdown(wait=False, cancel_futures=cancel)

    def stop(self) -> None:
        """End the workers now, whatever they do."""
        for crew in self._crews:
            crew.executor.stop()

    def close_split(self) -> None:
        """The harvest is over: no thread's time counts any more."""
        self._split.leave(time.monotonic())
        self._split.cpu_here = time.process_time() - self._began_cpu
