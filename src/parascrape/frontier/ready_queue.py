"""The ready queue (round robin, longest queue first), and the schedule of all hosts. No I/O, no clock."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import OrderedDict, defaultdict
from collections.abc import Mapping

from parascrape.frontier.host import Host
from parascrape.frontier.politeness import HostState, PolitenessPolicy

FAIR = 16
"""Every so many turns the host that has been ready for longest is next, however few its visits."""


class ReadyQueue:
    """Hosts that are ready, and hosts that wait for a time.

    Ready hosts stand in lanes, one for each rank (`Host.tail`), and take turns there: O(1), whatever
    their number. The others are in a heap; outdated times are dropped when they come up.
    """

    def __init__(self) -> None:
        self._lanes: defaultdict[int, OrderedDict[Host, None]] = defaultdict(OrderedDict)
        self._used = 0  # a bit for each lane that is not empty
        self._ready: OrderedDict[Host, None] = OrderedDict()  # the longest ready first
        self._times: list[tuple[float, int, Host]] = []
        self._serials = itertools.count()
        self._turn = 0

    def __len__(self) -> int:
        return len(self._ready)

    def set(self, host: Host, due: float, *, rank: int) -> None:
        """Set when the host is due; it is ready now if ``rank`` is not -1."""
        host.due_at = due
        if rank >= 0:
            if host.rank != rank:
                self._move(host, rank)
            return
        if host.rank >= 0:
            self._leave(host)
        if due < host.timer:
            self._push(host, due)

    def pop(self) -> Host | None:
        """Remove and return the host whose turn it is, None if none is ready."""
        if not self._ready:
            return None
        self._turn += 1
        lane = self._lanes[self._used.bit_length() - 1] if self._turn % FAIR else self._ready
        host = next(iter(lane))
        self._leave(host)
        return host

    def wake(self, now: float) -> list[Host]:
        """Return the hosts whose time has come, each once; `set` them again."""
        woken: list[Host] = []
        while self._times and self._times[0][0] <= now:
            time, _, host = heapq.heappop(self._times)
            if host.timer == time:
                host.timer = math.inf
                woken.append(host)
        return woken

    def next_time(self) -> float:
        """Return when the next host is due: minus infinity if one is ready, infinity for never."""
        if self._ready:
            return -math.inf
        while self._times:
            time, _, host = self._times[0]
            if host.timer == time == host.due_at:
                return time
            heapq.heappop(self._times)
            if host.timer == time:
                host.timer = math.inf
                if host.due_at < math.inf:
                    self._push(host, host.due_at)
        return math.inf

    def _push(self, host: Host, due: float) -> None:
        host.timer = due
        heapq.heappush(self._times, (due, next(self._serials), host))

    def _move(self, host: Host, rank: int) -> None:
        """Move the host to the end of the lane of this rank."""
        if host.rank < 0:
            self._ready[host] = None
        else:
            self._leave_lane(host)
        host.rank = rank
        self._lanes[rank][host] = None
        self._used |= 1 << rank

    def _leave(self, host: Host) -> None:
        self._leave_lane(host)
        del self._ready[host]
        host.rank = -1

    def _leave_lane(self, host: Host) -> None:
        lane = self._lanes[host.rank]
        del lane[host]
        if not lane:
            self._used &= ~(1 << host.rank)


class HostSchedule:
    """The hosts of a run by their key, and which may be asked next.

    Beyond ``max_idle`` hosts without visits the oldest are forgotten, but not those to be left alone.
    ``known`` is what earlier runs knew of hosts, ``wall_offset`` the wall clock minus ours.
    """

    def __init__(
        self, policy: PolitenessPolicy, max_idle: int, known: Mapping[str, HostState], wall_offset: float
    ) -> None:
        self._policy = policy
        self._max_idle = max_idle
        self._hosts: dict[str, Host] = {}
        self._idle: OrderedDict[str, Host] = OrderedDict()
        self._ready = ReadyQueue()
        self._known, self._wall_offset = known, wall_offset

    def __len__(self) -> int:
        return len(self._hosts)

    def __contains__(self, host: Host) -> bool:
        return self._hosts.get(host.key) is host

    def get(self, key: str, now: float) -> Host:
        """Return the host of this key, a new one if need be."""
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = Host(key)
            if key in self._known:
                host.restore(self._known[key], now, now + self._wall_offset, self._policy)
        elif host.idle:
            self._idle.pop(key, None)
        return host

    def keep(self, host: Host) -> Host:
        """Return the host of this key: this one, or the one made after it was forgotten."""
        self._idle.pop(host.key, None)
        return self._hosts.setdefault(host.key, host)

    def place(self, host: Host, now: float) -> None:
        """Schedule a host after a change: ready, waiting for a time or an event, or idle."""
        due = host.due(now, self._policy)
        self._ready.set(host, due, rank=host.tail(self._policy) if due <= now else -1)
        if not host.size and host.idle and host in self:  # else forgotten while its last page was parsed
            self._retire(host, now)

    def _retire(self, host: Host, now: float) -> None:
        """Note an idle host, and forget the oldest ones if there are too many."""
        self._idle[host.key] = host
        for _ in range(min(3, len(self._idle) - self._max_idle)):  # more than one, for some are kept
            key, oldest = self._idle.popitem(last=False)
            if oldest.is_restrained(now):
                self._idle[key] = oldest
            elif oldest.idle:
                self._hosts.pop(key, None)

    def has_ready(self, now: float) -> bool:
        """Return whether a host may be asked now."""
        self._wake(now)
        return bool(self._ready)

    def pop(self, now: float) -> Host | None:
        """Return the host whose turn it is, to be placed again; None if no host is ready."""
        self._wake(now)
        return self._ready.pop()

    def _wake(self, now: float) -> None:
        for host in self._ready.wake(now):
            self.place(host, now)

    def next_time(self) -> float:
        """Return when the next host is due, infinity for never."""
        return self._ready.next_time()

    def clear(self) -> None:
        """Drop every visit that waits; what is known of the hosts stays."""
        self._ready = ReadyQueue()
        for host in self._hosts.values():
            host.clear()
