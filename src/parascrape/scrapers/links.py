"""The scraper ``links``: where a page leads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from parascrape.scrapers.select import bounded
from parascrape.web import Page, absolute, collapse, visible_text

__all__ = ["links"]


def links(page: Page) -> dict[str, Any]:
    """``{"links": [{"url", "text", "rel"}, ...]}``: every <a> and <area>, in the order of the document.

    ``url`` is absolute (<base href> counted), http(s) and fit to send; ``text`` the anchor's visible text or,
    where it has none, its ``alt``, the ``alt`` of its image, or its ``title``; ``rel`` the list of its link
    types in lower case.
    Links within the page itself (``#part``) are left out. The same URL is listed as often as the page
    links to it, since text and rel differ.

    Raises:
        NotHtml: the page is something else.
        BadRecord: the links together are longer than 50 million characters (see `bounds`).
    """
    page.require_html()
    return {"links": list(bounded(_links(page), lambda link: len(link["url"]) + len(link["text"])))}


def _links(page: Page) -> Iterator[dict[str, Any]]:
    """Each link's dict."""
    for node in page.css("a[href], area[href]"):
        attributes = node.attributes
        href = (attributes.get("href") or "").strip()
        url = None if href.startswith("#") else absolute(page.base_url, href, page.encoding)
        if url:
            text = visible_text(node) or _label(node, attributes)
            yield {"url": url, "text": text, "rel": (attributes.get("rel") or "").lower().split()}


def _label(node: Any, attributes: dict[str, str | None]) -> str:
    """What stands for the text of a link that has none, "" without such a thing."""
    image = node.css_first("img[alt]")
    label = attributes.get("alt") or (image and image.attributes.get("alt")) or attributes.get("title")
    return collapse(label or "")
