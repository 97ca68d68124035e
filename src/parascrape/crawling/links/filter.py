"""Sorting: what becomes of each link of one page: followed, held back, or filtered and counted."""

from __future__ import annotations

from collections import Counter

from parascrape.crawling.links.elements import anchor_text
from parascrape.crawling.links.resolver import LinkResolver, ResolvedLink
from parascrape.crawling.links.rules import LinkRules
from parascrape.crawling.links.sources import Occurrence
from parascrape.errors import InvalidUrl
from parascrape.scrapers import FollowRequest
from parascrape.web import Page, prepare, site_of

__all__ = ["MAX_CHARACTERS", "MAX_LINKS", "MAX_TRAPS", "LinkFilter"]

MAX_LINKS = 20_000
"""Links of one page that are followed, and lines of the graph; the rest is counted as ``too_many``."""

MAX_CHARACTERS = 8_000_000
"""Characters of them, and of the graph's lines: a long <base> makes every short link a long URL."""

MAX_TRAPS = 20
"""URLs of one page that look like traps and are told to the parent; all are counted."""


class LinkFilter:
    """What the links of one page come to, added one by one."""

    def __init__(self, rules: LinkRules, targets: LinkResolver, page: Page, own: str, base: str):
        self.rules = rules
        self.followed: dict[int, str] = {}
        self.trapped: dict[int, FollowRequest] = {}
        self.edges: list[str] = []
        self._out: dict[int, str] = {}  # the reason for each that is left out
        self._held: set[int] = set()  # what a link that asks not to be followed leads to
        self._drawn: set[tuple[str, str]] = set()
        self._met: set[str] = set()  # links that stand there already, in the same words
        self._characters = self._drawn_characters = self._undrawn = 0
        self._site = site_of(own)
        self._targets = targets
        self._asks = "nofollow" in page.robots(rules.user_agent)
        self._in_markup = targets.base(base, own, page.encoding if page.is_html else "utf-8")
        self._in_header = targets.base(own, own)
        self._own = {targets.key(own), targets.key(_prepared(page.url) or own)}

    def add(self, one: Occurrence) -> None:
        """One link, put where it belongs."""
        _, href, nofollow, node = one
        if "#" in href:  # a manual's links to one page are ten times as many with their fragments
            href = href[: href.index("#")]
        if not (nofollow or node is None or self.rules.edges):
            if href in self._met:
                return
            self._met.add(href)
        target = (self._in_header if node is None else self._in_markup).lead(href)
        if target is None or target.key in self._own:
            return
        if self.rules.edges:
            self._draw(one, target)
        if target.why_not:
            self._out.setdefault(target.key, target.why_not)
        elif self.rules.nofollow and (nofollow or self._asks):
            self._held.add(target.key)
        elif target.trap:
            self._trap(target)
        elif target.key not in self.followed:
            self._follow(target)

    def canonical(self, url: str) -> list[FollowRequest]:
        """What the page's canonical URL leads to: nothing where that is its own, or not to be fetched."""
        target = self._targets.look_at(url, self._site)
        if target.key in self._own:
            return []
        if self.rules.edges:
            self._draw(("canonical", url, False, None), target)
        if target.why_not:
            self._out.setdefault(target.key, target.why_not)
        elif target.trap:
            self._trap(target)
        else:
            return [FollowRequest(url, "canonical")]
        return []

    def filtered(self) -> dict[str, int]:
        """How many URLs are left out, by the reason; one that some link may follow is not."""
        counts = Counter(self._out.values())
        counts["nofollow"] = len(self._held.difference(self.followed, self._out))
        counts["edges_too_many"] = self._undrawn
        return dict(+counts)

    def _follow(self, target: ResolvedLink) -> None:
        self._characters += len(target.url) + 1
        if len(self.followed) < MAX_LINKS and self._characters <= MAX_CHARACTERS:
            self.followed[target.key] = target.url
        else:
            self._out[target.key] = "too_many"

    def _trap(self, target: ResolvedLink) -> None:
        name = f"trap:{target.trap}"
        self._out[target.key] = name
        if len(self.trapped) < MAX_TRAPS:
            self.trapped.setdefault(target.key, FollowRequest(target.url, name))

    def _draw(self, one: Occurrence, target: ResolvedLink) -> None:
        """The graph's line of a link, for the first of its kind to this URL."""
        kind, _, nofollow, node = one
        if (kind, target.url) in self._drawn:
            return
        if len(self.edges) >= MAX_LINKS or self._drawn_characters >= MAX_CHARACTERS:
            self._undrawn += 1
            return
        self._drawn.add((kind, target.url))
        flags = "n" * nofollow + "x" * bool(target.why_not) + "t" * bool(target.trap) + "p" * self._asks
        text = anchor_text(node) if node is not None else ""
        line = f"{kind}\t{flags or '-'}\t{target.url}\t{text}"
        self._drawn_characters += len(line)
        self.edges.append(line)


def _prepared(url: str) -> str:
    try:
        return prepare(url)
    except InvalidUrl:
        return ""
