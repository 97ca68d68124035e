"""The worker: one attempt at a URL, which is fetched, decoded, scraped and encoded as output lines."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from parascrape import records
from parascrape.errors import BadRecord, FetchError, ParascrapeError, StatusError
from parascrape.executors import TaskContext
from parascrape.fetch import FetchRules, begin, take
from parascrape.files import Outcome, StashedPages, discard, fail, order_meta, quarantine_path, stash
from parascrape.records import Entry, Meta
from parascrape.scrapers import DiscoveredLinks, fingerprint, scrape
from parascrape.settings import Settings
from parascrape.web import NOTHING, Page, Validators, prepare, redact

__all__ = ["HookResult", "PageHook", "scrape_page", "scrape_url"]

MAX_BYTES = 60_000_000
"""Bytes of one page's records, encoded; a worker process could not send back more."""

log = logging.getLogger("parascrape.harvesting.worker")


class HookResult(NamedTuple):
    """What a page hook makes of a page: its links, a record that replaces scraping, and its scraper.

    An empty ``scraper`` is the settings' own.
    """

    found: DiscoveredLinks
    record: Mapping[str, Any] | None = None
    scraper: str = ""


class PageHook(Protocol):
    """Sees each entry in the worker: before its fetch, and before its page is scraped. Picklable."""

    def fetch_rules(self, entry: Entry) -> FetchRules:
        """Return how the entry's URL is fetched."""

    def page_fetched(self, page: Page, entry: Entry, meta: Meta) -> HookResult:
        """Return what to make of the page. It may add to the record's meta, and raise a ParascrapeError."""

    def fetch_failed(self, error: ParascrapeError, entry: Entry) -> HookResult | None:
        """Return the links of a fetch that failed, with a record where it counts as good; or None."""

    def outcome_lost(self) -> None:
        """Forget the last page of this thread: its outcome was lost."""


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
    hook: PageHook | None = None,
) -> Outcome:
    """Return the outcome of one attempt at an entry. Failures are outcomes too: no `Exception` is raised.

    ``fields`` are those of an `Entry`: a plain tuple pickles six times as fast (10 us saved a page).
    With ``watched`` it reports to ``task`` when the fetch starts (monotonic seconds) and ends (None).
    ``submitted`` is when the task was handed out (monotonic seconds). A page that is as ``known``
    has an outcome "unchanged", whose one line holds the meta of this fetch. ``pages`` is where a caller in
    the same process finds the page while its scraper runs.
    """
    try:
        return _Attempt(Entry._make(fields), attempt, settings, pages, hook).run(
            task, known, submitted, watched=watched
        )
    except BaseException:
        if hook is not None:
            hook.outcome_lost()
        raise


