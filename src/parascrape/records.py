"""Records: the keys of an output line, how a record is encoded, and the entries of lists.

A record is one JSON object a line: ``url``, the scraper's own keys, ``input`` if the list has other
columns, then ``meta``. A failure has ``error`` instead of the scraper's keys.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypedDict

import orjson

from parascrape.errors import BadRecord, Duplicate, OtherType, Redirected, RobotsForbidden
from parascrape.system import printable

RESERVED = frozenset(("url", "input", "error", "meta"))
"""Keys that a scraper may not use (``url`` only if it is the page's own)."""

SKIPPED = frozenset((Duplicate.code, OtherType.code, Redirected.code, RobotsForbidden.code))
"""Codes of pages that are skipped on purpose: they are not failures."""


class PastAttempt(TypedDict, total=False):
    """An attempt that was retried."""

    code: str  # the error's
    status: int
    fetched_at: str  # as in `Meta`, like those below
    fetch_seconds: float
    retry_after: float


class Meta(TypedDict, total=False):
    """How the record was made; keys without a value are absent."""

    status: int  # HTTP status of the last response
    final_url: str  # after redirects, user name and password removed
    fetched_at: str  # RFC 3339, UTC: when the last attempt began
    elapsed: float  # seconds of the last attempt, connect to record
    fetch_seconds: float  # of these, until the body or the fetch's failure was there
    retry_after: float  # seconds after which a failed answer asked to be retried, at most an hour
    earlier: list[PastAttempt]  # the attempts before the last one, in order
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
    changed_at: str  # for these two: the ``fetched_at`` of the fetch that made the record
    item: int  # 1, 2, ... where the scraper gave several records
    items: int  # how many records the page has; 0: none, and this line stands for the page
    canonical: str  # in a crawl: the canonical URL that the page names
    depth: int  # in a crawl: links from a start URL
    found_on: str  # in a crawl: the page that the URL was found on
    source: str  # the list that the URL stands in
    line: int  # where in that list, from 1


class ErrorInfo(TypedDict, total=False):
    """Why a URL failed: ``code`` is one of `parascrape.errors`."""

    code: str
    message: str
    type: str  # the exception's type, for code scrape_error
    traceback: str  # the worker's stack, for code scrape_error
    aside: str  # the file of a page under which a worker died or hung, or why it was not kept
    command: str  # the shell command that runs the scraper on it again


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
    """Return the record of a scraped dict, keys in their fixed order.

    Raises:
        BadRecord: ``fields`` has a key that is reserved for the record itself.
    """
    clash = RESERVED.intersection(fields)
    if clash and not (clash == {"url"} and fields["url"] == url):
        raise BadRecord(f"the key {sorted(clash)[0]!r} is the record's own: give it another name")
    return {"url": url, **fields, **({"input": columns} if columns else {}), "meta": meta}


def failure(url: str, error: ErrorInfo, columns: Mapping[str, Any] | None, meta: Meta) -> dict[str, Any]:
    """Return the record of a failed URL, keys in their fixed order."""
    return {"url": url, "error": error, **({"input": columns} if columns else {}), "meta": meta}


_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def encode(record: Mapping[str, Any]) -> bytes:
    """Return one line of UTF-8 JSON with its newline; other characters that end lines are escaped.

    Raises:
        BadRecord: JSON cannot carry a value; the message names its key.
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
    """Return the record of one line. Raises ValueError if the line is not a JSON object."""
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
    """Return what `with_earlier` notes of an attempt that failed with this line and is retried."""
    meta = parse(line)["meta"]
    noted: Any = {"code": code, **{key: meta[key] for key in PastAttempt.__annotations__ if key in meta}}
    attempt: PastAttempt = noted
    return attempt


def with_earlier(lines: bytes, earlier: Sequence[PastAttempt]) -> bytes:
    """Return the lines of a page; the first one gets the attempts before the last as ``earlier``."""
    if not earlier:
        return lines
    first, _, others = lines.partition(b"\n")
    record = parse(first)
    meta = {**record["meta"], "earlier": list(earlier)}
    record["meta"] = {key: meta[key] for key in Meta.__annotations__ if key in meta}
    return encode(record) + others


def _fault(key: str, reason: str) -> BadRecord:
    """Return the error; its message goes into a record, while keys may be long and hold surrogates."""
    return BadRecord(f"{printable(key or 'record')}: {printable(reason)}")


def _check(value: Any, key: str, depth: int) -> None:
    """Refuse what orjson would silently change (NaN to null), and extreme depth."""
    if depth > 200:
        raise _fault(key, "nested deeper than 200 levels")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _fault(key, f"{value} is not a JSON number")
    elif isinstance(value, dict):
        for name, inner in value.items():
            if type(inner) is not str:
                _check(inner, f"{key}.{name}", depth + 1)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            if type(inner) is not str:
                _check(inner, f"{key}[{index}]", depth + 1)


def _find_fault(value: Any, error: Exception, key: str = "") -> tuple[str, str]:
    """Return the innermost key whose value cannot be encoded, and the reason."""
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
    """The context of an entry. It travels with the entry; only its source reads it."""

    def meta(self) -> Meta:
        """Return what the entry's record is to hold of it."""


class Entry(NamedTuple):
    """One line of a list: the text of its URL, its place, and its other columns.

    ``problem`` says why the line has no URL to fetch, ``duplicate`` where the same URL precedes it; both are
    empty for a line that is to be fetched.
    """

    url: str
    line: int = 0
    source: str = ""
    columns: Mapping[str, Any] | None = None
    problem: str = ""
    duplicate: str = ""
    context: EntryContext | None = None
