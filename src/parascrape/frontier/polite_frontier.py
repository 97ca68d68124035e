"""A frontier with politeness: hosts take turns within their limits, delays, backoff and robots.txt.

    source -> Host.push -> ReadyQueue -> take -+-> robots.txt allows it: a visit to fetch
                  ^                            +-> refused: a record without a fetch
                  |                            +-> unknown: held, and a visit that asks for robots.txt
                  +--------- set_robots <----------+

No I/O but the shared host states of `Peers`; the time comes from the source's clock.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from parascrape.errors import InvalidUrl
from parascrape.frontier.frontier import MAX_WAITING, Frontier, VisitSource
from parascrape.frontier.host import Host, Visit
from parascrape.frontier.politeness import FetchReport, PolitenessPolicy
from parascrape.frontier.ready_queue import HostSchedule
from parascrape.frontier.robots_gate import MAX_ORIGINS, RobotsGate, RobotsOrigin
from parascrape.web import RobotsRules, domain_key, host_key, prepare

if TYPE_CHECKING:
    from parascrape.frontier.host_store import Peers  # sqlite3: 5 ms

_READ_STEP = 32  # entries that one `take` reads ahead, so that the first visit is out at once


class FrontierBounds(NamedTuple):
    """Bounds on what a `PoliteFrontier` keeps in memory."""

    visits: int = MAX_WAITING  # that wait; at that number the list is not read on
    idle_hosts: int = 10_000  # without visits; beyond that the oldest unrestrained ones are forgotten
    origins: int = MAX_ORIGINS  # whose robots.txt is kept


_BOUNDS = FrontierBounds()


class PoliteFrontier(Frontier):
    """Schedules visits by host. ``jitter`` returns numbers in [0, 1)."""

    def __init__(
        self,
        source: VisitSource,
        policy: PolitenessPolicy,
        *,
        jitter: Callable[[], float] = random.random,
        peers: Peers | None = None,
        bounds: FrontierBounds = _BOUNDS,
    ) -> None:
        super().__init__(source, max_waiting=bounds.visits)
        self._policy = policy
        self._jitter = jitter
        self._peers = peers
        self._key = domain_key if policy.per_domain else host_key
        self._free: deque[Visit] = deque()  # visits without a host: refused, or no URL
        self._robots = RobotsGate(bounds.origins)
        self._may_read = True
        self.hosts = HostSchedule(policy, bounds.idle_hosts, *(peers.load() if peers else ({}, 0.0)))

    def take(self, *, new: bool = True) -> Visit | None:
        self._may_read = new
        if new:
            self._read_ahead()
        if self._free:
            self.waiting -= 1
            return self._free.popleft()
        now = self._clock()
        while (host := self.hosts.pop(now)) is not None:
            visit = self._next_of(host, now)
            self.hosts.place(host, now)
            if visit is not None:
                return visit
        return None

    def _next_time(self, *, room: bool) -> float:
        sync = math.inf if self._peers is None else self._peers.next_beat
        if not room:
            return sync
        may_read = self._may_read and not self._source.exhausted and self.waiting < self._max_waiting
        read = self._source.idle_until if may_read else math.inf
        return min(-math.inf if self._free else self.hosts.next_time(), read, sync)

    def _read_ahead(self) -> None:
        """Read a few entries if there is room, without delaying visits that are ready."""
        source, now = self._source, self._clock()
        if source.exhausted or now < source.idle_until:
            return
        for _ in range(min(_READ_STEP, self._max_waiting - self.waiting)):
            if now < source.slow_until and (self._free or self.hosts.has_ready(now)):
                return
            visit = source.next()
            if visit is None:
                return
            now = self._clock()
            self._enqueue(visit, now)

    def _enqueue(self, visit: Visit, now: float) -> None:
        """Append a visit to its host's queue; one without a URL waits for nothing."""
        self.waiting += 1
        try:
            key = "" if visit.refused_code or visit.entry.problem else self._key(prepare(visit.entry.url))
        except InvalidUrl:  # the worker makes its record
            key = ""
        if not key:
            self._free.append(visit)
            return
        visit.host = host = self.hosts.get(key, now)
        behind = host.first is not None
        host.push(visit)
        if host.rank >= 0 or not behind:  # else it waits for what the visit before it waits for
            self.hosts.place(host, now)

    def _next_of(self, host: Host, now: float) -> Visit | None:
        """Return the host's next visit or one that asks for robots.txt, None if it has to wait."""
        visit = host.pop(now)
        self.waiting -= 1
        if visit.robots:
            return self._ask(host, visit, now)
        if host.is_down(now):
            visit.refuse("host_down", f"the host was given up: {host.health.why if host.health else ''}")
            return visit
        if self._policy.robots:
            url = prepare(visit.entry.url)
            origin = self._robots[host_key(url) if self._policy.per_domain else host.key]
            if not origin.is_known(now):
                self.waiting += 1
                asking = origin.hold(visit)
                return None if asking is None else self._ask(host, asking, now)
            code, why = origin.objection(url)
            if code:
                visit.refuse(code, why)
                return visit
        return self._hand_out(host, visit, now)

    def _ask(self, host: Host, visit: Visit, now: float) -> Visit | None:
        """Return the visit to robots.txt, None if it is outdated or the host was given up."""
        origin = self._robots[visit.robots]
        if origin.asking is not visit:
            return None
        if host.is_down(now):
            origin.asks = self._policy.robots_asks
            self._answer(origin, None, now)
            return None
        origin.asks += 1
        return self._hand_out(host, visit, now)

    def _hand_out(self, host: Host, visit: Visit, now: float) -> Visit | None:
        """Return the visit with a slot of its host, None if other runs have the host now."""
        host.hand_out(visit, now)
        wait = 0.0 if self._peers is None else self._peers.claim(host, robots=bool(visit.robots))
        if not wait:
            return visit
        self.waiting += 1
        host.take_back(visit, now + wait)
        return None

    def _clear(self) -> None:
        self._free.clear()
        self._robots.clear()
        self.hosts.clear()

    def blocks_others(self, visit: Visit, *, slot: bool) -> bool:
        host = visit.host
        if host is None or not host.size:
            return False
        return bool((slot and self._policy.per_host) or host.gap(self._policy))

    def mark_started(self, visit: Visit, at: float) -> None:
        host, now = visit.host, self._clock()
        if host is not None:
            host.start(visit, min(at, now), self._policy, self._jitter)
            if host.gap(self._policy):
                self.hosts.place(host, now)

    def mark_fetched(self, visit: Visit) -> None:
        host, now = visit.host, self._clock()
        if host is not None:
            host.end_fetch(visit, now, self._policy, self._jitter)
            self.hosts.place(host, now)

    def finish(self, visit: Visit, report: FetchReport | None = None) -> None:
        self._source.idle_until = 0.0
        host, now = visit.host, self._clock()
        if host is None:
            return
        host.end_fetch(visit, now, self._policy, self._jitter)
        host.finish(visit, report, now, self._policy)
        if self._peers is not None:
            self._peers.touch(host)
        if visit.robots and self._drained_by == math.inf:
            origin = self._robots[visit.robots]
            origin.why = report.code if report else ""
            if origin.asking is visit:
                self._answer(origin, None, now)
        self.hosts.place(host, now)

    def postpone(self, visit: Visit, seconds: float) -> None:
        if visit.robots or self._drained_by < math.inf:
            return
        if visit.host is None:
            self.waiting += 1
            self._free.append(visit)
            return
        self.finish(visit)
        self._wait_later(visit.host, visit, seconds, self._clock())

    def _wait_later(self, host: Host, visit: Visit, seconds: float, now: float) -> None:
        self.waiting += 1
        visit.host = host = self.hosts.keep(host)
        host.push_later(visit, now + seconds)
        self.hosts.place(host, now)

    def set_robots(self, origin: str, rules: RobotsRules | None) -> None:
        if self._drained_by == math.inf:
            self._answer(self._robots[origin], rules, self._clock())

    def _answer(self, origin: RobotsOrigin, rules: RobotsRules | None, now: float) -> None:
        """Ask for robots.txt again later, or release the visits that wait for it."""
        host = origin.asking.host if origin.asking is not None else None
        wait = origin.answer(rules, now, self._policy)
        if wait is None:
            for released in origin.release(host, self._policy):
                self.hosts.place(released, now)
        elif host is not None:
            self._wait_later(host, origin.ask(host), wait, now)

    def sync(self) -> None:
        if self._peers is not None:
            self._peers.beat()

    def close(self) -> None:
        if self._peers is not None:
            self._peers.close()


def open_frontier(source: VisitSource, policy: PolitenessPolicy | None, hosts_file: str = "") -> Frontier:
    """Return a frontier with this policy, one without politeness for None.

    ``hosts_file`` is shared with the other runs on this machine; empty: they are ignored.
    """
    if policy is None:
        return Frontier(source)
    if not hosts_file:
        return PoliteFrontier(source, policy)
    from parascrape.frontier.host_store import HostStore, Peers  # sqlite3: 5 ms

    return PoliteFrontier(source, policy, peers=Peers(HostStore(Path(hosts_file)), policy))
