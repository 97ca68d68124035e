"""SQLite files: one connection class, and two ways to keep a file whose loss does no harm.

SqliteFile       a connection: schema and its versions, transactions, faults as one kind of error
ReopenedFile     opened for each transaction; a damaged file is set aside, every fault is a warning
SharedFile       held open; a damaged file is made anew once, other faults end its use with a warning
"""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from parascrape.errors import OutputBusy, OutputError, UsageError
from parascrape.system.locks import OutputLock
from parascrape.system.text import printable

_KINDS = {
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
    sqlite3.SQLITE_BUSY: "busy",
    sqlite3.SQLITE_LOCKED: "busy",
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_IOERR: "full",
    sqlite3.SQLITE_CANTOPEN: "unwritable",
    sqlite3.SQLITE_READONLY: "unwritable",
}
_TRIES = 20  # transactions in a row that find a shared file locked, until it is given up

T = TypeVar("T")

log = logging.getLogger("parascrape.system.sqlite")


class SqliteFault(OutputError):
    """A database could not be opened, read or written.

    ``kind`` is ``damaged``, ``foreign`` (made by another program), ``later`` (by a later version), ``busy``,
    ``full`` (or another failure of the disk), ``unwritable`` or ``other``.
    """

    def __init__(self, message: str, errno: int = 0, kind: str = "other") -> None:
        super().__init__(message, errno)
        self.kind = kind


class SqliteSchema(NamedTuple):
    """The tables of a file, and how it is marked as ours."""

    application: int  # SQLite's ``application_id``; 0: files are not marked
    versions: Sequence[Sequence[str]]  # statements from each version to the next; ``user_version`` counts


