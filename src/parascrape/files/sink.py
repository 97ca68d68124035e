"""The sink of records: JSON Lines appended to a file or standard output by one writer, in whole lines.

Lines are buffered while more records are ready, and written before the writer waits: a write for each record
costs 8 us. They are synced once a second (group commit), and at the end. A write or sync that failed is never
tried again: it is unknown what a failed fsync has lost, so the run ends and the next one reads what is there.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

from parascrape.errors import OutputError, UsageError
from parascrape.files.ledger import Ledger, read_ledger
from parascrape.system import OutputLock, sync_folder

SYNC_SECONDS = 1.0
SYNC_RECORDS = 1000
"""Writes are synced after so many seconds or pages, whichever comes first."""

_GATHERED = 1 << 16  # bytes that are buffered at most

MIN_FREE = 1 << 20
"""Free bytes below which a run ends, so that there is room to clean up."""


def _free_bytes(descriptor: int) -> int:
    """Return the free bytes on the file's disk; a huge number if that is unknown."""
    if not hasattr(os, "fstatvfs"):
        return 1 << 62
    found = os.fstatvfs(descriptor)
    return found.f_bavail * found.f_frsize


class System(NamedTuple):
    """The system calls that can fail; tests replace them."""

    write: Callable[[int, Any], int] = os.write
    sync: Callable[[int], None] = os.fsync
    free: Callable[[int], int] = _free_bytes
    clock: Callable[[], float] = time.monotonic


_SYSTEM = System()


class JsonlSink:
    """Encoded records appended to a file, or written to standard output for ``"-"``; a context manager.

    A file is locked, its torn tail is cut, and `ledger` tells what it holds. ``overwrite`` empties it.
    ``prepare`` is called with its path once it is locked, perhaps before the file exists. ``ahead`` is called
    before each write (False) and before each sync (True).

    Raises:
        OutputBusy: another process writes it.
        UsageError: it cannot be opened, or holds something other than records.
        OutputError: a write or sync failed, or the disk is nearly full. Every line in the file is whole;
            no more is written.
    """

    def __init__(
        self,
        destination: str,
        *,
        overwrite: bool = False,
        prepare: Callable[[Path], object] | None = None,
        ahead: Callable[[bool], object] | None = None,
        system: System = _SYSTEM,
    ) -> None:
        self.destination = destination
        self.ledger = Ledger()
        self._system = system
        self._ahead = ahead
        self._lock: OutputLock | None = None
        self._pending: list[bytes] = []
        self._size = 0
        self._unsynced = 0
        self._synced_at = system.clock()
        self._failed = False
        if destination == "-":
            self._descriptor = _duplicate_stdout()
            self._is_file = False
        else:
            self._descriptor = self._open(Path(destination), overwrite, prepare)

    def _open(self, path: Path, overwrite: bool, prepare: Callable[[Path], object] | None) -> int:
        """Open the file at its end, make missing folders, and return the descriptor."""
        descriptor = -1
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._is_file = not path.exists() or stat.S_ISREG(path.stat().st_mode)
            if self._is_file:
                self._lock = OutputLock(path)
                if prepare is not None:
                    prepare(path)
            flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
            descriptor = os.open(path, flags, 0o644)
            if self._is_file:
                self.ledger = Ledger() if overwrite else read_ledger(path)
                os.ftruncate(descriptor, self.ledger.size)
                os.lseek(descriptor, 0, os.SEEK_END)
                sync_folder(path.parent)
        except BaseException as error:
            if descriptor >= 0:
                os.close(descriptor)
            self._release()
            raise _opening_fault(path, error) from None
        return descriptor

    def write(self, lines: bytes) -> None:
        """Buffer the lines of one page; `flush` writes them, and so does a full buffer."""
        self._pending.append(lines)
        self._size += len(lines)
        if self._size >= _GATHERED:
            self.flush()

    def flush(self) -> None:
        """Write the buffered lines, and sync them if it is time."""
        if not self._pending:
            return
        if self._failed:
            raise OutputError(f"cannot write {self.destination}: it has failed before", errno.EIO)
        self._go_ahead(False)
        lines = b"".join(self._pending)
        self._unsynced += len(self._pending)
        self._pending.clear()
        self._size = 0
        view = memoryview(lines)
        try:
            while view:
                view = view[self._system.write(self._descriptor, view) :]
        except OSError as error:
            self._cut_torn_line(lines[: len(lines) - len(view)])
            raise self._fault(error) from None
        if not self._is_file:
            return
        waited = self._system.clock() - self._synced_at
        if self._unsynced >= SYNC_RECORDS or waited >= SYNC_SECONDS:
            self.sync()
            self._check_room()

    def sync(self) -> None:
        """Write and sync everything. Raises OutputError if that fails."""
        self.flush()
        if not self._is_file or not self._unsynced:
            return
        self._go_ahead(True)
        try:
            self._system.sync(self._descriptor)
        except OSError as error:
            raise self._fault(error) from None
        self._unsynced = 0
        self._synced_at = self._system.clock()

    def _go_ahead(self, syncing: bool) -> None:
        """Run the pre-write hook; if it fails, refuse further writes."""
        try:
            if self._ahead is not None:
                self._ahead(syncing)
        except BaseException:
            self._failed = True
            raise

    def _check_room(self) -> None:
        """Raise OutputError if the disk is nearly full; everything written is synced by now."""
        free = self._system.free(self._descriptor)
        if free < MIN_FREE:
            raise self._fault(OSError(errno.ENOSPC, f"only {free} bytes are left on the disk"))

    def _fault(self, error: OSError) -> OutputError:
        self._failed = True
        return OutputError(f"cannot write {self.destination}: {error.strerror}", error.errno or 0)

    def _cut_torn_line(self, written: bytes) -> None:
        """Remove a last line that was written only in part; in a pipe it stays."""
        torn = len(written) - (written.rfind(b"\n") + 1)
        if torn and self._is_file:
            with suppress(OSError):  # the next run cuts it
                os.ftruncate(self._descriptor, os.lseek(self._descriptor, -torn, os.SEEK_CUR))

    def close(self) -> None:
        """Sync the rest, close the file and release the lock."""
        if self._descriptor < 0:
            return
        try:
            if not self._failed:
                self.sync()
        finally:
            os.close(self._descriptor)
            self._descriptor = -1
            self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _opening_fault(path: Path, error: BaseException) -> BaseException:
    """Return the error for a failed opening: a full disk is not wrong usage."""
    if not isinstance(error, OSError):
        return error
    message = f"cannot write {path}: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG):
        return OutputError(message, error.errno)
    return UsageError(message)


def _duplicate_stdout() -> int:
    if sys.stdout is None:
        raise UsageError("cannot write to standard output: it is closed")
    return os.dup(sys.stdout.fileno())
