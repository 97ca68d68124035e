"""The page hook of a crawl: link discovery in the workers, before the scraper sees the page."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from parascrape.crawling.links.extractor import LinkExtractor
from parascrape.crawling.links.near_duplicates import exact_hash, says_missing, simhash
from parascrape.crawling.links.rules import LinkRules
from parascrape.crawling.links.sitemaps import is_sitemap, read_sitemap
from parascrape.crawling.links.sources import canonical_of
from parascrape.errors import NotSitemap, OtherType, ParascrapeError, Redirected, TooComplex, TooLarge
from parascrape.fetch import FetchRules
from parascrape.harvesting import HookResult
from parascrape.records import Entry, Meta
from parascrape.scrapers import NO_LINKS, DiscoveredLinks, FollowRequest
from parascrape.web import Page, redact, site_of, visible_text

HTML = ("text/html", "application/xhtml+xml")  # the types of pages in a crawl, unless the user names others
_NO_TYPES = ("none/none",)  # RFC 6838 registers no such type, so no body is read
_NOT_THERE = ("skipped_old", "out_of_scope", "repeated", "invalid", "cut")


class CrawlInfo(NamedTuple):
    """The place of an entry in a crawl: its ``number`` in the frontier, its depth in links from a start URL.

    ``found_on`` is the page that links to it, empty for a start URL. ``kind`` is ``start``, ``sitemap``,
    ``check`` (only its status matters, the body is not read), or empty for a page. ``scraper`` is a
    reference, empty for the crawl's own. ``sampled``: the text hashes of the page are wanted.
    """

    number: int
    depth: int = 0
    found_on: str = ""
    kind: str = ""
    scraper: str = ""
    sampled: bool = False

    def meta(self) -> Meta:
        """Return the record's ``depth`` and ``found_on``."""
        if self.found_on:
            return {"depth": self.depth, "found_on": redact(self.found_on)}
        return {"depth": self.depth}


@dataclass(slots=True, kw_only=True)
class LinkDiscovery:
    """The page hook of a crawl: it finds links, reads sitemaps, and takes checked URLs as they are.

    Without ``links`` only sitemaps and the scraper's `follow` lead on. Links that sitemaps and feeds date
    before ``since`` are left out. Pages have one of the ``content_types``; empty: any. The memory of sent
    links belongs to the hook's `LinkExtractor`: one for each process, for the length of a run.
    """

    rules: LinkRules
    links: bool = True
    since: datetime | None = None
    max_bytes: int = 50_000_000
    content_types: tuple[str, ...] = HTML
    _extractor: LinkExtractor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._extractor = LinkExtractor(self.rules)

    def fetch_rules(self, entry: Entry) -> FetchRules:
        """Redirects come back as links. Start URLs may be sitemaps, and of a checked URL no body is read."""
        place = _place_of(entry)
        types = self.content_types if not place.kind else _NO_TYPES if place.kind == "check" else ()
        return FetchRules(follow_redirects=False, content_types=types, found_on=place.found_on)

    def page_fetched(self, page: Page, entry: Entry, meta: Meta) -> HookResult:
        """Return where the page leads; a sitemap and a checked URL have a record of their own.

        The meta gets ``canonical``.
        """
        place = _place_of(entry)
        if place.kind == "check":
            return HookResult(NO_LINKS, {})
        if place.kind and is_sitemap(page):
            return self._read_sitemap(page)
        if place.kind == "sitemap":
            raise NotSitemap(f"no sitemap or feed but {page.content_type or 'something without a type'}")
        canonical = canonical_of(page)
        if canonical and page.is_html:
            meta["canonical"] = canonical
        found = self._extractor.links_of(page, place.depth, canonical) if self.links else NO_LINKS
        if place.sampled and page.is_html:
            found = _with_text(found, page)
        return HookResult(found, scraper=place.scraper)

    def transfer_hook(self, url: str) -> None:
        """Return None: a crawl does not record transfers."""

    def fetch_failed(self, error: ParascrapeError, entry: Entry) -> HookResult | None:
        """Return the link of a redirect, and the record of a checked URL whose body was refused."""
        if isinstance(error, Redirected):
            return HookResult(DiscoveredLinks(leads=(FollowRequest(error.target, "redirect"),)))
        if isinstance(error, OtherType | TooLarge) and _place_of(entry).kind == "check":
            return HookResult(NO_LINKS, {})
        return None

    def outcome_lost(self) -> None:
        """Count the links of this thread's last page as not sent."""
        self._extractor.take_back()

    def fixed(self) -> dict[str, Any]:
        """Return the options that decide which links are found, for JSON."""
        return {
            "follow": [*self.rules.follow] if self.links else None,
            "nofollow": self.rules.nofollow,
            "priority": str(self.rules.priority),
        }

    def _read_sitemap(self, page: Page) -> HookResult:
        site = site_of(page.final_url)
        scope = self.rules.scope
        read = read_sitemap(
            page,
            since=self.since,
            in_scope=lambda url: not scope.why_not(url, site),
            max_bytes=self.max_bytes,
        )
        counts = {name: getattr(read, name) for name in _NOT_THERE if getattr(read, name)}
        fields: dict[str, Any] = {"sitemap": read.kind, "pages": len(read.links)}
        if read.sitemaps:
            fields["sitemaps"] = len(read.sitemaps)
        fields |= {**counts, "truncated": True} if read.truncated else counts
        leads = tuple(FollowRequest(url, "sitemap") for url in read.sitemaps)
        filtered = {f"sitemap: {name}": count for name, count in counts.items()}
        found = DiscoveredLinks("\n".join(read.links), leads, listed=True, filtered=filtered or None)
        return HookResult(found, fields)


def _place_of(entry: Entry) -> CrawlInfo:
    return entry.context if isinstance(entry.context, CrawlInfo) else CrawlInfo(0)


def _with_text(found: DiscoveredLinks, page: Page) -> DiscoveredLinks:
    """Add the page's text hashes, the evidence for crawler traps."""
    try:
        body = page.lexbor.body
    except TooComplex:  # its scraper will say so
        return found
    title, heading = page.css_first("title"), page.css_first("h1")
    text, named, headed = ("" if node is None else visible_text(node) for node in (body, title, heading))
    missing = says_missing(named, headed, len(text))
    return found._replace(likeness=simhash(text), exact=exact_hash(text), missing=missing)
