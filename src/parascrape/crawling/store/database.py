"""The frontier's SQLite file: opened and checked, its transactions, and what its faults are for the run.

Writes gather in one transaction until `Database.commit`; in WAL mode that is a write to the log, which
survives the process at once and the machine after `Database.sync`. The log is moved into the file when it
has grown to 32 MB: pages that many links change are then moved once.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, Self

from parascrape.errors import OutputError, UsageError
from parascrape.system import printable, sync_folder

__all__ = ["APPLICATION", "VERSION", "CrawlDatabase", "Names", "remove_database"]

APPLICATION = 0x70617266
"""SQLite's ``application_id`` of a frontier: "parf"."""

VERSION = 1
"""The format, SQLite's ``user_version``."""

# States 0 and 1 take no byte in a row, and so a page that is full when its URLs are added stays as it is
# when they are done. The key stands in `urls` too: `keys` may be behind (see keys.py).
_SCHEMA = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE sites (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "CREATE TABLE scrapers (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "CREATE TABLE reasons (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    """
    CREATE TABLE urls (
        number INTEGER PRIMARY KEY, state INTEGER NOT NULL, host INTEGER NOT NULL, rank REAL NOT NULL,
        depth INTEGER NOT NULL, found_on INTEGER NOT NULL, scraper INTEGER NOT NULL, kind TEXT NOT NULL,
        key INTEGER NOT NULL, url TEXT NOT NULL
    )
    """,
    "CREATE INDEX pending ON urls (state, host, rank) WHERE state = 0",
    "CREATE INDEX refused ON urls (state) WHERE state > 1",
    "CREATE TABLE keys (key INTEGER PRIMARY KEY, number INTEGER NOT NULL)",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)

_SYNCHRONOUS = "NORMAL"  # the log is synced by `sync`, and before it is moved into the file
_CACHE_KB = 32_000
_PAGE = 1024  # bytes: a new URL changes two pages of its own; of 4 KB they are twice as many bytes
_LOG = 1 << 25  # bytes
_WAITING = 5.0  # seconds for a process that was killed to give its lock back
_FULL = frozenset((sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR))
_DAMAGED = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))


