"""Feed reader: the entries of XML sitemaps and feeds, read as a stream, and their dates. Pure.

Sitemaps protocol 0.9 (sitemaps.org/protocol.html), RSS 2.0, 1.0 and 0.9x, Atom (RFC 4287). Common errors are
tolerated: bare ampersands, capitals, a missing or wrong namespace or encoding. No tree is built, so memory is
that of one entry.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, NamedTuple

from parascrape.web import MAX_URL

ENTRIES = {
    "urlset": ("url", "sitemap"),
    "index": ("sitemap", "url"),
    "rss": ("item",),
    "atom": ("entry",),
}
"""The elements that are entries, by the kind of document; some sites mix the first two."""


class FeedEntry(NamedTuple):
    """One entry: its links and date as written, and the bases of its links."""

    links: tuple[str, ...]
    bases: tuple[str, ...]  # every xml:base around the link, the outermost first, at most 4
    date: str  # as written, "" without one
    name: str  # of the element: one of `ENTRIES`


_MAX_LINKS = 8  # alternate links that are read from one entry
_MAX_TEXT = 2 * MAX_URL  # characters that are kept of one element; white space may surround a URL

_DATES = ("lastmod", "updated", "modified", "pubdate", "date", "published", "issued")  # the best one first
_FIELDS = frozenset(("loc", "link", "guid", *_DATES))
_DUBLIN_CORE = "http://purl.org/dc/elements/1.1/"
_BASE = "{http://www.w3.org/XML/1998/namespace}base"
_DEEPEST = 4  # rss/channel/item/link

_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r"))  # not in XML 1.0 (§2.2), escaped or not
_BARE = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});)")
_BEGIN, _END = "<![CDATA[", "]]>"
_BARE_LESS = re.compile(r"<(?![A-Za-z_:/!?\x80-\U0010ffff])")
_UNFINISHED = re.compile(r"(?:&[#0-9A-Za-z]{0,8}|<[!\[CDAT]{0,7}|\]{1,2})\Z")  # may go on in the next piece


def read_entries(pieces: Iterable[str], kind: str, take: Callable[[FeedEntry], None]) -> bool:
    """Call ``take`` with each entry of a document, in order; return whether the document is complete.

    ``pieces`` begin with the root element's start tag: without a document type the only entities are XML's
    own five, so nothing expands and nothing is loaded. 50,000 entries take half a second of CPU.
    """
    from lxml import etree

    reader = _FeedReader(kind, take)
    safe: Any = {"resolve_entities": "internal", "no_network": True, "load_dtd": False}
    parser = etree.XMLParser(target=reader, encoding="utf-8", recover=True, **safe)
    clean = _Cleaner()
    for piece in pieces:
        parser.feed(clean(piece))
    parser.feed(clean("", last=True))
    try:
        parser.close()
    except etree.XMLSyntaxError:  # it contains no XML
        return False
    return reader.closed


def read_date(text: str) -> datetime | None:
    """Return the last moment that a date may mean, in its time zone or else UTC; None if it is not a date.

    W3C-DTF in its six precisions, from a year to a fraction of a second, and RFC 822 (RFC 5322 §3.3) dates.

    >>> str(read_date("2024-02")), str(read_date("2024-02-03T04:05Z"))
    ('2024-02-29 23:59:59.999999+00:00', '2024-02-03 04:05:59.999999+00:00')
    >>> str(read_date("Sat, 03 Feb 2024 04:05:06 +0900"))
    '2024-02-03 04:05:06+09:00'
    """
    text = text.strip()
    if not text or len(text) > 64:
        return None
    parts = _W3C.fullmatch(text)
    try:
        moment = _from_parts(*parts.groups()) if parts else parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_W3C = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)"
    r"(?:[T ](\d\d:\d\d(:\d\d)?)(?:[.,](\d{1,9})\d*)?\s?(Z|[+-]\d\d(?::?\d\d)?)?)?)?)?",
    re.ASCII | re.IGNORECASE,
)


def _from_parts(*parts: str | None) -> datetime:
    year, month, day, clock, seconds, fraction, zone = parts
    number = int(year or 0), int(month or 12)
    date = f"{number[0]:04}-{number[1]:02}-{day or monthrange(*number)[1]:02}"
    if not clock:
        return datetime.fromisoformat(f"{date}T23:59:59.999999+00:00")
    end = f"{clock}.{(fraction or '0')[:6]:0<6}" if seconds else f"{clock}:59.999999"
    return datetime.fromisoformat(f"{date}T{end}{(zone or 'Z').upper()}")


class _Cleaner:
    """Makes a document's text, piece by piece, into UTF-8 that libxml2 reads to the end.

    libxml2 would drop the ``&b`` of ``?a=1&b=2``, and stop at ``1 < 2``. In CDATA sections both are correct.
    """

    def __init__(self) -> None:
        self._held = ""
        self._in_cdata = False

    def __call__(self, piece: str, *, last: bool = False) -> bytes:
        """Return the clean text so far; a token that may be unfinished is held back until ``last``."""
        text = self._held + piece
        unfinished = None if last else _UNFINISHED.search(text, max(0, len(text) - 9))
        end = unfinished.start() if unfinished else len(text)
        self._held = text[end:]
        return self._escape(text[:end]).encode("utf-8", "replace").translate(None, _CONTROLS)

    def _escape(self, text: str) -> str:
        parts: list[str] = []
        at = 0
        while at < len(text):
            mark = _END if self._in_cdata else _BEGIN
            found = text.find(mark, at)
            end = len(text) if found < 0 else found + len(mark)
            part = text[at:end]
            parts.append(part if self._in_cdata else _BARE_LESS.sub("&lt;", _BARE.sub("&amp;", part)))
            self._in_cdata ^= found >= 0
            at = end
        return "".join(parts)


@lru_cache(maxsize=256)
def _name(tag: str) -> tuple[str, str]:
    """Return the namespace and the local name, in lower case, of a tag as lxml writes it."""
    namespace, _, name = tag.rpartition("}")
    return namespace.removeprefix("{"), name.rpartition(":")[2].lower()


class _FeedReader:
    """Target of lxml's parser that makes entries of elements."""

    def __init__(self, kind: str, take: Callable[[FeedEntry], None]):
        self.closed = False
        self._names, self._is_atom, self._take = ENTRIES[kind], kind == "atom", take
        self._depth = 0
        self._bases: list[tuple[int, str]] = []  # depth and xml:base of open elements
        self._field = ""
        self._texts: list[str] = []
        self._length = 0
        self._begin(0, ("", ""))

    def _begin(self, depth: int, named: tuple[str, str]) -> None:
        """Begin an entry at this depth, with its namespace and name; 0: none is open."""
        self._entry_at, self._entry = depth, named
        self._found: dict[str, str] = {}
        self._links: list[str] = []
        self._link_bases: tuple[str, ...] = ()

    def start(self, tag: str, attributes: Any) -> None:
        """Handle a start tag."""
        self._depth += 1
        if self._depth > _DEEPEST:
            return
        if _BASE in attributes:
            self._bases.append((self._depth, attributes[_BASE]))
        named = _name(tag)
        if not self._entry_at:
            if named[1] in self._names and self._depth > 1:
                self._begin(self._depth, named)
        elif self._depth == self._entry_at + 1 and self._is_field(*named):
            self._field = named[1]
            if self._field == "guid" and attributes.get("isPermaLink", "true").strip().lower() == "false":
                self._field = ""
            if self._field == "link" and self._is_atom:
                self._note_link(attributes)

    def _is_field(self, namespace: str, name: str) -> bool:
        """Return whether an element describes its entry, unlike those of extensions (image:loc)."""
        known = namespace in ("", self._entry[0]) or (name == "date" and namespace == _DUBLIN_CORE)
        return known and name in _FIELDS

    def _note_link(self, attributes: Any) -> None:
        """Keep an alternate link; a link without rel is one (RFC 4287 §4.2.7)."""
        self._field = ""
        rel = attributes.get("rel", "alternate").strip().lower().rpartition("/")[2]
        media = attributes.get("type", "").lower()
        link = attributes.get("href", "").strip()
        if rel == "alternate" and link and ("html" in media or not media) and len(self._links) < _MAX_LINKS:
            self._links.append(link[:_MAX_TEXT])
            self._link_bases = tuple([base for _, base in self._bases])

    def data(self, text: str) -> None:
        """Handle characters; an element's text may come in several calls."""
        if self._field and self._depth == self._entry_at + 1 and self._length < _MAX_TEXT:
            self._texts.append(text)
            self._length += len(text)

    def end(self, _tag: str) -> None:
        """Handle an end tag."""
        depth = self._depth
        self._depth -= 1
        if depth <= _DEEPEST:
            if self._field and depth == self._entry_at + 1:
                self._end_field()
            elif depth == self._entry_at:
                self._end_entry()
            if self._bases and self._bases[-1][0] == depth:
                self._bases.pop()
        self.closed = self.closed or depth == 1

    def _end_field(self) -> None:
        text = "".join(self._texts).strip()
        if text and self._field not in self._found:
            self._found[self._field] = text
            if self._field in ("loc", "link"):
                self._link_bases = tuple([base for _, base in self._bases])
        self._field, self._length = "", 0
        self._texts.clear()

    def _end_entry(self) -> None:
        found = self._found
        link = found.get("loc") or found.get("link") or found.get("guid")
        links = self._links or ([link] if link else [])
        date = next((found[name] for name in _DATES if name in found), "")
        self._take(FeedEntry(tuple(links), self._link_bases, date, self._entry[1]))
        self._begin(0, ("", ""))

    def close(self) -> None:
        """Do nothing; the parser calls this at the end."""
