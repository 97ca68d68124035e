"""Sitemap reader: the URLs of a sitemap, a feed or a plain list (sitemaps.org protocol 0.9). Pure.

    body -> decompressed pieces -> characters -> root element -> entries -> wanted URLs

The root element decides the kind of document, whatever its name and Content-Type are. Nothing before the root
is passed to the XML parser, above all no document type with its entities. A sitemap may have 50 MB, so it is
read as a stream, and a broken or overlong one as far as possible.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import NamedTuple
from urllib.parse import urljoin

from parascrape.crawling.links.feeds import FeedEntry, read_date, read_entries
from parascrape.errors import InvalidUrl
from parascrape.web import MAX_URL, Page, absolute, find_encoding, guess, host_key, prepare, python_codec

MAX_ENTRIES = 50_000  # entries that are read of one sitemap, the protocol's own limit; the rest is cut
MAX_BYTES = 52_428_800  # bytes of one sitemap, uncompressed, the protocol's own limit
MAX_INDEX_DEPTH = 3  # nested indexes that are read; by the protocol an index contains no index
_MAX_BASE = 512  # characters of an xml:base; joining 100 kB of slashes with each link would take minutes
_PIECE = 1 << 16  # bytes that are decoded at once
_GZIP = b"\x1f\x8b"  # the first bytes of gzip (RFC 1952 §2.3.1)
_MAX_MEMBERS = 1000  # Gzip members of one body; 20 MB of empty ones would take minutes of CPU

_LINE_ENDS = re.compile(r"[\r\n]+")
_BLANK = "\ufeff \t\x0b\x0c\xa0\x00"

_KINDS = {"urlset": "urlset", "sitemapindex": "index", "rss": "rss", "rdf": "rss", "feed": "atom"}

# Possessive, and each is tried once at one place, so a prolog is read once.
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
    """The URLs of a sitemap or feed, and how many were left out, by the reason.

    URLs are prepared, without fragments, each once, in document order.
    """

    links: list[str]  # pages
    sitemaps: list[str]  # of an index: those on its own host or in scope
    kind: str = ""  # "urlset", "index", "text", "rss", "atom", or "" for none of them
    lastmods: Sequence[datetime | None] = ()  # one for each link, see `read_date`
    skipped_old: int = 0  # entries dated before ``since``
    out_of_scope: int = 0
    repeated: int = 0
    invalid: int = 0  # entries without an http(s) URL
    cut: int = 0  # entries beyond MAX_ENTRIES
    truncated: bool = False  # the body ends early, or is too long


def is_sitemap(page: Page) -> bool:
    """Return whether the page is a sitemap, an index or a feed, by its root element, or a list of URLs.

    A list is text/plain, or gzip, with a URL on each line that is not blank. An RDF document must say that it
    is RSS. 7 us for an HTML page, which is not parsed.
    """
    packed = page.body.startswith(_GZIP)
    head = page.body[:_PIECE]
    if packed:
        with suppress(zlib.error):  # the start of a broken file is compared as it is
            head = next(_pieces_of(page.body), b"")
    if b"\0" in head[:64]:  # UTF-16; the names to be found are ASCII
        head = head.replace(b"\0", b"").removeprefix(codecs.BOM_UTF16_LE).removeprefix(codecs.BOM_UTF16_BE)
    start = head.removeprefix(codecs.BOM_UTF8).decode("latin-1")
    if _find_root(start)[0]:
        return True
    if start.lstrip()[:1] == "<" or not (packed or page.content_type in ("text/plain", "")):
        return False
    lines = _lines_of(_Characters(page, MAX_BYTES))
    first = next(lines, "")
    return all(map(_URL_LINE.fullmatch, chain([first], lines)))


def read_sitemap(
    page: Page, *, since: datetime | None = None, in_scope: Callable[[str], bool], max_bytes: int = MAX_BYTES
) -> Sitemap:
    """Return the URLs of a sitemap, an index, a feed or a list; ``kind`` is empty for anything else.

    Entries dated before ``since`` are left out; entries without a date, or with one that may be later (a day,
    a month), stay. ``in_scope`` is called for each page, and for sitemaps on another host than the index.
    At most ``max_bytes`` are read, after decompression; broken documents raise nothing. 50,000 URLs (9 MB)
    take 0.8 s of CPU, and 8 MB of memory beside the body.
    """
    characters = _Characters(page, max_bytes)
    pieces = iter(characters)
    head = _head(pieces)
    gathered = _Gathered(page.final_url, since, in_scope)
    kind, root_at = _find_root(head)
    if kind:
        whole = read_entries(chain([head[root_at:]], pieces), kind, gathered.add)
        return gathered.as_sitemap(kind, truncated=not whole)
    if head.lstrip()[:1] != "<":
        for line in _lines_of(chain([head], pieces)):
            gathered.add(FeedEntry((line,), (), "", ""))
    kind = "text" if gathered.entries > gathered.left_out["invalid"] else ""
    return gathered.as_sitemap(kind, truncated=characters.truncated)


class _Gathered:
    """Collects the wanted entries, and counts the others."""

    def __init__(self, url: str, since: datetime | None, in_scope: Callable[[str], bool]):
        self._url = url
        self._host = _host(url)
        self._since = since if since is None or since.tzinfo else since.replace(tzinfo=UTC)
        self._in_scope = in_scope
        self._links: dict[str, datetime | None] = {}
        self._sitemaps: dict[str, datetime | None] = {}
        self.entries = 0
        self.left_out: Counter[str] = Counter()

    def add(self, entry: FeedEntry) -> None:
        """Add an entry."""
        self.entries += 1
        if self.entries > MAX_ENTRIES:
            self.left_out["cut"] += 1
            return
        base = self._url if entry.name else ""  # a line of a list is a URL or nothing
        found = [url for link in entry.links if (url := _fit(link, base, entry.bases))]
        self.left_out["invalid"] += not found
        for url in found:
            self._add(url, entry)

    def _add(self, url: str, entry: FeedEntry) -> None:
        of_index = entry.name == "sitemap"
        kept = self._sitemaps if of_index else self._links
        date = read_date(entry.date) if entry.date else None
        if url in kept:
            self.left_out["repeated"] += 1
        elif not ((of_index and _host(url) == self._host) or self._in_scope(url)):
            self.left_out["out_of_scope"] += 1
        elif date and self._since and date < self._since:
            self.left_out["skipped_old"] += 1
        else:
            kept[url] = date

    def as_sitemap(self, kind: str, *, truncated: bool) -> Sitemap:
        """Return the gathered URLs and counts."""
        links, dates = list(self._links), list(self._links.values())
        return Sitemap(links, list(self._sitemaps), kind, dates, truncated=truncated, **self.left_out)


def _host(url: str) -> str:
    """Return the host's name; scheme and port do not matter to an index."""
    try:
        return host_key(url).partition("://")[2].rpartition(":")[0]
    except InvalidUrl:
        return ""


