"""What happens to one URL in a worker: fetched, decoded, scraped, and encoded as output lines."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from parascrape import records
from parascrape.errors import (
    BadRecord,
    FetchError,
    OtherType,
    ParascrapeError,
    Redirected,
    StatusError,
    TooLarge,
)
from parascrape.executors import TaskContext
from parascrape.fetch import begin, take
from parascrape.files import Outcome, StashedPages, discard, fail, order_meta, quarantine_path, stash
from parascrape.records import Entry, Meta
from parascrape.scrapers import DiscoveredLinks, FollowRequest, fingerprint, scrape
from parascrape.settings import Settings
from parascrape.web import NOTHING, Page, Validators, prepare, redact

__all__ = ["PageHook", "scrape_page", "scrape_url"]

MAX_BYTES = 60_000_000
"""Bytes of one page's records, encoded; a worker process could not send back more."""

log = logging.getLogger("parascrape.harvesting.worker")


class PageHook(Protocol):
    """What a crawl does with each page in the worker, before the page is scraped."""

    def __call__(
        self, page: Page, entry: Entry, meta: Meta
    ) -> tuple[DiscoveredLinks, Mapping[str, Any] | None]:
        """Return what the page links to, and a record that replaces scraping, or None."""

    def take_back(self) -> None:
        """Forget what the last page of this thread linked to: its outcome was lost."""


def scrape_url(  # noqa: PLR0913 (half of them bound once for a run)
    task: TaskContext,
    fields: Sequence[Any],
    attempt: int,
    watched: bool = False,
    submitted: float = 0.0,
    known: tuple[str, str, str] = NOTHING,
    *,
    settings: Settings,
    pages: StashedPages | None = None,
    discover: PageHook | None = None,
) -> Outcome:
    """The outcome of one attempt at an entry. Never raises an `Exception`: failures are outcomes too.

    ``fields`` are those of an `Entry`: a plain tuple pickles six times as fast (10 us saved a page).
    With ``watched`` it reports to ``task`` when the fetch starts (monotonic seconds) and ends (None).
    ``submitted`` is when it was handed out (monotonic seconds). A page that is as ``known`` has an
    outcome "unchanged", whose one line holds the meta of this fetch. ``pages`` is where a caller in the same
    process finds the page while its scraper runs. ``discover`` says where the page leads.
    """
    try:
        entry = Entry._make(fields)
        return _attempt(task, entry, attempt, watched, submitted, known, settings, pages, discover)
    except BaseException:  # the outcome is lost, and with it where the page leads
        if discover is not None:
            discover.take_back()
        raise


def _attempt(  # noqa: PLR0913
    task: TaskContext,
    entry: Entry,
    attempt: int,
    watched: bool,
    submitted: float,
    known: tuple[str, str, str],
    settings: Settings,
    pages: StashedPages | None,
    discover: PageHook | None,
) -> Outcome:
    """The outcome, as `scrape_url` gives it."""
    meta: Meta = {"fetched_at": _now(), "attempts": attempt}
    kept_at = _place_aside(task, entry, settings, pages)
    discard(kept_at, pages)  # of an earlier run
    begin()
    began = fetched = time.perf_counter()
    fetched_cpu = 0.0
    found: DiscoveredLinks | None = None
    instead: Mapping[str, Any] | None = None
    try:
        if watched:
            task.report(time.monotonic())
        page = _fetch(task, entry, settings, meta, known)
        fetched, fetched_cpu = time.perf_counter(), time.thread_time()
        meta["fetch_seconds"] = round(fetched - began, 4)
        if watched:
            task.report(None)
        if page is not None:
            stash(kept_at, page, pages)
            if discover is not None:  # before the scraper, which may change the parsed page
                found, instead = discover(page, entry, meta)
        lines, leads = _lines_of(page, entry, settings, meta, began=began, instead=instead)
        if leads:
            found = _add_leads(found, leads)
    except ParascrapeError as error:
        outcome = _failure(entry, error, meta, began)
        found = outcome.found or found
    else:
        outcome = Outcome(b"".join(lines), len(lines), "", carried="unchanged" if page is None else "")
        log.debug("%s: %d records", redact(entry.url), len(lines))
    discard(kept_at, pages)
    ended = time.perf_counter()
    waited = fetched - began if fetched > began else ended - began
    return outcome._replace(
        found=found,
        bytes=meta.get("bytes", 0),
        fetch_seconds=waited,
        scrape_seconds=max(0.0, ended - began - waited),
        status=meta.get("status", 0),
        times=take(submitted, fetched_cpu),
    )


