"""Traps: what looks endless in a crawl, by the patterns of its URLs, and by paths whatever is asked of them.

The combinations of a dozen filters are thousands of patterns, each with few pages; but all are of one path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from parascrape.crawling.groups import TRAP_BUDGET, Groups, Trap
from parascrape.crawling.links.url_patterns import pattern_of

__all__ = ["Traps"]


class Traps:
    """Both views of what is crawled; its functions are those of `Groups`."""

    def __init__(self, *, budget: int = TRAP_BUDGET, data: Mapping[str, Any] | None = None) -> None:
        kept = data or {}
        self._patterns = Groups.restore(kept.get("patterns", {}), budget=budget)
        self._paths = Groups.restore(kept.get("paths", {}), budget=budget, pattern=_path_of)

    def _of(self, url: str) -> Iterator[Groups]:
        yield self._patterns
        if "?" in url:
            yield self._paths

    def handed_out(self, url: str, depth: int, *, found_on: str = "") -> None:
        """Nothing; the page counts."""
        for groups in self._of(url):
            groups.handed_out(url, depth, found_on=found_on)

    def wants_text(self, url: str) -> bool:
        """Whether `note` is to be told of the page."""
        asked = [groups.wants_text(url) for groups in self._of(url)]
        return any(asked)

    def note(self, url: str, *, depth: int, likeness: int, exact: int, missing: bool) -> None:
        """Nothing; what a page says is weighed."""
        for groups in self._of(url):
            groups.note(url, depth=depth, likeness=likeness, exact=exact, missing=missing)

    def trap_of(self, url: str) -> str:
        """The name of the trap that the URL belongs to; empty where it belongs to none."""
        return next(filter(None, (groups.trap_of(url) for groups in self._of(url))), "")

    def refuse(self, url: str) -> None:
        """Nothing; a URL of a trap is counted as not fetched."""
        for groups in self._of(url):
            if groups.trap_of(url):
                groups.refuse(url)
                return

    def closed(self) -> list[Trap]:
        """The closed patterns and paths."""
        return [*self._patterns.closed(), *self._paths.closed()]

    @property
    def changed(self) -> bool:
        """Whether there is something to `dump`."""
        return self._patterns.changed or self._paths.changed

    def dump(self) -> dict[str, Any]:
        """What is known, as JSON can carry it."""
        return {"patterns": self._patterns.dump(), "paths": self._paths.dump()}


def _path_of(url: str) -> str:
    """The pattern of the path, with a query of any sort."""
    return pattern_of(url.partition("?")[0] + "?") + "*"
