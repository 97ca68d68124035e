"""The reader of outputs, and the ledger: which entries of a list an output already holds.

The lines of a page are written in one piece, but a kill or a full disk may leave only a part of them at the
end. So the output is cut after its last whole page, and what is left is what is done.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

from parascrape import records
from parascrape.errors import BadRecord, Duplicate, UsageError
from parascrape.files.key_index import KeyIndex
from parascrape.records import SKIPPED, Entry
from parascrape.system import escape_surrogates, remove_leftovers, replace_file
from parascrape.web import redact


class PageLines(NamedTuple):
    """All lines of one page of an output; they are adjacent."""

    record: dict[str, Any]  # the first line's
    start: int  # bytes before them
    size: int  # bytes of all of them
    code: str  # "" for good ones

    @property
    def key(self) -> int:
        """Return the `entry_key` of the page's entry."""
        return _key(self.record["url"], self.record.get("input"))


class Ledger:
    """How many outcomes an output holds for each entry; 9 bytes an outcome.

    An entry is identified by its URL and its other columns, so a list may gain, lose or reorder lines. Of
    two equal lines each has its own outcome. A duplicate's outcome counts only for an entry that still is a
    duplicate: the page itself may never have been written. ``size`` is where the last whole page ends.
    """

    def __init__(self, pages: Iterable[PageLines] = ()) -> None:
        self._duplicates = KeyIndex()
        self._keys = {"": KeyIndex()}  # by the error's code; good ones are looked for first
        self.size = 0
        for page in pages:
            code = page.code
            self.size = page.start + page.size
            if code == Duplicate.code:
                self._duplicates.add(page.key)
                continue
            if code not in self._keys:
                code = code if len(self._keys) < _MAX_CODES else "error"
                self._keys.setdefault(code, KeyIndex())
            self._keys[code].add(page.key)
        counters = [self._duplicates, *self._keys.values()]
        for keys in counters:
            keys.sort()
        self._count = sum(map(len, counters))

    def __len__(self) -> int:
        return self._count

    @property
    def failed(self) -> int:
        """Return the number of failures that were not taken, without skipped pages."""
        return sum(len(keys) for code, keys in self._keys.items() if code and code not in SKIPPED)

    def take(self, entry: Entry) -> str | None:
        """Take an outcome of the entry and return its error's code, "" if it is good; None without one."""
        key = entry_key(entry)
        if entry.duplicate and self._duplicates.take(key):
            return Duplicate.code
        for code, keys in self._keys.items():
            if keys.take(key):
                return code
        return None


_MAX_CODES = 100
"""Error codes that are counted separately; there are about twenty, but an output may hold anything."""


def entry_key(entry: Entry) -> int:
    """Return a 64-bit hash of what an entry and its record have in common. It differs between processes."""
    url = redact(entry.url)
    return _key(url if url.isascii() else escape_surrogates(url), entry.columns)


_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def _key(url: str, columns: Any) -> int:
    if not columns:
        return hash(url)
    try:
        data = orjson.dumps(columns, option=_OPTIONS)
        if b"null" in data or data.count(b"{") + data.count(b"[") > 100:
            records.encode({"input": columns})  # orjson takes NaN for null, and 54 levels more than a record
    except (TypeError, ValueError, BadRecord):  # the record has none of these columns then
        return hash(url)
    return hash((url, data))


def read_ledger(path: Path) -> Ledger:
    """Return the ledger of an output file, an empty one without a file. Raises as `read_pages` does."""
    return Ledger(read_pages(path) if path.exists() else ())


def read_pages(path: Path) -> Iterator[PageLines]:
    """Yield the whole pages of an output in order, without a torn or incomplete one at its end.

    Raises:
        UsageError: a line is not a record, and is not what a kill can leave: this is not an output.
    """
    first: dict[str, Any] | None = None
    start = at = seen = 0
    for record, size in read_records(path):
        item, items = record["meta"].get("item", 1), record["meta"].get("items", 1)
        if not (isinstance(item, int) and isinstance(items, int)):
            item = items = 1
        if first is None or item <= 1:
            first, start, seen = record, at, 0
        at += size
        seen += 1
        if seen >= items:
            yield PageLines(first, start, at - start, _code(first))
            first = None


def read_records(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield the records of the whole lines, and the bytes of each line. Raises as `read_pages` does."""
    torn_at = 0
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            record = records.parse_record(line) if line.endswith(b"\n") else None
            if record is None and _is_torn(line):
                torn_at = torn_at or number
            elif record is None or torn_at:
                raise UsageError(
                    f"{path}: line {torn_at or number} is not a record; name another --output, or --overwrite"
                )
            else:
                yield record, len(line)


def read_page_at(file: IO[bytes], offset: int, *, first: bool = False) -> list[dict[str, Any]]:
    """Return the records of the page whose first line begins at the offset; with ``first`` only that one.

    Raises:
        ValueError: no whole page begins there (any more).
        OSError: the file cannot be read.
    """
    file.seek(offset)
    found = [_read_line(file)]
    items = 1 if first else found[0]["meta"].get("items", 1)
    while isinstance(items, int) and len(found) < items:
        found.append(_read_line(file))
        if found[-1]["meta"].get("item") != len(found):
            raise ValueError("the page is incomplete")
    return found


def _read_line(file: IO[bytes]) -> dict[str, Any]:
    line = file.readline()
    record = records.parse_record(line) if line.endswith(b"\n") else None
    if record is None:
        raise ValueError("the line is not a whole record")
    return record


def _is_torn(line: bytes) -> bool:
    """Return whether a kill or a power loss can have left this of a record: its start, or runs of NUL.

    Anything else is data that must not be cut.
    """
    beginning = b'{"url":'
    begins = line[: len(beginning)] == beginning[: len(line)]
    return (begins and not line.endswith(b"\n")) or b"\0" * 8 in line or not line.strip(b"\0\n")


def _code(record: dict[str, Any]) -> str:
    error = record.get("error")
    return str(error.get("code") or "error") if isinstance(error, dict) else ""


def drop_pages(path: Path, drop: Callable[[PageLines], bool]) -> int:
    """Remove pages from a locked output, and return how many. The output is replaced atomically by a copy.

    Raises:
        OSError: the copy cannot be written; the output is as it was.
    """
    path = path.resolve()  # a symbolic link stays one
    remove_leftovers(path)
    dropped = 0
    with open(path, "rb") as source, replace_file(path) as copy:
        for page in read_pages(path):
            if drop(page):
                dropped += 1
                continue
            source.seek(page.start)
            copy.write(source.read(page.size))
        shutil.copymode(path, copy.name)
    return dropped
