"""The worker: one attempt at a URL, which is fetched, decoded, scraped and encoded as output lines."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from parascrape import records
from parascrape.errors import BadRecord, FetchError, ParascrapeError, StatusError
from parascrape.executors import TaskContext
from parascrape.fetch import (
    DIRECT,
    NO_RULES,
    FetchRules,
    FetchTrace,
    NetworkOptions,
    TransferHook,
    fetch_robots,
)
from parascrape.files import (
    NO_QUARANTINE,
    Outcome,
    PageTimings,
    Quarantine,
    discard,
    fail,
    order_meta,
    quarantine_path,
    stash,
)
from parascrape.records import Entry, Meta
from parascrape.scrapers import DiscoveredLinks, fingerprint, scrape
from parascrape.settings import Settings
from parascrape.web import NOTHING, Page, RobotsRules, Validators, prepare, redact

if TYPE_CHECKING:
    from parascrape.fetch import Client

MAX_BYTES = 60_000_000
"""Bytes of one page's records, encoded; a worker process could not send back more."""

log = logging.getLogger("parascrape.harvesting.worker")


class HookResult(NamedTuple):
    """The result of a page hook: the links of a page, a record that replaces scraping, and its scraper.

    An empty ``scraper`` is the settings' own.
    """

    found: DiscoveredLinks
    record: Mapping[str, Any] | None = None
    scraper: str = ""


class PageHook(Protocol):
    """Sees each entry in the worker: before its fetch, and before its page is scraped. Picklable."""

    def fetch_rules(self, entry: Entry) -> FetchRules:
        """Return how the entry's URL is fetched."""

    def transfer_hook(self, url: str) -> TransferHook | None:
        """Return what sees the transfers of an entry's URL, or of an origin's robots.txt."""

    def page_fetched(self, page: Page, entry: Entry, meta: Meta) -> HookResult:
        """Return what to make of the page. It may add to the record's meta, and raise a ParascrapeError."""

    def fetch_failed(self, error: ParascrapeError, entry: Entry) -> HookResult | None:
        """Return the links of a fetch that failed, with a record where it counts as good; or None."""

    def outcome_lost(self) -> None:
        """Forget the last page of this thread: its outcome was lost."""


class PageTask(NamedTuple):
    """One attempt at an entry, as it is handed to a worker.

    It crosses a process border as a plain tuple, and so do the ``fields`` of the `Entry`: they pickle six
    times as fast (10 us saved a page). ``watched``: the worker reports when the fetch starts (monotonic
    seconds) and ends (None). ``submitted`` is when the task was handed out (monotonic seconds). ``known``
    are the validators of an earlier fetch: a page that is as known has an outcome "unchanged", whose one
    line holds the meta of this fetch.
    """

    fields: Sequence[Any]
    attempt: int = 1
    watched: bool = False
    submitted: float = 0.0
    known: tuple[str, str, str] = NOTHING


class Worker:
    """Fetches and scrapes in one process, for all of its threads; unpickled it begins afresh.

    ``quarantine`` is for pages under which a worker dies or hangs; ``processes`` share the machine's memory.
    """

    def __init__(
        self,
        settings: Settings,
        network: NetworkOptions = DIRECT,
        quarantine: Quarantine = NO_QUARANTINE,
        hook: PageHook | None = None,
        processes: int = 1,
    ) -> None:
        self.settings = settings
        self.quarantine = quarantine
        self.hook = hook
        self._network, self._processes = network, processes
        self.thread_cpu: dict[int, float] = {}  # by thread, its CPU seconds when its last page was done
        self._client: Client | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return Worker, (self.settings, self._network, self.quarantine, self.hook, self._processes)

    def __call__(self, context: TaskContext, task: str | Sequence[Any]) -> Outcome | RobotsRules:
        """Return the outcome of a `PageTask`, or the rules of an origin's robots.txt.

        Failures are outcomes and rules too: no `Exception` is raised.
        """
        context.when_idle(self.client.leave)
        if isinstance(task, str):
            return fetch_robots(task, self.client, FetchTrace(hook=self.transfer_hook(task)))
        try:
            return _Attempt(self, context, PageTask(*task)).run()
        except BaseException:
            if self.hook is not None:
                self.hook.outcome_lost()
            raise

    def transfer_hook(self, url: str) -> TransferHook | None:
        """Return what sees the transfers of a URL, or of an origin's robots.txt."""
        return None if self.hook is None else self.hook.transfer_hook(url)

    @property
    def client(self) -> Client:
        """The client of all threads, opened when it is first asked for."""
        if self._client is None:
            with self._lock:
                if self._client is None:
                    # Here, because the parent of worker processes never fetches: 0.1 s.
                    from parascrape.fetch import Client

                    self._client = Client(self.settings, self._network, processes=self._processes)
        return self._client

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()


