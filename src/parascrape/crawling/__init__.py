"""Crawling: the frontier on disk, and what of it is fetched next.

site_crawl  a crawl over one output: what the command talks to
plan        how far it goes, and what it may have of a site
source      the entries of a harvest, as the harvest itself finds them; intake: where pages lead
traps       patterns of URLs whose pages are all alike (groups)
store       the known URLs in an SQLite file (keys, pending, states, edges, database)
opening     frontier and output brought into agreement
graph       the link graph as a file; broken: links that lead nowhere; exports: what both write
"""

from __future__ import annotations

from parascrape.crawling.limits import Plan
from parascrape.crawling.site_crawl import SiteCrawl, Starts, Summary

__all__ = ["Plan", "SiteCrawl", "Starts", "Summary"]
