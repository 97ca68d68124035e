"""Sitemaps: the pages that a sitemap, a feed or a plain list names (sitemaps.org protocol 0.9). Pure.

    body -> gzip undone, in pieces -> characters -> the root element -> entries -> what is wanted of them

A document is what its root element says, whatever its name and Content-Type are; what comes before the root,
a document type with its entities above all, is never given to the XML parser.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import NamedTuple
from urllib.parse import urljoin

from parascrape.crawling.links.feeds import FeedEntry, read_date, read_entries
from parascrape.crawling.links.xml_stream import GZIP, PIECE, XmlCharacters, lines_of, pieces_of
from parascrape.errors import InvalidUrl
from parascrape.web import Page, absolute, host_key, prepare

__all__ = ["MAX_BYTES", "MAX_ENTRIES", "MAX_INDEX_DEPTH", "Sitemap", "is_sitemap", "read_sitemap"]

MAX_ENTRIES = 50_000
"""Entries that are read of one sitemap, the protocol's own bound; those behind them are counted as cut."""

MAX_BYTES = 52_428_800
"""Bytes of one sitemap, uncompressed, the protocol's own bound."""

MAX_INDEX_DEPTH = 3
"""Indexes within each other that are read; by the protocol an index names no index."""

_MAX_BASE = 512
"""Characters of an xml:base; 100 kB of slashes, joined with each link, would take minutes."""

_KINDS = {"urlset": "urlset", "sitemapindex": "index", "rss": "rss", "rdf": "rss", "feed": "atom"}

# Possessive, and each is tried once at one place: no prolog takes more than one walk through it.
_PROLOG = re.compile(
    r"[\s\ufeff]*+(?:<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*+(?:>|\[.*?\]\s*+>))", re.DOTALL | re.IGNORECASE
)
_ROOT = re.compile(
    r"[\s\ufeff]*+(?P<tag><(?:[\w.-]{1,64}:)?(urlset|sitemapindex|rss|rdf|feed)(?=[\s/>])([^>]*))",
    re.IGNORECASE,
)
_RSS_IN_RDF = re.compile(r"purl\.org/(?:rss|net/rss)|netscape\.com/rdf", re.IGNORECASE)
_URL_LINE = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)


class Sitemap(NamedTuple):
    """What a sitemap or feed names, and how much of it is left out, by the reason.

    URLs are fit to send, without fragments, each once, in the order of the document.
    """

    links: list[str]  # pages
    sitemaps: list[str]  # of an index: sitemaps on its own host, and such as are in scope
    kind: str = ""  # "urlset", "index", "text", "rss", "atom"; "" for what is none of them
    lastmods: Sequence[datetime | None] = ()  # one for each of ``links``, see `feeds.read_date`
    skipped_old: int = 0  # entries dated before ``since``
    out_of_scope: int = 0
    repeated: int = 0
    invalid: int = 0  # entries without an http(s) URL
    cut: int = 0  # entries behind MAX_ENTRIES
    truncated: bool = False  # the body ends early, or is longer than the bound


def is_sitemap(page: Page) -> bool:
    """Whether the page is a sitemap, a sitemap index or a feed, by its root element, or a list of URLs.

    A list is text/plain, or gzip, with a URL on each line that is not blank. An RDF document is a feed if it
    says that it is RSS. 7 us for a page of HTML: nothing of it is parsed.
    """
    packed = page.body.startswith(GZIP)
    head = _first_piece(page.body) if packed else page.body[:PIECE]
    if b"\0" in head[:64]:  # UTF-16; of the names that are looked for each letter is ASCII
        head = head.replace(b"\0", b"").removeprefix(codecs.BOM_UTF16_LE).removeprefix(codecs.BOM_UTF16_BE)
    start = head.removeprefix(codecs.BOM_UTF8).decode("latin-1")
    if _find_root(start)[0]:
        return True
    if start.lstrip()[:1] == "<" or not (packed or page.content_type in ("text/plain", "")):
        return False
    return _is_list(XmlCharacters(page, MAX_BYTES))


