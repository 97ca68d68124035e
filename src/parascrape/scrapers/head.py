"""What a document says about itself in its head: read once, from any parser, for every scraper."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from parascrape.web import absolute, collapse

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

__all__ = ["Head", "language_tag", "read_head"]

_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*(?![A-Za-z0-9-])")


def language_tag(value: str | None) -> str | None:
    """The BCP 47 tag that a page's word for its language means, None for a word that is no tag.

    >>> language_tag("EN_us, fr"), language_tag("zh-hant-tw"), language_tag("{{ lang }}")
    ('en-US', 'zh-Hant-TW', None)
    """
    match = _TAG.match((value or "").strip().replace("_", "-"))
    if match is None:
        return None
    first, *rest = match[0].split("-")
    return "-".join((first.lower(), *map(_subtag, rest)))


def _subtag(part: str) -> str:
    """A subtag as RFC 5646 §2.1.1 writes it: Latn, US, anything else in lower case."""
    if len(part) == 2:
        return part.upper()
    return part.title() if len(part) == 4 and part.isalpha() else part.lower()


class Head:
    """What a document says about itself: ``title``, ``lang``, ``canonical``, ``base`` and ``meta``.

    ``meta`` maps a name in lower case (of ``property``, ``name``, ``itemprop``, or ``http-equiv``) to its
    contents in the order of the document, no empty ones.
    """

    __slots__ = ("base", "canonical", "lang", "meta", "title")

    def __init__(self, title: str, elements: Iterable[tuple[str | None, Mapping[str, str | None]]]):
        self.title = collapse(title)
        self.lang = self.base = self.canonical = ""
        self.meta: dict[str, list[str]] = {}
        for tag, attributes in elements:
            if tag == "meta":
                self._add_meta(attributes)
            elif tag == "html":
                self.lang = self.lang or attributes.get("lang") or attributes.get("xml:lang") or ""
            elif tag == "base":
                self.base = self.base or attributes.get("href") or ""
            elif "canonical" in (attributes.get("rel") or "").lower().split():
                self.canonical = self.canonical or attributes.get("href") or ""

    def _add_meta(self, attributes: Mapping[str, str | None]) -> None:
        content = (attributes.get("content") or "").strip()
        for key in ("property", "name", "itemprop", "http-equiv"):
            name = (attributes.get(key) or "").strip().lower()
            if name and content:
                self.meta.setdefault(name, []).append(content)
                return

    def first(self, *names: str) -> str | None:
        """The first content, white space collapsed, of the first of these names that has one."""
        for name in names:
            for content in self.meta.get(name, ()):
                if collapsed := collapse(content):
                    return collapsed
        return None

    def language(self, header: str | None) -> str | None:
        """The document's language as a BCP 47 tag: <html lang>, then Content-Language, then og:locale."""
        candidates = (self.lang, self.first("content-language"), header, self.first("og:locale"))
        return next(filter(None, map(language_tag, candidates)), None)

    def canonical_url(self, url: str) -> str | None:
        """The canonical URL (RFC 6596), else og:url, absolute; ``url`` is the document's own."""
        base = absolute(url, self.base) or url
        return absolute(base, self.canonical) or absolute(base, self.first("og:url"))


def read_head(parser: LexborHTMLParser) -> Head:
    """The document's head; its elements count wherever they stand, as real pages misplace them."""
    title = next((node for node in parser.css("title") if not _in_svg(node)), None)
    nodes = parser.css("html, base, meta, link[rel]")
    return Head(title.text() if title else "", ((node.tag, node.attributes) for node in nodes))


def _in_svg(node: LexborNode) -> bool:
    """Whether a <title> is a drawing's, not the document's."""
    parent = node.parent
    return parent is not None and parent.tag in ("svg", "symbol", "g", "path", "use")
