"""The visits of all hosts: each waits in its host's queue, and leaves when its host and robots.txt permit.

    put -> Host.push -> Turns -> pick -+-> robots.txt is known and allows it: a visit to fetch
               ^                       +-> a visit that is refused: a record without a fetch
               |                       +-> not known: held, and a visit that asks for robots.txt
               +--- robots_known <-----------+

Pure: no clock, no I/O; every call is told what time it is.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping

from parascrape.errors import InvalidUrl
from parascrape.frontier.host import Host, Visit
from parascrape.frontier.politeness import FetchReport, HostState, PolitenessPolicy
from parascrape.frontier.ready_queue import ReadyQueue
from parascrape.frontier.robots_gate import RobotsGate, RobotsOrigin
from parascrape.web import RobotsRules, host_key, prepare

__all__ = ["MAX_IDLE", "HostQueues"]

MAX_IDLE = 10_000
"""Hosts that are remembered though nothing of them waits; of more, the oldest that are free to ask go."""


class HostQueues:
    """Who may be visited now, over all hosts. Times are monotonic seconds, ``jitter`` gives [0, 1)."""

    def __init__(
        self, limits: PolitenessPolicy, jitter: Callable[[], float], key: Callable[[str], str] = host_key
    ) -> None:
        self.held = 0  # visits that wait
        self._limits = limits
        self._jitter = jitter
        self._key = key
        self._hosts: dict[str, Host] = {}
        self._idle: OrderedDict[str, Host] = OrderedDict()
        self._turns = ReadyQueue()
        self._origins = RobotsGate()
        self._free: deque[Visit] = deque()  # of no host: refused, or no URL
        self._known: Mapping[str, HostState] = {}
        self._wall_offset = 0.0  # the wall clock's time, less ours
        self._closed = False

    # --- in and out ---------------------------------------------------------------------------------

    def put(self, visit: Visit, now: float) -> None:
        """Have a visit wait: at the end of its host's queue, or for nothing where it holds no URL."""
        self.held += 1
        if visit.refused_code or visit.entry.problem:
            self._free.append(visit)
            return
        try:
            key = self._key(prepare(visit.entry.url))
        except InvalidUrl:  # its record is made where URLs are fetched
            self._free.append(visit)
            return
        visit.host = host = self._host(key, now)
        behind = host.first is not None
        host.push(visit)
        if host.rank >= 0 or not behind:  # else it waits for what the visit before it waits for
            self._place(host, now)

    def pick(self, now: float) -> Visit | None:
        """A visit that may be made, or be recorded as refused, now; None where there is none."""
        if self._free:
            self.held -= 1
            return self._free.popleft()
        self._wake(now)
        while (host := self._turns.pop()) is not None:
            visit = self._next_of(host, now)
            self._place(host, now)
            if visit is not None:
                return visit
        return None

    def has_ready(self, now: float) -> bool:
        """Whether `pick` has something to choose from."""
        self._wake(now)
        return bool(self._free or self._turns)

    def next_time(self) -> float:
        """When `pick` may have something; infinity while only what is under way can bring it."""
        return -math.inf if self._free else self._turns.next_time()

    def clear(self) -> None:
        """Forget every visit that waits, now and later; what is known of the hosts stays."""
        self._closed = True
        self.held = 0
        self._free.clear()
        self._origins.clear()
        self._turns = ReadyQueue()
        for host in self._hosts.values():
            host.clear()

    # --- what becomes of a visit --------------------------------------------------------------------

    def started(self, visit: Visit, at: float, now: float) -> None:
        """Its fetch started at this time."""
        host = visit.host
        if host is not None:
            host.start(visit, min(at, now), self._limits, self._jitter)
            if host.gap(self._limits):
                self._place(host, now)

    def fetched(self, visit: Visit, now: float) -> None:
        """Its fetch is over: its slot is free."""
        host = visit.host
        if host is not None:
            host.end_fetch(visit, now, self._limits, self._jitter)
            self._place(host, now)

    def finished(self, visit: Visit, report: FetchReport | None, now: float) -> None:
        """It is back; a robots.txt that nobody told of by then is one that cannot be had."""
        host = visit.host
        if host is None:
            return
        host.end_fetch(visit, now, self._limits, self._jitter)
        host.finish(visit, report, now, self._limits)
        if visit.robots and not self._closed:
            origin = self._origins[visit.robots]
            origin.why = report.code if report else ""
            if origin.asking is visit:
                self._answer(origin, None, now)
        self._place(host, now)

    def is_waited_for(self, visit: Visit, *, slot: bool) -> bool:
        """Whether its host has other visits, and a delay, or (``slot``) a limit, that holds them up."""
        host = visit.host
        if host is None or not host.size:
            return False
        return bool((slot and self._limits.per_host) or host.gap(self._limits))

    def put_back(self, visit: Visit, seconds: float, now: float) -> None:
        """Have it wait at the head of its host's queue, as if it had not been picked, for so many seconds."""
        if visit.host is None or self._closed:
            return
        self.held += 1
        visit.host.take_back(visit, now + seconds)
        self._place(visit.host, now)

    def postpone(self, visit: Visit, seconds: float, now: float) -> None:
        """Have it wait again, for so many seconds at least; `finished` should have come before."""
        if visit.robots or self._closed:
            return
        self.held += 1
        host = visit.host
        if host is None:
            self._free.append(visit)
            return
        self.finished(visit, None, now)
        self._wait_later(host, visit, seconds, now)

    def robots_known(self, key: str, rules: RobotsRules | None, now: float) -> None:
        """The robots.txt of this origin has been fetched; None where it could not be had."""
        if not self._closed:
            self._answer(self._origins[key], rules, now)

    # --- between runs -------------------------------------------------------------------------------

    def states(self, now: float, wall: float) -> Iterator[tuple[str, HostState]]:
        """What the next run should know, of hosts of which there is something to know."""
        for key, host in self._hosts.items():
            state = host.state(now, wall)
            if state.paused_until or state.slow or state.trials or host.next_start > now:
                yield key, state

    def restore(self, known: Mapping[str, HostState], now: float, wall: float) -> None:
        """Go on from this when a host comes up."""
        self._known = known
        self._wall_offset = wall - now

    # --- within -------------------------------------------------------------------------------------

    def _host(self, key: str, now: float) -> Host:
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = Host(key)
            if key in self._known:
                host.restore(self._known[key], now, now + self._wall_offset, self._limits)
        elif host.idle:
            self._idle.pop(key, None)
        return host

    def _wake(self, now: float) -> None:
        for host in self._turns.wake(now):
            self._place(host, now)

    def _place(self, host: Host, now: float) -> None:
        """Where the host belongs after a change: ready, waiting for a time or an event, or idle."""
        due = host.due(now, self._limits)
        self._turns.set(host, due, rank=host.tail(self._limits) if due <= now else -1)
        if host.idle:
            self._retire(host, now)

    def _retire(self, host: Host, now: float) -> None:
        if self._hosts.get(host.key) is not host:  # forgotten while its last page was parsed
            return
        self._idle[host.key] = host
        for _ in range(min(3, len(self._idle) - MAX_IDLE)):  # more than one, for some are kept
            key, oldest = self._idle.popitem(last=False)
            if oldest.is_restrained(now):
                self._idle[key] = oldest
            elif oldest.idle:
                self._hosts.pop(key, None)

    def _next_of(self, host: Host, now: float) -> Visit | None:
        """The host's next visit, or one that asks for robots.txt; None where that has to be waited for."""
        visit = host.pop(now)
        self.held -= 1
        if visit.robots:
            return self._ask(host, visit, now)
        if host.is_down(now):
            visit.refuse("host_down", f"the host was given up: {host.health.why if host.health else ''}")
            return visit
        if self._limits.robots:
            url = prepare(visit.entry.url)
            origin = self._origins[host.key if self._key is host_key else host_key(url)]
            if not origin.is_known(now):
                return self._hold(origin, host, visit, now)
            code, why = origin.objection(url)
            if code:
                visit.refuse(code, why)
                return visit
        host.hand_out(visit, now)
        return visit

    def _hold(self, origin: RobotsOrigin, host: Host, visit: Visit, now: float) -> Visit | None:
        """Have a visit wait for robots.txt; a visit that asks for that, if none does yet."""
        origin.held.append(visit)
        host.held += 1
        self.held += 1
        if origin.asking is not None:
            return None
        asking = origin.ask()
        asking.host = host
        return self._ask(host, asking, now)

    def _ask(self, host: Host, visit: Visit, now: float) -> Visit | None:
        """The visit to robots.txt, unless it is not needed any more or the host was given up."""
        origin = self._origins[visit.robots]
        if origin.asking is not visit:
            return None
        if host.is_down(now):
            origin.asks = self._limits.robots_asks
            self._answer(origin, None, now)
            return None
        origin.asks += 1
        host.hand_out(visit, now)
        return visit

    def _answer(self, origin: RobotsOrigin, rules: RobotsRules | None, now: float) -> None:
        """Take in what is known of robots.txt: ask again later, or let those that wait for it go on."""
        asked = origin.asking
        wait = origin.answer(rules, now, self._limits)
        if wait is not None:
            if asked is not None and asked.host is not None:
                asking = origin.ask()
                asking.host = asked.host
                self.held += 1
                self._wait_later(asked.host, asking, wait, now)
            return
        delay = min(rules.delay, self._limits.max_delay) if rules is not None and rules.delay > 0.0 else 0.0
        hosts: dict[Host, None] = {} if asked is None or asked.host is None else {asked.host: None}
        for visit in reversed(origin.release()):
            host = visit.host
            if host is not None:
                host.push_front(visit)
                host.held -= 1
                hosts[host] = None
        for host in hosts:
            host.crawl_delay = delay if host.key == origin.key else max(host.crawl_delay, delay)
            self._place(host, now)

    def _wait_later(self, host: Host, visit: Visit, seconds: float, now: float) -> None:
        host = self._hosts.setdefault(host.key, host)
        self._idle.pop(host.key, None)
        visit.host = host
        host.push_later(visit, now + seconds)
        self._place(host, now)
