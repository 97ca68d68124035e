"""Page: a fetched response, decoded and parsed on demand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from parascrape.errors import NotHtml, TooComplex
from parascrape.web import html
from parascrape.web.markup import from_xhtml
from parascrape.web.robots import product_token, robots_meta
from parascrape.web.text import decode, find_encoding

if TYPE_CHECKING:
    from bs4 import BeautifulSoup
    from lxml.html import HtmlElement
    from requests.structures import CaseInsensitiveDict
    from selectolax.lexbor import LexborHTMLParser, LexborNode

__all__ = ["Page"]

_UNREAD: Any = object()

_HEAD = 1 << 15
"""Bytes at the start of a page that are searched for robots directives."""


class Page:
    """A fetched response, the argument of a scraper.

    ``url`` is the requested URL, ``final_url`` the one that answered, ``status`` the HTTP status, ``headers``
    a case-insensitive mapping, ``body`` the bytes without content coding. Everything else is computed at the
    first use and kept. A Page belongs to one thread.
    """

    __slots__ = (
        "_base_url",
        "_encoding",
        "_is_html",
        "_lexbor",
        "_robots",
        "_soup",
        "_text",
        "_tree",
        "body",
        "final_url",
        "headers",
        "status",
        "url",
    )

    def __init__(
        self,
        url: str,
        body: bytes,
        *,
        final_url: str | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ):
        from requests.structures import (
            CaseInsensitiveDict,  # 0.1 s the first time, because it imports requests
        )

        self.url = url
        self.final_url = final_url or url
        self.status = status
        own = headers if isinstance(headers, CaseInsensitiveDict) else CaseInsensitiveDict(headers or {})
        self.headers: CaseInsensitiveDict[str] = own
        self.body = body
        self._encoding = self._text = self._lexbor = self._tree = self._soup = _UNREAD
        self._is_html = self._base_url = _UNREAD
        self._robots: dict[str, tuple[str, ...]] = {}  # by the user agent

    def __repr__(self) -> str:
        return f"<Page {self.status} {self.final_url} {len(self.body)} bytes>"

    @property
    def content_type(self) -> str:
        """The media type without its parameters, lower case; empty without a Content-Type."""
        return html.essence(self.headers.get("Content-Type"))

    @property
    def is_html(self) -> bool:
        """Whether the page is HTML, by its Content-Type and its first bytes: see `html.is_html`."""
        if self._is_html is _UNREAD:
            self._is_html = html.is_html(self.content_type, self.body)
        return bool(self._is_html)

    def require_html(self) -> None:
        """Raise NotHtml, with the media type, if the page is not HTML."""
        if not self.is_html:
            what = self.content_type or "something without a Content-Type"
            binary = "something binary, called " if html.is_html(self.content_type, b"") else ""
            raise NotHtml(f"not HTML but {binary}{what}")

    @property
    def encoding(self) -> str:
        """The lower-case WHATWG name of the encoding, by the order of evidence in `parascrape.web.text`."""
        if self._encoding is _UNREAD:
            self._encoding = find_encoding(self.body, self.headers.get("Content-Type"))
        return str(self._encoding)

    @property
    def known_encoding(self) -> str | None:
        """`encoding` if it is already known, else None; does not decode anything."""
        return None if self._encoding is _UNREAD else self._encoding

    @property
    def text(self) -> str:
        """The body as characters; bytes that do not decode become U+FFFD."""
        if self._text is _UNREAD:
            self._text = decode(self.body, encoding=self.encoding)[0]
        return str(self._text)

    @property
    def markup(self) -> str:
        """``text`` for HTML parsers: empty-element tags of XHTML are expanded."""
        return from_xhtml(self.text) if html.is_xml(self.content_type) else self.text

    @property
    def lexbor(self) -> LexborHTMLParser:
        """The document parsed by selectolax's lexbor, the fastest parser, which follows the HTML standard."""
        if self._lexbor is _UNREAD:
            as_it_is = self.encoding == "utf-8" and not html.is_xml(self.content_type)
            self._lexbor = html.parse_lexbor(self.body if as_it_is else self.markup)
        parser: LexborHTMLParser = self._lexbor
        return parser

    def css(self, selector: str) -> list[LexborNode]:
        """Return all elements that match a CSS selector, in document order."""
        return self.lexbor.css(selector)

    def css_first(self, selector: str) -> LexborNode | None:
        """Return the first element that matches a CSS selector, None without one."""
        return self.lexbor.css_first(selector)

    @property
    def tree(self) -> HtmlElement:
        """The document parsed by lxml.html, for XPath; deeply nested elements are not cut."""
        if self._tree is _UNREAD:
            self._tree = html.parse_lxml(self.markup)
        return self._tree

    @property
    def soup(self) -> BeautifulSoup:
        """The document parsed by BeautifulSoup on lxml: 40 to 100 times slower than `css` and `tree`."""
        if self._soup is _UNREAD:
            self._soup = html.parse_soup(self.markup)
        soup: BeautifulSoup = self._soup
        return soup

    def robots(self, user_agent: str) -> tuple[str, ...]:
        """Return the directives of X-Robots-Tag and <meta> for a robot: see `robots.robots_meta`."""
        if user_agent not in self._robots:
            self._robots[user_agent] = self._find_robots(user_agent)
        return self._robots[user_agent]

    def _find_robots(self, user_agent: str) -> tuple[str, ...]:
        headers = [value] if (value := self.headers.get("X-Robots-Tag")) else []
        start = self.body[:_HEAD].lower()
        name = product_token(user_agent).lower().encode()
        metas = self._metas() if (b"robots" in start or name in start) and self.is_html else []
        return robots_meta(headers, metas, user_agent) if headers or metas else ()

    def _metas(self) -> list[tuple[str, str]]:
        """Return the names and contents of the <meta> elements in the head."""
        try:
            head = self.lexbor.head
        except TooComplex:
            return []
        found = head.css("meta[name][content]") if head is not None else []
        return [(one.attributes.get("name") or "", one.attributes.get("content") or "") for one in found]

    @property
    def base_url(self) -> str:
        """The base of relative links: ``final_url`` joined with the first <base href>."""
        if self._base_url is _UNREAD:
            self._base_url = html.base_url(self.lexbor, self.final_url)
        return str(self._base_url)
