"""Link extractor: the links of a page that belong to the crawl, and why the others do not.

    page -> sources: (kind, href, nofollow, element) -> resolver: ResolvedLink
         -> LinkFilter: followed, held back, left out -> DiscoveredLinks

Links stand in <a>, <area>, <iframe>, <frame>, <link rel="next prev alternate">, <meta http-equiv="refresh">
and the headers Link and Refresh. The pages of a site repeat their links, so resolved links are cached, and a
link that this process has reported to the parent is not reported again.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from parascrape.crawling.links.resolver import LinkResolver, ResolvedLink, prepared
from parascrape.crawling.links.rules import LinkRules, Priority, priority_of, ranks_of
from parascrape.crawling.links.sources import (
    LinkSource,
    anchor_text,
    canonical_of,
    links_in_headers,
    links_in_markup,
    select_elements,
)
from parascrape.errors import InvalidUrl, ScrapeError, TooComplex, UsageError
from parascrape.scrapers import NO_LINKS, DiscoveredLinks, FollowRequest
from parascrape.web import Page, prepare, site_of

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

MAX_LINKS = 20_000  # links of a page that are followed, and lines of the graph; the rest is ``too_many``
MAX_CHARACTERS = 8_000_000  # of them, and of the graph's lines: a long <base> makes every URL long
MAX_TRAPS = 20  # URLs of one page that look like traps and are reported to the parent; all are counted
MAX_SENT = 200_000  # sent links that are kept, 130 bytes each; then all are dropped, and sent once more

_Sender = tuple[int, int]  # a page's key and depth


class SentLinks:
    """The links of a crawl that this process has sent to the parent, with the page that sent each.

    Thread-safe. A page's links count as sent when the same thread begins its next page: a thread that the
    executor abandons at a deadline begins none, and the outcome of its page is dropped.
    """

    def __init__(self) -> None:
        self._senders: dict[int, _Sender] = {}
        self._thread = threading.local()

    def unsent(self, page: int, depth: int, links: Iterable[int]) -> set[int]:
        """Return the links (64-bit keys) that no other page of this depth or less has sent.

        A page that is tried again sends again what it sent before.
        """
        self._settle(page)
        senders = self._senders
        new: set[int] = set()
        for link in links:
            sender = senders.get(link)
            if sender is None or sender[0] == page or sender[1] > depth:
                new.add(link)
        self._thread.sending = ((page, depth), new)
        return new

    def take_back(self) -> None:
        """See `LinkExtractor.take_back`."""
        self._thread.sending = None

    def _settle(self, page: int) -> None:
        """Count the links of this thread's last page as sent, unless this is that page again."""
        sender, links = getattr(self._thread, "sending", None) or ((page, 0), ())
        if sender[0] == page:
            return
        if len(self._senders) + len(links) > MAX_SENT:
            self._senders = {}
        senders = self._senders
        for link in links:
            if senders.setdefault(link, sender)[1] > sender[1]:
                senders[link] = sender


class LinkExtractor:
    """Finds the links of a crawl's pages, for all threads of a process.

    It caches resolved links and keeps which were sent. Pickled, it is its rules only: a worker process
    unpickles the hook once for a run, and so begins with an empty memory that lasts for that run.
    """

    def __init__(self, rules: LinkRules) -> None:
        self.rules = rules
        self._resolver = LinkResolver(rules.scope, rules.identity)
        self._sent = SentLinks()

    def __reduce__(self) -> tuple[type[LinkExtractor], tuple[LinkRules]]:
        return LinkExtractor, (self.rules,)

    @cached_property
    def _priority(self) -> Priority | None:
        try:
            return priority_of(self.rules)
        except UsageError as error:  # it was checked when the run began, so the file has changed since
            raise ScrapeError(str(error)) from error

    def take_back(self) -> None:
        """Count the links of this thread's last page as not sent: its outcome was lost."""
        self._sent.take_back()

    def links_of(self, page: Page, depth: int = 0, canonical: str | None = None) -> DiscoveredLinks:
        """Return where the page leads: each URL once, in document order, without the page itself.

        Without edges and ranks, links are left out that this process has sent for another page at this
        ``depth`` or nearer to the start. ``canonical`` is the page's `canonical_of`, if known. A page that is
        not HTML, or too complex to parse, has the links of its headers. 0.35 ms for 80 KB with 200 links.

        Raises:
            ScrapeError: the user's priority raised an exception, or returned no number.
        """
        own = prepared(page.final_url)
        if own is None:
            return NO_LINKS
        priority = self._priority
        nodes = select_elements(page, self.rules)
        base = _base_of(page, own, nodes, self.rules)
        links = LinkFilter(self.rules, self._resolver, page, own, base)
        if not self.rules.follow:
            for one in links_in_headers(page, own):
                links.add(one)
        for one in links_in_markup(nodes, base == own):
            links.add(one)
        canonical = canonical_of(page) if canonical is None else canonical
        leads = links.add_canonical(canonical) if canonical else []
        left_out = links.left_out()
        ranks: tuple[float, ...] = ()
        if priority is not None:
            ranks = ranks_of(priority, links.followed.values(), page)
        elif not self.rules.edges:
            links.keep(self._sent.unsent(hash(page.url), depth, [*links.followed, *links.trapped]))
        return DiscoveredLinks(
            links="\n".join(links.followed.values()),
            leads=(*leads, *links.trapped.values()),
            ranks=ranks,
            edges="\n".join(links.edges),
            filtered=left_out or None,
        )


