"""The scraper ``metadata``: what a page says about itself for machines."""

from __future__ import annotations

import html
import json
import math
import re
from typing import Any

import orjson

from parascrape.scrapers.head import Head, read_head
from parascrape.web import Page

__all__ = ["json_ld", "metadata"]

_MAX_DEPTH = 100
"""Levels that one JSON-LD block may nest; a deeper one is left out."""

_OPEN_GRAPH = ("og:", "article:", "book:", "profile:", "music:", "video:", "product:")

# What opens and closes a wrapping, perhaps in a comment. Each is tried where it may stand and nowhere else,
# and no white space is walked twice: 200 kB of spaces took minutes when they were one expression.
_OPENING = re.compile(r"(?://|/\*)?\s*+(?:<!--|<!\[CDATA\[)\s*+(?:\*/)?")
_CLOSING = re.compile(r"(?://|/\*)?\s*+(?:-->|\]\]>)\s*+(?:\*/)?\Z")
_CLOSING_LENGTH = 100

_LINE_COMMENT = re.compile(r"(?:^|(?<=[\s,{\[]))//[^\n]*", re.M)
_COMMENT = re.compile(rf"{_LINE_COMMENT.pattern}|/\*.*?\*/", re.M | re.S)
_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")


def metadata(page: Page) -> dict[str, Any]:
    """``{"json_ld": [...], "opengraph": {...}, "twitter": {...}, "meta_tags": {...}}``.

    ``json_ld`` holds the value of every JSON-LD block as it stands, in the order of the document.
    The others map names, in lower case and whole ("og:title"), to contents: a string, or a list of them
    where the page repeats the name. ``opengraph`` has the Open Graph protocol's vocabularies (og, article,
    book, profile, music, video, product), ``meta_tags`` every other ``name``, ``property``, ``itemprop`` or
    ``http-equiv``.

    Raises:
        NotHtml: the page is something else.
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
    """The names, in the document's order, with their one content or the list of them."""
    return {
        name: values[0] if len(values) == 1 else values for name, values in head.meta.items() if name in names
    }


def json_ld(page: Page) -> list[Any]:
    """The values of the page's JSON-LD blocks; one that cannot be read is left out.

    Forgiven is what real pages do: control characters in strings, comments, CDATA and comment wrappings,
    trailing commas, HTML escapes, text after the value. A lone surrogate becomes U+FFFD, NaN null.
    """
    values = []
    for node in page.css("script[type]"):
        kind = (node.attributes.get("type") or "").split(";")[0].strip().lower()
        if kind == "application/ld+json":
            values += _read(node.text())
    return values


def _read(text: str) -> list[Any]:
    """A list of the one value that a block holds, empty where it holds none."""
    try:
        value = orjson.loads(text)
    except ValueError:
        value = _read_forgiving(text)
    return [] if value is None or _too_deep(value) else [value]


def _read_forgiving(text: str) -> Any:
    """The value by the first of some mendings that gives one, None where none does."""
    text = _unwrap(text.strip())
    mended = _TRAILING_COMMA.sub("", _without_comments(text)).strip()
    for attempt in (text, mended, html.unescape(mended)):
        try:
            return _harmless(_DECODER.raw_decode(attempt)[0])
        except (ValueError, RecursionError):
            continue
    return None


def _unwrap(text: str) -> str:
    """The text without what a comment or CDATA section has around it."""
    closing = _CLOSING.search(text, max(0, len(text) - _CLOSING_LENGTH))
    text = text[: closing.start()] if closing else text
    opening = _OPENING.match(text)
    return text[opening.end() :].strip() if opening else text.strip()


def _without_comments(text: str) -> str:
    """The text without JavaScript's comments; one that is not closed stays.

    Behind the last ``*/`` no ``/*`` is looked at: each would be searched for its end to the end of the text.
    """
    end = text.rfind("*/") + 2 if "*/" in text else 0
    return _COMMENT.sub("", text[:end]) + _LINE_COMMENT.sub("", text[end:])


def _harmless(value: Any) -> Any:
    """The value with lone surrogates made U+FFFD, in keys too."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_harmless(key): _harmless(inner) for key, inner in value.items()}
    return [_harmless(inner) for inner in value] if isinstance(value, list) else value


def _too_deep(value: Any, levels: int = _MAX_DEPTH) -> bool:
    """Whether a value nests deeper than so many levels."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_too_deep(inner, levels - 1) for inner in value)


def _number(digits: str) -> float | None:
    """A number that JSON readers agree on, None for one beyond a double's range."""
    number = float(digits)
    return number if math.isfinite(number) else None


def _integer(digits: str) -> int | float | None:
    return int(digits) if len(digits) < 19 else _number(digits)


_DECODER = json.JSONDecoder(
    strict=False, parse_constant=lambda _: None, parse_float=_number, parse_int=_integer
)
