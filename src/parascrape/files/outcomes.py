"""Outcomes: the good or failed result of an entry, as workers return it and the parent writes it."""

from __future__ import annotations

from typing import Any, NamedTuple

from parascrape import records
from parascrape.errors import BadRecord, ParascrapeError, TaskError, TaskTimeout, WorkerDied
from parascrape.files.quarantine import NO_QUARANTINE, Quarantine, describe_quarantined, keep, quarantine_path
from parascrape.records import Entry, ErrorInfo, Meta
from parascrape.scrapers import DiscoveredLinks
from parascrape.settings import Settings
from parascrape.system import escape_surrogates
from parascrape.web import redact


class PageTimings(NamedTuple):
    """Where a page's time in its worker went, in seconds."""

    queue: float = 0.0  # handed out until a thread had it
    connect: float = 0.0  # name, TCP and TLS
    first_byte: float = 0.0
    transfer: float = 0.0
    inflate: float = 0.0
    scrape_cpu: float = 0.0
    cpu: float = 0.0  # of the thread, since it was done with the page before
    ended: float = 0.0  # when the page was done, on the monotonic clock


class Outcome(NamedTuple):
    """The result of one attempt at one entry; small, because it is sent from worker to parent."""

    lines: bytes  # the records as they are written, each with its newline
    records: int  # how many lines
    code: str  # "" for good ones, else the error's code
    retryable: bool = False
    retry_after: float | None = None  # seconds, as the server asked
    bytes: int = 0  # of the body on the wire
    fetch_seconds: float = 0.0
    scrape_seconds: float = 0.0
    status: int = 0  # of the answer; 0 where none came
    times: PageTimings = PageTimings()
    carried: str = ""  # "unchanged" or "fresh": the lines are those of the previous output
    found: DiscoveredLinks | None = None  # in a crawl, where the page leads


def fail_task(
    entry: Entry,
    error: TaskError,
    attempts: int,
    *,
    settings: Settings,
    kept: Quarantine = NO_QUARANTINE,
) -> Outcome:
    """Return the outcome of an entry whose task failed; keep a page that hung or killed its worker."""
    extra: ErrorInfo = {}
    if isinstance(error, TaskTimeout | WorkerDied) and error.worker:
        if kept.pages is not None and kept.folder:
            keep(quarantine_path(kept.folder, entry), kept.pages)
        extra = describe_quarantined(entry, settings, kept.folder)
    return fail(entry, error, {"attempts": attempts}, extra)


def fail(
    entry: Entry, error: ParascrapeError, meta: Meta | None = None, extra: ErrorInfo | None = None
) -> Outcome:
    """Return the outcome of an entry that failed with this error, with the stack of a `TaskError`."""
    info: ErrorInfo = {"code": error.code, "message": redact(str(error))[:2000]}
    if isinstance(error, TaskError) and error.trace:
        info["type"], info["traceback"] = error.kind, error.trace
    elif isinstance(error.__cause__, TaskError):
        info["type"], info["traceback"] = error.__cause__.kind, error.__cause__.trace
    info.update(extra or {})
    line = _encode_failure(entry, info, order_meta(entry, meta or {}))
    return Outcome(line, 1, error.code, error.retryable, getattr(error, "retry_after", None))


def _encode_failure(entry: Entry, info: ErrorInfo, meta: Meta) -> bytes:
    """Return the failure's line, with lone surrogates escaped, and without columns that JSON cannot carry."""
    url = escape_surrogates(redact(entry.url))
    texts: Any = {key: escape_surrogates(str(text)) for key, text in info.items()}
    try:
        return records.encode(records.failure(url, texts, entry.columns, meta))
    except BadRecord:
        return records.encode(records.failure(url, texts, None, meta))


def order_meta(entry: Entry, meta: Meta) -> Meta:
    """Return the meta with its context, the entry's place in its list, and the keys in their fixed order."""
    if entry.context is not None:
        meta.update(entry.context.meta())
    return order_place(entry, meta)


def order_place(entry: Entry, meta: Any) -> Meta:
    """Return the meta with the entry's place in its list, and its keys in their fixed order."""
    if entry.source:
        meta["source"] = escape_surrogates(entry.source)
    if entry.line:
        meta["line"] = entry.line
    return {key: meta[key] for key in _META_KEYS if key in meta}  # type: ignore[return-value]


_META_KEYS = tuple(Meta.__annotations__)