def _base_of(page: Page, own: str, nodes: list[LexborNode], rules: LinkRules) -> str:
    """Return the base URL of the page's relative links. Searching for <base> is a second walk."""
    if not rules.follow and all(node.tag != "base" for node in nodes):
        return own
    with suppress(TooComplex, InvalidUrl):
        return prepare(page.base_url)
    return own


class LinkFilter:
    """Sorts the links of one page, added one by one: followed, trapped, or left out and counted."""

    def __init__(self, rules: LinkRules, resolver: LinkResolver, page: Page, own: str, base: str):
        self.followed: dict[int, str] = {}
        self.trapped: dict[int, FollowRequest] = {}
        self.edges: list[str] = []
        self._rules = rules
        self._out: dict[int, str] = {}  # the reason for each that is left out
        self._held: set[int] = set()  # targets of links that ask not to be followed
        self._drawn: set[tuple[str, str]] = set()
        self._met: set[str] = set()  # links that stood on the page before, in the same words
        self._characters = self._drawn_characters = self._undrawn = 0
        self._site = site_of(own)
        self._resolver = resolver
        self._asks = "nofollow" in page.robots(rules.user_agent)
        self._in_markup = resolver.base(base, own, page.encoding if page.is_html else "utf-8")
        self._in_header = resolver.base(own, own)
        self._own = {resolver.key(own), resolver.key(prepared(page.url) or own)}

    def add(self, one: LinkSource) -> None:
        """Sort one link."""
        _, href, nofollow, node = one
        if "#" in href:  # links within a manual are ten times as many with their fragments
            href = href[: href.index("#")]
        if not (nofollow or node is None or self._rules.edges):
            if href in self._met:
                return
            self._met.add(href)
        target = (self._in_header if node is None else self._in_markup).lead(href)
        if target is None or target.key in self._own:
            return
        if self._rules.edges:
            self._draw(one, target)
        if target.why_not:
            self._out.setdefault(target.key, target.why_not)
        elif self._rules.nofollow and (nofollow or self._asks):
            self._held.add(target.key)
        elif target.trap:
            self._trap(target)
        elif target.key not in self.followed:
            self._follow(target)

    def add_canonical(self, url: str) -> list[FollowRequest]:
        """Sort the page's canonical URL, and return the request for it unless it is the page's own."""
        target = self._resolver.look_at(url, self._site)
        if target.key in self._own:
            return []
        if self._rules.edges:
            self._draw(("canonical", url, False, None), target)
        if target.why_not:
            self._out.setdefault(target.key, target.why_not)
        elif target.trap:
            self._trap(target)
        else:
            return [FollowRequest(url, "canonical")]
        return []

    def keep(self, keys: set[int]) -> None:
        """Drop the followed and trapped links that are not among these."""
        self.followed = {key: url for key, url in self.followed.items() if key in keys}
        self.trapped = {key: lead for key, lead in self.trapped.items() if key in keys}

    def left_out(self) -> dict[str, int]:
        """Return how many URLs are left out, by the reason, without those that another link follows."""
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

    def _draw(self, one: LinkSource, target: ResolvedLink) -> None:
        """Add the graph's line for the first link of a kind to this URL."""
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
