"""Traps: what looks endless in a crawl, by the patterns of its URLs, and by paths whatever is asked of them.

The combinations of a dozen filters are thousands of patterns, each with few pages; but all are of one path.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, Self

from parascrape.crawling.links.near_duplicates import NEAR, distance
from parascrape.crawling.links.url_patterns import looks_dated, pattern_of

__all__ = ["MAX_PATTERNS", "TRAP_BUDGET", "Trap", "Traps", "UrlPatternStats"]

TRAP_BUDGET = 1000
"""Pages of a suspected pattern that are fetched."""

MAX_PATTERNS = 20_000
"""Open patterns that are remembered; beyond them the one longest unheard of is forgotten. 10 MB."""

_WINDOW = 30  # pages read for a verdict
_ASKED = 40  # that are read for it at once, as some fail
_FIRST = 20  # pages of a pattern before its first window
_ALIKE = 0.9  # of a window
_LEVELS = 50  # of depth, at least, over which a chain goes on
_A_LEVEL = 3  # pages a level that a chain stays below on average
_FROM_ITSELF = 0.8  # of a chain's pages, found on pages of the chain
_BARREN = 0.5  # pages of other patterns, for each of a chain, that are found on it first

_UNSAVED = 1000  # pages handed out whose loss in a crash is no matter

_VARIETY = 8
"""Sets of parameters with which a path is asked for, from which on they are combined at will."""


class Trap(NamedTuple):
    """A pattern that is closed.

    ``name`` is query_variations, soft_404, duplicate_pages, calendar or endless_chain; ``pages`` were handed
    out before and ``refused`` URLs were not; ``example`` is a URL of the former.
    """

    pattern: str
    name: str
    pages: int
    example: str
    refused: int


@dataclass(slots=True)
class _Group:
    """What is known of a pattern; the window's samples are hashes in pairs, likeness and exact."""

    pages: int = 0
    first_depth: int = 0
    last_depth: int = 0
    told: int = 0  # pages of which it is known where they were found
    own: int = 0  # those of them found on pages of the same pattern
    others: int = 0  # pages of other patterns, found on pages of this one
    next_window: int = _FIRST  # pages after which it is open
    suspicion: str = ""
    limit: int = 0  # pages that a suspected one may have
    asked: int = 0  # pages wanted for the window
    missing: int = 0
    variety: set[int] = field(default_factory=set)  # of its URLs, the patterns
    samples: array[int] = field(default_factory=lambda: array("Q"))

    def is_chain(self) -> bool:
        """Whether its pages lead to one another: over 50 levels and more, few to a level."""
        levels = self.last_depth - self.first_depth + 1
        from_itself = self.own >= _FROM_ITSELF * self.told
        return levels >= _LEVELS and self.pages < _A_LEVEL * levels and from_itself

    def is_barren(self) -> bool:
        """Whether its pages lead to hardly anything else; listings lead to what they list."""
        return self.others < _BARREN * self.pages

    def end_window(self) -> None:
        """Nothing; the next one begins after twice the pages, sooner where it would confirm a suspicion."""
        doubled = 2 * self.pages
        self.next_window = min(doubled, max(self.limit, self.pages + 1)) if self.suspicion else doubled
        self.asked = 0
        del self.samples[:]
        self.missing = 0


