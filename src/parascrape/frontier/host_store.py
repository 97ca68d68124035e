"""Host state shared between the runs on this machine: what they know of hosts, and each host's budget.

A small SQLite file in the user's cache directory. Losing it is harmless: hosts are unknown again, and
runs at the same time do not see each other.

Runs register, and send a heartbeat ("beat") once a second; a run that is alone does nothing else. A new
run beside others waits until each of them has sent one more: from then on all of them hold a lease for
every host that they fetch from, and the fetches of a host that several want are divided among them.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from parascrape.frontier.host import Host
from parascrape.frontier.politeness import HostState, PolitenessPolicy
from parascrape.system import SharedFile, SqliteFile, SqliteSchema, has_ended, process_mark
from parascrape.web import MAX_RETRY_AFTER

BEAT = 1.0
"""Seconds between two beats of a run."""

KEPT = 86_400.0
"""Seconds for which a host is known after its last beat."""

MAX_HOSTS = 100_000
"""Hosts that are kept, the most recent ones: 10 MB."""

_LOST = 6.0 * BEAT  # a run without a beat for so long no longer counts
_LINGER = 60.0  # for which the last start of a run that has ended may count (the longest delay)
_TURN = 5.0  # after which the remainder of a division goes to the next run
_COURTESY = 0.1  # share of the gap by which the run that has started last lets others go first

_HOSTS = """
CREATE TABLE IF NOT EXISTS hosts (
    host TEXT PRIMARY KEY, last_start REAL, paused_until REAL, slow REAL, trials INTEGER, heard REAL,
    starter TEXT DEFAULT ''
) WITHOUT ROWID
"""
_RUNS = "CREATE TABLE IF NOT EXISTS runs (run TEXT PRIMARY KEY, joined INTEGER, knows INTEGER, beat REAL)"
_LEASES = """
CREATE TABLE IF NOT EXISTS leases (host TEXT, run TEXT, slots INTEGER, PRIMARY KEY (host, run)) WITHOUT ROWID
"""
_SCHEMA = SqliteSchema(0, ((_HOSTS, _RUNS, _LEASES),))  # earlier versions of parascrape marked no file
_NOTE = """
INSERT INTO hosts (host, last_start, paused_until, slow, trials, heard) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (host) DO UPDATE SET
    last_start = min(max(last_start, excluded.last_start), excluded.heard),
    paused_until = max(paused_until, excluded.paused_until),
    slow = excluded.slow, trials = excluded.trials, heard = excluded.heard
"""
_START = """
INSERT INTO hosts VALUES (?, ?, 0, 0, 0, ?, ?) ON CONFLICT (host) DO UPDATE SET
    last_start = excluded.last_start, heard = excluded.heard, starter = excluded.starter
