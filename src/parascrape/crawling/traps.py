"""Crawler traps: endless parts of a site, found by the evidence about URL patterns and about paths.

A filter page with a dozen options has thousands of URL patterns with few pages each, but all have one path.
So a URL with a query counts twice: for its pattern, and for its path with any query.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple

from parascrape.crawling.links.near_duplicates import NEAR
from parascrape.crawling.links.url_patterns import looks_dated, pattern_of

TRAP_BUDGET = 1000  # pages of a suspected pattern that are fetched
MAX_PATTERNS = 40_000  # open patterns that are kept, 20 MB; then the least recently used one is forgotten
_WINDOW = 30  # pages that are compared for a verdict
_ASKED = 40  # pages that are requested for a window, as some fail
_FIRST = 20  # pages of a pattern before its first window
_ALIKE = 0.9  # share of a window that must be alike
_LEVELS = 50  # depths that an endless chain spans at least
_A_LEVEL = 3  # pages per depth that a chain stays below on average
_FROM_ITSELF = 0.8  # share of a chain's pages that are linked from the chain
_BARREN = 0.5  # pages of other patterns first found on the chain, per page of it
_UNSAVED = 1000  # pages that a crash may lose from the counts
_VARIETY = 8  # sets of query parameters of one path; from here on they are combined at will


class Trap(NamedTuple):
    """A closed pattern.

    ``name`` is query_variations, soft_404, duplicate_pages, calendar or endless_chain. ``pages`` were handed
    out before it was closed, ``refused`` URLs were not fetched; ``example`` is one of the pages.
    """

    pattern: str
    name: str
    pages: int
    example: str
    refused: int


@dataclass(slots=True)
class _Evidence:
    """The evidence about an open pattern; a window's samples are pairs of hashes, likeness and exact."""

    pages: int = 0
    first_depth: int = 0
    last_depth: int = 0
    told: int = 0  # pages whose linking page is known
    own: int = 0  # pages linked from the same pattern
    others: int = 0  # pages of other patterns linked from this one
    next_window: int = _FIRST  # the window opens after so many pages
    suspicion: str = ""
    limit: int = 0  # pages that a suspected pattern may have
    asked: int = 0  # pages requested for the window
    missing: int = 0
    variety: set[int] = field(default_factory=set)  # hashes of the URL patterns of a path
    samples: array[int] = field(default_factory=lambda: array("Q"))

    def count(self, depth: int, pattern: str) -> None:
        """Count a page at this depth."""
        self.pages += 1
        self.first_depth = min(self.first_depth, depth)
        self.last_depth = max(self.last_depth, depth)
        if len(self.variety) < _VARIETY:
            self.variety.add(hash(pattern))

    def end_window(self) -> None:
        """Close the window; the next one opens after twice the pages, or where it can confirm a suspicion."""
        doubled = 2 * self.pages
        self.next_window = min(doubled, max(self.limit, self.pages + 1)) if self.suspicion else doubled
        self.asked = self.missing = 0
        del self.samples[:]

    def verdict(self, url: str) -> str:
        """Return the name of the trap that a full window shows, or an empty string.

        - 90 % of the pages say "not found", or repeat an earlier page word for word.
        - 90 % have a near duplicate (3 bits, numbers ignored) and the pattern is a chain: each page leads to
          the next, however far. Templates without names are near duplicates too, so this alone is not enough.
          A chain without dates must also lead to nothing else: listings may differ in numbers only.
        - 90 % have a near duplicate, and the path is requested with ever new sets of query parameters.
        """
        likenesses, exact = self.samples[::2], self.samples[1::2]
        count = len(exact)
        repeated = count - len(set(exact)) >= _ALIKE * count - 1
        if self.missing >= _ALIKE * count or (repeated and 2 * self.missing > count):
            return "soft_404"
        if repeated:
            return "query_variations" if "?" in url else "duplicate_pages"
        combined = len(self.variety) >= _VARIETY
        if not (combined or self._is_chain()) or _near_twins(likenesses) < _ALIKE * count:
            return ""
        if combined:
            return "query_variations"
        if looks_dated(url):
            return "calendar"
        return "endless_chain" if self.others < _BARREN * self.pages else ""

    def _is_chain(self) -> bool:
        """Whether the pages lead to one another: over 50 depths and more, few pages at each."""
        levels = self.last_depth - self.first_depth + 1
        from_itself = self.own >= _FROM_ITSELF * self.told
        return levels >= _LEVELS and self.pages < _A_LEVEL * levels and from_itself