class _Attempt:
    """One attempt at an entry: what is learned of it on the way to its outcome."""

    def __init__(
        self,
        entry: Entry,
        number: int,
        settings: Settings,
        pages: StashedPages | None = None,
        hook: PageHook | None = None,
    ) -> None:
        self.entry = entry
        self.meta: Meta = {"fetched_at": _now(), "attempts": number}
        self._settings = settings
        self._pages = pages
        self._hook = hook
        self._page: Page | None = None
        self._hooked: HookResult | None = None
        self._found: DiscoveredLinks | None = None
        self._began = self._fetched = time.perf_counter()
        self._fetched_cpu = 0.0

    def run(
        self, task: TaskContext, known: tuple[str, str, str], submitted: float, *, watched: bool
    ) -> Outcome:
        """Fetch, scrape and encode."""
        kept_at = self._stash_path(task)
        discard(kept_at, self._pages)  # of an earlier run
        begin()
        try:
            page = self._fetch(task, known, watched)
            if page is not None:
                stash(kept_at, page, self._pages)
                if self._hook is not None:  # before the scraper, which may change the parsed page
                    self._hooked = self._hook.page_fetched(page, self.entry, self.meta)
                    self._found = self._hooked.found
            lines = self._unchanged() if page is None else self._lines_of(page)
        except ParascrapeError as error:
            outcome = self._fail(error)
        else:
            outcome = Outcome(b"".join(lines), len(lines), "", carried="unchanged" if page is None else "")
            log.debug("%s: %d records", redact(self.entry.url), len(lines))
        discard(kept_at, self._pages)
        ended = time.perf_counter()
        waited = (self._fetched if self._fetched > self._began else ended) - self._began
        return outcome._replace(
            found=self._found,
            bytes=self.meta.get("bytes", 0),
            fetch_seconds=waited,
            scrape_seconds=max(0.0, ended - self._began - waited),
            status=self.meta.get("status", 0),
            times=take(submitted, self._fetched_cpu),
        )

    def _stash_path(self, task: TaskContext) -> Path | None:
        """Return where the page is kept while its scraper runs; None where nobody would look for it.

        A worker process keeps only pages that are tried again, alone: few enough to write a file for each.
        """
        wanted = self._settings.aside and (self._pages is not None or task.alone)
        return quarantine_path(self._settings.aside, self.entry) if wanted else None

    def _fetch(self, task: TaskContext, known: tuple[str, str, str], watched: bool) -> Page | None:
        """Return the entry's page; None where it is as known. Raises a FetchError, whatever goes wrong."""
        # Here, because the parent of worker processes imports this module and never fetches: 0.1 s.
        from parascrape.fetch import fetch_if_changed, leave

        task.when_idle(leave)
        if watched:
            task.report(time.monotonic())
        rules = FetchRules() if self._hook is None else self._hook.fetch_rules(self.entry)
        try:
            url = prepare(self.entry.url)
            page = fetch_if_changed(url, self._settings, self.meta, Validators._make(known), rules)
        except ParascrapeError:
            raise
        except Exception as error:
            raise FetchError(f"{type(error).__name__}: {error}") from error
        self._fetched, self._fetched_cpu = time.perf_counter(), time.thread_time()
        self.meta["fetch_seconds"] = round(self._fetched - self._began, 4)
        if watched:
            task.report(None)
        if page is not None:
            page.url = redact(self.entry.url)
        self._page = page
        return page

    def _unchanged(self) -> list[bytes]:
        """Return the line that says how the page was found to be the same."""
        self.meta["elapsed"] = self.elapsed()
        return [records.encode({"meta": self.meta})]

    def _lines_of(self, page: Page) -> list[bytes]:
        """Return the lines of the page's records. Raises ParascrapeError."""
        if self._hooked is not None and self._hooked.record is not None:
            return self.encode([self._hooked.record], page.known_encoding)
        settings, meta = self._settings, self.meta
        found, leads = scrape(page, settings, self._hooked.scraper if self._hooked is not None else "")
        if leads:
            if self._found is None:
                raise BadRecord("follow() is for `scrape crawl`: a list's pages lead nowhere")
            self._found = self._found._replace(leads=leads + self._found.leads)
        if settings.robots and (directives := page.robots(settings.user_agent)):
            meta["robots"] = list(directives)
        if made_by := fingerprint(settings):
            meta["made_by"] = made_by
        lines = self.encode(found, page.known_encoding)
        if (size := sum(map(len, lines))) > MAX_BYTES:  # in every mode the same
            raise BadRecord(f"the page's records have {size} bytes, more than {MAX_BYTES}")
        return lines

    def encode(self, found: list[Mapping[str, Any]], encoding: str | None) -> list[bytes]:
        """Return one line for each dict. A page that gave none has one line all the same: it was fetched.

        Raises:
            BadRecord: a key that is the record's own, or a value that JSON cannot carry.
        """
        entry, meta = self.entry, self.meta
        if encoding is not None:
            meta["encoding"] = encoding
        meta["elapsed"] = self.elapsed()
        url = redact(entry.url)
        if len(found) == 1:
            return [records.encode(records.success(url, found[0], entry.columns, order_meta(entry, meta)))]
        lines: list[bytes] = []
        for item, fields in enumerate(found or [{}], 1 if found else 0):
            numbered = order_meta(entry, {**meta, "item": item, "items": len(found)})
            lines.append(records.encode(records.success(url, fields, entry.columns, numbered)))
        return lines

    def _fail(self, error: ParascrapeError) -> Outcome:
        """Return the outcome of a failure; the hook may find links in it, or take it for good."""
        if self._hook is not None and self._page is None:
            self._hooked = self._hook.fetch_failed(error, self.entry)
            if self._hooked is not None:
                self._found = self._hooked.found
                if self._hooked.record is not None:
                    self.meta.setdefault("fetch_seconds", self.elapsed())
                    return Outcome(b"".join(self.encode([self._hooked.record], None)), 1, "")
        meta = self.meta
        meta["elapsed"] = self.elapsed()
        meta.setdefault("fetch_seconds", meta["elapsed"])
        for key in _OF_GOOD_PAGES:
            meta.pop(key, None)  # type: ignore[misc]
        if isinstance(error, StatusError) and error.retry_after is not None:
            meta["retry_after"] = round(error.retry_after, 3)
        outcome = fail(self.entry, error, meta)
        log.info("%s failed: %s: %s", redact(self.entry.url), outcome.code, error)
        return outcome

    def elapsed(self) -> float:
        return round(time.perf_counter() - self._began, 4)


def scrape_page(page: Page, settings: Settings) -> Outcome:
    """Return the outcome of a page that is here already; failures are outcomes too."""
    entry = Entry(page.url)
    attempt = _Attempt(entry, 1, settings)
    attempt.meta = {"status": page.status, "final_url": page.final_url}
    try:
        lines = attempt.encode(scrape(page, settings)[0], page.known_encoding)
    except ParascrapeError as error:
        return fail(entry, error, {**attempt.meta, "elapsed": attempt.elapsed()})
    return Outcome(b"".join(lines), len(lines), "")


_OF_GOOD_PAGES = ("etag", "last_modified", "hash", "made_by")


def _now() -> str:
    """Return the time in RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
