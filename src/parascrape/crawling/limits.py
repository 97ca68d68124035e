"""The plan of a crawl: how far it goes, and what it may have of a site."""

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
    """What of all that is found is fetched; counts are of pages, 0 means any number.

    ``depth`` is in links from a start URL or from what a sitemap names; None: any. ``budgets`` are the
    beginnings of URLs with the pages that each may have. ``best_first``: the links' ranks say what comes
    next, not their depth. ``trap_budget`` is what a suspected trap may have before it is closed (`groups`);
    0: never. ``sitemaps``: those that robots.txt names are read. ``edges``: the pages' links are kept.
    ``checks``: links that are not followed are looked at: of the ``site``, of ``all``; empty: none.

    Raises:
        UsageError: a value is out of its range.
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
        """What a later run may have otherwise: what was refused for it is looked at again."""
        budgets = [list(one) for one in self.budgets]
        return {"host": self.max_per_host, "budgets": budgets, "traps": self.trap_budget}

    def fixed(self) -> dict[str, Any]:
        """What a frontier was made by, as JSON has it: with other options it would be another one."""
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
    """The budgets that ``https://example.org/forum/=500`` and the like say.

    Raises:
        UsageError: one is not written so.
    """
    return tuple(map(_parse_budget, texts))


def _parse_budget(text: str) -> tuple[str, int]:
    prefix, sign, count = text.rpartition("=")
    try:
        if not sign or not count.isascii() or not count.isdecimal():
            raise InvalidUrl("no number of pages")
        return prepare(prefix), int(count)
    except InvalidUrl as error:
        raise UsageError(f"--budget {text[:200]!r}: write URL=PAGES ({error})") from None