class CrawlDatabase:
    """One connection to a frontier's file, made where there is none; no other process may use it meanwhile.

    Raises:
        UsageError: the file is no frontier, one of another format, damaged, in use, or cannot be opened.
        OutputError: the disk is full or failed, also from every method; each method raises it then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._log = -1  # a descriptor of the log's file
        self._unsynced = True
        self.failed = False
        """Whether nothing is done any more."""
        self.damaged = False
        """Whether the file is not as SQLite has written it."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=_WAITING, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            self._refuse(error)
        try:
            self._prepare()
        except BaseException as error:
            self._connection.close()
            if not isinstance(error, sqlite3.Error):
                raise
            self._refuse(error)

    def _prepare(self) -> None:
        """Set the connection up, and make the tables of a new file; nothing is written to another's."""
        execute = self._connection.execute
        (application,) = execute("PRAGMA application_id").fetchone()
        (version,) = execute("PRAGMA user_version").fetchone()
        (tables,) = execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != APPLICATION and (application or tables):
            raise self.unusable("is no frontier of a crawl")
        if tables and version != VERSION:
            raise self.unusable(f"has format {version}, not {VERSION}")
        for pragma in (
            f"page_size = {_PAGE}",
            "locking_mode = EXCLUSIVE",  # needs no shared memory, so that any file system will do
            "journal_mode = WAL",
            f"synchronous = {_SYNCHRONOUS}",
            f"cache_size = -{_CACHE_KB}",
            "temp_store = MEMORY",
            "mmap_size = 0",
            f"wal_autocheckpoint = {_LOG // _PAGE}",
            f"journal_size_limit = {2 * _LOG}",
        ):
            execute(f"PRAGMA {pragma}").fetchall()
        execute("BEGIN IMMEDIATE")
        if not tables:
            for statement in _SCHEMA:
                execute(statement)
        execute("COMMIT")

    def unusable(self, why: str) -> UsageError:
        """What a file is for the run that only a new one can take the place of."""
        return UsageError(f"{printable(str(self.path))} {why}: --overwrite starts anew")

    def _refuse(self, error: Exception) -> NoReturn:
        """Raise what a file that cannot be opened is for the run."""
        code = _primary(error)
        if code in _FULL or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)):
            raise self._fault(error) from None
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise UsageError(f"{printable(str(self.path))} is in use by another process") from None
        if code in _DAMAGED:
            raise self.unusable("is no frontier of a crawl, or damaged") from None
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"cannot open {printable(str(self.path))}: {reason}") from None

    def _fault(self, error: Exception) -> OutputError:
        """The fault that ends the run: from here on nothing is done."""
        self.failed = True
        self.damaged = _primary(error) in _DAMAGED
        number = errno.ENOSPC if _primary(error) == sqlite3.SQLITE_FULL else errno.EIO
        reason: object = error
        if isinstance(error, OSError) and error.errno:
            number, reason = error.errno, error.strerror
        return OutputError(f"cannot write {printable(str(self.path))}: {reason}", number)

    def _check(self) -> None:
        if self.failed:
            raise OutputError(f"cannot write {printable(str(self.path))}: it has failed before", errno.EIO)

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[Any]:
        """All rows of a query, as tuples."""
        self._check()
        try:
            return self._connection.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._fault(error) from None

    def write(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Do the statement for each of the rows, within the transaction that ends with `commit`."""
        self._check()
        try:
            if not self._connection.in_transaction:
                self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(statement, rows)
        except sqlite3.Error as error:
            raise self._fault(error) from None

    def spoil(self) -> None:
        """Commit nothing any more: what was to be one change was broken off in its midst."""
        self.failed = True

    @property
    def changed(self) -> bool:
        """Whether `commit` has something to do, be it to say that there was a fault before it."""
        return self.failed or self._connection.in_transaction

    def commit(self) -> None:
        """Make what was written last, should this process be killed."""
        self._check()
        if not self._connection.in_transaction:
            return
        self._unsynced = True
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._fault(error) from None

    def sync(self) -> None:
        """Make what was committed last, should the machine lose its power."""
        self._check()
        if not self._unsynced:
            return
        try:
            if self._log < 0:
                if not os.path.exists(f"{self.path}-wal"):  # all is in the file itself
                    return
                flags = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
                self._log = os.open(f"{self.path}-wal", flags)
                sync_folder(self.path.parent)
            os.fsync(self._log)
        except OSError as error:
            raise self._fault(error) from None
        self._unsynced = False

    def close(self) -> None:
        """Commit, bring everything to the disk and close the file; after a fault only close it."""
        try:
            if not self.failed:
                self.commit()
                self.sync()
        finally:
            if self._log >= 0:
                os.close(self._log)
                self._log = -1
            with suppress(sqlite3.Error):  # what it could not move out of the log is read from there
                self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def remove_database(path: Path) -> None:
    """Delete a frontier's file and SQLite's files beside it. Raises UsageError if that fails."""
    try:  # the log comes after it: without its log a file that was being changed is damaged
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot delete {printable(str(path))}: {error.strerror}") from None


class Names:
    """Texts and their small integers in one of the tables; all are in memory too."""

    def __init__(self, database: CrawlDatabase, table: str, first: int = 1) -> None:
        self._database = database
        self._table = table
        self._first = first
        rows = database.rows(f"SELECT name, number FROM {table} ORDER BY number")  # noqa: S608 (our own names)
        self._numbers: dict[str, int] = dict(rows)
        self._names = list(self._numbers)

    def number(self, name: str) -> int:
        """The text's integer, from ``first`` upwards; a new text is given the next one."""
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = self._first + len(self._names)
            self._names.append(name)
            self._database.write(f"INSERT INTO {self._table} VALUES (?, ?)", [(number, name)])  # noqa: S608
        return number

    def find(self, name: str) -> int | None:
        """The text's integer; None where it has none."""
        return self._numbers.get(name)

    def name(self, number: int) -> str:
        """The text of an integer; empty for those below ``first``."""
        return self._names[number - self._first] if number >= self._first else ""


def _primary(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
