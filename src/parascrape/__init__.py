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
    from parascrape.crawling import crawl_site as crawl_site
    from parascrape.errors import ParascrapeError as ParascrapeError
    from parascrape.executors import ProcessExecutor as ProcessExecutor, ThreadExecutor as ThreadExecutor
    from parascrape.files import write_changes as write_changes
    from parascrape.harvesting import crawl as crawl
    from parascrape.scrapers import follow as follow
    from parascrape.settings import Settings as Settings
    from parascrape.web import Page as Page

    __version__: str

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
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    """Import a name on first use (PEP 562): ``scrape --help`` needs none of them."""
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
