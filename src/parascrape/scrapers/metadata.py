"""The scraper ``metadata``: JSON-LD, Open Graph and meta tags; the head of a page, for other scrapers."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from parascrape.web import Page, absolute, collapse

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

_MAX_DEPTH = 100
"""Nesting levels of a JSON-LD block; a deeper one is left out."""

_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*(?![A-Za-z0-9-])")
_OPEN_GRAPH = ("og:", "article:", "book:", "profile:", "music:", "video:", "product:")

# Openings and closings of a comment or CDATA section around JSON. Each is searched only where it may stand,
# and no white space is scanned twice: 200 kB of spaces took minutes when they were one expression.
_OPENING = re.compile(r"(?://|/\*)?\s*+(?:<!--|<!\[CDATA\[)\s*+(?:\*/)?")
_CLOSING = re.compile(r"(?://|/\*)?\s*+(?:-->|\]\]>)\s*+(?:\*/)?\Z")
_CLOSING_LENGTH = 100

_LINE_COMMENT = re.compile(r"(?:^|(?<=[\s,{\[]))//[^\n]*", re.M)
_COMMENT = re.compile(rf"{_LINE_COMMENT.pattern}|/\*.*?\*/", re.M | re.S)
_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")


def metadata(page: Page) -> dict[str, Any]:
    """Return ``{"json_ld": [...], "opengraph": {...}, "twitter": {...}, "meta_tags": {...}}``.

    ``json_ld`` holds the unchanged value of every JSON-LD block, in document order. The others map full names
    in lower case ("og:title") to contents: a string, or a list of strings if the page repeats the name.
    ``opengraph`` has the Open Graph protocol's vocabularies (og, article, book, profile, music, video,
    product), ``meta_tags`` every other ``name``, ``property``, ``itemprop`` or ``http-equiv``.

    Raises:
        NotHtml: the page is not HTML.
    """
    page.require_html()
    head = read_head(page.lexbor)
    opengraph = {name for name in head.meta if name.startswith(_OPEN_GRAPH)}
    twitter = {name for name in head.meta if name.startswith("twitter:")}
    return {
        "json_ld": json_ld(page),
        "opengraph": _contents(head, opengraph),
        "twitter": _contents(head, twitter),
        "meta_tags": _contents(head, head.meta.keys() - opengraph - twitter),
    }


def _contents(head: Head, names: set[str]) -> dict[str, str | list[str]]:
    """Return the names in document order, each with its content or a list of contents."""
    return {
        name: values[0] if len(values) == 1 else values for name, values in head.meta.items() if name in names
    }


def json_ld(page: Page) -> list[Any]:
    """Return the values of the page's JSON-LD blocks; an unreadable one is left out.

    Common mistakes are accepted: control characters in strings, comments, CDATA and comments around the
    block, trailing commas, HTML escapes, text after the value. A lone surrogate becomes U+FFFD, NaN null.
    """
    values = []
    for node in page.css("script[type]"):
        kind = (node.attributes.get("type") or "").split(";")[0].strip().lower()
        if kind == "application/ld+json":
            values += parse_json_ld(node.text())
    return values


def parse_json_ld(text: str) -> list[Any]:
    """Return a list of the block's value, empty without one."""
    try:
        value = orjson.loads(text)
    except ValueError:
        value = _read_forgiving(text)
    return [] if value is None or _too_deep(value) else [value]


def _read_forgiving(text: str) -> Any:
    """Return the value after the first repair that makes it readable, else None."""
    text = _unwrap(text.strip())
    mended = _TRAILING_COMMA.sub("", _without_comments(text)).strip()
    for attempt in (text, mended, html.unescape(mended)):
        try:
            return _harmless(_DECODER.raw_decode(attempt)[0])
        except (ValueError, RecursionError):
            continue
    return None


def _unwrap(text: str) -> str:
    """Remove a comment or CDATA section around a text."""
    closing = _CLOSING.search(text, max(0, len(text) - _CLOSING_LENGTH))
    text = text[: closing.start()] if closing else text
    opening = _OPENING.match(text)
    return text[opening.end() :].strip() if opening else text.strip()


def _without_comments(text: str) -> str:
    """Remove JavaScript comments; an unclosed one stays.

    After the last ``*/`` no ``/*`` is tried: each would search for its end up to the end of the text.
    """
    end = text.rfind("*/") + 2 if "*/" in text else 0
    return _COMMENT.sub("", text[:end]) + _LINE_COMMENT.sub("", text[end:])


def _harmless(value: Any) -> Any:
    """Replace lone surrogates in a value and its keys by U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_harmless(key): _harmless(inner) for key, inner in value.items()}
    return [_harmless(inner) for inner in value] if isinstance(value, list) else value


def _too_deep(value: Any, levels: int = _MAX_DEPTH) -> bool:
    """Return whether a value nests deeper than this many levels."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_too_deep(inner, levels - 1) for inner in value)


def _number(digits: str) -> int | float | None:
    """Return a number, None if it is beyond a double's range."""
    if digits.removeprefix("-").isdecimal() and len(digits) < 19:
        return int(digits)
    number = float(digits)
    return number if math.isfinite(number) else None


_DECODER = json.JSONDecoder(
    strict=False, parse_constant=lambda _: None, parse_float=_number, parse_int=_number
)


def language_tag(value: str | None) -> str | None:
    """Return the BCP 47 tag of a page's language attribute, None if it is not a tag.

    >>> language_tag("EN_us, fr"), language_tag("zh-hant-tw"), language_tag("{{ lang }}")
    ('en-US', 'zh-Hant-TW', None)
    """
    match = _TAG.match((value or "").strip().replace("_", "-"))
    if match is None:
        return None
    first, *rest = match[0].split("-")
    return "-".join((first.lower(), *map(_subtag, rest)))


def _subtag(part: str) -> str:
    """Return a subtag in the case of RFC 5646 §2.1.1: Latn, US, others in lower case."""
    if len(part) == 2:
        return part.upper()
    return part.title() if len(part) == 4 and part.isalpha() else part.lower()


class Head:
    """The head of a document: ``title``, ``lang``, ``canonical``, ``base`` and ``meta``.

    ``meta`` maps a lower-case name (from ``property``, ``name``, ``itemprop``, or ``http-equiv``) to its
    contents in document order, without empty ones.
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
        """Return the first content of the first of these names that has one, white space collapsed."""
        for name in names:
            for content in self.meta.get(name, ()):
                if collapsed := collapse(content):
                    return collapsed
        return None

    def language(self, header: str | None) -> str | None:
        """Return the language as a BCP 47 tag, from <html lang>, Content-Language or og:locale."""
        candidates = (self.lang, self.first("content-language"), header, self.first("og:locale"))
        return next(filter(None, map(language_tag, candidates)), None)

    def canonical_url(self, url: str) -> str | None:
        """Return the absolute canonical URL (RFC 6596), else og:url; ``url`` is the document's URL."""
        base = absolute(url, self.base) or url
        return absolute(base, self.canonical) or absolute(base, self.first("og:url"))


def read_head(parser: LexborHTMLParser) -> Head:
    """Read a document's head; its elements count anywhere, because real pages misplace them."""
    title = next((node for node in parser.css("title") if not _in_svg(node)), None)
    nodes = parser.css("html, base, meta, link[rel]")
    return Head(title.text() if title else "", ((node.tag, node.attributes) for node in nodes))


def _in_svg(node: LexborNode) -> bool:
    """Return whether a <title> belongs to a drawing, not to the document."""
    parent = node.parent
    return parent is not None and parent.tag in ("svg", "symbol", "g", "path", "use")
