"""Broken links: the outcome of every URL that a crawl has checked, and the pages that link to it.

    the output's records --> `judge`: good, broken, a redirect, could not be checked
    the redirects        --> their ends, after at most `MAX_REDIRECTS` steps: moved, broken, ...
    the frontier's links --> the pages with links that are not good

All of it is in temporary SQLite tables, so memory is flat.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from parascrape.crawling.admission import MAX_REDIRECTS, CrawlLimits
from parascrape.crawling.link_graph import cell, each_link, key_of
from parascrape.crawling.store.url_store import UrlStore
from parascrape.files import read_pages
from parascrape.system import SqliteFile, output_errors, replace_file
from parascrape.web import CanonicalOptions, domain_of, site_of

GOOD, BROKEN, MOVED, UNCHECKED = "good", "broken", "moved", "unchecked"

COLUMNS = ("verdict", "code", "status", "url", "leads_to", "reason", "page", "text")  # the header of the CSV
_REDIRECT = "redirected"
_UNSCRAPED = frozenset(  # codes of pages that exist, although they could not be scraped
    ("bad_encoding", "bad_record", "not_html", "other_type", "scrape_error", "task_error")
) | {"too_complex", "too_large", "worker_died"}
_NOT_ASKED = frozenset(("address", "duplicate", "host_down", "not_fetched", "proxy", "robots"))
_NOT_FOR_ROBOTS = frozenset((401, 403, 405, 429, 503, 999))  # for pages that people see; 999 is LinkedIn's
_PERMANENT = frozenset((301, 308))
_BATCH = 1000

_SCHEMA = (
    """
    CREATE TABLE targets (
        key INTEGER PRIMARY KEY, verdict TEXT NOT NULL, url TEXT, code TEXT, status INTEGER, reason TEXT,
        leads_key INTEGER, leads_to TEXT, led_to INTEGER NOT NULL DEFAULT 0
    )
    """,
    "CREATE TABLE holders (key INTEGER NOT NULL, page TEXT NOT NULL, text TEXT NOT NULL)",
)
_ADD = "REPLACE INTO targets VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)"
_KNOW = "INSERT OR IGNORE INTO targets (key, verdict) VALUES (?, ?)"
_SETTLE = "UPDATE targets SET verdict = ?, code = ?, status = ?, reason = ?, leads_to = ? WHERE key = ?"
_STEP = "SELECT verdict, leads_to, code, status, reason, leads_key FROM targets WHERE key = ?"
_FIELDS = "key, code, status, url, coalesce(leads_to, ''), coalesce(reason, '')"
# A URL that only redirects lead to is reported with them.
_OF_INTEREST = "verdict = ? AND (NOT led_to OR EXISTS (SELECT 1 FROM holders h WHERE h.key = targets.key))"


class LinkTarget(NamedTuple):
    """A linked URL and its outcome; ``leads_to`` is where its redirects end."""

    key: int
    code: str
    status: int
    url: str
    leads_to: str
    reason: str


class LinkingPage(NamedTuple):
    """A page with a link, and the link's text."""

    page: str
    text: str


def judge(code: str, status: int, *, elsewhere: bool) -> str:
    """Return the verdict on a link by its target's code and status; ``elsewhere``: on another site.

    >>> judge("status", 404, elsewhere=True), judge("status", 403, elsewhere=True)
    ('broken', 'unchecked')
    """
    if not code or code in _UNSCRAPED:
        return GOOD
    if code in _NOT_ASKED or (elsewhere and code == "status" and status in _NOT_FOR_ROBOTS):
        return UNCHECKED
    return _REDIRECT if code == _REDIRECT else BROKEN


