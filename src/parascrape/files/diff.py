"""The change feed of two outputs: streamed, in the order of the new one; what was removed comes last.

    OLD -- index (url -> offset) --+
    NEW -- page by page -----------+--> compare --> changes.jsonl

16 bytes a page of OLD are held, and two pages. Where a URL stands several times, those with equal columns are
paired first. Lines that are duplicates of another stand for no page and are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

from parascrape import records
from parascrape.errors import BadRecord, Duplicate, UsageError
from parascrape.files.key_index import KeyIndex
from parascrape.files.ledger import PageLines, read_page_at, read_pages
from parascrape.files.page_diff import Change, compare
from parascrape.system import output_errors, replace_file

__all__ = ["ChangeCounts", "find_changes", "write_changes"]

Records = list[dict[str, Any]]
"""All of one page."""

Note = Callable[[Change], object]

_CANDIDATES = 16
"""Pages of one URL that are looked at for one with the same columns."""


class ChangeCounts(NamedTuple):
    """How many pages have changed in which way, each counted once, and how many have not: ``same``."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    gone: int = 0
    failed: int = 0
    back: int = 0
    same: int = 0

    @property
    def total(self) -> int:
        """All changes."""
        return sum(self) - self.same


def write_changes(
    old: Path, new: Path, target: Path | None = None, *, note: Note = lambda _: None
) -> ChangeCounts:
    """The counts of the changes from one output to the other, which are written to ``target`` if it is named.

    The file takes its name when it is whole and on the disk; ``note`` is told of each change besides. A torn
    line at the end of an output is left out.

    Raises:
        UsageError: an output is none, or it is the target.
        OutputError: the target cannot be written.
    """
    if target is None:
        return _count(old, new, note)
    _check_target(target, (old, new))
    with output_errors(target), replace_file(target) as file:

        def write(change: Change) -> None:
            file.write(_encode(change))
            note(change)

        return _count(old, new, write)


def _check_target(target: Path, outputs: Sequence[Path]) -> None:
    if target.exists() and not target.is_file():
        raise UsageError(f"{target}: no regular file")
    if target.exists() and any(one.exists() and target.samefile(one) for one in outputs):
        raise UsageError(f"{target}: is one of the outputs that are compared")


def _count(old: Path, new: Path, note: Note) -> ChangeCounts:
    counts: Counter[str] = Counter()
    for before, after in _pair(old, new):
        change = compare(before, after)
        counts["same" if change is None else change["change"]] += 1
        if change is not None:
            note(change)
    return ChangeCounts(**counts)


def _encode(change: Change) -> bytes:
    try:
        return records.encode(change)
    except BadRecord:  # a field that is as deep as a record may be, and deeper here
        return orjson.dumps(change, option=orjson.OPT_APPEND_NEWLINE)


def find_changes(old: Path, new: Path) -> Iterator[Change]:
    """The changes: those of NEW's pages in its order, then the pages that only OLD has.

    Raises:
        UsageError: one is no output.
    """
    return (change for pair in _pair(old, new) if (change := compare(*pair)) is not None)


def _pair(old: Path, new: Path) -> Iterator[tuple[Records | None, Records | None]]:
    """Each page as it was and as it is; None where it is not there."""
    _check(new)
    _check(old)
    index = KeyIndex()
    for page in _pages(old):
        index.add(_key(page.record), page.start)
    index.sort()
    with open(old, "rb") as old_file, open(new, "rb") as new_file:
        for page in _pages(new):
            after = _whole(page, new_file)
            yield _take_match(index, old_file, after[0]), after
    if len(index):
        for page in _pages(old):
            if index.take(_key(page.record), page.start):
                yield [page.record], None


def _key(record: dict[str, Any]) -> int:
    return hash(record["url"])


def _check(path: Path) -> None:
    if not path.is_file():
        raise UsageError(f"{path}: no such output")


def _pages(path: Path) -> Iterator[PageLines]:
    """The output's pages, without the duplicates."""
    try:
        for page in read_pages(path):
            if page.code != Duplicate.code:
                yield page
    except UsageError as error:  # its advice is for an output that is to be written
        raise UsageError(str(error).rpartition(";")[0]) from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


def _whole(page: PageLines, file: IO[bytes]) -> Records:
    """All records of a page."""
    return [page.record] if page.record["meta"].get("items", 1) in (0, 1) else _read(file, page.start)


def _take_match(index: KeyIndex, file: IO[bytes], record: dict[str, Any]) -> Records | None:
    """The records of the page of OLD that this one is compared with; it is taken out of the index."""
    key, chosen, fallback = _key(record), None, None
    for offset in islice(index.find(key), _CANDIDATES):
        found = _read(file, offset)
        if found[0]["url"] != record["url"]:
            continue
        if found[0].get("input") == record.get("input"):
            chosen = (offset, found)
            break
        fallback = fallback or (offset, found)
    chosen = chosen or fallback
    if chosen is None:
        return None
    index.take(key, chosen[0])
    return chosen[1]


def _read(file: IO[bytes], offset: int) -> Records:
    try:
        return read_page_at(file, offset)
    except ValueError as error:
        raise UsageError(f"{file.name} was changed while it was read: {error}") from None
