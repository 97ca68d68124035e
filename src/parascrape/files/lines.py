"""Lines, rows and columns of list files and standard input: decompressed, decoded, bounded in length.

Gzip, bzip2 and xz are recognised by their magic numbers, UTF-16 by its byte order mark or its zeros. All else
is read as UTF-8, and what does not decode becomes U+FFFD; only a table that does not start as UTF-8 is read
in the encoding that it most likely has. LF, CRLF and CR end a line; in a quoted CSV cell they become LF.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain, islice
from typing import Any, NamedTuple

import orjson

from parascrape.errors import UsageError
from parascrape.system import did_you_mean, printable
from parascrape.web import find_encoding, python_codec, without_mark

MAX_LINE = 1 << 20
"""Characters of the longest line and CSV cell that are read; longer ones are reported as a problem."""

STDIN = "-"

BARE_URL = re.compile(r"https?://", re.IGNORECASE)
"""The start of a URL, where the name of a list or of a column may stand."""

_LOOK_AHEAD = 100  # lines of JSON among which one must have the URL's key
PACKED = (".gz", ".bz2", ".xz")
"""Suffixes that may follow a list's own."""

_HEAD = 1 << 16  # bytes at the start by which a file's type is recognised
_UNPACK: tuple[tuple[bytes, Any], ...] = (
    (b"\x1f\x8b", lambda data: gzip.GzipFile(fileobj=data)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\0", lzma.LZMAFile),
)
_NO_LISTS = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook, not a list: unpack it, or save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "an Office document, not a list: save it as CSV"),
    (b"%PDF-", "a PDF, not a list"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd: zstdcat FILE | scrape -"),
    (b"7z\xbc\xaf", "a 7z archive, not a list: unpack it"),
    (b"SQLite format 3\0", "an SQLite database, not a list"),
    (b"PAR1", "a Parquet file, not a list: save it as CSV"),
)
_SITEMAP = re.compile(rb"<(?:urlset|sitemapindex)[\s>]")
_MARKUP = re.compile(rb"\s*<(?:\?xml|!doctype|html|urlset|sitemapindex|rss)[\s>]", re.I)
_SEPARATOR = re.compile(r"\ufeff?sep=(.)\s*", re.I)


class Row(NamedTuple):
    """A CSV row that is not blank: its first line, from 1, its cells, and what is wrong with it."""

    line: int
    cells: list[str]
    problem: str = ""


@contextmanager
def open_lines(source: str, *, table: bool = False) -> Iterator[Iterator[str]]:
    """Yield the lines of a file, or of standard input for ``-``; longer lines are cut at MAX_LINE + 1.

    Raises:
        UsageError: the file is an archive, a document or a sitemap; or, after its last whole line,
            it is truncated, damaged or unreadable; or its header row is not CSV.
    """
    with ExitStack() as stack:
        try:
            text = _open(source, stack, table)
            stack.callback(text.detach)  # or the wrapper would close standard input with itself
            yield _bounded(text)
        except (OSError, EOFError, zlib.error, lzma.LZMAError, UnicodeError, csv.Error) as error:
            raise UsageError(f"{printable(source)}: damaged or unreadable from here on: {error}") from None


def read_rows(lines: Iterable[str], delimiter: str) -> Iterator[Row]:
    """Yield the rows of CSV (RFC 4180) with the header; a row that is not CSV has a problem and no cells."""
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
    """Return the names in the first row; an empty or repeated name is replaced by the column's number.

    Raises:
        csv.Error: the row is not CSV; `open_lines` makes it a UsageError.
    """
    row = next(rows, Row(0, []))
    if row.problem:
        raise csv.Error(f"the header row: {row.problem}")
    names: dict[str, None] = {}
    for number, cell in enumerate(row.cells, 1):
        name = cell.strip()
        names[f"{name or 'column'}_{number}" if not name or name in names else name] = None
    return list(names)


