"""parascrape: a list of URLs becomes a file of records, in parallel.

>>> from parascrape import Settings, crawl
>>> Settings(mode="process").thread_count
8
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parascrape.crawling.spider import crawl_site
    from parascrape.errors import ParascrapeError
    from parascrape.executors import ProcessExecutor, ThreadExecutor
    from parascrape.harvesting.harvest import crawl
    from parascrape.scrapers.follow import follow
    from parascrape.settings import VERSION as __version__
    from parascrape.settings import Settings
    from parascrape.web.page import Page

__all__ = [
    "Page",
    "ParascrapeError",
    "ProcessExecutor",
    "Settings",
    "ThreadExecutor",
    "__version__",
    "crawl",
    "crawl_site",
    "follow",
]

_HOMES = {
    "Page": "parascrape.web.page",
    "ParascrapeError": "parascrape.errors",
    "ProcessExecutor": "parascrape.executors",
    "Settings": "parascrape.settings",
    "ThreadExecutor": "parascrape.executors",
    "__version__": "parascrape.settings",
    "crawl": "parascrape.harvesting.harvest",
    "crawl_site": "parascrape.crawling.spider",
    "follow": "parascrape.scrapers.follow",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for (PEP 562): ``scrape --help`` needs none of it."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), "VERSION" if name == "__version__" else name)
    globals()[name] = value
    return value
