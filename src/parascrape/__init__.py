"""parascrape: a list of URLs becomes a file of records, in parallel.

>>> from parascrape import Settings, crawl
>>> Settings(mode="process").thread_count
8
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parascrape.crawling import crawl_site
    from parascrape.errors import ParascrapeError
    from parascrape.executors import ProcessExecutor, ThreadExecutor
    from parascrape.files import write_changes
    from parascrape.harvesting import crawl
    from parascrape.scrapers import follow
    from parascrape.settings import VERSION as __version__, Settings
    from parascrape.web import Page

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
    "write_changes",
]

_HOMES = {
    "Page": "web",
    "ParascrapeError": "errors",
    "ProcessExecutor": "executors",
    "Settings": "settings",
    "ThreadExecutor": "executors",
    "__version__": "settings",
    "crawl": "harvesting",
    "crawl_site": "crawling",
    "follow": "scrapers",
    "write_changes": "files",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for (PEP 562): ``scrape --help`` needs none of it."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), "VERSION" if name == "__version__" else name)
    globals()[name] = value
    return value


class _OldName(ModuleType):
    """A module of the name ``parascrape.changes``, which went to `parascrape.files`; kept until 0.2."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module("parascrape.files.diff"), name)


sys.modules["parascrape.changes"] = _OldName("parascrape.changes")
