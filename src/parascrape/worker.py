"""What happens to one URL in a worker: fetched, decoded, scraped, and encoded as output lines."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from parascrape import aside, records, spent, urls
from parascrape.errors import (
    BadRecord,
    FetchError,
    ParascrapeError,
    ScrapeError,
    StatusError,
    TaskError,
    TaskTimeout,
    WorkerDied,
)
from parascrape.executors.calls import alone, describe, tell, when_idle
from parascrape.page import Page
from parascrape.records import ErrorInfo, Meta
from parascrape.scrapers import scraper_for
from parascrape.scrapers.fingerprint import fingerprint
from parascrape.settings import Settings
from parascrape.text import escape_surrogates
from parascrape.urls import Entry
from parascrape.validators import NOTHING, Known

__all__ = [
    "MAX_RECORDS",
    "Outcome",
    "fail",
    "fail_task",
    "scrape_page",
    "scrape_url",
]

MAX_RECORDS = 100_000
"""Records of one page; a scraper that yields for ever is stopped there."""

MAX_BYTES = 60_000_000
"""Bytes of one page's records, encoded; a worker process could not send back more."""

log = logging.getLogger("parascrape.worker")


class Outcome(NamedTuple):
    """What came of one attempt at one entry of a list; small, for it crosses a process border."""

    lines: bytes  # the records as they are written, each with its newline
    records: int  # how many lines
    code: str  # "" for good ones, else the error's code
    retryable: bool = False
    retry_after: float | None = None  # seconds, the server's wish
    bytes: int = 0  # of the body on the wire
    fetch_seconds: float = 0.0
    scrape_seconds: float = 0.0
    status: int = 0  # of the answer; 0 where none came
    times: tuple[float, ...] = ()  # `timesplit.TIMES`
    carried: str = ""  # "unchanged" or "fresh": the lines are those of the previous output


def scrape_url(  # noqa: PLR0913 (half of them bound once for a run)
    fields: Sequence[Any],
    attempt: int,
    watched: bool = False,
    submitted: float = 0.0,
    known: tuple[str, str, str] = NOTHING,
    *,
    settings: Settings,
    pages: aside.Pages | None = None,
) -> Outcome:
    """The outcome of one attempt at an entry. Never raises an `Exception`: failures are outcomes too.

    ``fields`` are those of an `Entry`: a plain tuple pickles six times as fast (10 us saved a page).
    With ``watched`` the executor is told when the fetch starts (monotonic seconds), and that it is over
    (None). ``submitted`` is when it was handed out (monotonic seconds). A page that is as ``known`` has an
    outcome "unchanged", whose one line holds the meta of this fetch. ``pages`` is where a caller in the same
    process finds the page while its scraper runs.
    """
    entry = Entry._make(fields)
    meta: Meta = {"fetched_at": _now(), "attempts": attempt}
    kept_at = _place_aside(entry, settings, pages)
    aside.let_go(kept_at, pages)  # of an earlier run
    spent.begin()
    began = fetched = time.perf_counter()
    fetched_cpu = 0.0
    try:
        if watched:
            tell(time.monotonic())
        page = _fetch(entry, settings, meta, known)
        fetched, fetched_cpu = time.perf_counter(), time.thread_time()
        meta["fetch_seconds"] = round(fetched - began, 4)
        if watched:
            tell(None)
        if page is not None:
            aside.hold(kept_at, page, pages)
        lines = _lines_of(page, entry, settings, meta, began)
    except ParascrapeError as error:
        meta["elapsed"] = _since(began)
        meta.setdefault("fetch_seconds", meta["elapsed"])
        for key in _OF_GOOD_PAGES:
            meta.pop(key, None)  # type: ignore[misc]
        if isinstance(error, StatusError) and error.retry_after is not None:
            meta["retry_after"] = round(error.retry_after, 3)
        outcome = fail(entry, error, meta)
        log.info("%s failed: %s: %s", urls.redact(entry.url), outcome.code, error)
    else:
        outcome = Outcome(b"".join(lines), len(lines), "", carried="unchanged" if page is None else "")
        log.debug("%s: %d records", urls.redact(entry.url), len(lines))
    aside.let_go(kept_at, pages)
    ended = time.perf_counter()
    waited = fetched - began if fetched > began else ended - began
    return outcome._replace(
        bytes=meta.get("bytes", 0),
        fetch_seconds=waited,
        scrape_seconds=max(0.0, ended - began - waited),
        status=meta.get("status", 0),
        times=spent.take(submitted, fetched_cpu),
    )


