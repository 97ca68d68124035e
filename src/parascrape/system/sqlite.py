"""The database's file: opened for each transaction, brought up to date, set aside where it is damaged."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from parascrape.errors import OutputBusy, OutputError, UsageError
from parascrape.system.locks import OutputLock
from parascrape.system.shared_file import transaction

__all__ = ["APPLICATION", "MIGRATIONS", "Database", "ScratchTables"]

APPLICATION = 0x70617261
"""SQLite's ``application_id`` of a history: "para". Other databases are not ours to write."""

_RUNS = """
CREATE TABLE runs (
    run INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, began TEXT NOT NULL, output TEXT NOT NULL,
    version TEXT NOT NULL, process TEXT NOT NULL, summary TEXT
)
"""
_FILES = """
CREATE TABLE files (
    path TEXT PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs (run),
    size INTEGER NOT NULL, modified INTEGER NOT NULL
) WITHOUT ROWID
"""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        _RUNS,
        "CREATE INDEX runs_of_job ON runs (job, run)",
        _FILES,
        "CREATE INDEX files_of_run ON files (run)",
    ),
)
"""The statements that lead from each version of the schema to the next; ``user_version`` counts them."""

_WAITING = 10.0  # seconds for another process's transaction; each takes milliseconds

_SYNCHRONOUS = "FULL"  # retention deletes by what is written here; tests need no disk
_DAMAGED = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))
_UNWRITABLE = frozenset((sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY))

T = TypeVar("T")

log = logging.getLogger("parascrape.system.sqlite")


class _Foreign(sqlite3.DatabaseError):
    """A database that another program has made."""


class Database:
    """Transactions on a file that may be lost; each opens and closes it, so nothing is held in between.

    A damaged or foreign file is renamed, with one warning, and a new one begun. Whatever else is wrong
    (full disk, no permission, locked for 10 s, made by a later version) is one warning, and the work is
    not done.
    """

    def __init__(self, path: Path, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
        self.path = Path(os.path.abspath(path))
        self._migrations = migrations

    def write(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """What the work gives, done whole and on the disk; ``otherwise`` where it could not be done."""

        def transact() -> T:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._open("rwc")) as database, transaction(database):
                return work(database)

        return self._guarded(transact, otherwise)

    def read(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """What the work gives; ``otherwise`` where there is no file or it cannot be read. None is made.

        A file in a folder that cannot be written is read as it is.
        """

        def transact() -> T:
            if not self.path.exists():
                return otherwise
            with closing(self._open("rw")) as database, transaction(database, "DEFERRED"):
                return work(database)

        return self._guarded(transact, otherwise)

    def _guarded(self, transact: Callable[[], T], otherwise: T) -> T:
        for again in (True, False):
            seen = _identity(self.path)
            try:
                return transact()
            except (sqlite3.Error, OSError) as error:
                damaged = isinstance(error, _Foreign) or _code(error) in _DAMAGED
                if not (again and damaged and self._set_aside(seen, error)):
                    log.warning("the history %s cannot be used now: %s", self.path, error)
                    break
        return otherwise

    def _open(self, mode: str) -> sqlite3.Connection:
        try:
            return self._prepared(f"mode={mode}")
        except sqlite3.Error as error:
            if mode != "rw" or _code(error) not in _UNWRITABLE:
                raise
            return self._prepared("mode=ro&immutable=1")  # WAL needs a file beside it even to be read

    def _prepared(self, parameters: str) -> sqlite3.Connection:
        database = sqlite3.connect(
            f"{self.path.as_uri()}?{parameters}", uri=True, timeout=_WAITING, isolation_level=None
        )
        try:
            with transaction(database, "DEFERRED"):  # else tables may come after their mark was read
                version = self._version(database)
            if version < len(self._migrations) or "immutable" not in parameters:
                self._migrate(database, version)
        except BaseException:
            database.close()
            raise
        return database

    def _version(self, database: sqlite3.Connection) -> int:
        """The version of its schema; 0 for a new file. Raises sqlite3.Error for one that is not for us."""
        (application,) = database.execute("PRAGMA application_id").fetchone()
        (version,) = database.execute("PRAGMA user_version").fetchone()
        (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != APPLICATION and (application or tables):
            raise _Foreign("it is another program's database")
        if version > len(self._migrations):
            raise sqlite3.NotSupportedError("a later version of parascrape has made it")
        return int(version)

    def _migrate(self, database: sqlite3.Connection, version: int) -> None:
        """Bring the schema from this version up to date, whole or not at all; of several one does."""
        with suppress(sqlite3.OperationalError):  # another is just doing it, or the file system has no WAL
            database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA synchronous = {_SYNCHRONOUS}")
        if version == len(self._migrations):
            return
        with transaction(database):
            for statements in self._migrations[self._version(database) :]:
                for statement in statements:
                    database.execute(statement)
            database.execute(f"PRAGMA application_id = {APPLICATION}")
            database.execute(f"PRAGMA user_version = {len(self._migrations)}")

    def _set_aside(self, seen: tuple[int, int] | None, reason: Exception) -> bool:
        """Whether the path is free for a new file; the one seen there was renamed, by us or another."""
        try:
            lock = OutputLock(self.path)
        except (OutputBusy, UsageError):
            return False
        try:
            if seen is None or _identity(self.path) != seen:  # another process was quicker
                return True
            aside = _free_name(self.path)
            for suffix in ("-wal", "-shm", ""):  # its log must not be taken for the new file's
                with suppress(FileNotFoundError):
                    os.rename(f"{self.path}{suffix}", f"{aside}{suffix}")
        except OSError as error:
            log.warning("%s: %s", self.path, error.strerror)
            return False
        finally:
            lock.release()
        log.warning(
            "the history %s is no usable database (%s): kept as %s, and begun anew",
            self.path,
            reason,
            aside.name,
        )
        return True


def _code(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary result code


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells this file from another one of its name; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.damaged-{number}") for number in range(1, 1_000_000))
    return next(name for name in names if not name.exists())


_CACHE_KB = 16_000


class ScratchTables:
    """Tables that are gone when it is closed: in memory while they are small, then in a file of SQLite's.

    Raises:
        OutputError: from every method, where there is no room for them.
    """

    def __init__(self, *schema: str) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KB}"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("BEGIN")
        for statement in schema:
            self.run(statement)

    def run(self, statement: str, values: Sequence[object] = ()) -> int:
        """How many rows the statement has changed."""
        return self._execute(statement, values).rowcount

    def rows(self, query: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, one at a time; what they come from must not be changed meanwhile."""
        cursor = self._execute(query, values)
        try:
            yield from cursor
        except sqlite3.Error as error:
            raise _fault(error) from None

    def _execute(self, statement: str, values: Sequence[object]) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise _fault(error) from None

    def close(self) -> None:
        """Forget the tables."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _fault(error: sqlite3.Error) -> OutputError:
    return OutputError(f"no room for a table beside the crawl: {error}", errno.ENOSPC)