class SqliteFile:
    """One connection to a file, which is made with the schema or brought up to date; a context manager.

    Without a ``path`` its tables are temporary: in memory while they are small, then in an unnamed file, and
    in one transaction that is never committed. ``pragmas`` are run before the schema; ``waiting`` is how many
    seconds another process's lock is waited for; ``mode`` is that of SQLite's URIs.

    Raises:
        SqliteFault: from every method.
    """

    def __init__(
        self,
        path: Path | None,
        schema: SqliteSchema,
        *,
        pragmas: Iterable[str] = (),
        waiting: float = 5.0,
        mode: str = "rwc",
    ) -> None:
        self.path = path
        self._schema = schema
        name = "" if path is None else f"{Path(os.path.abspath(path)).as_uri()}?mode={mode}"
        with self._faults():
            self._connection = sqlite3.connect(
                name, uri=True, timeout=waiting, isolation_level=None, check_same_thread=False
            )
        try:
            with self._faults():
                self._prepare(pragmas, read_only="immutable" in mode)
        except BaseException:
            self._connection.close()
            raise

    @classmethod
    def temporary(cls, *statements: str) -> Self:
        """Make temporary tables, which are gone when it is closed."""
        pragmas = ("journal_mode = OFF", "synchronous = OFF", "cache_size = -16000")
        made = cls(None, SqliteSchema(0, [statements]), pragmas=pragmas)
        made.execute("BEGIN")
        return made

    def _prepare(self, pragmas: Iterable[str], *, read_only: bool) -> None:
        versions = self._schema.versions
        with self.transaction("DEFERRED"):  # else tables may appear after their mark was read
            version = self._version()
        if read_only and version == len(versions):
            return
        for pragma in pragmas:
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        if version == len(versions):
            return
        with self.transaction():
            for statements in versions[self._version() :]:  # another process may have been quicker
                for statement in statements:
                    self._connection.execute(statement)
            self._connection.execute(f"PRAGMA application_id = {self._schema.application}")
            self._connection.execute(f"PRAGMA user_version = {len(versions)}")

    def _version(self) -> int:
        """Return the version of the file's schema, 0 for a new file."""
        execute = self._connection.execute
        (application,) = execute("PRAGMA application_id").fetchone()
        (version,) = execute("PRAGMA user_version").fetchone()
        (tables,) = execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != self._schema.application and (application or tables):
            raise self._fault("another program's database", "foreign")
        if version > len(self._schema.versions):
            raise self._fault("made by a later version of parascrape", "later")
        return int(version)

    def execute(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        """Run a statement; rows that are read later than this may still raise sqlite3.Error."""
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise self._mapped(error) from error

    def fetch_all(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """Return all rows of a query; 1 us less than `rows`."""
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._mapped(error) from error

    def executemany(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement for each of the rows."""
        try:
            self._connection.executemany(statement, rows)
        except sqlite3.Error as error:
            raise self._mapped(error) from error

    def rows(self, query: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query, whose tables must not be changed meanwhile."""
        with self._faults():
            yield from self._connection.execute(query, values)

    @contextmanager
    def transaction(self, kind: str = "IMMEDIATE") -> Iterator[Self]:
        """Run the block in a transaction: commit at its end, roll back if it raises."""
        with self._faults():
            self._connection.execute(f"BEGIN {kind}")
            try:
                yield self
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._connection.in_transaction

    def create_function(self, name: str, function: Callable[[Any], Any]) -> None:
        """Let statements call a pure function of one argument."""
        self._connection.create_function(name, 1, function, deterministic=True)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._mapped(error) from error

    def _mapped(self, error: sqlite3.Error) -> SqliteFault:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary result code
        return self._fault(str(error), _KINDS.get(code, "other"))

    def _fault(self, reason: str, kind: str) -> SqliteFault:
        what = "temporary tables" if self.path is None else printable(str(self.path))
        number = errno.ENOSPC if kind == "full" else errno.EIO
        return SqliteFault(f"cannot use {what}: {reason}", number, kind)

    def close(self) -> None:
        """Close the file."""
        with suppress(sqlite3.Error):  # what it cannot move out of a log is read from there
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ReopenedFile:
    """Transactions on a file that may be lost; each opens and closes it. A fault of the file raises nothing.

    A damaged or foreign file is renamed, with one warning, and a new one made. Any other fault (full disk, no
    permission, locked too long, made by a later version) is one warning, and the work is not done.
    ``synchronous`` is SQLite's pragma.
    """

    def __init__(
        self, path: Path, schema: SqliteSchema, *, waiting: float = 10.0, synchronous: str = "FULL"
    ) -> None:
        self.path = Path(os.path.abspath(path))
        self._schema = schema
        self._waiting = waiting
        self._synchronous = synchronous

    def write(self, work: Callable[[SqliteFile], T], otherwise: T) -> T:
        """Return what the work returns, once all of it is on the disk; ``otherwise`` on a fault."""

        return self._transact("rwc", work, otherwise)

    def read(self, work: Callable[[SqliteFile], T], otherwise: T) -> T:
        """Return what the work returns; ``otherwise`` on a fault or without a file. Makes no file.

        A file in a folder that cannot be written is read as it is.
        """

        return self._transact("rw", work, otherwise)

    def _transact(self, mode: str, work: Callable[[SqliteFile], T], otherwise: T) -> T:
        for again in (True, False):
            seen = _identity(self.path)
            try:
                if mode == "rwc":
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                elif seen is None:
                    return otherwise
                with self._open(mode) as file, file.transaction("IMMEDIATE" if mode == "rwc" else "DEFERRED"):
                    return work(file)
            except (SqliteFault, OSError) as error:
                lost = isinstance(error, SqliteFault) and error.kind in ("damaged", "foreign")
                if not (again and lost and self._set_aside(seen, error)):
                    log.warning("%s", error)
                    break
        return otherwise

    def _open(self, mode: str) -> SqliteFile:
        options: Any = {"pragmas": [f"synchronous = {self._synchronous}"], "waiting": self._waiting}
        try:
            file = SqliteFile(self.path, self._schema, mode=mode, **options)
        except SqliteFault as fault:
            if mode != "rw" or fault.kind != "unwritable":
                raise
            # WAL needs a file beside it even to be read
            return SqliteFile(self.path, self._schema, mode="ro&immutable=1", **options)
        with suppress(SqliteFault):  # another process is doing it, or the file system has no WAL
            file.execute("PRAGMA journal_mode = WAL")
        return file

    def _set_aside(self, seen: tuple[int, int] | None, reason: Exception) -> bool:
        """Rename the file that was seen, unless another process has; return whether the path is free."""
        try:
            lock = OutputLock(self.path)
        except (OutputBusy, UsageError):
            return False
        try:
            if seen is None or _identity(self.path) != seen:  # another process was quicker
                return True
            names = (self.path.with_name(f"{self.path.name}.damaged-{number}") for number in count(1))
            aside = next(name for name in names if not name.exists())
            for suffix in ("-wal", "-shm", ""):  # its log must not be taken for the new file's
                with suppress(FileNotFoundError):
                    os.rename(f"{self.path}{suffix}", f"{aside}{suffix}")
        except OSError as error:
            log.warning("%s: %s", self.path, error.strerror)
            return False
        finally:
            lock.release()
        log.warning("%s: renamed to %s, and a new one is made", reason, aside.name)
        return True


class SharedFile:
    """Transactions on a small file that processes share, held open. A fault of the file raises nothing.

    The file may be lost: nothing is synced. A damaged one is made anew, once. One that cannot be made, read
    or written, or is found locked 20 times in a row, is given up with one warning, and `usable` is False. A
    transaction waits ``waiting`` seconds for another process. Not for several threads at once.
    """

    def __init__(self, path: Callable[[], Path], schema: SqliteSchema, *, waiting: float = 0.1) -> None:
        self._schema = schema
        self._waiting = waiting
        self._file: SqliteFile | None = None
        self._renewed = False
        self._locked = 0  # transactions in a row that found the file locked
        try:
            self._path = path()
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = self._open()
        except (OSError, RuntimeError, SqliteFault) as error:  # RuntimeError: there is no home
            self._renew(error)

    def _open(self) -> SqliteFile:
        # No WAL: its shared memory does not work on network file systems.
        pragmas = ("synchronous = OFF", "journal_mode = TRUNCATE")
        file = SqliteFile(self._path, self._schema, pragmas=pragmas, waiting=2.0)
        file.execute(f"PRAGMA busy_timeout = {round(self._waiting * 1000)}")
        return file

    @property
    def usable(self) -> bool:
        """Whether transactions may still be done."""
        return self._file is not None

    def transact(self, work: Callable[[SqliteFile], T]) -> T | None:
        """Return what the work returns, done whole or not at all; None where it could not be done.

        The work may be done twice: the second time on a new file that replaces a damaged one.
        """
        while self._file is not None:
            try:
                with self._file.transaction() as file:
                    done = work(file)
                self._locked = 0
                return done
            except SqliteFault as fault:
                if not self._renew(fault):
                    break
        return None

    def _renew(self, error: Exception) -> bool:
        """Replace a damaged file and return True; otherwise give the file up, unless it was only locked."""
        kind = error.kind if isinstance(error, SqliteFault) else ""
        if kind == "busy" and self._file is not None and self._locked < _TRIES:
            self._locked += 1
            return False
        self.close()
        if kind == "damaged" and not self._renewed:
            self._renewed = True
            try:
                self._path.unlink(missing_ok=True)
                self._file = self._open()
                return True
            except (OSError, SqliteFault) as failed:
                error = failed
        log.warning("not used any more: %s", error)
        return False

    def close(self) -> None:
        """Close the file, which is not usable any more."""
        if self._file is not None:
            self._file.close()
        self._file = None


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of the file; None without a file."""
    with suppress(OSError):
        status = os.stat(path)
        return status.st_dev, status.st_ino
    return None
