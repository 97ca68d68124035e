"""Records: the shape of one output line, and how it becomes bytes.

A record is one JSON object a line: ``url``, the scraper's own keys, ``input`` where the list had
other columns, then ``meta``. A failure has ``error`` in place of the scraper's keys.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypedDict

import orjson

from parascrape.errors import BadRecord, Duplicate, OtherType, Redirected, RobotsForbidden
from parascrape.system import printable

__all__ = [
    "RESERVED",
    "SKIPPED",
    "Entry",
    "EntryContext",
    "ErrorInfo",
    "FailureRecord",
    "Meta",
    "PastAttempt",
    "Record",
    "encode",
    "failure",
    "note_attempt",
    "parse",
    "parse_record",
    "success",
    "with_earlier",
]

RESERVED = frozenset(("url", "input", "error", "meta"))
"""Keys that a scraper may not use (``url`` only if it is the page's own)."""


SKIPPED = frozenset((Duplicate.code, OtherType.code, Redirected.code, RobotsForbidden.code))
"""Codes of outcomes that are as they should be, though there is no page: a run with them has not failed."""


class PastAttempt(TypedDict, total=False):
    """An attempt that was followed by another."""

    code: str  # the error's
    status: int
    fetched_at: str  # as in `Meta`, like those below
    fetch_seconds: float
    retry_after: float


class Meta(TypedDict, total=False):
    """How the record came about; a key that has nothing to say is absent."""

    status: int  # HTTP status of the last response
    final_url: str  # after redirects, user name and password removed
    fetched_at: str  # RFC 3339, UTC: when the last attempt began
    elapsed: float  # seconds of the last attempt, connect to record
    fetch_seconds: float  # of these, until the body or the fetch's failure was there
    retry_after: float  # seconds for which a failed answer asked to be left alone, at most an hour
    earlier: list[PastAttempt]  # the attempts before the last, in their order
    attempts: int  # fetches made, 1 without a retry
    bytes: int  # of the body on the wire
    encoding: str  # WHATWG name, where text was decoded
    redirects: int  # hops followed, where there were any
    robots: list[str]  # directives of X-Robots-Tag and <meta>, such as noindex, where there are any
    etag: str  # as the server sent it; kept only if it is one (RFC 9110 §8.8.3)
    last_modified: str  # as the server sent it, if it is of use (§8.8.2)
    hash: str  # of the answer (`validators.hash_answer`), for good pages
    made_by: str  # the scraper's fingerprint (`scrapers.fingerprint`), where it has one
    unchanged: bool  # true: fetched, found to be the same, and the previous output's record kept
    fresh: bool  # true: not fetched, for the previous output's record is young enough
    changed_at: str  # of these two, when the record was made: fetched_at as it was then
    item: int  # 1, 2, ... where the scraper gave several records
    items: int  # how many records the page gave; 0: the page gave none and this line stands for it
    canonical: str  # in a crawl: what the page says is its URL, where it says so
    depth: int  # in a crawl: links from a start URL
    found_on: str  # in a crawl: the page that the URL was found on
    source: str  # the list that the URL stands in
    line: int  # where in that list, from 1


class ErrorInfo(TypedDict, total=False):
    """Why there is no record: ``code`` is one of `parascrape.errors`."""

    code: str
    message: str
    type: str  # the exception's type, for code scrape_error
    traceback: str  # the worker's stack, for code scrape_error
    aside: str  # where the page is kept under which a worker died or hung, or why it is not
    command: str  # what runs the scraper on it again, to be typed into a shell


class Record(TypedDict):
    """A good record; the scraper's own keys stand between ``url`` and ``meta``."""

    url: str
    meta: Meta


class FailureRecord(TypedDict):
    """A failed URL."""

    url: str
    error: ErrorInfo
    meta: Meta


def success(
    url: str, fields: Mapping[str, Any], columns: Mapping[str, Any] | None, meta: Meta
) -> dict[str, Any]:
    """The record of a scraped dict, keys in their fixed order.

    Raises:
        BadRecord: ``fields`` uses a key that belongs to the record itself.
    """
    clash = RESERVED.intersection(fields)
    if clash and not (clash == {"url"} and fields["url"] == url):
        raise BadRecord(f"the key {sorted(clash)[0]!r} is the record's own: give it another name")
    record: dict[str, Any] = {"url": url, **fields}
    if columns:
        record["input"] = columns
    record["meta"] = meta
    return record


def failure(url: str, error: ErrorInfo, columns: Mapping[str, Any] | None, meta: Meta) -> dict[str, Any]:
    """The record of a failed URL, keys in their fixed order."""
    record: dict[str, Any] = {"url": url, "error": error}
    if columns:
        record["input"] = columns
    record["meta"] = meta
    return record


_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def encode(record: Mapping[str, Any]) -> bytes:
    """One line of UTF-8 JSON with its newline; what some readers take for a line end is escaped.

    Raises:
        BadRecord: a value that JSON cannot carry; the message names its key.
    """
    for key, value in record.items():
        if type(value) is not str:
            _check(value, str(key), 0)
    try:
        line = orjson.dumps(record, option=_OPTIONS)
    except (TypeError, ValueError, RecursionError) as error:
        raise _fault(*_find_fault(record, error)) from None
    if line.isascii():
        return line
    if b"\xe2\x80" in line:  # U+2028 and U+2029 end a line for str.splitlines and JavaScript
        line = line.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    return line.replace(b"\xc2\x85", b"\\u0085") if b"\xc2\x85" in line else line


def parse(line: bytes) -> dict[str, Any]:
    """The record of one line. Raises ValueError where the line is no JSON object."""
    record = orjson.loads(line)
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    return record


def parse_record(line: bytes) -> dict[str, Any] | None:
    """Return the record of a line; None for another line: it needs ``url`` and ``meta``."""
    try:
        record = parse(line)
    except ValueError:
        return None
    return record if isinstance(record.get("meta"), dict) and isinstance(record.get("url"), str) else None


def note_attempt(line: bytes, code: str) -> PastAttempt:
    """What `with_earlier` is to say of an attempt that failed with this line, and is followed by another."""
    meta = parse(line)["meta"]
    noted: Any = {"code": code, **{key: meta[key] for key in PastAttempt.__annotations__ if key in meta}}
    attempt: PastAttempt = noted
    return attempt


def with_earlier(lines: bytes, earlier: Sequence[PastAttempt]) -> bytes:
    """The lines of a page, the first of which tells of the attempts before the last one."""
    if not earlier:
        return lines
    first, _, others = lines.partition(b"\n")
    record = parse(first)
    meta = {**record["meta"], "earlier": list(earlier)}
    record["meta"] = {key: meta[key] for key in Meta.__annotations__ if key in meta}
    return encode(record) + others


def _fault(key: str, reason: str) -> BadRecord:
    """Its message can itself be in a record: keys may be endless, and hold lone surrogates."""
    return BadRecord(f"{printable(key or 'record')}: {printable(reason)}")


def _check(value: Any, key: str, depth: int) -> None:
    """Refuse what orjson would write silently as something else (NaN as null), and endless depth."""
    if depth > 200:
        raise _fault(key, "nested deeper than 200 levels")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _fault(key, f"{value} is no JSON number")
    elif isinstance(value, dict):
        for name, inner in value.items():
            if type(inner) is not str:
                _check(inner, f"{key}.{name}", depth + 1)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            if type(inner) is not str:
                _check(inner, f"{key}[{index}]", depth + 1)


def _find_fault(value: Any, error: Exception, key: str = "") -> tuple[str, str]:
    """The innermost key at fault in a value that does not encode, and the reason."""
    pairs: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str):
                return key, f"the key {name!r} is {type(name).__name__}, not a string"
        pairs = [(f"{key}.{name}" if key else name, inner) for name, inner in value.items()]
    elif isinstance(value, list | tuple):
        pairs = [(f"{key}[{index}]", inner) for index, inner in enumerate(value)]
    for name, inner in pairs:
        try:
            orjson.dumps(inner, option=_OPTIONS)
        except (TypeError, ValueError, RecursionError) as inner_error:
            return _find_fault(inner, inner_error, name)
    return key, f"{error} ({type(value).__name__})"


class EntryContext(Protocol):
    """What the source of an entry knows of it. It travels with the entry; only its source reads it."""

    def meta(self) -> Meta:
        """Return what the entry's record is to hold of it."""


class Entry(NamedTuple):
    """One line of a list: the URL's text as it stands there, where it stands, and what stood beside it.

    ``problem`` says why the line holds no URL to fetch, ``duplicate`` where the same URL stands before it;
    they are empty for a line that is to be fetched.
    """

    url: str
    line: int = 0
    source: str = ""
    columns: Mapping[str, Any] | None = None
    problem: str = ""
    duplicate: str = ""
    context: EntryContext | None = None
