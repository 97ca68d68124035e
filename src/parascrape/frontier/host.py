"""One host: its queue of visits, those in flight, and when the next may start. No I/O, no clock."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from parascrape.errors import Duplicate, HostDown, NotFetched, RobotsForbidden
from parascrape.frontier.backoff import HostHealth
from parascrape.frontier.politeness import FetchReport, HostState, PolitenessPolicy, WaitReason
from parascrape.records import Entry, PastAttempt

_WAITING, _TAKEN, _STARTED, _FETCHED = range(4)  # stages of a visit

_GUESSED_LATENCY = 0.25  # seconds, before a host has answered
_NO_LIMIT = 32  # assumed fetches at once of a host without a limit
_STEPS = 8  # ranks for each doubling: two hosts of one rank differ by less than a tenth


@dataclass(slots=True, eq=False)
class Visit:
    """One entry of the list, with its place in the list and how often it was fetched.

    ``refused_code`` and ``refused_why`` say why it is not to be fetched, if so. A visit that asks for a
    robots.txt is not of the list: ``robots`` is its origin, else empty, and its number is -1.
    """

    number: int
    entry: Entry
    attempts: int = 0
    earlier: tuple[PastAttempt, ...] = ()  # attempts before the last
    refused_code: str = ""
    refused_why: str = ""
    robots: str = ""
    host: Host | None = field(default=None, repr=False)
    next: Visit | None = field(default=None, repr=False)  # in the host's queue
    stage: int = _WAITING
    taken: float = 0.0  # when it was handed out last

    def refuse(self, code: str, why: str) -> None:
        """Turn the visit into a record without a fetch."""
        self.refused_code, self.refused_why = code, why


@dataclass(slots=True, eq=False)
class Host:
    """The visits to one host (or domain), and the times and counts that limit them.

    Times are monotonic seconds. The queue is linked through its visits: an empty deque takes 760 bytes,
    and a list may have 100,000 hosts.
    """

    key: str
    first: Visit | None = field(default=None, repr=False)
    last: Visit | None = field(default=None, repr=False)
    size: int = 0  # visits in the queue and in `later`
    later: list[tuple[float, int, int, Visit]] | None = field(default=None, repr=False)  # a heap by time
    held: int = 0  # visits that wait for robots.txt
    in_flight: int = 0
    unstarted: int = 0  # handed out, their start is not known yet
    last_start: float = -math.inf
    next_start: float = -math.inf
    crawl_delay: float = 0.0
    health: HostHealth | None = None
    rank: int = -1  # these three belong to `ReadyQueue`
    due_at: float = math.inf
    timer: float = math.inf

    @property
    def idle(self) -> bool:
        """Whether no visit waits or is in flight."""
        return not (self.size or self.in_flight or self.held)

    def push(self, visit: Visit) -> None:
        """Put a visit at the end of the queue."""
        if self.last is None:
            self.first = visit
        else:
            self.last.next = visit
        self.last = visit
        self.size += 1

    def push_front(self, visit: Visit) -> None:
        """Put a visit at the head of the queue."""
        visit.next = self.first
        self.first = visit
        if self.last is None:
            self.last = visit
        self.size += 1

    def push_later(self, visit: Visit, due: float) -> None:
        """Keep a visit until its time has come."""
        if self.later is None:
            self.later = []
        heapq.heappush(self.later, (due, visit.number, id(visit), visit))
        self.size += 1

    def pop(self, now: float) -> Visit:
        """Remove and return a visit whose time has come, else the head of the queue; one must wait."""
        self.size -= 1
        visit = self.first
        if self.later and (visit is None or self.later[0][0] <= now):
            return heapq.heappop(self.later)[3]
        assert visit is not None  # noqa: S101 (the caller's promise)
        self.first, visit.next = visit.next, None
        if self.first is None:
            self.last = None
        return visit

    def clear(self) -> None:
        """Drop every visit that waits."""
        self.first = self.last = self.later = None
        self.size = self.held = 0
        self.rank = -1
        self.due_at = self.timer = math.inf

    def gap(self, limits: PolitenessPolicy) -> float:
        """Return the seconds between two starts, without the jitter."""
        gap = limits.delay if limits.delay > self.crawl_delay else self.crawl_delay
        health = self.health
        if health is not None and (health.slow > gap or health.adaptive > gap):
            gap = max(health.slow, health.adaptive)
        return gap

    def is_down(self, now: float) -> bool:
        """Return whether the host is given up: its visits are refused."""
        return self.health is not None and now < self.health.down_until

    def due(self, now: float, limits: PolitenessPolicy) -> float:
        """Return when the next visit may be handed out, infinity if that depends on visits in flight."""
        if not self.size:
            return math.inf
        health = self.health
        if health is not None and now < health.down_until:
            return -math.inf
        if self.in_flight:
            most = 1 if health is not None and health.trials else limits.per_host
            if (most and self.in_flight >= most) or (self.unstarted and self.gap(limits)):
                return math.inf
        due = self.next_start
        if gap := self.gap(limits):  # it may have grown since
            due = max(due, self.last_start + gap)
        if health is not None:
            due = max(due, health.paused_until, health.open_until)
        if self.first is None and self.later:
            due = max(due, self.later[0][0])
        return due

    def tail(self, limits: PolitenessPolicy) -> int:
        """Return a rank for the time that the waiting visits take: more is longer."""
        latency = self.health.usual if self.health and self.health.answers else _GUESSED_LATENCY
        pace = max(self.gap(limits), latency / (limits.per_host or _NO_LIMIT), 0.001)
        return int(_STEPS * math.log2(1.0 + 1000.0 * pace * self.size))

    def hand_out(self, visit: Visit, now: float) -> None:
        """Give the visit a slot."""
        visit.stage = _TAKEN
        visit.taken = now
        self.in_flight += 1
        self.unstarted += 1

    def take_back(self, visit: Visit, until: float) -> None:
        """Put back a visit that was not begun; hand out none before ``until``."""
        visit.stage = _WAITING
        self.in_flight -= 1
        self.unstarted -= 1
        self.next_start = max(self.next_start, until)
        self.push_front(visit)

    def start(self, visit: Visit, at: float, limits: PolitenessPolicy, jitter: Callable[[], float]) -> None:
        """Note that the fetch has started; ``jitter`` returns numbers in [0, 1)."""
        if visit.stage != _TAKEN:
            return
        visit.stage = _STARTED
        self.unstarted -= 1
        at = max(at, visit.taken)  # the worker's clock may be off
        gap = limits.delay
        if not visit.robots:  # a Crawl-delay holds between pages
            gap = self.gap(limits)
            self.last_start = max(self.last_start, at)
        if gap:
            self.next_start = max(self.next_start, at + gap * (1.0 + limits.jitter * jitter()))

    def end_fetch(
        self, visit: Visit, now: float, limits: PolitenessPolicy, jitter: Callable[[], float]
    ) -> None:
        """Free the visit's slot. If its start was not reported, it was now at the latest."""
        if visit.stage == _TAKEN:
            self.start(visit, now, limits, jitter)
        if visit.stage == _STARTED:
            visit.stage = _FETCHED
            self.in_flight -= 1

    def finish(self, visit: Visit, report: FetchReport | None, now: float, limits: PolitenessPolicy) -> None:
        """Update the host's health from the report of a visit whose fetch is over."""
        if visit.stage != _FETCHED:
            return
        visit.stage = _WAITING
        if report is not None:
            self.health = self.health or HostHealth()
            self.health.note(report, visit.taken, now, limits)

    def is_restrained(self, now: float) -> bool:
        """Return whether a delay, a pause or its health forbids a fetch now."""
        if self.next_start > now:
            return True
        return self.health is not None and max(self.health.until, self.health.down_until) > now

    def state(self, now: float, wall: float) -> HostState:
        """Return the state for the next run; ``wall`` is the wall clock's time."""
        health = self.health or HostHealth()
        until = max(health.until, health.down_until)
        started = max(0.0, wall + self.last_start - now)
        return HostState(started, wall + until - now if until > now else 0.0, health.slow, health.trials)

    def restore(self, state: HostState, now: float, wall: float, limits: PolitenessPolicy) -> None:
        """Take over the state of an earlier run, within the policy's bounds."""
        self.health = health = HostHealth()
        health.slow = min(state.slow, limits.max_backoff) if state.slow > 0.0 else 0.0
        health.trials = min(max(state.trials, 0), limits.circuit_trials)
        left = state.paused_until - wall
        health.pause(left, now, limits, why=f"an earlier run has it left alone for {left:.0f} s more")
        if state.last_start:
            self.last_start = now + min(0.0, state.last_start - wall)
            self.next_start = self.last_start + self.gap(limits)


_REFUSALS: dict[str, type[NotFetched]] = {kind.code: kind for kind in (Duplicate, HostDown, RobotsForbidden)}


def wait_reason(visit: Visit, limits: PolitenessPolicy | None) -> WaitReason:
    """Return why a visit was delayed, and by which host."""
    host = visit.host
    if host is None or limits is None or visit.attempts:
        return "retry", ""
    shown = host.key.partition("://")[2].removesuffix(":443").removesuffix(":80") or host.key
    gap = host.gap(limits)
    if not gap:
        return "limit", shown
    if gap > max(limits.delay, host.crawl_delay):
        return "rest", shown
    return ("crawl_delay" if host.crawl_delay > limits.delay else "delay"), shown


def refusal(visit: Visit) -> NotFetched:
    """Return the error of a refused visit."""
    return _REFUSALS[visit.refused_code](visit.refused_why)
