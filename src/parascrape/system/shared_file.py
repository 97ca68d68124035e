"""A small SQLite file that processes share and that may be lost at any time: no fault of it is an error."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

__all__ = ["SharedFile", "transaction"]

_OPENING = 2.0  # seconds that opening waits for another process that has the file locked
_WAITING_MS = 100  # the same for a transaction
_TRIES = 20  # transactions in a row that found the file locked, until it is given up

_BUSY = frozenset((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED))
_DAMAGED = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))

T = TypeVar("T")

log = logging.getLogger("parascrape.system.shared_file")


class SharedFile:
    """Transactions on a file, made with this schema where there is none.

    A damaged file is made anew, once. One that cannot be made, read or written, or stays locked, is
    given up with one warning: ``usable`` is False from then on. Not for several threads at once.
    """

    def __init__(self, path: Callable[[], Path], schema: str) -> None:
        self._schema = schema
        self._database: sqlite3.Connection | None = None
        self._renewed = False
        self._locked = 0  # transactions in a row that found the file locked
        try:
            self._path = path()
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
            self._give_up(error)
        else:
            self._reopen()

    @property
    def usable(self) -> bool:
        """Whether the file may still be had."""
        return self._database is not None

    def transact(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """What the work gives, done whole or not at all; None where it could not be done.

        The work may be done twice: the second time on a new file, in place of a damaged one.
        """
        if self._database is None:
            return None
        try:
            with transaction(self._database):
                done = work(self._database)
        except sqlite3.Error as error:
            return self.transact(work) if self._recover(error) else None
        self._locked = 0
        return done

    def close(self) -> None:
        """Close the file, which is not usable any more."""
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
        self._database = None

    def _recover(self, error: sqlite3.Error) -> bool:
        """Whether there is a new file in place of a damaged one; else the file may have been given up."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary result code
        if code in _BUSY and self._locked < _TRIES:
            self._locked += 1
            return False
        self._give_up(error, quietly=code in _DAMAGED and not self._renewed)
        if code not in _DAMAGED or self._renewed:
            return False
        self._renewed = True
        try:
            self._path.unlink(missing_ok=True)
        except OSError as failed:
            self._give_up(failed)
            return False
        return self._reopen()

    def _reopen(self) -> bool:
        """Whether the file is open now."""
        try:
            self._database = _connect(self._path, self._schema)
        except sqlite3.Error as error:
            return self._recover(error)
        return True

    def _give_up(self, error: Exception, *, quietly: bool = False) -> None:
        if not quietly:
            log.warning("no memory of hosts between runs: %s", error)
        self.close()


def _connect(path: Path, schema: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=_OPENING, isolation_level=None, check_same_thread=False)
    try:
        # No WAL: its shared memory does not work on network file systems. No fsync: the file may be lost.
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA journal_mode = TRUNCATE")
        database.executescript(schema)
        database.execute(f"PRAGMA busy_timeout = {_WAITING_MS}")
    except sqlite3.Error:
        database.close()
        raise
    return database


@contextmanager
def transaction(database: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """All that is done in the context, or nothing of it; ``kind`` is SQLite's, of the BEGIN."""
    database.execute(f"BEGIN {kind}")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise
