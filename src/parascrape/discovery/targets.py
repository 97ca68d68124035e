"""Targets: what the links of pages lead to, worked out once for links that page after page repeats."""

from __future__ import annotations

from typing import NamedTuple

from parascrape.discovery.scope import Scope
from parascrape.discovery.shapes import trap_of, without_session
from parascrape.domains import site_of
from parascrape.html import absolute
from parascrape.identity import Identity, canonical

__all__ = ["MAX_KNOWN", "Base", "Target", "Targets"]

MAX_KNOWN = 50_000
"""Links, and places where links begin, that are remembered; then all are forgotten. 25 MB."""

_MAX_HREF, _MAX_TARGET = 300, 600
"""Characters of a link, and of what it leads to, that are worth remembering."""

_SPACE = "\x00\t\n\f\r "
_BY_THE_FILE = tuple("?" + _SPACE)
"""How links begin that the last segment of the base has a say in, or that must be looked at first."""


class Target(NamedTuple):
    """What a link leads to."""

    url: str  # fit to send, without its fragment
    key: int  # one for all spellings of the URL and all its session ids, in this process
    why_not: str  # see `Scope.why_not`
    trap: str  # see `shapes.trap_of`


class Base:
    """What the relative links of one document begin with, and what was found out for links like its own."""

    __slots__ = ("_beside", "_encoding", "_rooted", "_site", "_targets", "_url")

    def __init__(self, targets: Targets, url: str, site: str, encoding: str):
        self._targets, self._url, self._site, self._encoding = targets, url, site, encoding
        self._beside = targets.remembered(url[: url.partition("?")[0].rfind("/") + 1], site, encoding)
        self._rooted = targets.remembered(url[: url.index("/", 8)], site, encoding)

    def lead(self, href: str) -> Target | None:
        """What this link, without its fragment, leads to; None where that is no http(s) URL."""
        if href.startswith(_BY_THE_FILE) or not href:
            return self._work_out(href)
        known = self._rooted if href.startswith(("/", "http://", "https://")) else self._beside
        try:
            return known[href]
        except KeyError:
            target = self._work_out(href)
            if len(href) <= _MAX_HREF and (target is None or len(target.url) <= _MAX_TARGET):
                self._targets.make_room()
                known[href] = target
            return target

    def _work_out(self, href: str) -> Target | None:
        url = _resolve(self._url, href, self._encoding)
        return None if url is None else self._targets.look_at(url, self._site)


class Targets:
    """What links lead to in one crawl, and whether that is in scope. For all threads of a process."""

    def __init__(self, scope: Scope, identity: Identity):
        self._scope, self._identity = scope, identity
        self._known: dict[tuple[str, str, str], dict[str, Target | None]] = {}
        self._count = 0

    def base(self, url: str, page_url: str, encoding: str = "utf-8") -> Base:
        """The base of a document: its base URL, where it was found, and the encoding of its queries."""
        return Base(self, url.partition("#")[0], site_of(page_url), encoding)

    def look_at(self, url: str, page_site: str) -> Target:
        """All there is to know of a prepared URL that a page of this site links to."""
        return Target(url, self.key(url), self._scope.why_not(url, page_site), trap_of(url))

    def key(self, url: str) -> int:
        """64 bits that all spellings of a prepared URL have in common, for this process only."""
        return hash(canonical(without_session(url), self._identity))

    def remembered(self, start: str, site: str, encoding: str) -> dict[str, Target | None]:
        """What is known of links that begin there, for pages of that site."""
        known = self._known.get((start, site, encoding))
        if known is None:
            self.make_room()
            known = self._known[start, site, encoding] = {}
        return known

    def make_room(self) -> None:
        """One entry more will be remembered."""
        self._count += 1
        if self._count > MAX_KNOWN:
            self._count = 0
            self._known = {}


def _resolve(base: str, href: str, encoding: str) -> str | None:
    """The http(s) URL that a link means; neither link nor base has a fragment."""
    bare = href.strip(_SPACE)
    if not bare:
        return base
    if bare == "?":  # urljoin leaves the base's query in its place
        return base.partition("?")[0] + "?"
    return absolute(base, bare, encoding)
