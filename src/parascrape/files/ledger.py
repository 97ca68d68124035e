"""The ledger: what an output already holds. The output itself is the only account; nothing lies beside it.

Every page's lines are written in one piece, but a kill or a full disk may leave a part of them at the
end. So the tail is cut back to the last page that is whole, and the rest is what is done.
"""

from __future__ import annotations

import shutil
from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from parascrape import records
from parascrape.errors import BadRecord, Duplicate, UsageError
from parascrape.records import SKIPPED, Entry
from parascrape.system import escape_surrogates, remove_leftovers, replace_file
from parascrape.web import redact

__all__ = [
    "KeyCounter",
    "Ledger",
    "PageLines",
    "drop_pages",
    "entry_key",
    "read_ledger",
    "read_pages",
    "read_records",
]


class PageLines(NamedTuple):
    """All lines of one page in an output, which stand together."""

    record: dict[str, Any]  # the first line's
    start: int  # bytes before them
    size: int  # bytes of all of them
    code: str  # "" for good ones

    @property
    def key(self) -> int:
        """The `entry_key` of the entry that the page came from."""
        return _key(self.record["url"], self.record.get("input"))


class Ledger:
    """How many outcomes an output holds for each entry; 9 bytes an outcome.

    An entry is known by its URL and its other columns, so a list may gain, lose or reorder lines. Where
    two lines are the same, each has its own outcome. That a line was a duplicate is no outcome for one that
    is none now: the page itself may never have been written.
    """

    def __init__(self, pages: Iterable[PageLines] = ()) -> None:
        self._duplicates = KeyCounter()
        self._keys = {"": KeyCounter()}  # by the error's code; good ones are looked for first
        self.size = 0
        for page in pages:
            code = page.code
            self.size = page.start + page.size
            if code == Duplicate.code:
                self._duplicates.add(page.key)
                continue
            if code not in self._keys:
                code = code if len(self._keys) < _MAX_CODES else "error"
                self._keys.setdefault(code, KeyCounter())
            self._keys[code].add(page.key)
        counters = [self._duplicates, *self._keys.values()]
        for keys in counters:
            keys.sort()
        self._count = sum(map(len, counters))

    def __len__(self) -> int:
        return self._count

    @property
    def failed(self) -> int:
        """Failures that were not taken; what was skipped is none."""
        return sum(len(keys) for code, keys in self._keys.items() if code and code not in SKIPPED)

    def take(self, entry: Entry) -> str | None:
        """The outcome that the entry has, each counted once: "" for a good one, else its error's code.

        None where it has none yet.
        """
        key = entry_key(entry)
        if entry.duplicate and self._duplicates.take(key):
            return Duplicate.code
        for code, keys in self._keys.items():
            if keys.take(key):
                return code
        return None


_MAX_CODES = 100
"""Error codes that are told apart; there are some twenty, but an output may hold anything."""


class KeyCounter:
    """A multiset of 64-bit numbers, in sorted arrays by their first 12 bits.

    Five million fit in 45 MB, where a dict takes half a gigabyte; and no step is so long that Ctrl-C
    would have to wait for it, as it would for one sort of all of them (2.7 s).
    """

    def __init__(self) -> None:
        self._parts: defaultdict[int, array[int]] = defaultdict(lambda: array("q"))

    def __len__(self) -> int:
        return sum(map(len, self._parts.values()))

    def add(self, key: int) -> None:
        """Count the number once more; `sort` must follow before any is taken."""
        self._parts[key >> _SHIFT].append(key)

    def sort(self) -> None:
        """Make it ready for `take`."""
        for place, part in self._parts.items():
            self._parts[place] = array("q", sorted(part))

    def take(self, key: int) -> bool:
        """Whether the number was there; it is counted once less."""
        part = self._parts.get(key >> _SHIFT, _NOTHING)
        at = bisect_right(part, key) - 1  # the last of equal ones: no other of them has to move
        if at < 0 or part[at] != key:
            return False
        part.pop(at)
        return True


_SHIFT = 64 - 12
_NOTHING = array("q")


def entry_key(entry: Entry) -> int:
    """What an entry and its record have in common, as a 64-bit number of this process."""
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
    for record, size in read_records(path):
        item, items = _place(record["meta"])
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
