"""The lines and rows of a list file or of standard input, bounded in length and whole whatever the coding.

Gzip is known by its magic number, UTF-16 by its byte order mark; all else is read as UTF-8, and what
does not decode becomes U+FFFD. LF, CRLF and CR end a line; in a quoted CSV cell they become LF.
"""

from __future__ import annotations

import csv
import gzip
import io
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from parascrape.errors import UsageError
from parascrape.text import printable

__all__ = ["MAX_LINE", "STDIN", "Row", "open_lines", "read_header", "read_rows"]

MAX_LINE = 1 << 20
"""Characters of the longest line, and of the longest CSV cell; what is longer is a problem, not memory."""

STDIN = "-"


class Row(NamedTuple):
    """A CSV row that is not blank: the line it begins on, from 1, its cells, and what is wrong with it."""

    line: int
    cells: list[str]
    problem: str = ""


@contextmanager
def open_lines(source: str) -> Iterator[Iterator[str]]:
    """The lines of a file, or of standard input for ``-``; of one longer than MAX_LINE a character more.

    Raises:
        UsageError: the file cannot be read (on), after its last whole line: truncated or damaged gzip.
            So does a header row that is no CSV.
    """
    with ExitStack() as stack:
        try:
            text = _open(source, stack)
            stack.callback(text.detach)  # or the wrapper would close standard input with itself
            yield _bounded(text)
        except (OSError, EOFError, zlib.error, UnicodeError, csv.Error) as error:
            raise UsageError(f"{printable(source)}: damaged or unreadable from here on: {error}") from None


def read_rows(lines: Iterable[str], delimiter: str) -> Iterator[Row]:
    """The rows of CSV (RFC 4180), the header among them; one that is no CSV has a problem and no cells."""
    csv.field_size_limit(max(MAX_LINE, csv.field_size_limit()))  # the module's own is 131,072
    # The rest of a cut line is gone, so csv is given one cell that it refuses, not a row that seems whole.
    rows = csv.reader(
        (line if len(line) <= MAX_LINE else "x" * (MAX_LINE + 1) for line in lines), delimiter=delimiter
    )
    while True:
        number = rows.line_num + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(number, [], f"not CSV: {error}")
        else:
            if any(map(str.strip, cells)):
                yield Row(number, cells)


def read_header(rows: Iterator[Row]) -> list[str]:
    """The names in the first row; one that is empty, or there already, gets the column's number.

    Raises:
        csv.Error: the row is no CSV; `open_lines` makes it a UsageError.
    """
    row = next(rows, Row(0, []))
    if row.problem:
        raise csv.Error(f"the header row: {row.problem}")
    names: dict[str, None] = {}
    for number, cell in enumerate(row.cells, 1):
        name = cell.strip()
        names[f"{name or 'column'}_{number}" if not name or name in names else name] = None
    return list(names)


def _open(source: str, stack: ExitStack) -> io.TextIOWrapper:
    # Any: what stands in for standard input may have no peek
    raw: Any = _open_stdin() if source == STDIN else stack.enter_context(open(source, "rb"))  # noqa: SIM115
    data: Any = raw if hasattr(raw, "peek") else io.BufferedReader(raw)
    if data.peek(2)[:2] == b"\x1f\x8b":
        data = stack.enter_context(gzip.GzipFile(fileobj=data))
    wide = data.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff")
    return io.TextIOWrapper(data, encoding="utf-16" if wide else "utf-8-sig", errors="replace")


def _bounded(text: io.TextIOWrapper) -> Iterator[str]:
    readline = text.readline
    while line := readline(MAX_LINE + 1):
        yield line
        if len(line) > MAX_LINE:
            while line and line[-1] != "\n":
                line = readline(MAX_LINE)


def _open_stdin() -> Any:
    """Standard input on a buffer of its own.

    A thread that waits in ``sys.stdin.buffer`` holds its lock, and Python aborts at its exit over that.
    """
    try:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except (OSError, ValueError):  # a stand-in without a descriptor, as in tests
        return sys.stdin.buffer
