"""The ledger: what an output already holds. The output itself is the only account; nothing lies beside it.

Every page's lines are written in one piece, but a kill or a full disk may leave a part of them at the
end. So the tail is cut back to the last page that is whole, and the rest is what is done.
"""

from __future__ import annotations

import os
import shutil
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from parascrape import records
from parascrape.errors import BadRecord, UsageError
from parascrape.text import escape_surrogates
from parascrape.urls import Entry, redact

__all__ = ["Ledger", "PageLines", "drop_pages", "entry_key", "read_ledger", "read_pages", "sync_folder"]


class PageLines(NamedTuple):
    """All lines of one page in an output, which stand together."""

    record: dict[str, Any]  # the first line's
    start: int  # bytes before them
    size: int  # bytes of all of them
    code: str  # "" for good ones

    @property
    def key(self) -> int:
        """The `entry_key` of the entry that the page came from."""
        return _key(str(self.record["url"]), self.record.get("input"))


class Ledger:
    """How many outcomes an output holds for each entry; 12 bytes an entry.

    An entry is known by its URL and its other columns, so a list may gain, lose or reorder lines. Where
    two lines are the same, each has its own outcome.
    """

    def __init__(self, pages: Iterable[PageLines] = ()) -> None:
        keys = array("q")
        self._failed: dict[int, list[str]] = {}
        self.size = 0
        for page in pages:
            keys.append(page.key)
            if page.code:
                self._failed.setdefault(page.key, []).append(page.code)
            self.size = page.start + page.size
        self._count = len(keys)
        self._keys, self._left = array("q"), array("I")  # each key once, and how often it may be taken
        for key, same in groupby(sorted(keys)):
            self._keys.append(key)
            self._left.append(sum(1 for _ in same))

    def __len__(self) -> int:
        return self._count

    @property
    def failed(self) -> int:
        """Failures that were not taken."""
        return sum(map(len, self._failed.values()))

    def take(self, entry: Entry) -> str | None:
        """The outcome that the entry has, each counted once: "" for a good one, else its error's code.

        None where it has none yet.
        """
        key = entry_key(entry)
        at = bisect_left(self._keys, key)
        if at == len(self._keys) or self._keys[at] != key or not self._left[at]:
            return None
        self._left[at] -= 1
        codes = self._failed.get(key)
        return codes.pop() if codes else ""


def entry_key(entry: Entry) -> int:
    """What an entry and its record have in common, as a 64-bit number of this process."""
    return _key(escape_surrogates(redact(entry.url)), entry.columns)


_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def _key(url: str, columns: Any) -> int:
    if not columns:
        return hash(url)
    try:
        data = orjson.dumps(columns, option=_OPTIONS)
        if b"null" in data or data.count(b"{") + data.count(b"[") > 100:
            records.encode({"input": columns})  # orjson takes NaN for null, and 54 levels more than a record
    except (TypeError, ValueError, BadRecord):  # columns that no record can carry: it is without them
        return hash(url)
    return hash((url, data))


def read_ledger(path: Path) -> Ledger:
    """The ledger of an output file; of a file that is not there, an empty one.

    ``Ledger.size`` is where the last whole page ends: what follows has to be cut.

    Raises:
        UsageError: the file holds something else than records.
    """
    if not path.exists():
        return Ledger()
    return Ledger(read_pages(path))


def read_pages(path: Path) -> Iterator[PageLines]:
    """The whole pages of an output, in their order; a torn or unfinished one at the end is left out.

    Raises:
        UsageError: a line that is no record has records behind it: this is no output of ours.
    """
    first: dict[str, Any] | None = None
    start = at = seen = 0
    for record, size in _read_records(path):
        item, items = _place(record["meta"])
        if first is None or item <= 1:
            first, start, seen = record, at, 0
        at += size
        seen += 1
        if seen >= items:
            yield PageLines(first, start, at - start, _code(first))
            first = None


def _read_records(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """The records of the whole lines, and the bytes of each line."""
    torn_at = 0
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            record = _parse(line)
            if record is None and _is_torn(line):
                torn_at = torn_at or number
            elif record is None or torn_at:
                raise UsageError(
                    f"{path}: line {torn_at or number} is no record; name another --output, or --overwrite"
                )
            else:
                yield record, len(line)


def _parse(line: bytes) -> dict[str, Any] | None:
    """The record of a whole line, None for anything else."""
    if not line.endswith(b"\n"):
        return None
    try:
        record = records.parse(line)
    except ValueError:
        return None
    return record if isinstance(record.get("meta"), dict) and isinstance(record.get("url"), str) else None


def _is_torn(line: bytes) -> bool:
    """Whether this can be what a kill or a power loss has left of a record: its beginning, or runs of NUL.

    Anything else is somebody's data, which is not ours to cut.
    """
    begins = line[: len(_BEGINNING)] == _BEGINNING[: len(line)]
    return (begins and not line.endswith(b"\n")) or b"\0" * 8 in line or not line.strip(b"\0\n")


_BEGINNING = b'{"url":'


def _place(meta: dict[str, Any]) -> tuple[int, int]:
    """Which of its page's lines a record is, from 1, and how many they are."""
    item, items = meta.get("item", 1), meta.get("items", 1)
    return (item, items) if isinstance(item, int) and isinstance(items, int) else (1, 1)


def _code(record: dict[str, Any]) -> str:
    error = record.get("error")
    return str(error.get("code") or "error") if isinstance(error, dict) else ""


def drop_pages(path: Path, drop: Callable[[PageLines], bool]) -> int:
    """How many pages were taken out of an output, which is replaced in one step by a copy without them.

    Whoever is killed meanwhile leaves the output as it was. Raises OSError where the copy does not fit.
    """
    path = path.resolve()  # a symbolic link stays one
    copy = path.with_name(path.name + ".new")
    try:
        dropped = _copy_pages(path, copy, drop)
        shutil.copymode(path, copy)
        os.replace(copy, path)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return dropped


def _copy_pages(path: Path, copy: Path, drop: Callable[[PageLines], bool]) -> int:
    """How many pages the copy, which is on the disk, is without."""
    dropped = 0
    with open(path, "rb") as source, open(copy, "wb") as target:
        for page in read_pages(path):
            if drop(page):
                dropped += 1
                continue
            source.seek(page.start)
            target.write(source.read(page.size))
        target.flush()
        os.fsync(target.fileno())
    return dropped


def sync_folder(folder: Path) -> None:
    """Bring the names of a folder's files to the disk (POSIX; other systems have no such call)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