def find_delimiter(lines: Iterable[str], delimiter: str, column: str) -> tuple[str, Iterator[str]]:
    """Return the delimiter of the header row, and the lines, with Excel's ``sep=;`` made blank.

    It is ``delimiter`` unless the header has the column, in any case, only with another one: Excel writes
    semicolons in locales with a decimal comma, and tabs for "Unicode text".
    """
    rest = iter(lines)
    start = list(islice(rest, 1))
    if start and (said := _SEPARATOR.fullmatch(start[0])):
        return said[1], chain(["\n"], rest)
    if start and not start[0].strip("\ufeff \t\r\n"):
        for line in islice(rest, 100):
            start.append(line)
            if line.strip():
                break
    header = start[-1] if start else ""
    for other in (delimiter, ",", ";", "\t", "|"):
        cells = next(csv.reader([header], delimiter=other), []) if len(header) <= MAX_LINE else []
        if column.casefold() in (cell.strip("\ufeff ").casefold() for cell in cells):
            return other, chain(start, rest)
    return delimiter, chain(start, rest)


def _open(source: str, stack: ExitStack, table: bool) -> io.TextIOWrapper:
    # Any: a replacement of standard input may have no peek
    raw: Any = _open_stdin() if source == STDIN else stack.enter_context(open(source, "rb", _HEAD))  # noqa: SIM115
    data: Any = raw if hasattr(raw, "peek") else io.BufferedReader(raw)
    start = data.peek(_HEAD)
    for magic, unpack in _UNPACK:
        if start.startswith(magic):
            data = stack.enter_context(unpack(data))
            start = data.peek(_HEAD)
            break
    _refuse(source, start)
    return io.TextIOWrapper(data, encoding=_encoding(start, table), errors="replace")


def _refuse(source: str, start: bytes) -> None:
    """Raise UsageError, with advice, for a file that does not start as a list."""
    found = next((what for magic, what in _NO_LISTS if start.startswith(magic)), "")
    if _MARKUP.match(start.removeprefix(b"\xef\xbb\xbf")):
        found = "HTML or XML, not a list of URLs"
        if _SITEMAP.search(start):
            found = "a sitemap, not a list: grep -o '<loc>[^<]*' FILE | cut -c 6- | scrape -"
    if found:
        raise UsageError(f"{printable(source)}: {found}")


def _encoding(start: bytes, table: bool) -> str:
    """Return Python's name of the encoding, found from the start of a file."""
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    name = without_mark(start) or (find_encoding(start) if table and not start.isascii() else "utf-8")
    return "utf-8-sig" if name == "utf-8" else python_codec(name)


def _bounded(text: io.TextIOWrapper) -> Iterator[str]:
    readline = text.readline
    while line := readline(MAX_LINE + 1):
        yield line
        if len(line) > MAX_LINE:
            while line and line[-1] != "\n":
                line = readline(MAX_LINE)


def _open_stdin() -> Any:
    """Open standard input with a separate buffer.

    A thread that waits in ``sys.stdin.buffer`` holds its lock, which makes Python abort at exit.
    """
    try:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except (OSError, ValueError):  # a replacement without a descriptor, as in tests
        return sys.stdin.buffer


def refuse_json(source: str, lines: Iterator[str]) -> Iterator[str]:
    """Return the lines. Raises UsageError if they are one JSON text, not one a line."""
    start = list(islice(lines, 1))
    if start and (start[0].lstrip("\ufeff \t")[:1] == "[" or start[0].strip("\ufeff \t\r\n") == "{"):
        raise UsageError(f"{printable(source)}: JSON, but not JSON Lines: jq -c '.[]' FILE > NAME.jsonl")
    return chain(start, lines)


def find_column(source: str, url_column: str, names: Sequence[str]) -> str:
    """Return the column of that name, or the only one that differs from it in case.

    Raises UsageError, with the most similar name, if there are columns but not that one.
    """
    if not names or url_column in names:
        return url_column
    alike = [name for name in names if name.casefold() == url_column.casefold()]
    if len(alike) == 1:
        return alike[0]
    if any(map(BARE_URL.match, names)):
        raise UsageError(
            f"{source}: no header row; the first row names the columns, one of them {url_column!r}"
        )
    hint = did_you_mean(url_column, names, similarity=0.5)
    raise UsageError(
        printable(f"{source}: no column {url_column!r}, but {', '.join(names)}", 500) + printable(hint)
    )


def json_keys(lines: Iterable[str]) -> list[str]:
    """Return the keys of the first objects; empty without an object, or if a line is a string."""
    keys: dict[str, None] = {}
    for line in islice(lines, _LOOK_AHEAD):
        with suppress(ValueError):
            value = orjson.loads(line)
            if isinstance(value, str):
                return []
            keys.update(dict.fromkeys(value if isinstance(value, dict) else ()))
    return list(keys)
