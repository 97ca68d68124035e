"""The text of a link, as the link graph shows it: bounded in length and in the elements looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parascrape.web.text import collapse

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

__all__ = ["MAX_TEXT", "anchor_text"]

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
