"""The ledger between runs: what every run on this machine knows of a host, and how they share its budget.

A small SQLite file in the user's cache directory. Losing it is harmless: hosts are then known no longer,
and runs that overlap do not see each other.

Runs sign in and beat once a second. A run that is alone asks nothing of the file but its beat. A new run
beside others waits until each of them has beaten once more: from there on all of them hold a lease for
every host that they fetch from, and where several want one host its fetches are shared out among them.
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

__all__ = ["BEAT", "KEPT", "MAX_HOSTS", "HostStore", "Peers", "default_path"]

BEAT = 1.0
"""Seconds between two beats of a run."""

KEPT = 86_400.0
"""Seconds for which a host is known after it was last heard of."""

MAX_HOSTS = 100_000
"""Hosts that are known, those last heard of: 10 MB."""

_LOST = 6.0 * BEAT  # a run that has not beaten for so long has ended, or is no longer counted
_LINGER = 60.0  # for which what a run that is gone has started last may still count (the longest delay)
_TURN = 5.0  # seconds until what cannot be shared evenly goes to the next run
_COURTESY = 0.1  # of the gap, by which the run that has started last lets others go first

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
    """The ledger's place in the user's cache directory, which XDG_CACHE_HOME names on Linux."""
    from platformdirs import user_cache_path

    return user_cache_path("parascrape", appauthor=False) / "hosts-1.sqlite3"


class HostStore:
    """One run's hand in the ledger, from when it is made until `close`. For one thread; never raises.

    ``clock`` is the wall clock, in seconds. A file that cannot be made, read or written is given up with
    one warning: from then on this run is alone and knows of nothing. ``shared`` tells whether other runs
    are about, or were within the last minute; while it is False, `lease` and `claim` cost nothing and
    grant all.
    """

    def __init__(self, path: Path | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
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
        """What is known of the hosts heard of within the last day, by host key."""
        return self._transact(self._load) or {}

    def beat(self, states: Mapping[str, HostState], in_flight: Mapping[str, int]) -> None:
        """Tell the others that this run goes on; to be called once a second (BEAT).

        ``states`` are the hosts of which something is to be known and has changed since the last beat,
        ``in_flight`` the hosts that have fetches under way now, with their count.
        """
        self._transact(lambda database, now: self._beat(database, now, states, in_flight))

    def lease(self, host: str, limit: int) -> int:
        """How many fetches at once, those under way among them, this run may have at the host until
        the next beat; 0: none for now. To be asked before each start.

        All runs together stay within ``limit``; where several want the host each has its part, and what
        cannot be divided goes round. A part that has become smaller is kept to as fetches end.
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
        """0.0 where a fetch of the host may start at once, ``gap`` after the last start of any run; it is
        noted and should be made. Else the seconds until it may be worth asking again.
        """
        if not self.shared:
            return 0.0
        wait = None
        if self._admitted:
            wait = self._transact(lambda database, now: self._claim(database, now, host, gap))
        return (BEAT if wait is None else wait) if self.shared else 0.0

    def close(self) -> None:
        """Sign out; what is known of the hosts stays."""
        self._transact(self._leave)
        self.shared = False
        self._file.close()

    def _transact(self, work: Callable[[SqliteFile, float], T]) -> T | None:
        """What the work gives; None where the file cannot be had now, or any more: then we are alone."""
        done = self._file.transact(lambda database: work(database, self._clock()))
        self.shared = self.shared and self._file.usable
        return done

    # --- within a transaction -----------------------------------------------------------------------

    def _join(self, database: SqliteFile, now: float) -> None:
        database.execute("DELETE FROM hosts WHERE abs(heard - ?) > ?", (now, KEPT))
        _trim(database)
        self._beat(database, now, {}, {})

    def _leave(self, database: SqliteFile, _: float) -> None:
        database.execute("DELETE FROM runs WHERE run = ?", (self._run,))
        database.execute("DELETE FROM leases WHERE run = ?", (self._run,))

    def _load(self, database: SqliteFile, now: float) -> dict[str, HostState]:
        """The states; a time in the future that cannot be meant was noted before the clock was put back."""
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
        self,
        database: SqliteFile,
        now: float,
        states: Mapping[str, HostState],
        in_flight: Mapping[str, int],
    ) -> None:
        _drop_lost(database, now, but=self._run)
        others = database.execute("SELECT joined, knows FROM runs WHERE run != ?", (self._run,)).fetchall()
        newest = max((number for row in others for number in row), default=0)
        if not database.execute("SELECT 1 FROM runs WHERE run = ?", (self._run,)).fetchone():
            # New, or taken for lost meanwhile: behind all that any run has ever known, and known to none.
            self._joined, self._admitted = newest + 1, False
        run = (self._run, self._joined, max(newest, self._joined), now)
        database.execute("REPLACE INTO runs VALUES (?, ?, ?, ?)", run)
        database.execute("DELETE FROM leases WHERE run = ?", (self._run,))
        if others:  # hosts asked for in vain stay as leases without a slot: they want their part
            slots = {**dict.fromkeys(self._granted, 0), **in_flight}
            rows = ((host, self._run, count) for host, count in slots.items())
            database.executemany("INSERT INTO leases VALUES (?, ?, ?)", rows)
        database.executemany(_NOTE, ((host, *state, now) for host, state in states.items()))
        self._noted += len(states)
        if self._noted > MAX_HOSTS // 10:
            self._noted = 0
            _trim(database)
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


def _trim(database: SqliteFile) -> None:
    (count,) = database.execute("SELECT count(*) FROM hosts").fetchone()
    if count > MAX_HOSTS:
        database.execute(_TRIM, (MAX_HOSTS,))


def _drop_lost(database: SqliteFile, now: float, *, but: str = "") -> None:
    """Count runs no longer that were killed, that beat too long ago, or in the future of a clock that was
    put back.
    """
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
        self._store = store
        self._policy = policy
        self._clock = clock
        self._wall = wall
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
