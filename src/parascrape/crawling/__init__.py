"""Crawling: a harvest that finds its own URLs, and the frontier on disk that holds them.

site_crawl    a crawl over one output; `crawl_site` for scripts
admission     its limits, and which found links become known URLs
schedule      the entries of the harvest, in order
traps         endless parts of a site, closed by URL pattern
link_graph    the links as CSV; broken_links: those that lead nowhere
links/        what pages, sitemaps and feeds link to; discover is the hook in the workers
store/        the known URLs in an SQLite file
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