class UrlPatternStats:
    """The evidence about patterns, and those that are closed. A call takes 1 to 5 us; not for threads.

    ``budget`` is the number of pages that a suspected pattern may have in all, zero for any number. Where
    the suspicion comes when more have been handed out, it may have as many again. A pattern is closed at the
    end of a window, so about 30 pages and what is in flight come on top.
    """

    def __init__(
        self,
        *,
        budget: int = TRAP_BUDGET,
        patterns: int = MAX_PATTERNS,
        pattern: Callable[[str], str] = pattern_of,
    ):
        self._pattern = lru_cache(256)(pattern)
        self._budget = budget
        self._most = patterns
        self._open: OrderedDict[str, _Group] = OrderedDict()
        self._closed: dict[str, Trap] = {}
        self._unsaved = 0

    def handed_out(self, url: str, depth: int, *, found_on: str = "") -> None:
        """Nothing; the page counts. ``found_on`` is the page that led to it, empty where that is unknown.

        Where it is known, no chain of listings is taken for an endless one, nor what they list, a few each.
        """
        self._unsaved += 1
        pattern = self._pattern(url)
        if pattern in self._closed:
            trap = self._closed[pattern]
            self._closed[pattern] = trap._replace(pages=trap.pages + 1)
            return
        group = self._group(pattern, depth)
        group.pages += 1
        group.first_depth = min(group.first_depth, depth)
        group.last_depth = max(group.last_depth, depth)
        if len(group.variety) < _VARIETY:
            group.variety.add(hash(pattern_of(url)))
        if found_on:
            self._led(self._pattern(found_on), pattern, group)

    def _led(self, parent: str, pattern: str, group: _Group) -> None:
        group.told += 1
        if parent == pattern:
            group.own += 1
        elif parent in self._open:
            self._open[parent].others += 1

    def _group(self, pattern: str, depth: int) -> _Group:
        group = self._open.get(pattern)
        if group is None:
            group = self._open[pattern] = _Group(first_depth=depth, last_depth=depth)
            if len(self._open) > self._most:
                self._open.popitem(last=False)
        else:
            self._open.move_to_end(pattern)
        return group

    def wants_text(self, url: str) -> bool:
        """Whether `note` is to be told of the page: while a window of its pattern is open.

        Asked for once a page. What a page says costs its worker 1 ms, and many are handed out before the
        first comes back: so the window's pages and some more are wanted, and then each eighth.
        """
        group = self._open.get(self._pattern(url)) if self._budget else None
        if group is None or group.pages < group.next_window:
            return False
        group.asked += 1
        return group.asked <= _ASKED or group.asked % 8 == 0

    def note(self, url: str, *, depth: int, likeness: int, exact: int, missing: bool) -> None:
        """Nothing; what a page says, by the functions of `likeness`, is weighed. For answers of success only.

        An ``exact`` of zero (no words, or not worked out) is no evidence, nor is a page outside a window.
        """
        group = self._open.get(self._pattern(url))
        if group is None or not exact or not self._budget or group.pages < group.next_window:
            return
        group.last_depth = max(group.last_depth, depth)
        group.samples.extend((likeness, exact))
        group.missing += missing
        if len(group.samples) >= 2 * _WINDOW:
            self._weigh(url, group)

    def _weigh(self, url: str, group: _Group) -> None:
        """Nothing; the window's verdict is the pattern's state. One that is confirmed closes it."""
        self._unsaved += _UNSAVED
        verdict = _verdict(url, group)
        if verdict and not group.suspicion:
            in_time = group.pages <= self._budget + _FIRST + _WINDOW
            group.limit = self._budget if in_time else group.pages + self._budget
        group.suspicion = verdict
        if verdict and group.pages >= group.limit:
            pattern = self._pattern(url)
            self._closed[pattern] = Trap(pattern, verdict, group.pages, url, 0)
            del self._open[pattern]
        else:
            group.end_window()

    def trap_of(self, url: str) -> str:
        """The name of the trap that the URL belongs to; empty where its pattern is open."""
        trap = self._closed.get(self._pattern(url)) if self._closed else None
        return trap.name if trap else ""

    def refuse(self, url: str) -> None:
        """Nothing; a URL of a closed pattern is counted as not fetched."""
        trap = self._closed.get(self._pattern(url))
        if trap is not None:
            self._unsaved += _UNSAVED
            self._closed[trap.pattern] = trap._replace(refused=trap.refused + 1)

    def closed(self) -> list[Trap]:
        """The closed patterns, in the order in which they were closed."""
        return list(self._closed.values())

    @property
    def changed(self) -> bool:
        """Whether there is something to `dump`: a verdict, a refusal, or 1,000 pages more."""
        return self._unsaved >= _UNSAVED

    def dump(self) -> dict[str, Any]:
        """What is known, as JSON can carry it, for `restore`. 2 us a pattern; nothing is `changed` after it.

        Left out are the samples of windows that are open, and patterns that no window has been open for.
        """
        self._unsaved = 0
        kept = [(pattern, one) for pattern, one in self._open.items() if one.pages >= _FIRST]
        return {
            "open": [[pattern, *(getattr(one, name) for name in _KEPT)] for pattern, one in kept],
            "closed": [list(trap) for trap in self._closed.values()],
        }

    @classmethod
    def restore(
        cls,
        data: Mapping[str, Any],
        *,
        budget: int = TRAP_BUDGET,
        patterns: int = MAX_PATTERNS,
        pattern: Callable[[str], str] = pattern_of,
    ) -> Self:
        """The groups as `dump` gave them, none of an empty mapping.

        With another budget, closed patterns that have not had so many pages are open again.

        Raises:
            ValueError, TypeError: the data is not from `dump`.
        """
        groups = cls(budget=budget, patterns=patterns, pattern=pattern)
        for pattern, *values in data.get("open", ()):
            groups._open[str(pattern)] = _Group(**dict(zip(_KEPT, values, strict=True)))
        for values in data.get("closed", ()):
            trap = Trap(*values)
            if budget and trap.pages >= budget:
                groups._closed[trap.pattern] = trap
            else:
                again = _Group(pages=trap.pages, suspicion=trap.name, limit=budget, next_window=budget)
                groups._open[trap.pattern] = again
        return groups


