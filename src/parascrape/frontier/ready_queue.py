"""Whose turn it is: the hosts that are ready, longest tail first, and when the next ones will be. Pure."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import OrderedDict, defaultdict
from collections.abc import Iterator

from parascrape.frontier.host import Host

__all__ = ["FAIR", "ReadyQueue"]

FAIR = 16
"""Every so many turns the host that has been ready for longest has its turn, however short its tail."""


class ReadyQueue:
    """Hosts that wait for their turn, and hosts that wait for a time.

    Those that are ready stand in lanes, one for each rank of tail, and take turns there: O(1), whatever
    their number. The others stand in a heap; of a host that was put off meanwhile the old time is dropped
    when it comes up.
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
        """Note when the host is due; where ``rank`` is not -1 it is so now, and has a tail of this rank."""
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
        """The host whose turn it is, which is in no lane then; None where none is ready."""
        if not self._ready:
            return None
        self._turn += 1
        if self._turn % FAIR:
            host = next(iter(self._lanes[self._used.bit_length() - 1]))
        else:
            host = next(iter(self._ready))
        self._leave(host)
        return host

    def wake(self, now: float) -> Iterator[Host]:
        """The hosts whose time has come, each once: they are to be set anew."""
        while self._times and self._times[0][0] <= now:
            time, _, host = heapq.heappop(self._times)
            if host.timer == time:
                host.timer = math.inf
                yield host

    def next_time(self) -> float:
        """When the next host is due: minus infinity where one is ready, infinity where none will be."""
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
        """Into the lane of this rank, at its end."""
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
