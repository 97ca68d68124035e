"""Discovery: what a page, a sitemap or a feed leads to, worked out where the page is.

discover    what a worker calls with each page
extract     the links of a page (occurrences, anchors, refresh, link_header, canonical_link), sorted by the
            rules of a crawl (rules, scope, targets, sorting), each sent to the parent once (sent)
sitemaps    the URLs of sitemaps, feeds and plain lists (feeds, characters)
shapes      URLs that look like traps, session ids taken out, patterns of URLs
likeness    how alike two pages read
follow      what a scraper says is to be fetched, with which scraper
found       what crosses to the parent
"""

from __future__ import annotations

from parascrape.scrapers.found import NOTHING_FOUND, Found, Lead

__all__ = ["NOTHING_FOUND", "Found", "Lead"]
