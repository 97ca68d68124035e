"""Page: a fetched response, decoded and parsed on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

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

_HEAD = 1 << 15
"""Bytes at the start of a page that are searched for robots directives."""

T = TypeVar("T")


class _ComputedOnce(Generic[T]):
    """A property that is computed at the first use (`functools.cached_property` locks before Python 3.12)."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __get__(self, page: Page | None, owner: type) -> T:
        if page is None:
            return self  # type: ignore[return-value]
        value = page.__dict__[self._compute.__name__] = self._compute(page)
        return value


class Page:
    """A fetched response, the argument of a scraper.

    ``url`` is the requested URL, ``final_url`` the one that answered, ``status`` the HTTP status, ``headers``
    a case-insensitive mapping, ``body`` the bytes without content coding. Everything else is computed at the
    first use and kept. A Page belongs to one thread.
    """

    def __init__(
        self,
        url: str,
        body: bytes,
        *,
        final_url: str | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ):
        from requests.structures import CaseInsensitiveDict  # 0.1 s the first time: loads requests

        self.url = url
        self.final_url = final_url or url
        self.status = status
        own = headers if isinstance(headers, CaseInsensitiveDict) else CaseInsensitiveDict(headers or {})
        self.headers: CaseInsensitiveDict[str] = own
        self.body = body
        self._robots: dict[str, tuple[str, ...]] = {}  # by the user agent

    def __repr__(self) -> str:
        return f"<Page {self.status} {self.final_url} {len(self.body)} bytes>"

    @property
    def content_type(self) -> str:
        """The media type without its parameters, lower case; empty without a Content-Type."""
        return html.essence(self.headers.get("Content-Type"))

    @_ComputedOnce
    def is_html(self) -> bool:
        """Whether the page is HTML, by its Content-Type and its first bytes: see `html.is_html`."""
        return html.is_html(self.content_type, self.body)

    def require_html(self) -> None:
        """Raise NotHtml, with the media type, if the page is not HTML."""
        if not self.is_html:
            what = self.content_type or "something without a Content-Type"
            binary = "something binary, called " if html.is_html(self.content_type, b"") else ""
            raise NotHtml(f"not HTML but {binary}{what}")

    @_ComputedOnce
    def encoding(self) -> str:
        """The lower-case WHATWG name of the encoding, by the order of evidence in `parascrape.web.text`."""
        return find_encoding(self.body, self.headers.get("Content-Type"))

    @property
    def known_encoding(self) -> str | None:
        """`encoding` if it is already known, else None; does not decode anything."""
        return self.__dict__.get("encoding")

    @_ComputedOnce
    def text(self) -> str:
        """The body as characters; bytes that do not decode become U+FFFD."""
        return decode(self.body, encoding=self.encoding)[0]

    @property
    def markup(self) -> str:
        """``text`` for HTML parsers: empty-element tags of XHTML are expanded."""
        return from_xhtml(self.text) if html.is_xml(self.content_type) else self.text

    @_ComputedOnce
    def lexbor(self) -> LexborHTMLParser:
        """The document parsed by selectolax's lexbor, the fastest parser, which follows the HTML standard."""
        as_it_is = self.encoding == "utf-8" and not html.is_xml(self.content_type)
        return html.parse_lexbor(self.body if as_it_is else self.markup)

    def css(self, selector: str) -> list[LexborNode]:
        """Return all elements that match a CSS selector, in document order."""
        return self.lexbor.css(selector)

    def css_first(self, selector: str) -> LexborNode | None:
        """Return the first element that matches a CSS selector, None without one."""
        return self.lexbor.css_first(selector)

    @_ComputedOnce
    def tree(self) -> HtmlElement:
        """The document parsed by lxml.html, for XPath; deeply nested elements are not cut."""
        return html.parse_lxml(self.markup)

    @_ComputedOnce
    def soup(self) -> BeautifulSoup:
        """The document parsed by BeautifulSoup on lxml: 40 to 100 times slower than `css` and `tree`."""
        return html.parse_soup(self.markup)

    def robots(self, user_agent: str) -> tuple[str, ...]:
        """Return the directives of X-Robots-Tag and <meta> for a robot: see `robots.robots_meta`."""
        if user_agent in self._robots:
            return self._robots[user_agent]
        headers = [value] if (value := self.headers.get("X-Robots-Tag")) else []
        start = self.body[:_HEAD].lower()
        name = product_token(user_agent).lower().encode()
        metas = self._metas() if (b"robots" in start or name in start) and self.is_html else []
        found = robots_meta(headers, metas, user_agent) if headers or metas else ()
        self._robots[user_agent] = found
        return found

    def _metas(self) -> list[tuple[str, str]]:
        """Return the names and contents of the <meta> elements in the head."""
        try:
            head = self.lexbor.head
        except TooComplex:
            return []
        found = head.css("meta[name][content]") if head is not None else []
        return [(one.attributes.get("name") or "", one.attributes.get("content") or "") for one in found]

    @_ComputedOnce
    def base_url(self) -> str:
        """The base of relative links: ``final_url`` joined with the first <base href>."""
        return html.base_url(self.lexbor, self.final_url)
