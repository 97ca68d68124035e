"""Crawling: the frontier on disk, and what of it is fetched next.

site_crawl  a crawl over one output: what the command talks to
plan        how far it goes, and what it may have of a site
source      the entries of a harvest, as the harvest itself finds them; intake: where pages lead
traps       patterns of URLs whose pages are all alike (groups)
store       the known URLs in an SQLite file (keys, pending, states, edges, database)
opening     frontier and output brought into agreement
graph       the link graph as a file; broken: links that lead nowhere; exports: what both write
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
