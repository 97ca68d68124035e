"""Link sources: where links stand in a page's markup and headers, their texts, and the canonical link."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from parascrape.crawling.links.rules import LinkRules
from parascrape.errors import TooComplex
from parascrape.web import Page, absolute, collapse, essence, is_html

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

LinkSource = tuple[str, str, bool, "LexborNode | None"]
"""One link: the graph's name for its kind, its href, nofollow, and its element.

A plain tuple, because making a named one takes as long as all the other work on a link.
"""

_ELEMENTS = "a, area, link, meta, base, iframe, frame"  # conditions on attributes would take a third longer

_NOFOLLOW = frozenset(("nofollow", "sponsored", "ugc"))  # the last two are Google's hints
_SEQUENCE = frozenset(("next", "prev", "previous"))  # HTML standard, "Link type prev": previous means prev


def select_elements(page: Page, rules: LinkRules) -> list[LexborNode]:
    """Return the elements of the page that may hold links, and <base>, in document order.

    Empty for a page that is not HTML or too complex to parse. With ``follow``, only elements that match one
    of its selectors or stand in such an element.
    """
    if not page.is_html:
        return []
    try:
        nodes = page.css(_ELEMENTS)
    except TooComplex:
        return []
    return list(_within(page, nodes, rules.follow)) if rules.follow else nodes


def links_in_markup(nodes: list[LexborNode], at_home: bool) -> Iterator[LinkSource]:
    """Yield the links of these elements; ``at_home``: ``#part`` is the page itself, and is left out."""
    refreshed = False
    for node in nodes:
        tag = node.tag
        attributes = node.attributes
        if tag == "a" or tag == "area":
            href = attributes.get("href")
            if not href:  # an empty one is the base; SVG 1.1 has another attribute
                href = "#" if "href" in attributes else attributes.get("xlink:href") or "about:"
            if href[0] == "#" and at_home:
                continue
            rel = attributes.get("rel")
            yield tag, href, rel is not None and not _NOFOLLOW.isdisjoint(rel.lower().split()), node
        elif tag == "meta":
            target = "" if refreshed else _refresh(attributes)
            if target:
                refreshed = True  # only the first counts
                yield "refresh", target, False, node
        elif tag == "link":
            types = (attributes.get("rel") or "").lower().split()
            if (target := attributes.get("href") or "") and _leads_on(types, attributes):
                yield "link", target, not _NOFOLLOW.isdisjoint(types), node
        elif tag != "base" and attributes.get("src"):
            yield tag or "", attributes["src"] or "", False, node


def links_in_headers(page: Page, own: str) -> Iterator[LinkSource]:
    """Yield the links of the headers Link (next, prev, alternate) and Refresh of the page at ``own``."""
    for target, parameters in links_of(page.headers.get("Link") or ""):
        types = parameters.get("rel", "").lower().split()
        anchor = parameters.get("anchor")
        if anchor and (absolute(own, anchor) or "").partition("#")[0] != own:
            continue  # another page's link (RFC 8288 §3.2)
        if _leads_on(types, parameters):
            yield "header", target, not _NOFOLLOW.isdisjoint(types), None
    if target := refresh_target(page.headers.get("Refresh") or ""):
        yield "refresh", target, False, None


def _refresh(attributes: Mapping[str, str | None]) -> str:
    if (attributes.get("http-equiv") or "").lower() != "refresh":
        return ""
    return refresh_target(attributes.get("content") or "")


def _leads_on(types: list[str], attributes: Mapping[str, str | None]) -> bool:
    """Return whether such a link leads to a page to read: the next one, or another form of this one."""
    if not _SEQUENCE.isdisjoint(types):
        return True
    if "alternate" not in types or "stylesheet" in types:
        return False
    kind = essence(attributes.get("type"))
    return is_html(kind, b"") if kind else "hreflang" in attributes


def _within(page: Page, nodes: list[LexborNode], selectors: tuple[str, ...]) -> Iterator[LexborNode]:
    """Yield the elements that match a selector or stand in a match; looks at each element once."""
    inside = {node.mem_id: True for selector in selectors for node in page.css(selector)}
    for node in nodes:
        path: list[int] = []
        at: LexborNode | None = node
        while at is not None and (here := at.mem_id) not in inside:
            path.append(here)
            at = at.parent
        found = at is not None and inside[at.mem_id]
        inside.update(dict.fromkeys(path, found))
        if found:
            yield node


MAX_HEADER = 65_536  # characters of the Link header that are read