_KEPT = ("pages", "first_depth", "last_depth", "told", "own", "others", "next_window", "suspicion", "limit")


def _verdict(url: str, group: _Group) -> str:
    """What the pattern is suspected of after a whole window, empty for nothing.

    90 % of the pages say that nothing is there, or repeat an earlier page word for word: more of them bring
    nothing new. Or 90 % have their like within 3 bits, numbers left out, which a template without names has
    too, but the pattern is a chain: every page leads to the next, however far. A chain without dates must
    also lead to nothing else: pages of a listing may differ in numbers only. A path that is asked for with
    ever other sets of parameters, and gives what is alike, need not be a chain.
    """
    likenesses, exact = group.samples[::2], group.samples[1::2]
    count = len(exact)
    repeated = count - len(set(exact)) >= _ALIKE * count - 1
    if group.missing >= _ALIKE * count or (repeated and 2 * group.missing > count):
        return "soft_404"
    if repeated:
        return "query_variations" if "?" in url else "duplicate_pages"
    combined = len(group.variety) >= _VARIETY
    if not (combined or group.is_chain()) or _near_twins(likenesses) < _ALIKE * count:
        return ""
    if combined:
        return "query_variations"
    if looks_dated(url):
        return "calendar"
    return "endless_chain" if group.is_barren() else ""


def _near_twins(likenesses: array[int]) -> int:
    """How many have another one within 3 bits: the Novembers of a calendar are alike, not all its months."""
    twins: set[int] = set()
    for here, one in enumerate(likenesses):
        for there in range(here):
            if distance(one, likenesses[there]) <= NEAR:
                twins.update((here, there))
    return len(twins)


class Traps:
    """Both views of what is crawled; its functions are those of `UrlPatternStats`."""

    def __init__(self, *, budget: int = TRAP_BUDGET, data: Mapping[str, Any] | None = None) -> None:
        kept = data or {}
        self._patterns = UrlPatternStats.restore(kept.get("patterns", {}), budget=budget)
        self._paths = UrlPatternStats.restore(kept.get("paths", {}), budget=budget, pattern=_path_of)

    def _of(self, url: str) -> Iterator[UrlPatternStats]:
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