"""
_TRIM = "DELETE FROM hosts WHERE host IN (SELECT host FROM hosts ORDER BY heard DESC LIMIT -1 OFFSET ?)"

T = TypeVar("T")


def default_path() -> Path:
    """Return the file's path in the user's cache directory (XDG_CACHE_HOME on Linux)."""
    from platformdirs import user_cache_path

    return user_cache_path("parascrape", appauthor=False) / "hosts-1.sqlite3"


class HostStore:
    """One run's access to the shared host state, until `close`. For one thread; never raises.

    ``clock`` is the wall clock in seconds. After an error of the file, with one warning, this run works
    alone. ``shared`` is True while other runs are active, or were within the last minute; otherwise
    `lease` and `claim` cost nothing and grant everything.
    """

    def __init__(
        self, path: Path | None = None, *, clock: Callable[[], float] = time.time, max_hosts: int = MAX_HOSTS
    ) -> None:
        self._clock = clock
        self._max_hosts = max_hosts
        self._run = f"{process_mark()} {secrets.token_hex(8)}"
        self._joined = 0
        self._admitted = False
        self._shared_until = 0.0
        self._granted: dict[str, int] = {}
        self._noted = 0
        self._file = SharedFile(lambda: path or default_path(), _SCHEMA)
        self.shared = False
        self._transact(self._join)

    def load(self) -> dict[str, HostState]:
        """Return the states of the hosts of the last day, by host key."""
        return self._transact(self._load) or {}

    def beat(self, states: Mapping[str, HostState], in_flight: Mapping[str, int]) -> None:
        """Tell the others that this run goes on; call it once a second (BEAT).

        ``states``: hosts that have changed since the last beat; ``in_flight``: fetches under way by host.
        """
        self._transact(lambda database, now: self._beat(database, now, states, in_flight))

    def lease(self, host: str, limit: int) -> int:
        """Return how many fetches at once this run may have at the host until the next beat.

        Fetches under way count. All runs together stay within ``limit``: each that wants the host has its
        part, and the remainder of the division goes round. A part that shrinks takes effect as fetches end.
        """
        if not self.shared:
            return limit
        granted = self._granted.get(host)
        if granted is None and self._admitted:
            granted = self._transact(lambda database, now: self._lease(database, now, host, limit))
            if granted is not None:
                self._granted[host] = granted
        return (granted or 0) if self.shared else limit

    def claim(self, host: str, gap: float) -> float:
        """Claim a start ``gap`` seconds after the last start of any run.

        Returns 0.0 if the fetch may start now: it is noted and should be made. Otherwise returns the
        seconds after which to ask again.
        """
        if not self.shared:
            return 0.0
        wait = None
        if self._admitted:
            wait = self._transact(lambda database, now: self._claim(database, now, host, gap))
        return (BEAT if wait is None else wait) if self.shared else 0.0

    def close(self) -> None:
        """Unregister this run; the host states stay."""
        self._transact(self._leave)
        self.shared = False
        self._file.close()

    def _transact(self, work: Callable[[SqliteFile, float], T]) -> T | None:
        """Return the result of ``work``, None if the file cannot be used now or any more."""
        done = self._file.transact(lambda database: work(database, self._clock()))
        self.shared = self.shared and self._file.usable
        return done

    def _join(self, database: SqliteFile, now: float) -> None:
        database.execute("DELETE FROM hosts WHERE abs(heard - ?) > ?", (now, KEPT))
        self._trim(database)
        self._beat(database, now, {}, {})

    def _leave(self, database: SqliteFile, _: float) -> None:
        database.execute("DELETE FROM runs WHERE run = ?", (self._run,))
        database.execute("DELETE FROM leases WHERE run = ?", (self._run,))

    def _load(self, database: SqliteFile, now: float) -> dict[str, HostState]:
        """Read the states. Times far in the future were noted before the clock was set back: they are 0."""
        rows = database.execute(
            "SELECT host, last_start, paused_until, slow, trials FROM hosts WHERE abs(heard - ?) <= ?",
            (now, KEPT),
        )
        latest = now + MAX_RETRY_AFTER + _LOST
        return {
            host: HostState(min(started, now), paused if paused <= latest else 0.0, slow, trials)
            for host, started, paused, slow, trials in rows
        }

    def _beat(
        self, database: SqliteFile, now: float, states: Mapping[str, HostState], in_flight: Mapping[str, int]
    ) -> None:
        _drop_lost(database, now, but=self._run)
        others = database.execute("SELECT joined, knows FROM runs WHERE run != ?", (self._run,)).fetchall()
        newest = max((number for row in others for number in row), default=0)
        if not database.execute("SELECT 1 FROM runs WHERE run = ?", (self._run,)).fetchone():
            # New, or counted as lost meanwhile: no other run knows of this one yet.
            self._joined, self._admitted = newest + 1, False
        run = (self._run, self._joined, max(newest, self._joined), now)
        database.execute("REPLACE INTO runs VALUES (?, ?, ?, ?)", run)
        database.execute("DELETE FROM leases WHERE run = ?", (self._run,))
        if others:  # a host that got no slot stays as a lease of 0: this run still wants its part
            slots = {**dict.fromkeys(self._granted, 0), **in_flight}
            rows = ((host, self._run, count) for host, count in slots.items())
            database.executemany("INSERT INTO leases VALUES (?, ?, ?)", rows)
        database.executemany(_NOTE, ((host, *state, now) for host, state in states.items()))
        self._noted += len(states)
        if self._noted > self._max_hosts // 10:
            self._noted = 0
            self._trim(database)
        self._granted.clear()
        if not self._admitted:
            self._admitted = all(knows >= self._joined for joined, knows in others if joined < self._joined)
        self._shared_until = now + _LINGER if others else min(self._shared_until, now + _LINGER)
        self.shared = now < self._shared_until

    def _lease(self, database: SqliteFile, now: float, host: str, limit: int) -> int:
        rows = database.execute(
            "SELECT runs.run, joined, slots FROM leases JOIN runs USING (run) WHERE host = ?", (host,)
        ).fetchall()
        held = sum(slots for run, _, slots in rows if run == self._run)
        taken = sum(slots for _, _, slots in rows) - held
        others = [joined for run, joined, _ in rows if run != self._run]
        place = sum(joined < self._joined for joined in others) + int(now / _TURN)
        part, rest = divmod(limit, len(others) + 1)
        granted: int = max(0, min(part + (place % (len(others) + 1) < rest), limit - taken))
        database.execute("REPLACE INTO leases VALUES (?, ?, ?)", (host, self._run, max(held, granted)))
        return granted

    def _claim(self, database: SqliteFile, now: float, host: str, gap: float) -> float:
        row = database.execute("SELECT last_start, starter FROM hosts WHERE host = ?", (host,)).fetchone()
        last, starter = row or (0.0, "")
        others = "SELECT 1 FROM leases WHERE host = ? AND run != ? LIMIT 1"
        if starter == self._run and database.execute(others, (host, self._run)).fetchone():
            gap *= 1.0 + _COURTESY
        wait: float = min(last, now) + gap - now
        if wait > 0.0:
            return wait
        database.execute(_START, (host, now, now, self._run))
        return 0.0

    def _trim(self, database: SqliteFile) -> None:
        (count,) = database.execute("SELECT count(*) FROM hosts").fetchone()
        if count > self._max_hosts:
            database.execute(_TRIM, (self._max_hosts,))


def _drop_lost(database: SqliteFile, now: float, *, but: str = "") -> None:
    """Remove runs that were killed, or whose last beat is too long ago or far in the future."""
    for (run,) in database.execute("SELECT run FROM runs WHERE run != ?", (but,)).fetchall():
        if has_ended(run.partition(" ")[0]):
            database.execute("DELETE FROM runs WHERE run = ?", (run,))
    database.execute("DELETE FROM runs WHERE abs(beat - ?) > ? AND run != ?", (now, _LOST, but))
    database.execute("DELETE FROM leases WHERE run NOT IN (SELECT run FROM runs)")


class Peers:
    """Coordinates the host budgets of this run with the other runs on this machine.

    ``clock`` is monotonic, ``wall`` the store's clock; both are seconds.
    """

    def __init__(
        self,
        store: HostStore,
        policy: PolitenessPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._policy = store, policy
        self._clock, self._wall = clock, wall
        self._touched: dict[str, Host] = {}  # since the last beat
        self.next_beat = clock() + BEAT

    def load(self) -> tuple[Mapping[str, HostState], float]:
        """Return what earlier runs knew of hosts, and the difference of the wall clock to the other."""
        return self._store.load(), self._wall() - self._clock()

    def touch(self, host: Host) -> None:
        """Pass this host's state on with the next beat."""
        self._touched[host.key] = host

    def claim(self, host: Host, *, robots: bool) -> float:
        """Return the seconds for which other runs have the host; 0.0 if a visit with a slot may start.

        A visit to robots.txt may always start.
        """
        self._touched[host.key] = host
        if not self._store.shared or robots:
            return 0.0
        most = self._policy.per_host
        if most and self._store.lease(host.key, most) < host.in_flight:
            return BEAT
        gap = host.gap(self._policy)
        return self._store.claim(host.key, gap) if gap else 0.0

    def beat(self) -> None:
        """Pass on the state of the hosts, once a second."""
        if self._clock() >= self.next_beat:
            self._pass_on()

    def close(self) -> None:
        """Leave the host states to the next run, and sign out."""
        self._pass_on()
        self._store.close()

    def _pass_on(self) -> None:
        now, wall = self._clock(), self._wall()
        self.next_beat = now + BEAT
        states = {key: host.state(now, wall) for key, host in self._touched.items()}
        self._touched = {key: host for key, host in self._touched.items() if host.in_flight}
        self._store.beat(states, {key: host.in_flight for key, host in self._touched.items()})