def read_sitemap(
    page: Page,
    *,
    since: datetime | None = None,
    in_scope: Callable[[str], bool],
    max_bytes: int = MAX_BYTES,
) -> Sitemap:
    """The URLs of a sitemap, an index, a feed or a list; ``kind`` is empty for anything else.

    Entries dated before ``since`` are left out; one without a date, or with one that may mean a later moment
    (a day, a month), stays. ``in_scope`` is asked for each page, and for a sitemap on another host than the
    index's. At most ``max_bytes`` are read, counted after gzip is undone; nothing raises, however broken.
    50,000 URLs (9 MB) take 0.8 s of CPU, and 8 MB of memory beside the body.
    """
    characters = XmlCharacters(page, max_bytes)
    pieces = iter(characters)
    head = _head(pieces)
    gathered = _Gathered(page.final_url, since, in_scope)
    kind, root_at = _find_root(head)
    if kind:
        whole = read_entries(chain([head[root_at:]], pieces), kind, gathered.add)
        return gathered.as_sitemap(kind, truncated=not whole)
    if head.lstrip()[:1] != "<":
        for line in lines_of(chain([head], pieces)):
            gathered.add(FeedEntry((line,), (), "", ""))
    kind = "text" if gathered.entries > gathered.invalid else ""
    return gathered.as_sitemap(kind, truncated=characters.truncated)


class _Gathered:
    """The entries that are wanted, and the counts of those that are not."""

    def __init__(self, url: str, since: datetime | None, in_scope: Callable[[str], bool]):
        self._url = url
        self._host = _host(url)
        self._since = since if since is None or since.tzinfo else since.replace(tzinfo=UTC)
        self._in_scope = in_scope
        self._links: dict[str, datetime | None] = {}
        self._sitemaps: dict[str, datetime | None] = {}
        self.entries = self.invalid = 0
        self._old = self._outside = self._repeated = 0

    def add(self, entry: FeedEntry) -> None:
        """Nothing: takes note of an entry."""
        self.entries += 1
        if self.entries > MAX_ENTRIES:
            return
        base = self._url if entry.name else ""  # a line of a list is a URL or nothing
        found = [url for link in entry.links if (url := _fit(link, base, entry.bases))]
        self.invalid += not found
        for url in found:
            self._add(url, entry)

    def _add(self, url: str, entry: FeedEntry) -> None:
        of_index = entry.name == "sitemap"
        kept = self._sitemaps if of_index else self._links
        date = read_date(entry.date) if entry.date else None
        if url in kept:
            self._repeated += 1
        elif not ((of_index and _host(url) == self._host) or self._in_scope(url)):
            self._outside += 1
        elif date and self._since and date < self._since:
            self._old += 1
        else:
            kept[url] = date

    def as_sitemap(self, kind: str, *, truncated: bool) -> Sitemap:
        """All of it."""
        return Sitemap(
            links=list(self._links),
            sitemaps=list(self._sitemaps),
            kind=kind,
            lastmods=list(self._links.values()),
            skipped_old=self._old,
            out_of_scope=self._outside,
            repeated=self._repeated,
            invalid=self.invalid,
            cut=max(0, self.entries - MAX_ENTRIES),
            truncated=truncated,
        )


def _host(url: str) -> str:
    """The host's name: http and https, and every port, are one site for an index."""
    try:
        return host_key(url).partition("://")[2].rpartition(":")[0]
    except InvalidUrl:
        return ""


def _fit(link: str, base: str, bases: tuple[str, ...]) -> str | None:
    """The link fit to send and without its fragment, None for what is no http(s) URL.

    By the protocol a URL in a sitemap is absolute; one that is not means what a browser would take it for.
    """
    try:
        return prepare(link)
    except InvalidUrl:
        url = absolute(_join(base, bases), link)
        return url.partition("#")[0] if url else None


@lru_cache(maxsize=8)
def _join(base: str, bases: tuple[str, ...]) -> str:
    """What a link within elements with these xml:base is relative to; what is no base changes nothing."""
    for one in bases:
        if len(one) <= _MAX_BASE:
            with suppress(ValueError):
                base = urljoin(base, one.strip())
    return base


def _find_root(head: str) -> tuple[str, int]:
    """The kind of a document that begins so, "" for none of ours, and where its root element begins."""
    at = 0
    while skipped := _PROLOG.match(head, at):
        at = skipped.end()
    root = _ROOT.match(head, at)
    if root is None or (root[2].lower() == "rdf" and not _RSS_IN_RDF.search(root[3])):
        return "", 0
    return _KINDS[root[2].lower()], root.start("tag")


def _first_piece(body: bytes) -> bytes:
    """The first bytes of a gzip file, none of a broken one."""
    with suppress(zlib.error):
        return next(pieces_of(body), b"")
    return b""


def _head(pieces: Iterator[str]) -> str:
    """The first characters, as many as the root element may need."""
    head = ""
    while len(head) < PIECE // 2 and (piece := next(pieces, None)) is not None:
        head += piece
    return head


def _is_list(pieces: Iterable[str]) -> bool:
    """Whether there is a line, and each is a URL."""
    some = False
    for line in lines_of(pieces):
        if not _URL_LINE.fullmatch(line):
            return False
        some = True
    return some