class _Attempt:
    """One attempt at an entry, with the data that make up its outcome."""

    def __init__(self, worker: Worker, context: TaskContext, task: PageTask) -> None:
        self._worker = worker
        self._context = context
        self._task = task
        self._entry = Entry._make(task.fields)
        hook = worker.transfer_hook(self._entry.url)
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")  # RFC 3339
        self._trace = FetchTrace({"fetched_at": now, "attempts": task.attempt}, hook=hook)
        self._meta = self._trace.meta
        self._page: Page | None = None
        self._found: DiscoveredLinks | None = None
        self._started = time.monotonic()
        self._began = self._fetched = time.perf_counter()
        self._fetched_cpu = 0.0

    def run(self) -> Outcome:
        """Fetch, scrape and encode."""
        folder, pages = self._worker.quarantine
        # A worker process keeps only pages that are tried again, alone: few enough to write each to a file.
        wanted = folder and (pages is not None or self._context.alone)
        kept_at = quarantine_path(folder, self._entry) if wanted else None
        discard(kept_at, pages)  # of an earlier run
        try:
            page = self._fetch()
            if page is not None:
                stash(kept_at, page, pages)
                lines = self._scrape(page)
            else:  # one line says how the page was found to be the same
                self._meta["elapsed"] = self._elapsed()
                lines = [records.encode({"meta": self._meta})]
        except ParascrapeError as error:
            outcome = self._fail(error)
        else:
            outcome = Outcome(b"".join(lines), len(lines), "", carried="unchanged" if page is None else "")
            log.debug("%s: %d records", redact(self._entry.url), len(lines))
        finally:
            self._trace.release()
        discard(kept_at, pages)
        ended = time.perf_counter()
        waited = (self._fetched if self._fetched > self._began else ended) - self._began
        return outcome._replace(
            found=self._found,
            bytes=self._meta.get("bytes", 0),
            fetch_seconds=waited,
            scrape_seconds=max(0.0, ended - self._began - waited),
            status=self._meta.get("status", 0),
            times=self._timings(),
        )

    def _fetch(self) -> Page | None:
        """Return the entry's page; None where it is as known. Raises a FetchError, whatever goes wrong."""
        worker, entry, task = self._worker, self._entry, self._task
        if task.watched:
            self._context.report(time.monotonic())
        rules = NO_RULES if worker.hook is None else worker.hook.fetch_rules(entry)
        try:
            known = Validators._make(task.known)
            page = worker.client.fetch_if_changed(prepare(entry.url), known, self._trace, rules)
        except ParascrapeError:
            raise
        except Exception as error:
            raise FetchError(f"{type(error).__name__}: {error}") from error
        self._fetched, self._fetched_cpu = time.perf_counter(), time.thread_time()
        self._meta["fetch_seconds"] = round(self._fetched - self._began, 4)
        if task.watched:
            self._context.report(None)
        if page is not None:
            page.url = redact(entry.url)
        self._page = page
        return page

    def _scrape(self, page: Page) -> list[bytes]:
        """Return the lines of the page's records. Raises ParascrapeError."""
        settings, meta, scraper = self._worker.settings, self._meta, ""
        if self._worker.hook is not None:  # before the scraper, which may change the parsed page
            self._found, record, scraper = self._worker.hook.page_fetched(page, self._entry, meta)
            if record is not None:
                return self._encode([record])
        found, leads = scrape(page, settings, scraper)
        if leads:
            if self._found is None:
                raise BadRecord("follow() is for `scrape crawl`: a list's pages lead nowhere")
            self._found = self._found._replace(leads=leads + self._found.leads)
        if settings.robots and (directives := page.robots(settings.user_agent)):
            meta["robots"] = list(directives)
        if made_by := fingerprint(settings):
            meta["made_by"] = made_by
        lines = self._encode(found)
        if (size := sum(map(len, lines))) > MAX_BYTES:  # in every mode the same
            raise BadRecord(f"the page's records have {size} bytes, more than {MAX_BYTES}")
        return lines

    def _encode(self, found: list[Mapping[str, Any]]) -> list[bytes]:
        """Return the lines of these dicts."""
        if self._page is not None and (encoding := self._page.known_encoding) is not None:
            self._meta["encoding"] = encoding
        self._meta["elapsed"] = self._elapsed()
        return _lines(self._entry, found, self._meta)

    def _fail(self, error: ParascrapeError) -> Outcome:
        """Return the outcome of a failure; the hook may find links in it, or take it for good."""
        meta, hook = self._meta, self._worker.hook
        if hook is not None and self._page is None and (hooked := hook.fetch_failed(error, self._entry)):
            self._found = hooked.found
            if hooked.record is not None:
                meta.setdefault("fetch_seconds", self._elapsed())
                return Outcome(b"".join(self._encode([hooked.record])), 1, "")
        meta["elapsed"] = self._elapsed()
        meta.setdefault("fetch_seconds", meta["elapsed"])
        for key in _OF_GOOD_PAGES:
            meta.pop(key, None)  # type: ignore[misc]
        if isinstance(error, StatusError) and error.retry_after is not None:
            meta["retry_after"] = round(error.retry_after, 3)
        outcome = fail(self._entry, error, meta)
        log.info("%s failed: %s: %s", redact(self._entry.url), outcome.code, error)
        return outcome

    def _timings(self) -> PageTimings:
        """Return where the page's time went, now that it is done.

        The CPU time counts from the end of the thread's page before, so that nothing is left out.
        """
        trace, submitted, thread = self._trace, self._task.submitted, threading.get_ident()
        cpu, before = time.thread_time(), self._worker.thread_cpu.get(thread, 0.0)
        self._worker.thread_cpu[thread] = cpu
        return PageTimings(
            max(0.0, self._started - submitted) if submitted else 0.0,
            trace.connect,
            trace.first_byte,
            trace.transfer,
            trace.inflate,
            cpu - self._fetched_cpu if self._fetched_cpu else 0.0,
            cpu - before if before <= cpu else cpu,  # a new thread may have an old one's number
            time.monotonic(),
        )

    def _elapsed(self) -> float:
        return round(time.perf_counter() - self._began, 4)


