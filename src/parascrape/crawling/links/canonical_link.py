"""The canonical link: the URL that a page says is its own (RFC 6596)."""

from __future__ import annotations

from parascrape.crawling.links.link_header import links_of
from parascrape.errors import TooComplex
from parascrape.web.html import absolute
from parascrape.web.page import Page

__all__ = ["canonical_of"]


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
