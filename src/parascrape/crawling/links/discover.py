"""Discover: where the page of a crawl leads, in the worker that has it, before its scraper sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from parascrape.crawling.links.extractor import LinkRules, canonical_of, find_links, take_back
from parascrape.crawling.links.near_duplicates import exact_hash, says_missing, simhash
from parascrape.crawling.links.sitemaps import is_sitemap, read_sitemap
from parascrape.errors import NotSitemap, TooComplex
from parascrape.records import CrawlInfo, Entry, Meta
from parascrape.scrapers import NO_LINKS, DiscoveredLinks, FollowRequest
from parascrape.web import Page, site_of, visible_text

__all__ = ["LinkDiscovery"]

_NOT_THERE = ("skipped_old", "out_of_scope", "repeated", "invalid", "cut")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDiscovery:
    """Called with a page, gives what it leads to by the rules, and of a sitemap its record.

    Without ``links`` only sitemaps lead on, and what the scraper says. What sitemaps and feeds date before
    ``since`` is left out.
    """

    rules: LinkRules
    links: bool = True
    since: datetime | None = None
    max_bytes: int = 50_000_000

    def __call__(
        self, page: Page, entry: Entry, meta: Meta
    ) -> tuple[DiscoveredLinks, Mapping[str, Any] | None]:
        """What the page leads to; its meta gets ``canonical``. The second is the record of a sitemap, and of
        what is only looked at.
        """
        place = entry.place or CrawlInfo(0)
        if place.kind == "check":
            return NO_LINKS, {}
        if place.kind and is_sitemap(page):
            return self._read_sitemap(page)
        if place.kind == "sitemap":
            raise NotSitemap(f"no sitemap or feed but {page.content_type or 'something without a type'}")
        canonical = canonical_of(page)
        if canonical and page.is_html:
            meta["canonical"] = canonical
        found = find_links(page, self.rules, place.depth, canonical) if self.links else NO_LINKS
        return (_with_text(found, page) if place.sampled and page.is_html else found), None

    def fixed(self) -> dict[str, Any]:
        """What decides which links are found, as JSON has it."""
        return {
            "follow": [*self.rules.follow] if self.links else None,
            "nofollow": self.rules.nofollow,
            "priority": str(self.rules.priority),
        }

    def take_back(self) -> None:
        """Nothing; what the last page of this thread leads to has reached nobody."""
        take_back(self.rules)

    def _read_sitemap(self, page: Page) -> tuple[DiscoveredLinks, Mapping[str, Any]]:
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
        return DiscoveredLinks("\n".join(read.links), leads, listed=True, filtered=filtered or None), fields


def _with_text(found: DiscoveredLinks, page: Page) -> DiscoveredLinks:
    """What is found, with what tells how alike pages read."""
    try:
        body = page.lexbor.body
    except TooComplex:  # what it says is for its scraper to find
        return found
    text = visible_text(body) if body is not None else ""
    title, heading = page.css_first("title"), page.css_first("h1")
    missing = says_missing(
        visible_text(title) if title is not None else "",
        visible_text(heading) if heading is not None else "",
        len(text),
    )
    return found._replace(likeness=simhash(text), exact=exact_hash(text), missing=missing)
