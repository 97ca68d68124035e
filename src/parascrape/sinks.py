"""Sinks: where records go. One writer, whole lines."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from parascrape.errors import UsageError

__all__ = ["JsonlSink"]

_FLUSH_BYTES = 1 << 16


class JsonlSink:
    """Encoded records written to a file, or to standard output for ``"-"``; a context manager.

    Lines are gathered up to 64 KiB and written whole; `flush` writes what is there.

    Raises:
        UsageError: the destination cannot be opened.
        OSError: a write failed; what was written ends with a whole line where the system allows.
    """

    def __init__(self, destination: str) -> None:
        self.destination = destination
        self._pending: list[bytes] = []
        self._size = 0
        self._file = _open(destination)

    def write(self, lines: bytes) -> None:
        """Take whole lines."""
        self._pending.append(lines)
        self._size += len(lines)
        if self._size >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write everything taken so far to the operating system."""
        if self._pending:
            data = b"".join(self._pending)
            self._pending.clear()
            self._size = 0
            view = memoryview(data)
            try:
                while view:
                    view = view[self._file.write(view) :]
            except OSError:
                self._cut_torn_line(data[: len(data) - len(view)])
                raise

    def _cut_torn_line(self, written: bytes) -> None:
        """Take the last line back where only a part of it fitted; a pipe or terminal keeps that part."""
        torn = len(written) - (written.rfind(b"\n") + 1)
        if torn and self._file.seekable():
            self._file.truncate(self._file.seek(-torn, os.SEEK_CUR))

    def close(self) -> None:
        """Write what is left and close the file."""
        try:
            self.flush()
        finally:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _open(destination: str) -> BinaryIO | io.FileIO:
    """The file, unbuffered; the folders above it are made."""
    if destination == "-":
        if sys.stdout is None:
            raise UsageError("cannot write to standard output: it is closed")
        return os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    path = Path(destination)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "wb", buffering=0)
    except OSError as error:
        raise UsageError(f"cannot write {destination}: {error.strerror}") from None