def _failure(entry: Entry, error: ParascrapeError, meta: Meta, began: float) -> Outcome:
    """The outcome of an attempt that failed; one that leads elsewhere says so."""
    meta["elapsed"] = _since(began)
    meta.setdefault("fetch_seconds", meta["elapsed"])
    for key in _OF_GOOD_PAGES:
        meta.pop(key, None)  # type: ignore[misc]
    if isinstance(error, StatusError) and error.retry_after is not None:
        meta["retry_after"] = round(error.retry_after, 3)
    outcome = fail(entry, error, meta)
    log.info("%s failed: %s: %s", redact(entry.url), outcome.code, error)
    if isinstance(error, Redirected):
        return outcome._replace(found=DiscoveredLinks(leads=(FollowRequest(error.target, "redirect"),)))
    return outcome


def _add_leads(found: DiscoveredLinks | None, leads: tuple[FollowRequest, ...]) -> DiscoveredLinks:
    """What is found, with what the scraper says. Raises BadRecord where nothing is to be found."""
    if found is None:
        raise BadRecord("follow() is for `scrape crawl`: a list's pages lead nowhere")
    return found._replace(leads=leads + found.leads)


def _lines_of(  # noqa: PLR0913
    page: Page | None,
    entry: Entry,
    settings: Settings,
    meta: Meta,
    *,
    began: float,
    instead: Mapping[str, Any] | None,
) -> tuple[list[bytes], tuple[FollowRequest, ...]]:
    """The lines of a page's records, and what its scraper says is to be fetched; of one that has not changed,
    the line that says how it was found so. ``instead`` is the record of a page that is not scraped.
    """
    if page is None:
        meta["elapsed"] = _since(began)
        return [records.encode({"meta": meta})], ()
    if instead is not None:
        return _encode(entry, [instead], meta, page, began), ()
    found, leads = scrape(page, settings, entry.place.scraper if entry.place is not None else "")
    if settings.robots and (directives := page.robots(settings.user_agent)):
        meta["robots"] = list(directives)
    if made_by := fingerprint(settings):
        meta["made_by"] = made_by
    lines = _encode(entry, found, meta, page, began)
    if (size := sum(map(len, lines))) > MAX_BYTES:  # in every mode the same
        raise BadRecord(f"the page's records have {size} bytes, more than {MAX_BYTES}")
    return lines, leads


def scrape_page(page: Page, settings: Settings) -> Outcome:
    """The outcome of a page that is here already; its failures are outcomes too."""
    entry = Entry(page.url)
    meta: Meta = {"status": page.status, "final_url": page.final_url}
    began = time.perf_counter()
    try:
        lines = _encode(entry, scrape(page, settings)[0], meta, page, began)
    except ParascrapeError as error:
        return fail(entry, error, {**meta, "elapsed": _since(began)})
    return Outcome(b"".join(lines), len(lines), "")


def _place_aside(
    task: TaskContext, entry: Entry, settings: Settings, pages: StashedPages | None
) -> Path | None:
    """Where the page is kept if its scraper does not come back; None where nobody would look for it.

    In a worker process that is for pages that are tried a second time, alone: few enough to be written
    to a file each.
    """
    wanted = settings.aside and (pages is not None or task.alone)
    return quarantine_path(settings.aside, entry) if wanted else None


def _fetch(
    task: TaskContext, entry: Entry, settings: Settings, meta: Meta, known: tuple[str, str, str]
) -> Page | None:
    """The entry's page; None where it is as known. Raises a FetchError, whatever goes wrong."""
    # Here, because the parent of worker processes imports this module and never fetches: 0.1 s.
    from parascrape.fetch import fetch_if_changed, leave

    task.when_idle(leave)
    kind = entry.place.kind if entry.place is not None else ""
    if kind == "check" or (kind and settings.content_types):  # a start URL may be a sitemap
        settings = replace(settings, content_types=_NO_TYPES if kind == "check" else ())
    try:
        found_on = entry.place.found_on if entry.place is not None else ""
        page = fetch_if_changed(prepare(entry.url), settings, meta, Validators._make(known), found_on)
    except (OtherType, TooLarge):
        if kind != "check":
            raise
        page = Page(entry.url, b"", final_url=meta["final_url"], status=meta["status"])  # it is there
    except ParascrapeError:
        raise
    except Exception as error:
        raise FetchError(f"{type(error).__name__}: {error}") from error
    if page is not None:
        page.url = redact(entry.url)
    return page


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
    url = redact(entry.url)
    if len(found) == 1:
        return [records.encode(records.success(url, found[0], entry.columns, order_meta(entry, meta)))]
    lines: list[bytes] = []
    for item, fields in enumerate(found or [{}], 1 if found else 0):
        numbered = order_meta(entry, {**meta, "item": item, "items": len(found)})
        lines.append(records.encode(records.success(url, fields, entry.columns, numbered)))
    return lines


_NO_TYPES = ("none/none",)  # RFC 6838 registers no such type: no body is read
_OF_GOOD_PAGES = ("etag", "last_modified", "hash", "made_by")


def _now() -> str:
    """RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 4)
