"""Fetching: a URL becomes a `Page` over requests and libcurl, within bounds, or a `FetchError`.

client   follows redirects; robots: fetches robots.txt; request: what a fetch is given and records
adapter  the requests adapter that sends through libcurl; handles, multi: libcurl's easy and multi handles
response, content_coding: headers and bodies, within bounds; errors: lower libraries' errors as ours
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
