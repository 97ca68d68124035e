"""Visits in flight: on the current worker group, and on the one that it replaces.

submit --> group.executor --> finished --> wait --> complete
                ^
                +-- replace_workers: new visits and those that no thread has begun go to another group
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, NamedTuple

from parascrape.executors import WithContext, capacity, open_executor, why_not_importable
from parascrape.fetch import DIRECT, NetworkOptions
from parascrape.files import Quarantine
from parascrape.frontier import PolitenessPolicy, Visit, politeness_policy, wait_reason
from parascrape.harvesting.timings import Timings
from parascrape.harvesting.worker import PageHook, Worker
from parascrape.settings import Settings
from parascrape.system import available_cpus

News = Future[Any] | tuple[Future[Any], Any] | None
"""A future that is done, a note of a task that goes on, or None: the loop is to look at its state."""


class LookPolicy(NamedTuple):
    """When mode auto looks at what its threads do, and what it believes. Times are seconds.

    A look needs ``first`` seconds (each later one half as many again) and ``pages`` behind it; one page is
    enough after ``slow``. After ``sure``, the start-up costs that some pages pay for all do not matter.
    ``cpu_clock`` is the CPU time of this process, ``cpus`` what it may use (0: those that there are);
    ``why_not`` returns why processes cannot be started, if so.
    """

    first: float = 0.15
    pages: int = 8
    slow: float = 0.5
    sure: float = 1.0
    cpu_clock: Callable[[], float] = time.process_time
    cpus: int = 0
    why_not: Callable[[], str] = why_not_importable


@dataclass(frozen=True, slots=True)
class Environment:
    """What surrounds a harvest, and is not a user's choice.

    ``quarantine`` is the folder for pages under which a worker dies or hangs, empty: none; ``hosts_file``
    is where runs on this machine share the state of hosts, empty: nowhere. ``network`` says how hosts are
    reached. A task may take ``scrape_grace`` seconds beyond `Settings.timeout`, for decoding and scraping,
    before it is ended. ``look`` says when mode auto looks at its threads. ``limits`` returns the policy for
    hosts, or None for none.
    """

    quarantine: str = ""
    hosts_file: str = ""
    network: NetworkOptions = DIRECT
    scrape_grace: float = 5.0
    look: LookPolicy = field(default_factory=LookPolicy)
    limits: Callable[[Settings], PolitenessPolicy | None] = politeness_policy


class WorkerCount(NamedTuple):
    """Worker processes (0: threads of this process), and threads in each."""

    processes: int
    threads: int


class WorkerGroup:
    """The workers of a harvest: their executor, the function they run, and how many tasks they may have.

    ``on_note`` is the executor's.
    """

    def __init__(
        self,
        settings: Settings,
        environment: Environment,
        count: WorkerCount,
        on_note: Callable[[Future[Any], Any], None],
        hook: PageHook | None = None,
    ) -> None:
        deadline = settings.timeout + environment.scrape_grace
        self.executor = open_executor(*count, deadline=deadline, worker_bytes=settings.worker_bytes)
        self.executor.on_note = on_note
        self.count = count
        kept = Quarantine(environment.quarantine, None if count.processes else {})
        processes = max(1, count.processes)
        self.worker = Worker(settings, environment.network, kept, hook, processes)
        self.work = WithContext(self.worker)
        self.fetches = processes * count.threads  # at once
        # More than the fetches, so that a free thread finds its next task without a round trip.
        self.window = processes * capacity(count.threads)


@dataclass(eq=False)
class InFlight:
    """The visits that workers have, and what threads without one wait for.

    ``known_of`` returns the validators of a visit's page from an earlier run; None: no earlier run.
    """

    settings: Settings
    environment: Environment
    limits: PolitenessPolicy | None
    split: Timings
    hook: PageHook | None = None
    known_of: Callable[[Visit], tuple[str, str, str]] | None = None

    def __post_init__(self) -> None:
        self.finished: SimpleQueue[News] = SimpleQueue()
        self._visits: dict[Future[Any], tuple[Visit, WorkerGroup]] = {}
        self._blocked = 0.0  # seconds of threads that waited for the visit that comes next
        self._with_replaced = 0  # visits that the replaced group still has
        self._began_cpu = time.process_time()
        settings = self.settings
        self.group = self.open_group(WorkerCount(settings.process_count, settings.thread_count))
        self._groups = [self.group]  # with the replaced one
        self._enter()

    def open_group(self, count: WorkerCount) -> WorkerGroup:
        """Return a worker group that reports here; for `replace_workers`."""
        return WorkerGroup(
            self.settings, self.environment, count, lambda *note: self.finished.put(note), self.hook
        )

    def _enter(self) -> None:
        """Count the time of the group's threads and cores from now on."""
        count = self.group.count
        self.split.enter(time.monotonic(), *count, cores=max(1, min(count.processes, available_cpus())))

    def __len__(self) -> int:
        return len(self._visits)

    @property
    def has_room(self) -> bool:
        """Whether the group takes one more; what the replaced group has does not count."""
        return len(self._visits) - self._with_replaced < self.group.window

    def submit(self, visit: Visit, *, watched: bool) -> None:
        """Hand the visit out; ``watched``: there is a note when its fetch starts and one when it ends."""
        if self._blocked:
            self.split.add_wait(wait_reason(visit, self.limits), self._blocked)
            self._blocked = 0.0
        visit.attempts += 1
        task: str | tuple[Any, ...] = visit.robots
        if not task:
            known = (tuple(self.known_of(visit)),) if self.known_of is not None else ()
            task = (tuple(visit.entry), visit.attempts, watched, time.monotonic(), *known)
        future = self.group.executor.submit(self.group.work, task)
        self._visits[future] = visit, self.group
        future.add_done_callback(self.finished.put)

    def wait(self, patience: float | None, *, held: int, list_open: bool) -> News:
        """Return the next finished future or note, within so many seconds. Raises queue.Empty.

        Threads that have no visit meanwhile wait for one of the ``held``, or for the list if that is open.
        """
        free = self.group.fetches - len(self._visits)
        if free <= 0 or not self.finished.empty():
            return self.finished.get(timeout=patience)
        began = time.monotonic()
        try:
            return self.finished.get(timeout=patience)
        finally:
            seconds = time.monotonic() - began
            waiting = min(free, held)
            self.split.politeness += waiting * seconds
            self._blocked += waiting * seconds
            if list_open:
                self.split.list_wait += (free - waiting) * seconds

    def visit_of(self, future: Future[Any]) -> Visit | None:
        """Return the visit of a future that is not done; None where it was handed over."""
        return self._visits[future][0] if future in self._visits else None

    def complete(self, future: Future[Any]) -> tuple[Visit, WorkerGroup] | None:
        """Return the visit of a future that is done and its workers; None where it was handed over."""
        completed = self._visits.pop(future, None)
        if completed is not None and completed[1] is not self.group:
            self._with_replaced -= 1
        return completed

    def replace_workers(self, group: WorkerGroup) -> None:
        """Give this group new visits from now on, and those that no thread of the other has begun."""
        before, self.group = self.group, group
        self._groups.append(group)
        again = [self._visits.pop(future)[0] for future in list(self._visits) if future.cancel()]
        self._with_replaced = len(self._visits)
        before.executor.shutdown(wait=False)
        for visit in again:
            visit.attempts -= 1
            self.submit(visit, watched=True)
        self._enter()

    def shutdown(self, *, cancel: bool = False) -> None:
        """Take no more visits; ``cancel`` those that no thread has begun."""
        for group in self._groups:
            group.executor.shutdown(wait=False, cancel_futures=cancel)

    def stop(self) -> None:
        """End the workers now, whatever they do."""
        for group in self._groups:
            group.executor.stop()

    def close(self) -> None:
        """Close connections, and end the count of the threads' time: the harvest is over."""
        for group in self._groups:
            group.worker.close()
        self.split.leave(time.monotonic())
        self.split.cpu_here = time.process_time() - self._began_cpu
