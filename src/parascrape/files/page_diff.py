"""Two states of one page, and what has happened in between. Pure.

    added    the page was not there before: ``after``, or the ``error`` that it has
    changed  good before and now: ``fields`` with what each was ``before`` and is ``after``, or ``records``
             where there were or are several; ``status`` where that differs
    removed  the page is not there any more
    gone     good before, now 404 or 410
    failed   good before, now failed otherwise: ``error``
    back     failed before, good now: ``after``

``before`` or ``after`` of a field is missing where the record had no such field.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["KINDS", "Change", "compare", "compare_fields"]

Change = dict[str, Any]
"""One line of the feed: ``change``, ``url``, then what its kind has."""

KINDS = ("added", "changed", "removed", "gone", "failed", "back")

_GONE = (404, 410)
_UNMODIFIED = 304

Page = Sequence[dict[str, Any]]
"""All records of a page, at least one: in a failure's place the one that has ``error``."""


def compare(before: Page | None, after: Page | None) -> Change | None:
    """What has happened to a page; None where nothing has, or it failed before and now. None: not there."""
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
    """What differs of two good pages; empty where nothing does. Of the meta only the status is looked at,
    and 304 is no status of the page itself.
    """
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
    found: dict[str, Any] = {}
    for name in (*after, *(name for name in before if name not in after)):
        if name in before and name in after and _same(before[name], after[name]):
            continue
        sides = (("before", before), ("after", after))
        found[name] = {side: record[name] for side, record in sides if name in record}
    return found


def _same(one: Any, other: Any) -> bool:
    """Whether both are the same JSON: true is not 1, but 1.0 is."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def contents(page: Page) -> list[dict[str, Any]]:
    """What the list and the scraper have given each record; none where the scraper gave none."""
    if page[0]["meta"].get("items") == 0:
        return []
    return [{key: value for key, value in one.items() if key not in ("url", "meta")} for one in page]


def _is_one(page: Page) -> bool:
    """Whether the scraper gave one record, and no list of them."""
    return "items" not in page[0]["meta"]


def _status(record: dict[str, Any]) -> int | None:
    status = record["meta"].get("status")
    return status if isinstance(status, int) else None
