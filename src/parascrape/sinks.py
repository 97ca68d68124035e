"""Sinks: where records go. One writer, whole lines."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from parascrape.errors import OutputError, UsageError

__all__ = ["JsonlSink"]


class JsonlSink:
    """Encoded records written to a file, or to standard output for ``"-"``; a context manager.

    Every call of `write` is one write to the operating system (7 us for a record of a few kB), so a
    killed run has lost nothing that was finished, and a reader sees records as they come.

    Raises:
        UsageError: the destination cannot be opened.
        OutputError: a write failed; what was written ends with a whole line where the system allows.
    """

    def __init__(self, destination: str) -> None:
        self.destination = destination
        self._file = _open(destination)

    def write(self, lines: bytes) -> None:
        """Write whole lines."""
        view = memoryview(lines)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            self._cut_torn_line(lines[: len(lines) - len(view)])
            message = f"cannot write {self.destination}: {error.strerror}"
            raise OutputError(message, error.errno or 0) from None

    def _cut_torn_line(self, written: bytes) -> None:
        """Take the last line back where only a part of it fitted; a pipe or terminal keeps that part."""
        torn = len(written) - (written.rfind(b"\n") + 1)
        if torn and self._file.seekable():
            self._file.truncate(self._file.seek(-torn, os.SEEK_CUR))

    def close(self) -> None:
        """Close the file."""
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