def _fit(link: str, base: str, bases: tuple[str, ...]) -> str | None:
    """Return the link prepared and without its fragment, None if it is not an http(s) URL.

    By the protocol URLs in sitemaps are absolute; others are resolved as a browser would.
    """
    try:
        return prepare(link)
    except InvalidUrl:
        url = absolute(_join(base, bases), link)
        return url.partition("#")[0] if url else None


@lru_cache(maxsize=8)
def _join(base: str, bases: tuple[str, ...]) -> str:
    """Return the base URL within elements with these xml:base; wrong ones are skipped."""
    for one in bases:
        if len(one) <= _MAX_BASE:
            with suppress(ValueError):
                base = urljoin(base, one.strip())
    return base


def _find_root(head: str) -> tuple[str, int]:
    """Return the kind of a document by its start, or "", and the position of its root element."""
    at = 0
    while skipped := _PROLOG.match(head, at):
        at = skipped.end()
    root = _ROOT.match(head, at)
    if root is None or (root[2].lower() == "rdf" and not _RSS_IN_RDF.search(root[3])):
        return "", 0
    return _KINDS[root[2].lower()], root.start("tag")


def _head(pieces: Iterator[str]) -> str:
    """Return the first characters, enough for the root element."""
    head = ""
    while len(head) < _PIECE // 2 and (piece := next(pieces, None)) is not None:
        head += piece
    return head


class _Characters:
    """The characters of a body, decompressed, in pieces; ``truncated`` is valid after the last."""

    def __init__(self, page: Page, max_bytes: int):
        self._body = page.body
        self._header = page.headers.get("Content-Type")
        self._max_bytes = max_bytes
        self.truncated = False

    def __iter__(self) -> Iterator[str]:
        decode: Callable[..., str] | None = None
        room = self._max_bytes
        try:
            for octets in _pieces_of(self._body):
                decode = decode or _open_decoder(octets, self._header)
                yield decode(octets[:room])
                room -= len(octets)
                if room < 0:
                    self.truncated = True
                    break
        except zlib.error:
            self.truncated = True
        if decode:
            yield decode(b"", final=True)


def _open_decoder(start: bytes, header: str | None) -> Callable[..., str]:
    """Return a decoder for a body with this start.

    The protocol requires UTF-8: bytes that look like it are UTF-8 whatever is declared; if it is declared
    wrongly, the encoding is guessed. Otherwise the order of evidence of `find_encoding` holds.
    """
    whole = start[: max(start.rfind(b">"), start.rfind(b"\n")) + 1] or start  # or a character is cut in two
    name = find_encoding(whole, header)
    if not whole.isascii() and not name.startswith("utf-16"):
        looks = guess(whole)
        name = looks if "utf-8" in (name, looks) else name
    return codecs.getincrementaldecoder(python_codec(name))("replace").decode


def _pieces_of(body: bytes) -> Iterator[bytes]:
    """Yield the body, decompressed if it is gzip (RFC 1952 §2.2), in pieces of at most _PIECE bytes.

    Raises:
        zlib.error: the gzip data are broken, end early, or have too many members.
    """
    rest = memoryview(body)
    if rest[:2] != _GZIP:
        yield from (bytes(rest[at : at + _PIECE]) for at in range(0, len(rest), _PIECE))
        return
    for _ in range(_MAX_MEMBERS):
        state = zlib.decompressobj(31)
        while not state.eof:
            given = rest[:_PIECE]
            octets = state.decompress(given, _PIECE)
            rest = rest[len(given) - len(state.unconsumed_tail) - len(state.unused_data) :]
            if octets:
                yield octets
            elif not given:
                raise zlib.error("the gzip data end early")
        if rest[:2] != _GZIP:
            return
    raise zlib.error("too many members")


def _lines_of(pieces: Iterable[str]) -> Iterator[str]:
    """Yield the lines that are not blank, stripped; an endless one is cut once it is too long for a URL."""
    rest = ""
    for piece in pieces:
        *lines, rest = _LINE_ENDS.split(rest + piece)
        yield from filter(None, (line.strip(_BLANK) for line in lines))
        rest = rest[: 2 * MAX_URL]
    if rest := rest.strip(_BLANK):
        yield rest