def scrape_page(page: Page, settings: Settings) -> Outcome:
    """Return the outcome of a page that is here already; failures are outcomes too."""
    entry = Entry(page.url)
    meta: Meta = {"status": page.status, "final_url": page.final_url}
    began = time.perf_counter()
    try:
        found, _ = scrape(page, settings)
        if page.known_encoding is not None:
            meta["encoding"] = page.known_encoding
        meta["elapsed"] = round(time.perf_counter() - began, 4)
        lines = _lines(entry, found, meta)
    except ParascrapeError as error:
        return fail(entry, error, {**meta, "elapsed": round(time.perf_counter() - began, 4)})
    return Outcome(b"".join(lines), len(lines), "")


def _lines(entry: Entry, found: list[Mapping[str, Any]], meta: Meta) -> list[bytes]:
    """Return one line for each dict. A page without any has one line too: it was fetched.

    Raises:
        BadRecord: a key that is the record's own, or a value that JSON cannot carry.
    """
    url = redact(entry.url)
    lines: list[bytes] = []
    for item, fields in enumerate(found or [{}], 1 if found else 0):
        if len(found) != 1:
            meta = {**meta, "item": item, "items": len(found)}
        lines.append(records.encode(records.success(url, fields, entry.columns, order_meta(entry, meta))))
    return lines


_OF_GOOD_PAGES = ("etag", "last_modified", "hash", "made_by")
