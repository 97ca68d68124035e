"""Lists of URLs as a stream of entries: text, CSV, TSV and JSON Lines, gzipped or not, and bare URLs.

    source      read as                                         columns of an entry
    name.csv    a header row, then rows (RFC 4180); also        the row's other cells, as strings
                with Excel's semicolons or tabs
    name.tsv    the same, cells apart by tabs                   the same
    name.jsonl  an object or a URL's JSON string a line         the object's other keys, as parsed
    others      a URL a line; ``#`` begins a comment line       none
    -           standard input: JSON Lines where its first      as there
                line that is not blank begins with ``{``,
                else text
    http://...  one URL                                         none

``.ndjson`` is ``.jsonl``; ``.gz``, ``.bz2`` or ``.xz`` may follow any suffix.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import PurePath
from queue import Empty, Full, Queue
from typing import Any

import orjson

from parascrape.errors import BadRecord, InvalidUrl, UsageError
from parascrape.files.lines import (
    BARE_URL,
    MAX_LINE,
    PACKED,
    STDIN,
    Row,
    find_column,
    find_delimiter,
    json_keys,
    open_lines,
    read_header,
    read_rows,
    refuse_json,
)
from parascrape.records import Entry, encode
from parascrape.system import printable
from parascrape.web import host_key, prepare

_JSON_LINES = dict.fromkeys((".jsonl", ".ndjson", ".json"), "jsonl")
_KINDS = {".csv": "csv", ".tsv": "tsv", ".txt": "text", **_JSON_LINES}
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_SHOWN = 2_000  # characters of a bad line that its record shows
_HOST_LIKE = re.compile(r"(?:[\w-]+(?:\.[\w-]+)+|localhost)(?::[0-9]+)?(?:/.*)?")

_Numbered = Iterator[tuple[int, str]]


def read_lists(sources: Sequence[str], *, url_column: str = "url") -> Iterator[Entry]:
    """Return an iterator over the entries of all sources in order; it reads one file at a time, lazily.

    Every line except blank ones and comments is an entry, even without a URL. Memory does not grow with the
    lists. ``url_column`` names the CSV column or the JSON key that holds the URL.

    Raises:
        UsageError: at once: a source is not a readable file, or has no such column. Later, after the last
            whole line: a file is damaged (truncated gzip) or cannot be read any further.
    """
    if list(sources).count(STDIN) > 1:
        raise UsageError("-: standard input can be read only once")
    for source in sources:
        _check(source, url_column)
    return chain.from_iterable(_read(source, url_column) for source in sources)


def count_entries(sources: Sequence[str], *, url_column: str = "url") -> int | None:
    """Return how many entries `read_lists` will yield, up to a damaged place; None for a pipe."""
    files = [source for source in sources if not BARE_URL.match(source)]
    if STDIN in files or not all(map(os.path.isfile, files)):
        return None
    return len(sources) - len(files) + sum(_count(source, url_column) for source in files)


def default_name(sources: Sequence[str]) -> str:
    """Return the stem of the output's default name, from the lists' names; a safe file name everywhere.

    >>> default_name(["urls/list.txt"]), default_name(["a.csv.gz", "-"]), default_name(["https://h.org/x"])
    ('list', 'a+stdin', 'h.org')
    """
    few = sources if len(sources) <= 3 else sources[:1]
    name = "+".join(_safe(_stem(source)) for source in few) or "list"
    name = name.encode()[:180].decode(errors="ignore")  # bytes: file systems take 255
    return name if len(few) == len(sources) else f"{name}+{len(sources) - 1}-more"


def _unpacked(source: str) -> PurePath:
    """Return the path without the suffix of its compression."""
    return PurePath(next((source[: -len(end)] for end in PACKED if source.lower().endswith(end)), source))


def _kind(source: str) -> str:
    """Return the kind that the suffix says; empty for an unknown suffix."""
    return _KINDS.get(_unpacked(source).suffix.lower(), "")


def _stem(source: str) -> str:
    if source == STDIN:
        return "stdin"
    if not BARE_URL.match(source):
        return _unpacked(source).stem
    try:
        return host_key(prepare(source)).split("://")[1].rpartition(":")[0]
    except InvalidUrl:
        return "url"


def _safe(stem: str) -> str:
    name = re.sub(r"[^\w.-]+", "_", stem).strip("._-")[:60].rstrip(".") or "list"
    device = re.fullmatch(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", name)  # reserved on Windows
    return f"list-{name}" if device else name


def _check(source: str, url_column: str) -> None:
    """Raise UsageError unless the source can be read and has the column; a pipe is not read."""
    if source == STDIN:
        if sys.stdin is None:
            raise UsageError("-: there is no standard input")
    elif not BARE_URL.match(source) and _is_regular(source):
        kind = _kind(source)
        with open_lines(source, table=kind in _DELIMITERS) as lines:
            if kind == "jsonl":
                names = json_keys(refuse_json(source, lines))
            else:
                names = read_header(_rows(lines, kind, url_column)) if kind in _DELIMITERS else []
        find_column(source, url_column, names)


def _is_regular(source: str) -> bool:
    """Return whether the file is a readable regular one; False for a pipe."""
    try:
        mode = os.stat(source).st_mode
        if stat.S_ISREG(mode):
            with open(source, "rb"):
                pass
    except (OSError, ValueError) as error:
        raise UsageError(_file_fault(source, error)) from None
    if stat.S_ISDIR(mode):
        raise UsageError(f"{printable(source)}: a directory; name the lists in it")
    return stat.S_ISREG(mode)


def _file_fault(source: str, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    hint = ""
    if isinstance(error, FileNotFoundError) and _HOST_LIKE.fullmatch(source) and not _kind(source):
        hint = f"; for the web page write https://{printable(source)}"
    return f"{printable(source)}: {reason[:1].lower()}{reason[1:]}{hint}"


def _read(source: str, url_column: str) -> Iterator[Entry]:
    if BARE_URL.match(source):
        yield _entry(source.strip(), 0, "", None)
        return
    kind = _kind(source)
    with open_lines(source, table=kind in _DELIMITERS) as lines:
        numbered: _Numbered = enumerate(lines, 1)
        if source == STDIN:
            kind, numbered = _detect_kind(numbered)
        if kind in _DELIMITERS:
            yield from _read_csv(_rows(lines, kind, url_column), source, url_column)
        elif kind == "jsonl":
            yield from _read_json(numbered, source, url_column)
        else:
            yield from _read_text(numbered, source)


def _rows(lines: Iterable[str], kind: str, url_column: str) -> Iterator[Row]:
    """Return the rows of a table with its header."""
    delimiter, lines = find_delimiter(lines, _DELIMITERS[kind], url_column)
    return read_rows(lines, delimiter)


def _detect_kind(numbered: _Numbered) -> tuple[str, _Numbered]:
    """Return ``jsonl`` if the first non-blank line starts with a brace, else ``text``; and the lines."""
    for number, line in numbered:
        if first := line.strip():
            return "jsonl" if first[0] == "{" else "text", chain([(number, line)], numbered)
    return "text", numbered


def _entry(text: str, line: int, source: str, columns: dict[str, Any] | None) -> Entry:
    try:
        prepare(text)
    except InvalidUrl as error:
        return Entry(printable(text, _SHOWN), line, source, columns, str(error))
    return Entry(text, line, source, columns)


def _strip(line: str) -> str:
    # Joined files contain byte order marks; text copied from pages or Windows contains other marks.
    return line.strip("\ufeff\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060 \t\r\n").strip()


def _read_text(numbered: _Numbered, source: str) -> Iterator[Entry]:
    for number, line in numbered:
        text = _strip(line)
        if text and text[0] != "#":
            yield _entry(text, number, source, None)


def _read_json(numbered: _Numbered, source: str, url_column: str) -> Iterator[Entry]:
    for number, line in numbered:
        if text := _strip(line):
            try:
                url, columns = _parse_json(text, url_column)
            except ValueError as error:
                yield Entry(printable(text, _SHOWN), number, source, None, str(error))
            else:
                yield _entry(url.strip(), number, source, columns)


def _parse_json(text: str, url_column: str) -> tuple[str, dict[str, Any] | None]:
    """Return the URL and the other columns. Raises ValueError, with the reason, for a line without a URL."""
    if len(text) > MAX_LINE:
        raise ValueError(f"the line is longer than {MAX_LINE} characters")
    try:
        value = orjson.loads(text)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    columns = value if isinstance(value, dict) else {}
    url = columns.pop(url_column, None) if columns else value
    if not isinstance(url, str):
        raise ValueError(f"no string under the key {url_column!r}")
    if text.count("[") + text.count("{") > 100:  # perhaps nested deeper than a record may be
        try:
            encode({"input": columns})
        except BadRecord as error:
            raise ValueError(str(error)) from None
    return url, columns or None


def _read_csv(rows: Iterator[Row], source: str, url_column: str) -> Iterator[Entry]:
    names = read_header(rows)
    url_column = find_column(source, url_column, names)
    for row in rows:
        names += [f"column_{number}" for number in range(len(names) + 1, len(row.cells) + 1)]
        columns: dict[str, Any] = dict(zip(names, row.cells, strict=False))
        url = columns.pop(url_column, "").strip()
        if row.problem:
            yield Entry("", row.line, source, None, row.problem)
        else:
            yield _entry(url, row.line, source, columns or None)


def _count(source: str, url_column: str) -> int:
    """Return how many entries a file has up to a damaged place, without parsing their URLs."""
    total = 0
    kind = _kind(source)
    comment = "" if kind == "jsonl" else "#"
    with suppress(UsageError), open_lines(source, table=kind in _DELIMITERS) as lines:
        if kind in _DELIMITERS:
            found: Iterator[object] = islice(_rows(lines, kind, url_column), 1, None)
        else:
            found = (text for line in lines if (text := _strip(line)) and text[0] != comment)
        for _ in found:
            total += 1
    return total


def read_ahead(entries: Iterable[Entry], *, limit: int = 1000) -> Iterator[Entry | None]:
    """Yield the entries that a separate thread reads; None whenever none is ready.

    So waiting for a slow source does not delay finished records. At most ``limit`` entries are read ahead. An
    exception of the source is raised here, after the entries before it.
    """
    queue: Queue[Entry | BaseException | None] = Queue(limit)
    given_up = threading.Event()

    def put(item: Entry | BaseException | None) -> None:
        while not given_up.is_set():
            with suppress(Full):
                queue.put(item, timeout=1)
                return

    def read() -> None:
        try:
            for entry in entries:
                put(entry)
                if given_up.is_set():
                    return
        except BaseException as error:
            put(error)
        else:
            put(None)

    threading.Thread(target=read, name="read-ahead", daemon=True).start()
    try:
        yield from _taken(queue)
    finally:
        given_up.set()


def _taken(queue: Queue[Entry | BaseException | None]) -> Iterator[Entry | None]:
    while True:
        try:
            item = queue.get_nowait()
        except Empty:
            yield None
            continue
        if item is None:
            return
        if isinstance(item, BaseException):
            raise item
        yield item