# Possessive, and a target ends at the first ">": every character is passed once.
_TARGET = re.compile(r"[\s,]*+<([^>]*+)>")
_PARAMETER = re.compile(
    r"""\s*+;\s*+(?P<name>[^\s=;,"]*+)\s*+(?:=\s*+(?:"(?P<quoted>(?:[^"\\]|\\.)*+)(?:"|\Z)|(?P<bare>[^;,]*+)))?""",
    re.DOTALL,
)
_TO_COMMA = re.compile(r"[^,]*+")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def links_of(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each link of a Link header (RFC 8288 appendix B.2): its target as written, and its parameters.

    Names are in lower case; of a repeated parameter the first counts (§3.3 for ``rel``). Reading ends at the
    first text that is not a link.

    >>> list(links_of('</b?p=1,2>; rel="next"; title="a, \\\\"b\\\\"", </c>;rel=prev'))
    [('/b?p=1,2', {'rel': 'next', 'title': 'a, "b"'}), ('/c', {'rel': 'prev'})]
    """
    header = header[:MAX_HEADER]
    at = 0
    while target := _TARGET.match(header, at):
        at = target.end()
        parameters: dict[str, str] = {}
        while found := _PARAMETER.match(header, at):
            at = found.end()
            quoted = found["quoted"]
            value = (found["bare"] or "").strip() if quoted is None else _QUOTED_PAIR.sub(r"\1", quoted)
            parameters.setdefault(found["name"].lower(), value)
        parameters.pop("", None)
        yield target[1].strip(), parameters
        rest = _TO_COMMA.match(header, at)
        at = rest.end() if rest else at


_WS = r"[\t\n\f\r ]*+"
_TIMED = re.compile(rf"{_WS}(?:[0-9]++|(?=\.))[0-9.]*+(?:(?=[;,\t\n\f\r ]){_WS}[;,]?+{_WS}(.*))?", re.DOTALL)
_URL = re.compile(rf"(?ai:url){_WS}={_WS}")


def refresh_target(value: str) -> str:
    """Return the URL, as written, of a Refresh header or <meta> (the "shared declarative refresh steps").

    Empty if the value only reloads the page, or is not a refresh.

    >>> refresh_target("5; url='next.html'"), refresh_target("0,/a"), refresh_target("x; url=/a")
    ('next.html', '/a', '')
    """
    timed = _TIMED.fullmatch(value)
    text: str = (timed and timed[1]) or ""
    if (said := _URL.match(text)) is not None:
        text = text[said.end() :]
    if text[:1] in ("'", '"'):
        text = text[1:].partition(text[0])[0]
    return text


MAX_TEXT = 200  # characters of a link's text
_MAX_NODES = 200  # links may nest thousands deep, and each would walk all within it
_LABELS = ("alt", "title", "aria-label")
_SEPARATES_WORDS = frozenset(
    ("br", "dd", "div", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "li", "p", "td", "th", "tr")
)


def anchor_text(node: LexborNode) -> str:
    """Return a link's text and the ``alt`` of its pictures, or its label, at most MAX_TEXT characters."""
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
    """Return the node's own text; its children are put on the rest."""
    if inner.is_text_node:
        return (inner.text_content or "")[: 4 * MAX_TEXT]
    tag = inner.tag
    if tag == "img":
        return f" {inner.attributes.get('alt') or ''} "[: 4 * MAX_TEXT]
    if tag not in ("script", "style"):
        rest.append(inner.first_child)
    return " " if tag in _SEPARATES_WORDS else ""


def _label(node: LexborNode) -> str:
    label = next(filter(None, map(node.attributes.get, _LABELS)), None) or ""
    return collapse(label[: 4 * MAX_TEXT])[:MAX_TEXT].rstrip()


def canonical_of(page: Page) -> str:
    """Return the page's canonical URL, absolute, prepared and without fragment; empty if it names none.

    <link rel="canonical"> counts in the head only, where the users of a forum cannot write, and so does the
    header Link. If several differ, none counts, as for search engines. It may be ``final_url``.
    """
    found = {
        absolute(page.final_url, target)
        for target, parameters in links_of(page.headers.get("Link") or "")
        if "canonical" in parameters.get("rel", "").lower().split() and "anchor" not in parameters
    }
    with suppress(TooComplex):
        head = page.lexbor.head if page.is_html else None
        for node in head.css('link[rel~="canonical" i][href]') if head is not None else ():
            found.add(absolute(page.base_url, node.attributes.get("href"), page.encoding))
    urls = {url.partition("#")[0] for url in found if url}
    return urls.pop() if len(urls) == 1 else ""
