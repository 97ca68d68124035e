"""The text of a link, as the link graph shows it: bounded in length and in the elements looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parascrape.crawling.links.sources import links_of
from parascrape.errors import TooComplex
from parascrape.web import Page, absolute, collapse

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

__all__ = ["MAX_TEXT", "anchor_text", "canonical_of"]

MAX_TEXT = 200
"""Characters of a link's text."""

_MAX_NODES = 200  # links may nest, thousands deep, and each would walk all those within it
_LABELS = ("alt", "title", "aria-label")


def anchor_text(node: LexborNode) -> str:
    """What a reader sees of a link, white space collapsed, at most MAX_TEXT characters.

    Its text and the ``alt`` of its pictures; where there is none, what it is called instead.
    """
    parts: list[str] = []
    length = seen = 0
    rest = [node.first_child]
    while rest and length < 4 * MAX_TEXT and seen < _MAX_NODES:
        inner = rest.pop()
        if inner is None:
            continue
        seen += 1
        rest.append(inner.next)
        text = _own_text(inner, rest)
        parts.append(text)
        length += len(text)
    return collapse("".join(parts))[:MAX_TEXT].rstrip() or _label(node)


def _own_text(inner: LexborNode, rest: list[LexborNode | None]) -> str:
    """The text of a node itself; what stands in an element is put on the rest."""
    if inner.is_text_node:
        return (inner.text_content or "")[: 4 * MAX_TEXT]
    tag = inner.tag
    if tag == "img":
        return f" {inner.attributes.get('alt') or ''} "[: 4 * MAX_TEXT]
    if tag not in ("script", "style"):
        rest.append(inner.first_child)
    return " " if tag in _PARTS_WORDS else ""


_PARTS_WORDS = frozenset(
    ("br", "dd", "div", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "li", "p", "td", "th", "tr")
)


def _label(node: LexborNode) -> str:
    attributes = node.attributes
    label = next(filter(None, (attributes.get(name) for name in _LABELS)), "")
    return collapse((label or "")[: 4 * MAX_TEXT])[:MAX_TEXT].rstrip()


def canonical_of(page: Page) -> str:
    """The absolute http(s) URL, fit to send, without fragment; empty where the page names none.

    <link rel="canonical"> counts in the head, where no reader of a forum can write it, and so does the
    header Link; of several that differ none does (as search engines have it). ``final_url`` may be it.
    """
    found = _in_head(page) | _in_header(page)
    found.discard("")
    return found.pop() if len(found) == 1 else ""


def _in_head(page: Page) -> set[str]:
    if not page.is_html:
        return set()
    try:
        head = page.lexbor.head
    except TooComplex:
        return set()
    nodes = head.css('link[rel~="canonical" i][href]') if head is not None else []
    hrefs = [node.attributes.get("href") for node in nodes]
    return {_absolute(page.base_url, href, page.encoding) for href in hrefs}


def _in_header(page: Page) -> set[str]:
    header = page.headers.get("Link")
    return {
        _absolute(page.final_url, target)
        for target, parameters in links_of(header or "")
        if "canonical" in parameters.get("rel", "").lower().split() and "anchor" not in parameters
    }


def _absolute(base: str, href: str | None, encoding: str = "utf-8") -> str:
    return (absolute(base, href, encoding) or "").partition("#")[0]
