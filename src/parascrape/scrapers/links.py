"""The scraper ``links``: all links of a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from parascrape.scrapers.select import bounded
from parascrape.web import Page, absolute, collapse, visible_text


def links(page: Page) -> dict[str, Any]:
    """Return ``{"links": [{"url", "text", "rel"}, ...]}``: every <a> and <area>, in document order.

    ``url`` is absolute (with <base href>), http(s) and prepared for sending. ``text`` is the visible text,
    else ``alt``, the ``alt`` of an image, or ``title``. ``rel`` is the list of lower-case link types. Links
    within the page (``#part``) are left out. A URL is repeated for each link, since text and rel differ.

    Raises:
        NotHtml: the page is not HTML.
        BadRecord: the links together are longer than 50 million characters (see `select.bounded`).
    """
    page.require_html()
    return {"links": list(bounded(_links(page), lambda link: len(link["url"]) + len(link["text"])))}


def _links(page: Page) -> Iterator[dict[str, Any]]:
    for node in page.css("a[href], area[href]"):
        attributes = node.attributes
        href = (attributes.get("href") or "").strip()
        url = None if href.startswith("#") else absolute(page.base_url, href, page.encoding)
        if url:
            text = visible_text(node)
            if not text:
                image = node.css_first("img[alt]")
                pictured = image and image.attributes.get("alt")
                text = collapse(attributes.get("alt") or pictured or attributes.get("title") or "")
            yield {"url": url, "text": text, "rel": (attributes.get("rel") or "").lower().split()}
