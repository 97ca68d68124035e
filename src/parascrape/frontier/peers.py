"""Other runs on this machine: they share hosts' budgets, and what one knows of a host it passes on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from parascrape.frontier import Frontier, Visit
from parascrape.frontier.host import Host
from parascrape.frontier.politeness import PolitenessPolicy

__all__ = ["Peers"]


class Peers:
    """What a harvest has to do with other runs, through the ledger of hosts at ``path``; none without one."""

    def __init__(self, frontier: Frontier, limits: PolitenessPolicy | None, path: str) -> None:
        self._ledger = None
        self._limits = limits or PolitenessPolicy()
        self._touched: dict[str, Host] = {}  # since the last beat
        if limits is None or not path:
            return
        from parascrape.frontier.host_store import BEAT, HostStore  # sqlite3: 5 ms

        self._every = BEAT
        self._ledger = HostStore(Path(path))
        self._last = time.monotonic()
        frontier.restore(self._ledger.load(), time.time())

    def no_longer_than(self, wait: float | None) -> float | None:
        """The wait, cut where a beat is due before its end."""
        if self._ledger is None:
            return wait
        beat = max(0.0, self._last + self._every - time.monotonic())
        return beat if wait is None else min(wait, beat)

    def wait_for(self, visit: Visit) -> float:
        """Seconds for which the visit's host belongs to other runs; 0.0 where it may be made now."""
        host = visit.host
        if self._ledger is None or host is None:
            return 0.0
        self._touched[host.key] = host
        if not self._ledger.shared or visit.robots:
            return 0.0
        most = self._limits.per_host
        if most and self._ledger.lease(host.key, most) < host.in_flight:
            return self._every
        gap = host.gap(self._limits)
        return self._ledger.claim(host.key, gap) if gap else 0.0

    def beat(self, visits: Iterable[Visit]) -> None:
        """Tell the others of this run, once a second: the visits that are under way, and the hosts."""
        if self._ledger is None or time.monotonic() - self._last < self._every:
            return
        self._last = time.monotonic()
        self._tell(visits)

    def _tell(self, visits: Iterable[Visit]) -> None:
        if self._ledger is None:
            return
        now, wall = time.monotonic(), time.time()
        states = {key: host.state(now, wall) for key, host in self._touched.items()}
        under_way = Counter(visit.host.key for visit in visits if visit.host is not None)
        self._touched = {visit.host.key: visit.host for visit in visits if visit.host is not None}
        self._ledger.beat(states, under_way)

    def close(self) -> None:
        """Leave what is known to the next run, and sign out."""
        if self._ledger is not None:
            self._tell(())
            self._ledger.close()
            self._ledger = None
