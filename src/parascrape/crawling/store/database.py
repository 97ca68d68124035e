"""The frontier's SQLite file: its schema, its transactions, and its faults.

Writes gather in one transaction until `CrawlDatabase.commit`. In WAL mode a commit writes to the log: it
survives a kill at once, and a loss of power after `CrawlDatabase.sync`. The log is moved into the file when
it has grown to 32 MB, so a page that many links change is moved once.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from parascrape.errors import OutputError, UsageError
from parascrape.system import SqliteFault, SqliteFile, SqliteSchema, printable, sync_folder

# States 0 and 1 take no byte in a row, so a page that is full when its URLs are added stays as it is when
# they are done. The key stands in `urls` too, because `keys` may lag behind (see keys.py).
_TABLES = (
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
)
_SCHEMA = SqliteSchema(0x70617266, [_TABLES])  # "parf"

_PAGE = 1024  # bytes: each new URL changes two pages; with pages of 4 KB that would be twice as many bytes
_LOG = 1 << 25  # bytes
_PRAGMAS = (
    f"page_size = {_PAGE}",
    "locking_mode = EXCLUSIVE",  # needs no shared memory, so any file system will do
    "journal_mode = WAL",
    "synchronous = NORMAL",  # the log is synced by `sync`, and before it is moved into the file
    "cache_size = -32000",  # KB
    "temp_store = MEMORY",
    "mmap_size = 0",
    f"wal_autocheckpoint = {_LOG // _PAGE}",
    f"journal_size_limit = {2 * _LOG}",
)
_Result = TypeVar("_Result")
_REFUSALS = {
    "foreign": "is no frontier of a crawl",
    "damaged": "is no frontier of a crawl, or damaged",
    "later": "was made by a later version of parascrape",
}


class CrawlDatabase:
    """The only connection to a frontier's file, which is created if it does not exist.

    After a fault it is ``failed``, and every method raises; ``damaged`` says that the file is not intact.

    Raises:
        UsageError: the file is not a frontier, of a later format, damaged, in use, or cannot be opened.
        OutputError: the disk is full or failed, also from every method.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failed = self.damaged = False
        self._log = -1  # a descriptor of the log's file
        self._unsynced = True
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = SqliteFile(path, _SCHEMA, pragmas=_PRAGMAS)
        except OSError as error:
            raise UsageError(f"cannot open {printable(str(path))}: {error.strerror}") from None
        except SqliteFault as fault:
            raise self._refusal(fault) from None
        try:
            with self._file.transaction():  # from here on the file is locked
                pass
        except SqliteFault as fault:
            self._file.close()
            raise self._refusal(fault) from None

    def unusable(self, why: str) -> UsageError:
        """Return the error for a file that must be replaced by a new one."""
        return UsageError(f"{printable(str(self.path))} {why}: --overwrite starts anew")

    def _refusal(self, fault: SqliteFault) -> OutputError | UsageError:
        """Return the error for a file that cannot be opened."""
        if fault.kind in _REFUSALS:
            return self.unusable(_REFUSALS[fault.kind])
        if fault.kind == "busy":
            return UsageError(f"{printable(str(self.path))} is in use by another process")
        return fault if fault.kind == "full" else UsageError(str(fault))

    def _run(self, call: Callable[..., _Result], *arguments: Any) -> _Result:
        """Call a method of the file, and note a fault."""
        self._check()
        try:
            return call(*arguments)
        except SqliteFault as fault:
            self.failed = True
            self.damaged = fault.kind == "damaged"
            raise

    def _check(self) -> None:
        if self.failed:
            raise OutputError(f"cannot use {printable(str(self.path))}: it has failed before", errno.EIO)

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Return all rows of a query, as tuples."""
        return self._run(self._file.fetch_all, query, parameters)

    def write(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run the statement for each of the rows, in the transaction that `commit` ends."""
        if not self._file.in_transaction:
            self._run(self._file.execute, "BEGIN IMMEDIATE")
        self._run(self._file.executemany, statement, rows)

    def spoil(self) -> None:
        """Never commit again: a change was interrupted half-way."""
        self.failed = True

    @property
    def changed(self) -> bool:
        """Whether `commit` has something to do, or an earlier fault to report."""
        return self.failed or self._file.in_transaction

    def commit(self) -> None:
        """Make what was written survive a kill of the process."""
        self._check()
        if not self._file.in_transaction:
            return
        self._unsynced = True
        self._run(self._file.execute, "COMMIT")

    def sync(self) -> None:
        """Make what was committed survive a loss of power."""
        self._check()
        if not self._unsynced:
            return
        try:
            if self._log < 0:
                if not os.path.exists(f"{self.path}-wal"):  # everything is in the file itself
                    return
                flags = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
                self._log = os.open(f"{self.path}-wal", flags)
                sync_folder(self.path.parent)
            os.fsync(self._log)
        except OSError as error:
            self.failed = True
            number = error.errno or errno.EIO
            raise OutputError(f"cannot write {printable(str(self.path))}: {error.strerror}", number) from None
        self._unsynced = False

    def close(self) -> None:
        """Commit, sync and close the file; after a fault only close it."""
        try:
            if not self.failed:
                self.commit()
                self.sync()
        finally:
            if self._log >= 0:
                os.close(self._log)
                self._log = -1
            self._file.close()


def remove_database(path: Path) -> None:
    """Delete a frontier's file and SQLite's files beside it. Raises UsageError if that fails."""
    try:  # the log comes after it: without its log a file that was being changed is damaged
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot delete {printable(str(path))}: {error.strerror}") from None


class Names:
    """Texts and their small integers in one of the tables, all in memory too."""

    def __init__(self, database: CrawlDatabase, table: str, first: int = 1) -> None:
        self._database = database
        self._table = table
        self._first = first
        rows = database.rows(f"SELECT name, number FROM {table} ORDER BY number")  # noqa: S608 (our own names)
        self._numbers: dict[str, int] = dict(rows)
        self._names = list(self._numbers)

    def number(self, name: str) -> int:
        """Return the text's integer, from ``first`` upwards; a new text gets the next one."""
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = self._first + len(self._names)
            self._names.append(name)
            self._database.write(f"INSERT INTO {self._table} VALUES (?, ?)", [(number, name)])  # noqa: S608
        return number

    def find(self, name: str) -> int | None:
        """Return the text's integer, None if it has none."""
        return self._numbers.get(name)

    def name(self, number: int) -> str:
        """Return the text of an integer, empty for one below ``first``."""
        return self._names[number - self._first] if number >= self._first else ""
