"""Targets: what the links of pages lead to, worked out once for links that page after page repeats."""

from __future__ import annotations

import re
from typing import NamedTuple

from parascrape.crawling.links.scope import Scope
from parascrape.crawling.links.url_patterns import identity_of, trap_of
from parascrape.errors import InvalidUrl
from parascrape.web import CanonicalOptions, absolute, prepare, site_of

__all__ = ["MAX_KNOWN", "BaseUrl", "LinkResolver", "ResolvedLink"]

MAX_KNOWN = 50_000
"""Links, with the places where they begin, and as many URLs, that are remembered; then all of the one or the
other are forgotten. 30 MB.
"""

_MAX_HREF, _MAX_TARGET = 300, 600
"""Characters of a link, and of what it leads to, that are worth remembering."""

_PATH = r"(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*+(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*+)*+/?)"
_QUERY = r"(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/?-]++)?"
_PLAIN = re.compile(rf"(/|(?:\.\./)*+)({_PATH}{_QUERY})")
"""What most links look like: put behind the directory that it counts from, it is the URL, fit to send."""

_ABSOLUTE = re.compile(rf"https?://[a-z0-9.-]++(?::[0-9]++)?/{_PATH}?{_QUERY}")
"""What needs no base."""

_SPACE = "\x00\t\n\f\r "
_BY_THE_FILE = tuple("?" + _SPACE)
"""How links begin that the last segment of the base has a say in, or that must be looked at first."""


class ResolvedLink(NamedTuple):
    """What a link leads to."""

    url: str  # fit to send, without its fragment
    key: int  # one for all spellings of the URL and all its session ids, in this process
    why_not: str  # see `Scope.why_not`
    trap: str  # see `shapes.trap_of`


class BaseUrl:
    """What the relative links of one document begin with, and what was found out for links like its own."""

    __slots__ = ("_beside", "_directories", "_encoding", "_rooted", "_site", "_targets", "_url")

    def __init__(self, targets: LinkResolver, url: str, site: str, encoding: str):
        self._targets, self._url, self._site, self._encoding = targets, url, site, encoding
        directory = url[: url.partition("?")[0].rfind("/") + 1]
        self._directories = _directories(directory)
        self._beside = targets.remembered(directory, site, encoding)
        self._rooted = targets.remembered(url[: url.index("/", 8)], site, encoding)

    def lead(self, href: str) -> ResolvedLink | None:
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

    def _work_out(self, href: str) -> ResolvedLink | None:
        url = self._resolve(href)
        return None if url is None else self._targets.look_at(url, self._site)

    def _resolve(self, href: str) -> str | None:
        """What `absolute` gives for the link, in a tenth of its time for what most links look like."""
        if len(href) <= _MAX_HREF:
            if plain := _PLAIN.fullmatch(href):
                up = -1 if plain[1] == "/" else len(plain[1]) // 3
                if self._directories and up < len(self._directories):
                    return self._directories[up] + plain[2]
            elif _ABSOLUTE.fullmatch(href):
                return _prepared(href)
        return _resolve(self._url, href, self._encoding)


class LinkResolver:
    """What links lead to in one crawl, and whether that is in scope. For all threads of a process."""

    def __init__(self, scope: Scope, identity: CanonicalOptions):
        self._scope, self._identity = scope, identity
        self._known: dict[tuple[str, str, str], dict[str, ResolvedLink | None]] = {}
        self._count = 0
        self._seen: dict[tuple[str, str], ResolvedLink] = {}

    def base(self, url: str, page_url: str, encoding: str = "utf-8") -> BaseUrl:
        """The base of a document: its base URL, where it was found, and the encoding of its queries."""
        return BaseUrl(self, url.partition("#")[0], site_of(page_url), encoding)

    def look_at(self, url: str, page_site: str) -> ResolvedLink:
        """All there is to know of a prepared URL that a page of this site links to. 0.2 us, 7 us at first."""
        target = self._seen.get((url, page_site))
        if target is None:
            target = ResolvedLink(url, self.key(url), self._scope.why_not(url, page_site), trap_of(url))
            if len(url) <= _MAX_TARGET:
                if len(self._seen) >= MAX_KNOWN:
                    self._seen = {}
                self._seen[url, page_site] = target
        return target

    def key(self, url: str) -> int:
        """64 bits that all spellings of a prepared URL have in common, for this process only."""
        return hash(identity_of(url, self._identity))

    def remembered(self, start: str, site: str, encoding: str) -> dict[str, ResolvedLink | None]:
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


def _prepared(url: str) -> str | None:
    try:
        return prepare(url)
    except InvalidUrl:
        return None


def _directories(directory: str) -> list[str]:
    """The directory, the one above it, and so on up to the root; none where links are not to be put so."""
    start = directory.index("/", 8) + 1
    if "//" in directory[start - 1 :] or len(directory) > _MAX_TARGET:
        return []
    found = [directory]
    while len(directory) > start:
        directory = directory[: directory.rindex("/", 0, -1) + 1]
        found.append(directory)
    return found


def _resolve(base: str, href: str, encoding: str) -> str | None:
    """The http(s) URL that a link means; neither link nor base has a fragment."""
    bare = href.strip(_SPACE)
    if not bare:
        return base
    if bare == "?":  # urljoin leaves the base's query in its place
        return base.partition("?")[0] + "?"
    return absolute(base, bare, encoding)
