"""Occurrences: every place of a page, of its markup and its headers, where a link stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from parascrape.crawling.links.rules import LinkRules
from parascrape.errors import TooComplex
from parascrape.web import Page, absolute, essence, is_html

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

__all__ = ["MAX_HEADER", "Occurrence", "elements", "in_headers", "links_of", "occurrences", "refresh_target"]

Occurrence = tuple[str, str, bool, "LexborNode | None"]
"""One link where it stands: the graph's name for its kind, its text, nofollow, and its element.

A plain tuple: a named one would take as long to make as all else that is done with it.
"""

_ELEMENTS = "a, area, link, meta, base"  # without conditions on attributes: a third quicker
_FRAMES = "iframe, frame"

_NOFOLLOW = frozenset(("nofollow", "sponsored", "ugc"))
"""Link types that ask robots not to follow; the last two are Google's, and hints of the same."""

_SEQUENCE = frozenset(("next", "prev", "previous"))
"""The last is treated as ``prev`` (HTML standard, "Link type prev")."""


def elements(page: Page, rules: LinkRules) -> list[LexborNode]:
    """The elements of the page that may hold links, and <base>, in the order of the document.

    None of a page that is no HTML, or too complex to be parsed. With ``follow`` those in or at the
    elements that one of its selectors matches.
    """
    if not page.is_html:
        return []
    try:
        nodes = page.css(f"{_ELEMENTS}, {_FRAMES}" if rules.frames else _ELEMENTS)
    except TooComplex:
        return []
    return list(_within(page, nodes, rules.follow)) if rules.follow else nodes


def occurrences(nodes: list[LexborNode], at_home: bool) -> Iterator[Occurrence]:
    """The links of these elements; ``at_home``: ``#part`` leads to the page itself, and is left out."""
    refreshed = False
    for node in nodes:
        tag = node.tag
        attributes = node.attributes
        if tag == "a" or tag == "area":
            href = attributes.get("href") or _odd_href(attributes)
            if href[0] == "#" and at_home:
                continue
            rel = attributes.get("rel")
            yield tag, href, rel is not None and _asks_not_to(rel.lower().split()), node
        elif tag == "meta":
            target = "" if refreshed else _refresh(attributes)
            if target:
                refreshed = True  # of several the first counts
                yield "refresh", target, False, node
        elif tag == "link":
            yield from _link(attributes, node)
        elif tag != "base" and attributes.get("src"):
            yield tag or "", attributes["src"] or "", False, node


def in_headers(page: Page, own: str) -> Iterator[Occurrence]:
    """The links of the headers Link (next, prev, alternate) and Refresh of the page at ``own``."""
    for target, parameters in links_of(page.headers.get("Link") or ""):
        types = parameters.get("rel", "").lower().split()
        anchor = parameters.get("anchor")
        if anchor and (absolute(own, anchor) or "").partition("#")[0] != own:
            continue  # another page's link (RFC 8288 §3.2)
        if _leads_on(types, parameters):
            yield "header", target, _asks_not_to(types), None
    if target := refresh_target(page.headers.get("Refresh") or ""):
        yield "refresh", target, False, None


_Attributes = dict[str, str | None]


def _odd_href(attributes: _Attributes) -> str:
    """Where an <a> leads whose href is empty or missing: to the base, or as SVG 1.1 says."""
    return "#" if "href" in attributes else attributes.get("xlink:href") or _NO_LINK


_NO_LINK = "about:"


def _link(attributes: _Attributes, node: LexborNode) -> Iterator[Occurrence]:
    types = (attributes.get("rel") or "").lower().split()
    href = attributes.get("href")
    if href and _leads_on(types, attributes):
        yield "link", href, _asks_not_to(types), node


def _refresh(attributes: _Attributes) -> str:
    if (attributes.get("http-equiv") or "").lower() != "refresh":
        return ""
    return refresh_target(attributes.get("content") or "")


def _asks_not_to(types: list[str]) -> bool:
    return not _NOFOLLOW.isdisjoint(types)


def _leads_on(types: list[str], attributes: Mapping[str, str | None]) -> bool:
    """Whether a link of these types leads to a page to read: the next one, or another form of this one."""
    if not _SEQUENCE.isdisjoint(types):
        return True
    if "alternate" not in types or "stylesheet" in types:
        return False
    kind = essence(attributes.get("type"))
    return is_html(kind, b"") if kind else "hreflang" in attributes


def _within(page: Page, nodes: list[LexborNode], selectors: tuple[str, ...]) -> Iterator[LexborNode]:
    """Those of the elements that a selector matches, or that stand in one that it matches.

    Every element of the document is asked once, however deep they nest.
    """
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


MAX_HEADER = 65_536
"""Characters of the header that are read."""

# Possessive, and a target ends at the first ">": every character is walked past once.
_TARGET = re.compile(r"[\s,]*+<([^>]*+)>")
_PARAMETER = re.compile(
    r"""\s*+;\s*+(?P<name>[^\s=;,"]*+)\s*+(?:=\s*+(?:"(?P<quoted>(?:[^"\\]|\\.)*+)(?:"|\Z)|(?P<bare>[^;,]*+)))?""",
    re.DOTALL,
)
_TO_COMMA = re.compile(r"[^,]*+")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def links_of(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each link's target, as it stands, and its parameters by their names in lower case (appendix B.2).

    Of a parameter that is given twice the first counts, as §3.3 wants it of ``rel``. What is no link ends
    the reading.

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
    """The URL, as it stands, that the "shared declarative refresh steps" find in a ``content`` or header.

    Empty where the value only asks for the same page again, or is no refresh at all.

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