def _lines_of(page: Page | None, entry: Entry, settings: Settings, meta: Meta, began: float) -> list[bytes]:
    """The lines of a page's records; of one that has not changed, the line that says how it was found so."""
    if page is None:
        meta["elapsed"] = _since(began)
        return [records.encode({"meta": meta})]
    found = _scrape(page, settings)
    if settings.robots and (directives := page.robots(settings.user_agent)):
        meta["robots"] = list(directives)
    if made_by := fingerprint(settings):
        meta["made_by"] = made_by
    lines = _encode(entry, found, meta, page, began)
    if (size := sum(map(len, lines))) > MAX_BYTES:  # in every mode the same
        raise BadRecord(f"the page's records have {size} bytes, more than {MAX_BYTES}")
    return lines


def scrape_page(page: Page, settings: Settings) -> Outcome:
    """The outcome of a page that is here already; its failures are outcomes too."""
    entry = Entry(page.url)
    meta: Meta = {"status": page.status, "final_url": page.final_url}
    began = time.perf_counter()
    try:
        lines = _encode(entry, _scrape(page, settings), meta, page, began)
    except ParascrapeError as error:
        return fail(entry, error, {**meta, "elapsed": _since(began)})
    return Outcome(b"".join(lines), len(lines), "")


def _place_aside(entry: Entry, settings: Settings, pages: aside.Pages | None) -> Path | None:
    """Where the page is kept if its scraper does not come back; None where nobody would look for it.

    In a worker process that is for pages that are tried a second time, alone: few enough to be written
    to a file each.
    """
    wanted = settings.aside and (pages is not None or alone())
    return aside.path_of(settings.aside, entry) if wanted else None


def fail_task(
    entry: Entry, error: TaskError, attempts: int, *, settings: Settings, pages: aside.Pages | None = None
) -> Outcome:
    """The outcome of an entry whose task came to nothing; a page that hung or killed is set aside."""
    extra: ErrorInfo = {}
    if isinstance(error, TaskTimeout | WorkerDied) and error.worker:
        if pages is not None and settings.aside:
            aside.keep_held(aside.path_of(settings.aside, entry), pages)
        extra = aside.describe_aside(entry, settings)
    return fail(entry, error, {"attempts": attempts}, extra)


def fail(
    entry: Entry, error: ParascrapeError, meta: Meta | None = None, extra: ErrorInfo | None = None
) -> Outcome:
    """The outcome of an entry that failed with this error; a `TaskError` brings its stack along."""
    info: ErrorInfo = {"code": error.code, "message": urls.redact(str(error))[:2000]}
    if isinstance(error, TaskError) and error.trace:
        info["type"], info["traceback"] = error.kind, error.trace
    elif isinstance(error.__cause__, TaskError):
        info["type"], info["traceback"] = error.__cause__.kind, error.__cause__.trace
    info.update(extra or {})
    line = _encode_failure(entry, info, _order(entry, meta or {}))
    return Outcome(line, 1, error.code, error.retryable, getattr(error, "retry_after", None))


def _encode_failure(entry: Entry, info: ErrorInfo, meta: Meta) -> bytes:
    """The failure's line, which there is for every entry: lone surrogates are shown as escapes, and
    columns that JSON cannot carry are left out.
    """
    url = escape_surrogates(urls.redact(entry.url))
    texts: Any = {key: escape_surrogates(str(text)) for key, text in info.items()}
    try:
        return records.encode(records.failure(url, texts, entry.columns, meta))
    except BadRecord:
        return records.encode(records.failure(url, texts, None, meta))


