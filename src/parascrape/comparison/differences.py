"""Differences between the records of two runs, compared as multisets: the order of an output means nothing.

Left out is what no two runs share: when and how long, which attempt, where in the list; the stack of a
failure, and the words of a network's failure. Addresses of objects in messages count as equal.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from parascrape import records
from parascrape.system import printable

__all__ = ["Difference", "compare_outputs", "describe", "steady"]

_STEADY_META = ("status", "final_url", "bytes", "encoding", "redirects", "item", "items")
_OWN_WORDS = frozenset(("scrape_error", "bad_record", "not_html", "too_complex"))
"""Codes whose message is about the page and not about the moment."""
_NO_ANSWER = frozenset(("dns", "connect", "reset", "timeout", "proxy", "host_down"))
"""Codes of hosts in trouble: which a URL gets, and when its host is given up, depends on the order."""
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,16}\b")
_MISSING = object()


class Difference(NamedTuple):
    """Where two runs disagree: a URL, and the records that only one of them has."""

    url: str
    expected: tuple[dict[str, Any], ...]
    found: tuple[dict[str, Any], ...]


def steady(record: dict[str, Any]) -> dict[str, Any]:
    """The record without what no two runs share."""
    kept = {key: value for key, value in record.items() if key not in ("meta", "error")}
    meta = record.get("meta", {})
    if error := record.get("error"):
        code = error.get("code")
        kept["error"] = {"code": "no answer" if code in _NO_ANSWER else code}
        if error.get("code") in _OWN_WORDS:
            words = {key: str(error[key]) for key in ("type", "message") if key in error}
            kept["error"] |= {key: _ADDRESS.sub("0x...", text) for key, text in words.items()}
    kept["meta"] = {key: meta[key] for key in _STEADY_META if key in meta}
    return kept


def compare_outputs(expected: Path, found: Path, most: int = 20) -> tuple[int, list[Difference]]:
    """How many URLs have other records in ``found``, and the first ``most`` of them, in order of URL.

    Memory grows with the number of records (16 bytes each), not with their size.
    """
    surplus = _count(expected)
    surplus.subtract(_count(found))
    odd = {digest for digest, count in surplus.items() if count}
    if not odd:
        return 0, []
    only_there, only_here = _collect(expected, odd), _collect(found, odd)
    urls = sorted({*only_there, *only_here})
    shown = [_difference(url, only_there.get(url, {}), only_here.get(url, {})) for url in urls[:most]]
    return len(urls), shown


def _difference(url: str, there: dict[bytes, int], here: dict[bytes, int]) -> Difference:
    left, right = Counter(there), Counter(here)
    return Difference(url, _load(left - right), _load(right - left))


def _load(lines: Counter[bytes]) -> tuple[dict[str, Any], ...]:
    return tuple(orjson.loads(line) for line in lines.elements())


def _read(output: Path) -> Iterator[tuple[bytes, bytes, str]]:
    """Digest, line and URL of every record, steady and with its keys sorted."""
    with open(output, "rb") as lines:
        for line in lines:
            record = steady(records.parse(line))
            encoded = orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
            yield hashlib.blake2b(encoded, digest_size=16).digest(), encoded, str(record.get("url", ""))


def _count(output: Path) -> Counter[bytes]:
    return Counter(digest for digest, _, _ in _read(output))


def _collect(output: Path, odd: set[bytes]) -> dict[str, dict[bytes, int]]:
    """The records with these digests, by URL, each with how often it stands there."""
    found: dict[str, dict[bytes, int]] = {}
    for digest, line, url in _read(output):
        if digest in odd:
            lines = found.setdefault(url, {})
            lines[line] = lines.get(line, 0) + 1
    return found


def describe(difference: Difference, expected: str, found: str, most: int = 8) -> list[str]:
    """The difference in a few printable lines: the URL, then a line for each key that differs."""
    lines = [printable(difference.url)]
    if [len(set(map(_text, each))) for each in difference[1:]] == [1, 1] and not _one_failed(difference):
        pairs = list(_walk(difference.expected[0], difference.found[0], ""))
        for key, before, after in pairs[:most]:
            lines += [f"  {printable(key, 80)}:", *_side("-", expected, before), *_side("+", found, after)]
        if len(pairs) > most:
            lines.append(f"  and {len(pairs) - most} keys more")
        return lines
    for mark, name, rows in (("-", expected, difference.expected), ("+", found, difference.found)):
        counted = Counter(_text(row) for row in rows)
        for text, count in list(counted.items())[:most]:
            times = f", {count} times" if count > 1 else ""
            lines.append(f"    {mark} {name}{times}: {printable(text, 160)}")
        if len(counted) > most:
            lines.append(f"    {mark} {name}: and {len(counted) - most} more")
    return lines


def _one_failed(difference: Difference) -> bool:
    """Whether one side is a failure and the other is not: then each stands for itself."""
    return ("error" in difference.expected[0]) != ("error" in difference.found[0])


def _side(mark: str, name: str, value: Any) -> list[str]:
    return [f"    {mark} {name}: {printable(_text(value), 160)}"]


def _text(value: Any) -> str:
    return "(absent)" if value is _MISSING else orjson.dumps(value).decode()


def _walk(before: Any, after: Any, key: str) -> Iterator[tuple[str, Any, Any]]:
    """The innermost keys whose values differ. Long texts are shown from a little before where they part."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted({*before, *after}):
            path = f"{key}.{name}" if key else name
            yield from _walk(before.get(name, _MISSING), after.get(name, _MISSING), path)
    elif before is _MISSING or after is _MISSING or before != after or type(before) is not type(after):
        if isinstance(before, str) and isinstance(after, str):
            before, after = _from_parting(before, after)
        yield key, before, after


def _from_parting(before: str, after: str, lead: int = 30) -> tuple[str, str]:
    at = next((place for place, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), -1)
    at = min(len(before), len(after)) if at < 0 else at
    start = max(0, at - lead)
    mark = "…" if start else ""
    return mark + before[start:], mark + after[start:]
