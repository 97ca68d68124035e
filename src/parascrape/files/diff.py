"""The change feed of two outputs, in the order of the new one; removed pages come last.

    OLD -- index (url -> offset) --+
    NEW -- page by page -----------+--> compare --> changes.jsonl

    added    the page was not there before: ``after``, or its ``error``
    changed  good before and now: ``fields`` with each one ``before`` and ``after``, or ``records`` of a page
             that has or had several; ``status`` if that differs
    removed  the page is not there any more
    gone     good before, now 404 or 410
    failed   good before, now another failure: ``error``
    back     failed before, good now: ``after``

``before`` or ``after`` of a field is missing if the record had no such field. Memory holds 16 bytes a page of
OLD, and two pages. If a URL occurs several times, pages with equal columns are paired first. Duplicates are
left out.
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
from parascrape.system import output_errors, replace_file

Change = dict[str, Any]
"""One line of the feed: ``change``, ``url``, then the keys of its kind."""

KINDS = ("added", "changed", "removed", "gone", "failed", "back")

_GONE = (404, 410)
_UNMODIFIED = 304

Page = Sequence[dict[str, Any]]
"""All records of a page, at least one; of a failed page the one with ``error``."""

Note = Callable[[Change], object]

_CANDIDATES = 16
"""Pages of one URL among which one with the same columns is searched for."""


class ChangeCounts(NamedTuple):
    """How many pages changed in which way, each counted once; ``same`` did not change."""

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
    """Write the changes from one output to the other to ``target``, if it is given, and return their counts.

    The target is replaced atomically; ``note`` is called with each change. A torn line at the end of an
    output is ignored.

    Raises:
        UsageError: a file is not an output, or it is the target.
        OutputError: the target cannot be written.
    """
    if target is None:
        return _count(old, new, note)
    if target.exists() and not target.is_file():
        raise UsageError(f"{target}: not a regular file")
    if target.exists() and any(one.exists() and target.samefile(one) for one in (old, new)):
        raise UsageError(f"{target}: is one of the compared outputs")
    with output_errors(target), replace_file(target) as file:

        def write(change: Change) -> None:
            file.write(_encode(change))
            note(change)

        return _count(old, new, write)


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
    except BadRecord:  # a field of a record's maximum depth is deeper here
        return orjson.dumps(change, option=orjson.OPT_APPEND_NEWLINE)


def _pair(old: Path, new: Path) -> Iterator[tuple[Page | None, Page | None]]:
    """Yield each page as it was and as it is; None if it is missing. Removed pages come last."""
    for path in (new, old):
        if not path.is_file():
            raise UsageError(f"{path}: no such output")
    index = KeyIndex()
    for page in _pages(old):
        index.add(_key(page.record), page.start)
    index.sort()
    with open(old, "rb") as old_file, open(new, "rb") as new_file:
        for page in _pages(new):
            several = page.record["meta"].get("items", 1) not in (0, 1)
            after = _read(new_file, page.start) if several else [page.record]
            yield _take_match(index, old_file, after[0]), after
    if len(index):
        for page in _pages(old):
            if index.take(_key(page.record), page.start):
                yield [page.record], None


def _key(record: dict[str, Any]) -> int:
    return hash(record["url"])


def _pages(path: Path) -> Iterator[PageLines]:
    """Yield the output's pages without duplicates."""
    try:
        for page in read_pages(path):
            if page.code != Duplicate.code:
                yield page
    except UsageError as error:  # without its advice, which is for an output that is to be written
        raise UsageError(str(error).rpartition(";")[0]) from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


def _take_match(index: KeyIndex, file: IO[bytes], record: dict[str, Any]) -> Page | None:
    """Remove the page of OLD that matches this record from the index, and return its records."""
    key, chosen = _key(record), None
    for offset in islice(index.find(key), _CANDIDATES):
        found = _read(file, offset)
        if found[0]["url"] != record["url"]:
            continue
        equal = found[0].get("input") == record.get("input")
        if equal or chosen is None:
            chosen = (offset, found)
        if equal:
            break
    if chosen is None:
        return None
    index.take(key, chosen[0])
    return chosen[1]


def _read(file: IO[bytes], offset: int) -> Page:
    try:
        return read_page_at(file, offset)
    except ValueError as error:
        raise UsageError(f"{file.name} was changed while it was read: {error}") from None


def compare(before: Page | None, after: Page | None) -> Change | None:
    """Return the change of a page, None if it did not change or failed both times. A missing page is None."""
    if after is None:
        return None if before is None else {"change": "removed", "url": before[0]["url"]}
    url = after[0]["url"]
    if "error" in after[0]:
        return _compare_failure(before, after[0], url)
    if before is None or "error" in before[0]:
        kind = "added" if before is None else "back"
        return {"change": kind, "url": url, "after": contents(after)}
    found = _compare_good(before, after)
    return {"change": "changed", "url": url, **found} if found else None


def _compare_failure(before: Page | None, after: dict[str, Any], url: str) -> Change | None:
    if before is not None and "error" in before[0]:
        return None
    status = _status(after)
    error = after["error"]
    code = error.get("code") if isinstance(error, dict) else None
    gone = before is not None and status in _GONE and code == "status"
    change: Change = {"change": "added" if before is None else "gone" if gone else "failed", "url": url}
    if status is not None:
        change["status"] = status
    return change if gone else {**change, "error": error}


def _compare_good(before: Page, after: Page) -> dict[str, Any]:
    """Return the differences of two good pages. Of meta only the status is compared, and 304 is ignored."""
    found: dict[str, Any] = {}
    old, new = contents(before), contents(after)
    if _is_one(before) and _is_one(after):
        if fields := compare_fields(old[0], new[0]):
            found["fields"] = fields
    elif not _same(old, new) or _is_one(before) != _is_one(after):
        found["records"] = {"before": old, "after": new}
    was, now = _status(before[0]), _status(after[0])
    if was != now and not {was, now} & {None, _UNMODIFIED}:
        found["status"] = {"before": was, "after": now}
    return found


def compare_fields(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that differ, those of ``after`` first, each with its ``before`` and ``after``."""
    sides = (("before", before), ("after", after))
    return {
        name: {side: record[name] for side, record in sides if name in record}
        for name in {**after, **before}
        if not (name in before and name in after and _same(before[name], after[name]))
    }


def _same(one: Any, other: Any) -> bool:
    """Return whether both are the same JSON: true is not 1, but 1.0 is."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def contents(page: Page) -> list[dict[str, Any]]:
    """Return each record without its URL and meta; nothing if the scraper returned no record."""
    if page[0]["meta"].get("items") == 0:
        return []
    return [{key: value for key, value in one.items() if key not in ("url", "meta")} for one in page]


def _is_one(page: Page) -> bool:
    """Return whether the scraper returned one record instead of a list."""
    return "items" not in page[0]["meta"]


def _status(record: dict[str, Any]) -> int | None:
    status = record["meta"].get("status")
    return status if isinstance(status, int) else None