def _fetch(entry: Entry, settings: Settings, meta: Meta, known: tuple[str, str, str]) -> Page | None:
    """The entry's page; None where it is as known. Raises a FetchError, whatever goes wrong."""
    # Here, because the parent of worker processes imports this module and never fetches: 0.1 s.
    from parascrape.fetch import fetch_if_changed, leave

    when_idle(leave)
    try:
        page = fetch_if_changed(urls.prepare(entry.url), settings, meta, Known._make(known))
    except ParascrapeError:
        raise
    except Exception as error:
        raise FetchError(f"{type(error).__name__}: {error}") from error
    if page is not None:
        page.url = urls.redact(entry.url)
    return page


def _scrape(page: Page, settings: Settings) -> list[Mapping[str, Any]]:
    """The dicts that the scraper gives for the page.

    Raises:
        ScrapeError: the scraper raised (the cause holds its stack), or what it gave are no dicts.
    """
    scraper = _scraper(settings.scraper, settings.select)
    try:
        return _collect(scraper, page)
    except ScrapeError:
        raise
    except BaseException as error:  # sys.exit() in a scraper is the page's failure, not the run's end
        failure = describe(error, skip=2)
        raise ScrapeError(f"{failure[1]}: {failure[0]}") from TaskError(*failure)


@lru_cache(maxsize=8)
def _scraper(scraper: str | Callable[..., Any], select: tuple[str, ...]) -> Callable[[Page], Any]:
    return scraper_for(Settings(scraper=scraper, select=select))


def _collect(scraper: Callable[[Page], Any], page: Page) -> list[Mapping[str, Any]]:
    """The scraper's dict, or all dicts of its iterable. Raises BadRecord for anything else."""
    found = scraper(page)
    if isinstance(found, Mapping):
        return [dict(found)]
    if isinstance(found, str | bytes) or not isinstance(found, Iterable):
        raise BadRecord(f"the scraper returned {type(found).__name__}, not a dict or an iterable of dicts")
    items: list[Mapping[str, Any]] = []
    for item in found:
        if not isinstance(item, Mapping):
            raise BadRecord(f"the scraper's item {len(items) + 1} is {type(item).__name__}, not a dict")
        items.append(dict(item))
        if len(items) > MAX_RECORDS:
            raise BadRecord(f"the scraper gives more than {MAX_RECORDS} records for one page")
    return items


def _encode(
    entry: Entry, found: list[Mapping[str, Any]], meta: Meta, page: Page, began: float
) -> list[bytes]:
    """One line for each dict; a page that gave none has one all the same, for it has had its fetch.

    Raises:
        BadRecord: a key that is the record's own, or a value that JSON cannot carry.
    """
    encoding = page.known_encoding
    if encoding is not None:
        meta["encoding"] = encoding
    meta["elapsed"] = _since(began)
    url = urls.redact(entry.url)
    if len(found) == 1:
        return [records.encode(records.success(url, found[0], entry.columns, _order(entry, meta)))]
    lines: list[bytes] = []
    for item, fields in enumerate(found or [{}], 1 if found else 0):
        numbered = _order(entry, {**meta, "item": item, "items": len(found)})
        lines.append(records.encode(records.success(url, fields, entry.columns, numbered)))
    return lines


def _order(entry: Entry, meta: Meta) -> Meta:
    """The meta with its keys in their fixed order, and where the entry stands in its list."""
    if entry.source:
        meta["source"] = escape_surrogates(entry.source)
    if entry.line:
        meta["line"] = entry.line
    return {key: meta[key] for key in _META_KEYS if key in meta}  # type: ignore[literal-required, return-value]


_META_KEYS = tuple(Meta.__annotations__)
_OF_GOOD_PAGES = ("etag", "last_modified", "hash", "made_by")


def _now() -> str:
    """RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 4)
