"""The limits of a crawl: its scope, depth, page budgets, and what is kept of its links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from parascrape.crawling.links.rules import Scope
from parascrape.crawling.traps import TRAP_BUDGET
from parascrape.errors import InvalidUrl, UsageError
from parascrape.web import AS_SENT, CanonicalOptions, prepare

__all__ = ["CrawlLimits", "parse_budgets"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CrawlLimits:
    """Which of the found URLs are fetched. Counts are pages, 0 means no limit.

    ``depth`` counts links from a start URL or a sitemap's page; None: no limit. ``budgets`` are beginnings of
    URLs, each with its number of pages. ``best_first``: the order is by the links' ranks, not by depth.
    ``trap_budget`` is how many pages a suspected trap may have (`Traps`). ``sitemaps``: read those that
    robots.txt names. ``edges``: keep the pages' links. ``checks``: check links that are not followed, those
    of the ``site`` or ``all``; empty: none.

    Raises:
        UsageError: a value is out of range.
    """

    scope: Scope
    depth: int | None = None
    max_pages: int = 0
    max_per_host: int = 0
    budgets: tuple[tuple[str, int], ...] = ()
    identity: CanonicalOptions = AS_SENT
    sitemaps: bool = False
    best_first: bool = False
    trap_budget: int = TRAP_BUDGET
    edges: bool = False
    checks: str = ""

    def __post_init__(self) -> None:
        for name in ("depth", "max_pages", "max_per_host", "trap_budget"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise UsageError(f"{name}: {value} is less than 0")

    def limits(self) -> dict[str, Any]:
        """Return the limits that a later run may change; URLs that were refused for them are reconsidered."""
        budgets = [list(one) for one in self.budgets]
        return {"host": self.max_per_host, "budgets": budgets, "traps": self.trap_budget}

    def fixed(self) -> dict[str, Any]:
        """Return the options that decide which URLs a frontier contains, for JSON: they cannot change."""
        scope = self.scope
        return {
            "reach": scope.reach,
            "include": list(scope.include),
            "exclude": list(scope.exclude),
            "suffixes": sorted(scope.suffixes),
            "depth": self.depth,
            "ignore tracking": self.identity.drop_tracking,
            "ignore query order": self.identity.sort_query,
            "best first": self.best_first,
            "link graph": self.edges,
            "links checked": self.checks,
        }


def parse_budgets(texts: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Parse budgets such as ``https://example.org/forum/=500``. Raises UsageError."""
    return tuple(map(_parse_budget, texts))


def _parse_budget(text: str) -> tuple[str, int]:
    prefix, sign, count = text.rpartition("=")
    try:
        if not sign or not count.isascii() or not count.isdecimal():
            raise InvalidUrl("no number of pages")
        return prepare(prefix), int(count)
    except InvalidUrl as error:
        raise UsageError(f"--budget {text[:200]!r}: write URL=PAGES ({error})") from None
