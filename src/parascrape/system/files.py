"""Files that are made of a whole crawl: written whole or not at all, with flat memory."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Self

from parascrape.errors import OutputError, UsageError
from parascrape.files.ledger import sync_folder
from parascrape.web.text import printable

__all__ = ["Scratch", "cell", "check_place", "plain", "whole_file"]

_FORMULA = frozenset("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CACHE_KB = 16_000


def cell(text: str) -> str:
    """The text as a CSV cell that no spreadsheet takes for a formula: an apostrophe before what may be one.

    >>> cell("=HYPERLINK(1)"), cell("http://h/")
    ("'=HYPERLINK(1)", 'http://h/')
    """
    return f"'{text}" if text[:1] in _FORMULA else text


def plain(text: str) -> str:
    """The text with U+FFFD for the characters that XML 1.0 §2.2 has no place for.

    >>> plain("a\\x00b\\udc80")
    'a\ufffdb\ufffd'
    """
    return _NO_XML.sub("\ufffd", text)


def check_place(option: str, path: Path) -> None:
    """Nothing, where the file can be written; its folder is made. Raises UsageError that names the option."""
    part = _part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with part.open("ab"):
            pass
        part.unlink()
    except OSError as error:
        raise UsageError(f"{option} {printable(str(path), 200)}: {error.strerror}") from None


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """A file of UTF-8 text that takes the place of ``path`` when all is written and on the disk.

    Raises:
        OutputError: the disk is full or failed; what was there before is there still.
    """
    part = _part_of(path)
    try:
        with part.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        sync_folder(path.parent)
    except OSError as error:
        raise OutputError(
            f"cannot write {printable(str(path))}: {error.strerror}", error.errno or errno.EIO
        ) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


class Scratch:
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
