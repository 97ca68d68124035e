"""Differences between the records of two runs, whatever the order of their outputs.

Records are compared as multisets, without what differs between any two runs: times, attempts, places in the
list, the stack of a failure, and the words of a network failure. Addresses of objects in messages are equal.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from parascrape.files import compare_fields, read_records
from parascrape.system import printable

_STEADY_META = ("status", "final_url", "bytes", "encoding", "redirects", "item", "items")
_OWN_WORDS = frozenset(("scrape_error", "bad_record", "not_html", "too_complex"))
"""Codes whose message depends on the page only."""
_NO_ANSWER = frozenset(("dns", "connect", "reset", "timeout", "proxy", "host_down"))
"""Codes of hosts in trouble: which of them a URL gets depends on the order of the fetches."""
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,16}\b")
_ABSENT = "(absent)"


class Difference(NamedTuple):
    """A URL for which two runs disagree, and the records that only one of them has."""

    url: str
    expected: tuple[dict[str, Any], ...]
    found: tuple[dict[str, Any], ...]


def steady(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record without what differs between any two runs."""
    kept = {key: value for key, value in record.items() if key not in ("meta", "error")}
    if error := record.get("error"):
        code = error.get("code")
        kept["error"] = {"code": "no answer" if code in _NO_ANSWER else code}
        if code in _OWN_WORDS:
            words = {key: str(error[key]) for key in ("type", "message") if key in error}
            kept["error"] |= {key: _ADDRESS.sub("0x...", text) for key, text in words.items()}
    meta = record.get("meta", {})
    kept["meta"] = {key: meta[key] for key in _STEADY_META if key in meta}
    return kept


def compare_outputs(expected: Path, found: Path, most: int = 20) -> tuple[int, list[Difference]]:
    """Return how many URLs have other records in ``found``, and the first ``most`` in order of URL.

    Memory grows with the number of records (16 bytes each), not with their size.
    """
    surplus = Counter(digest for digest, _, _ in _read(expected))
    surplus.subtract(digest for digest, _, _ in _read(found))
    odd = {digest for digest, count in surplus.items() if count}
    if not odd:
        return 0, []
    before, after = _collect(expected, odd), _collect(found, odd)
    urls = sorted({*before, *after})
    shown = []
    for url in urls[:most]:
        left, right = before.get(url, Counter()), after.get(url, Counter())
        only = (tuple(map(orjson.loads, lines.elements())) for lines in (left - right, right - left))
        shown.append(Difference(url, *only))
    return len(urls), shown


def _read(output: Path) -> Iterator[tuple[bytes, bytes, str]]:
    """Yield digest, line and URL of every record, steady and with its keys sorted."""
    for record, _ in read_records(output):
        line = orjson.dumps(steady(record), option=orjson.OPT_SORT_KEYS)
        yield hashlib.blake2b(line, digest_size=16).digest(), line, record["url"]


def _collect(output: Path, digests: set[bytes]) -> dict[str, Counter[bytes]]:
    """Return the records with these digests by URL, each with its count."""
    found: dict[str, Counter[bytes]] = {}
    for digest, line, url in _read(output):
        if digest in digests:
            found.setdefault(url, Counter())[line] += 1
    return found


def describe(difference: Difference, expected: str, found: str, most: int = 8) -> list[str]:
    """Return the difference as printable lines: the URL, then a few lines for each key that differs."""
    lines = [printable(difference.url)]
    pairs = list(_keys_that_differ(difference))
    for key, before, after in pairs[:most]:
        lines.append(f"  {printable(key, 80)}:")
        lines += [f"    - {expected}: {printable(before, 160)}", f"    + {found}: {printable(after, 160)}"]
    if len(pairs) > most:
        lines.append(f"  and {len(pairs) - most} more keys")
    if pairs:
        return lines
    for mark, name, rows in (("-", expected, difference.expected), ("+", found, difference.found)):
        counted = Counter(_text(row) for row in rows)
        for text, count in list(counted.items())[:most]:
            times = f", {count} times" if count > 1 else ""
            lines.append(f"    {mark} {name}{times}: {printable(text, 160)}")
        if len(counted) > most:
            lines.append(f"    {mark} {name}: and {len(counted) - most} more")
    return lines


def _keys_that_differ(difference: Difference) -> Iterator[tuple[str, str, str]]:
    """Yield the keys with both values as text, if each run has one record and both failed or neither did."""
    if [len(set(map(_text, records))) for records in difference[1:]] != [1, 1]:
        return
    before, after = difference.expected[0], difference.found[0]
    if ("error" in before) == ("error" in after):
        yield from _walk(before, after)


def _walk(before: dict[str, Any], after: dict[str, Any], path: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the innermost keys with different values. Of long texts only the end that differs is shown."""
    for name, sides in sorted(compare_fields(before, after).items()):
        values = list(sides.values())
        if len(values) == 2 and all(isinstance(value, dict) for value in values):
            yield from _walk(values[0], values[1], f"{path}{name}.")
            continue
        if len(values) == 2 and all(isinstance(value, str) for value in values):
            sides = dict(zip(sides, _from_difference(*values), strict=True))
        left, right = (_text(sides[side]) if side in sides else _ABSENT for side in ("before", "after"))
        yield f"{path}{name}", left, right


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


def _from_difference(before: str, after: str, lead: int = 30) -> tuple[str, str]:
    """Return both texts from ``lead`` characters before they differ."""
    least = min(len(before), len(after))
    at = next((place for place in range(least) if before[place] != after[place]), least)
    start = max(0, at - lead)
    mark = "…" if start else ""
    return mark + before[start:], mark + after[start:]