class LinkCheck:
    """The verdicts on the links of a crawl; ``unseen`` is how many known URLs have no outcome.

    Raises:
        OutputError: no space for the tables.
    """

    def __init__(self, store: UrlStore, plan: CrawlLimits, output: Path) -> None:
        counts = store.counts()
        self.unseen = counts.pending + sum(counts.refused.values())
        self._scratch = SqliteFile.temporary(*_SCHEMA)
        try:
            self._read_outcomes(store, plan, output)
            self._resolve()
            self._read_links(store, plan.identity)
        except BaseException:
            self._scratch.close()
            raise

    def _read_outcomes(self, store: UrlStore, plan: CrawlLimits, output: Path) -> None:
        """Store one row for each page of the output, with details unless it is good."""
        hosts = frozenset(store.value("hosts") or plan.scope.hosts)
        for page in read_pages(output):
            record, meta = page.record, page.record["meta"]
            key = key_of(record["url"], plan.identity)
            status = meta.get("status", 0)
            site = site_of(record["url"])
            elsewhere = (domain_of(site) if plan.scope.reach == "domain" else site) not in hosts
            verdict = judge(page.code, status, elsewhere=elsewhere)
            if verdict == GOOD:
                self._scratch.execute(_ADD, (key, GOOD, *(None,) * 6))
                continue
            reason = str(record["error"].get("message", ""))
            leads_to = meta["final_url"] if verdict == _REDIRECT else ""
            leads_key = key_of(leads_to, plan.identity) if leads_to else None
            if leads_key == key:  # to another spelling of the same URL, which has its own record
                self._scratch.execute(_KNOW, (key, GOOD))
            else:
                values = (key, verdict, record["url"], page.code, status, reason, leads_key, leads_to)
                self._scratch.execute(_ADD, values)

    def _resolve(self) -> None:
        """Give every redirect the verdict of its end."""
        last = -(1 << 63)
        query = "SELECT key, status FROM targets WHERE verdict = ? AND key >= ? ORDER BY key LIMIT ?"
        while rows := list(self._scratch.rows(query, (_REDIRECT, last, _BATCH))):
            for key, status in rows:
                self._scratch.execute(_SETTLE, (*self._end_of(key, status), key))
            last = rows[-1][0]

    def _end_of(self, key: int, status: int) -> tuple[str, str, int, str, str]:
        """Return verdict, code, status, reason and URL of a redirect's end."""
        seen = {key}
        row = self._step(key)
        url = ""
        while row is not None and row[5] is not None:
            key = row[5]
            if key in seen or len(seen) > MAX_REDIRECTS:
                why = "in a circle" if key in seen else f"on and on, more than {MAX_REDIRECTS} times"
                return BROKEN, "bad_redirect", status, f"it is redirected {why}", url
            seen.add(key)
            self._scratch.execute("UPDATE targets SET led_to = 1 WHERE key = ?", (key,))
            url = row[1]
            row = self._step(key)
        if row is None:
            return UNCHECKED, _REDIRECT, status, "the URL that it leads to was not fetched", url
        if row[0] == GOOD:
            return (MOVED if status in _PERMANENT else GOOD), _REDIRECT, status, "", url
        return row[0], row[2], row[3], row[4], url

    def _step(self, key: int) -> tuple[Any, ...] | None:
        return next(self._scratch.rows(_STEP, (key,)), None)

    def _read_links(self, store: UrlStore, identity: CanonicalOptions) -> None:
        """Store the links to URLs that are not good."""

        @lru_cache(100_000)
        def is_good(key: int) -> bool:
            query = "SELECT verdict = ? FROM targets WHERE key = ?"
            return bool(next(self._scratch.rows(query, (GOOD, key)), (True,))[0])

        for source, target, edge in each_link(store, identity):
            if edge.kind != "redirect" and not is_good(target[0]):
                values = (target[0], source[1], edge.text)
                self._scratch.execute("INSERT INTO holders VALUES (?, ?, ?)", values)
        self._scratch.execute("CREATE INDEX held ON holders (key)")

    def counts(self) -> Counter[str]:
        """Return how many URLs have each verdict."""
        query = f"SELECT count(*) FROM targets WHERE {_OF_INTEREST}"  # noqa: S608 (our own words)
        verdicts = (GOOD, BROKEN, MOVED, UNCHECKED)
        return Counter({one: next(self._scratch.rows(query, (one,)))[0] for one in verdicts})

    def each(self, verdict: str) -> Iterator[LinkTarget]:
        """Yield the URLs with a verdict, by status, code and URL."""
        query = f"SELECT {_FIELDS} FROM targets WHERE {_OF_INTEREST} ORDER BY status, code, url"  # noqa: S608
        return (LinkTarget(*row) for row in self._scratch.rows(query, (verdict,)))

    def holders(self, target: LinkTarget, limit: int = -1) -> Iterator[LinkingPage]:
        """Yield the pages that link to a URL, the first ``limit`` by their URL."""
        query = "SELECT page, text FROM holders WHERE key = ? ORDER BY page, text LIMIT ?"
        return (LinkingPage(*row) for row in self._scratch.rows(query, (target.key, limit)))

    def holder_count(self, target: LinkTarget) -> int:
        """Return how many links lead to a URL."""
        query = "SELECT count(*) FROM holders WHERE key = ?"
        return int(next(self._scratch.rows(query, (target.key,)))[0])

    def write_csv(self, path: Path) -> None:
        """Write a CSV row for each link that is not good. Raises OutputError."""
        with output_errors(path), replace_file(path, text=True) as file:
            rows = csv.writer(file, lineterminator="\r\n")
            rows.writerow(COLUMNS)
            for verdict in (BROKEN, MOVED, UNCHECKED):
                for one in self.each(verdict):
                    texts = [cell(text) for text in (one.url, one.leads_to, one.reason)]
                    start = [verdict, one.code, str(one.status or ""), *texts]
                    pages = self.holders(one)  # none for a start URL, or one of a sitemap
                    for holder in chain([next(pages, LinkingPage("", ""))], pages):
                        rows.writerow([*start, cell(holder.page), cell(holder.text)])

    def close(self) -> None:
        """Delete the tables."""
        self._scratch.close()
