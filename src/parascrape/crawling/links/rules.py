"""Rules: which of a page's links are looked for, and which of those are followed."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from parascrape.crawling.links.scope import Scope
from parascrape.errors import ScrapeError, TaskError, UsageError
from parascrape.executors import describe
from parascrape.scrapers import load, parse_selection
from parascrape.system import printable
from parascrape.web import AS_SENT, CanonicalOptions, Page

__all__ = ["LinkRules", "Priority", "check_selector", "priority_of", "ranks_of"]

Priority = Callable[[str, Page], float]
"""How much a URL, found on a page, is wanted: the higher, the sooner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRules:
    """What is looked for in every page of a crawl: plain values, the same in every process.

    ``follow`` holds CSS selectors: links are looked for only in or at the elements that these match, and
    everywhere without any. ``nofollow``: what asks robots not to follow it is not followed. ``edges``: the
    link graph is wanted. ``priority`` is a function ``(url, page) -> float`` or its reference, empty for
    breadth-first. ``frames``: pages in frames belong to the crawl. ``run`` tells one crawl from the next in
    the same process.

    Raises:
        UsageError: a selector that is none.
    """

    scope: Scope = field(default_factory=Scope)
    follow: tuple[str, ...] = ()
    nofollow: bool = True
    identity: CanonicalOptions = AS_SENT
    edges: bool = False
    priority: str | Priority = ""
    frames: bool = True
    user_agent: str = ""
    run: str = ""

    def __post_init__(self) -> None:
        for selector in self.follow:
            check_selector(selector)


def check_selector(selector: str) -> None:
    """Nothing, for a CSS selector of elements. Raises UsageError, in one line that names ``--follow``."""
    try:
        found = parse_selection(f"follow={selector}")
    except UsageError:
        found = None
    if found is None or found.selector != selector.strip():
        raise UsageError(
            f"--follow {printable(selector, 100)!r}: no CSS selector of elements, "
            "or one with a quote or bracket that is not closed"
        )


def priority_of(rules: LinkRules) -> Priority | None:
    """The function that ranks the links, None without one.

    Raises:
        UsageError: it cannot be had, or not be called with a URL and a page.
    """
    if not rules.priority:
        return None
    function: Any = rules.priority
    try:
        if isinstance(function, str):
            function = load(function)
        inspect.signature(function).bind("", None)
    except UsageError as error:
        why = str(error).removeprefix("scraper").lstrip(": ")
        raise UsageError(f"--priority: {why}") from error.__cause__
    except (TypeError, ValueError):
        name = printable(getattr(function, "__qualname__", repr(function)), 100)
        raise UsageError(f"--priority: {name} cannot be called with two arguments, URL and Page") from None
    ranking: Priority = function
    return ranking


def ranks_of(priority: Priority, found: Iterable[str], page: Page) -> tuple[float, ...]:
    """The rank of each URL, lower for what is wanted sooner: the priority's negative.

    Raises:
        ScrapeError: the function raised (the cause holds its stack), or what it gave is no number.
    """
    try:
        return tuple(-_number(priority(url, page)) for url in found)
    except ScrapeError:
        raise
    except BaseException as error:  # sys.exit() in a user's function is the page's failure, not the run's end
        failure = describe(error, skip=2)
        raise ScrapeError(f"--priority: {failure[1]}: {failure[0]}") from TaskError(*failure)


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or math.isnan(value):
        raise ScrapeError(f"--priority: gave {printable(repr(value), 60)}, not a number")
    return float(value)