class Traps:
    """The evidence about patterns and paths, and the closed ones. Not thread-safe; a call takes 1 to 10 us.

    ``budget`` is how many pages a suspected pattern may have in all, 0 for no limit. If more were handed out
    before the suspicion, it may have as many again. A pattern is closed at the end of a window, so about 30
    pages and those in flight are added. ``data`` is an earlier `dump`; with a larger budget than before,
    closed patterns are opened again.

    Raises:
        ValueError, TypeError: ``data`` is not from `dump`.
    """

    def __init__(
        self,
        *,
        budget: int = TRAP_BUDGET,
        data: Mapping[str, Any] | None = None,
        max_patterns: int = MAX_PATTERNS,
    ) -> None:
        self._budget = budget
        self._most = max_patterns
        self._open: OrderedDict[str, _Evidence] = OrderedDict()
        self._closed: dict[str, Trap] = {}
        self._unsaved = 0
        for part in (data or {}).values():
            for pattern, *values in part.get("open", ()):
                self._open[str(pattern)] = _Evidence(**dict(zip(_SAVED, values, strict=True)))
            for trap in map(Trap._make, part.get("closed", ())):
                if budget and trap.pages >= budget:
                    self._closed[trap.pattern] = trap
                else:
                    again = _Evidence(trap.pages, suspicion=trap.name, limit=budget, next_window=budget)
                    self._open[trap.pattern] = again

    def handed_out(self, url: str, depth: int, *, found_on: str = "") -> None:
        """Count a page. ``found_on`` is the page that linked to it, empty if unknown.

        Linking pages tell endless chains from long listings and what these list.
        """
        self._unsaved += 1
        keys = _keys_of(url)
        parents = _both_keys(found_on) if found_on else ("", "")
        for key, parent in zip(keys, parents, strict=False):
            if key in self._closed:
                trap = self._closed[key]
                self._closed[key] = trap._replace(pages=trap.pages + 1)
                continue
            evidence = self._open.get(key)
            if evidence is None:
                evidence = self._open[key] = _Evidence(first_depth=depth, last_depth=depth)
                if len(self._open) > self._most:
                    self._open.popitem(last=False)
            else:
                self._open.move_to_end(key)
            evidence.count(depth, keys[0])
            if parent:
                evidence.told += 1
                evidence.own += parent == key
                if parent != key and parent in self._open:
                    self._open[parent].others += 1

    def wants_text(self, url: str) -> bool:
        """Return whether `note` needs this page: while a window is open. Ask once for each page.

        Hashing a page costs its worker 1 ms, and many are handed out before the first comes back: so some
        more than a window's pages are requested, and then every eighth.
        """
        wanted = False
        for evidence in self._in_window(url):
            evidence.asked += 1
            wanted |= evidence.asked <= _ASKED or evidence.asked % 8 == 0
        return wanted

    def _in_window(self, url: str) -> list[_Evidence]:
        if not self._budget:
            return []
        found = filter(None, map(self._open.get, _keys_of(url)))
        return [evidence for evidence in found if evidence.pages >= evidence.next_window]

    def note(self, url: str, *, depth: int, likeness: int, exact: int, missing: bool) -> None:
        """Add the text hashes of a successful answer (see `near_duplicates`) to the evidence.

        Pages without an ``exact`` hash (no words) and pages outside a window do not count.
        """
        for evidence in self._in_window(url) if exact else ():
            evidence.last_depth = max(evidence.last_depth, depth)
            evidence.samples.extend((likeness, exact))
            evidence.missing += missing
        for key in _keys_of(url):
            full = self._open.get(key)
            if full is not None and len(full.samples) >= 2 * _WINDOW:
                self._judge(key, url, full)

    def _judge(self, key: str, url: str, evidence: _Evidence) -> None:
        """Set the suspicion by a full window; close the pattern if a suspicion is confirmed."""
        self._unsaved += _UNSAVED
        verdict = evidence.verdict(url)
        if verdict and not evidence.suspicion:
            in_time = evidence.pages <= self._budget + _FIRST + _WINDOW
            evidence.limit = self._budget if in_time else evidence.pages + self._budget
        evidence.suspicion = verdict
        if verdict and evidence.pages >= evidence.limit:
            self._closed[key] = Trap(key, verdict, evidence.pages, url, 0)
            del self._open[key]
        else:
            evidence.end_window()

    def refuse(self, url: str) -> str:
        """Count a URL that belongs to a trap; return the trap's name, or an empty string for other URLs."""
        for key in _keys_of(url) if self._closed else ():
            if (trap := self._closed.get(key)) is not None:
                self._unsaved += _UNSAVED
                self._closed[key] = trap._replace(refused=trap.refused + 1)
                return trap.name
        return ""

    def closed(self) -> list[Trap]:
        """Return the closed patterns and paths, in the order in which they were closed."""
        return list(self._closed.values())

    @property
    def changed(self) -> bool:
        """Whether a `dump` is due: after a verdict, a refusal, or 1,000 pages."""
        return self._unsaved >= _UNSAVED

    def dump(self) -> dict[str, Any]:
        """Return the evidence for JSON and `Traps(data=...)`, 2 us a pattern; afterwards not `changed`.

        Left out are the samples of open windows, and patterns with fewer than 20 pages.
        """
        self._unsaved = 0
        parts: dict[str, Any] = {name: {"open": [], "closed": []} for name in ("patterns", "paths")}

        def add(key: str, state: str, row: list[Any]) -> None:
            parts["paths" if key.endswith("?*") else "patterns"][state].append(row)

        for key, evidence in self._open.items():
            if evidence.pages >= _FIRST:
                add(key, "open", [key, *(getattr(evidence, name) for name in _SAVED)])
        for key, trap in self._closed.items():
            add(key, "closed", list(trap))
        return parts


_SAVED = ("pages", "first_depth", "last_depth", "told", "own", "others", "next_window", "suspicion", "limit")


@lru_cache(512)
def _keys_of(url: str) -> tuple[str, ...]:
    """Return the keys that a page counts for: its pattern and, if it has a query, its path."""
    if "?" not in url:
        return (pattern_of(url),)
    return tuple(dict.fromkeys(_both_keys(url)))


@lru_cache(512)
def _both_keys(url: str) -> tuple[str, str]:
    """Return the URL's pattern, and the pattern of its path with any query."""
    return pattern_of(url), pattern_of(url.partition("?")[0] + "?") + "*"


def _near_twins(likenesses: array[int]) -> int:
    """Count the hashes with another one within 3 bits: in a calendar all Novembers are alike."""
    pairs = combinations(enumerate(likenesses), 2)
    return len({n for (i, a), (j, b) in pairs if (a ^ b).bit_count() <= NEAR for n in (i, j)})
