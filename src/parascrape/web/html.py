"""HTML: type sniffing, parsers (lexbor, lxml, resiliparse, BeautifulSoup), links, visible text."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin

from parascrape.errors import InvalidUrl
from parascrape.system import load_part
from parascrape.web.encoding import python_codec
from parascrape.web.markup import refuse_bomb
from parascrape.web.text import collapse, collapse_spaces, with_spaces
from parascrape.web.urls import MAX_URL, prepare

if TYPE_CHECKING:
    from bs4 import BeautifulSoup
    from lxml.html import HtmlElement
    from resiliparse.parse.html import HTMLTree
    from selectolax.lexbor import LexborHTMLParser, LexborNode

_HTML_TYPES = frozenset(("text/html", "application/xhtml+xml", "application/vnd.wap.xhtml+xml"))
_XML_TYPES = frozenset(("text/xml", "application/xml"))
_UNKNOWN_TYPES = frozenset(
    ("", "*/*", "unknown/unknown", "application/unknown", "application/octet-stream", "binary/octet-stream")
)
_SNIFFED = 4096

# MIME Sniffing standard §7.1, step 1; real pages also end "<!DOCTYPE html" with a line end
_HTML_START = re.compile(
    rb"[\t\n\x0c\r ]*<(?:!--|(?:!DOCTYPE HTML|HTML|HEAD|SCRIPT|IFRAME|H1|DIV|FONT|TABLE|A|STYLE|TITLE|B|BODY"
    rb"|BR|P)[\s>])",
    re.I,
)
_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*>")
_XHTML = re.compile(rb"<!doctype\s+html|http://www\.w3\.org/1999/xhtml", re.I)

# Files that servers also send as HTML: gzip without its Content-Encoding, documents, archives, pictures
_BINARY = (b"\x1f\x8b\x08", b"%PDF-", b"PK\x03\x04", b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8")


def essence(content_type: str | None) -> str:
    """Return the media type of a Content-Type header, lower case, without parameters; "" if it has none.

    Of several types the last valid one counts (Fetch standard §2.2, "extract a MIME type").
    """
    kinds = [kind.partition(";")[0].strip().lower() for kind in (content_type or "").split(",")]
    return next((kind for kind in reversed(kinds) if "/" in kind and kind != "*/*"), "")


def is_xml(content_type: str) -> bool:
    """Return whether a media type (an `essence`) is XML, XHTML included."""
    return content_type in _XML_TYPES or content_type.endswith("+xml")


def is_html(content_type: str, body: bytes) -> bool:
    """Return whether a body with this media type (an `essence`) is HTML.

    An XML type counts if the body is XHTML. For an unknown type the start of the body decides (MIME Sniffing
    standard §7.1). A body that starts like gzip, PDF or a picture is not HTML, whatever its type.
    """
    if body.startswith(_BINARY):
        return False
    if content_type in _HTML_TYPES:
        return True
    if content_type not in _UNKNOWN_TYPES and content_type not in _XML_TYPES:
        return False
    head = _ascii_head(body)
    if content_type in _XML_TYPES or head.lstrip().startswith(b"<?xml"):
        return _XHTML.search(head) is not None
    return _HTML_START.match(head) is not None


def _ascii_head(body: bytes) -> bytes:
    """Return the first bytes of a body without the byte order mark, converted from UTF-16 to ASCII."""
    head = body[:_SNIFFED]
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head.decode("utf-16", "replace").encode("ascii", "replace")
    return head.removeprefix(codecs.BOM_UTF8)


def parse_lexbor(source: str | bytes) -> LexborHTMLParser:
    """Parse a document with lexbor. Bytes must be UTF-8; invalid ones become U+FFFD.

    Bytes save the decoding: 0.12 ms of 0.85 for a page of 260 KB. Without the events that fill
    <selectedcontent>, parsing is 15 % faster. Raises TooComplex: see `markup.refuse_bomb`.
    """
    from selectolax.lexbor import LexborDocumentOptions, LexborHTMLParser

    refuse_bomb(source)
    if isinstance(source, bytes):
        source = source.removeprefix(codecs.BOM_UTF8)
        if b"\0" in source:  # lexbor drops it, which could join bytes into another character
            source = source.decode(errors="replace")
    return LexborHTMLParser(source, options=LexborDocumentOptions.WO_EVENTS)


def parse_resiliparse(text: str) -> HTMLTree:
    """Parse a document with resiliparse, for its main text. Raises TooComplex: see `markup.refuse_bomb`."""
    refuse_bomb(text)
    tree: HTMLTree = load_part("resiliparse.parse.html").HTMLTree.parse(text)
    return tree


def parse_lxml(text: str, **options: Any) -> HtmlElement:
    """Parse a document with lxml.html, at any depth; ``options`` are those of its HTMLParser.

    libxml2 silently drops elements deeper than 254 levels, with ``huge_tree`` deeper than 2,048. Its event
    interface has no such limit and is used then: 30 ms for 3,000 elements, but quadratic time (3 s for
    30,000).
    """
    from lxml import etree, html as lxml_html

    body = text.encode("utf-8", "replace") or b"<html></html>"
    parser = lxml_html.HTMLParser(huge_tree=True, encoding="utf-8", **options)
    try:
        tree = lxml_html.document_fromstring(body, parser=parser)
    except etree.ParserError:  # only white space and comments
        return lxml_html.document_fromstring(b"<html></html>")
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
        builder = etree.TreeBuilder(element_factory=parser.makeelement)
        events = lxml_html.HTMLParser(huge_tree=True, encoding="utf-8", target=builder, **options)
        return etree.fromstring(body, events)
    return tree


def parse_soup(text: str) -> BeautifulSoup:
    """Parse a document with BeautifulSoup on lxml, avoiding its warnings about XML and single words."""
    from bs4 import BeautifulSoup

    text = _XML_DECLARATION.sub("", text)
    return BeautifulSoup(text if "<" in text else text + "\n", "lxml")


def absolute(base: str, link: str | None, encoding: str = "utf-8") -> str | None:
    """Return the absolute http(s) URL of a link, prepared (`urls.prepare`), with its fragment; else None.

    Links are read as in browsers (URL standard §4.4): a backslash in the path is a slash, and a query is
    encoded in the document's ``encoding``, a WHATWG name.

    >>> absolute("http://a.example/b/c", " ../d e?ü#f "), absolute("http://a.example/", "mailto:x@a.example")
    ('http://a.example/d%20e?%C3%BC#f', None)
    """
    link = re.sub(r"[\t\n\r]", "", (link or "").strip("\x00 \t\n\x0c\r"))
    if not link or len(link) > MAX_URL:
        return None
    try:
        url, mark, fragment = urljoin(base, _as_browsers_do(link, encoding)).partition("#")
        return prepare(url) + mark + quote(fragment, safe="%!$&'()*+,;=:@/?")
    except (ValueError, InvalidUrl):  # "http://[" and the like
        return None


def _as_browsers_do(link: str, encoding: str) -> str:
    """Return a link with slashes for backslashes in its path, and its query in the document's encoding."""
    if "\\" not in link and (link.isascii() or encoding == "utf-8"):
        return link
    address, mark, fragment = link.partition("#")
    path, question, query = address.partition("?")
    if encoding != "utf-8" and not encoding.startswith("utf-16"):
        query = "".join(_escape(char, python_codec(encoding)) for char in query)
    return path.replace("\\", "/") + question + query + mark + fragment


def _escape(char: str, codec: str) -> str:
    """Percent-encode a query's character in an encoding, else its numeric reference (URL standard §1.3)."""
    if char.isascii():
        return char
    try:
        octets = char.encode(codec)
    except UnicodeError:
        return f"%26%23{ord(char)}%3B"
    return "".join(chr(octet) if 0x20 < octet < 0x7F else f"%{octet:02X}" for octet in octets)


def base_url(parser: LexborHTMLParser, url: str) -> str:
    """Return the base URL of a document's links: its URL, joined with the first <base href>."""
    base = parser.css_first("base[href]")
    return (base and absolute(url, base.attributes.get("href"))) or url


_BREAKS = frozenset(
    """address article aside blockquote br button caption dd details dialog div dl dt fieldset figcaption
    figure footer form h1 h2 h3 h4 h5 h6 header hr legend li main menu nav ol option p pre section select
    summary table tbody td tfoot th thead tr ul""".split()  # noqa: SIM905
)
_UNSEEN = frozenset(("script", "style"))
_TEXT = "-text"


def visible_text(node: LexborNode) -> str:
    """Return all text in an element, with white space collapsed.

    Elements that start a line or a cell separate words (``<li>a</li><li>b</li>`` is "a b"), others do not
    (``a<b>b</b>`` is "ab"). The content of <script> and <style> is left out, unless the element is one.
    lexbor's own text takes half the time, but joins words on every other real page.
    """
    if node.tag in _UNSEEN:
        return collapse(node.text())
    return collapse_spaces(_join_texts(node))


def _join_texts(node: LexborNode) -> str:
    """Return the texts in an element, joined, with a space where words are separated."""
    parts: list[str] = []
    # The next sibling of each open element, and whether the element's end separates words.
    rest: list[tuple[LexborNode | None, bool]] = []
    inner = node.first_child
    parted = True  # at the start, or after a space
    while inner is not None or rest:
        if inner is None:
            inner, parts_words = rest.pop()
        elif (tag := inner.tag) == _TEXT:
            text = inner.text_content or ""
            inner = inner.next
            parts_words = text.isspace()
            if text and not parts_words:
                if "\n" in text:
                    text = with_spaces(text)
                parts.append(text)
                parted = text[-1] == " "
        elif tag in _UNSEEN:
            inner, parts_words = inner.next, False
        else:
            parts_words = tag in _BREAKS
            rest.append((inner.next, parts_words))
            inner = inner.first_child
        if parts_words and not parted:
            parts.append(" ")
            parted = True
    text = "".join(parts)
    if text.isascii() and not ("\t" in text or "\r" in text):
        return text
    return "".join(map(with_spaces, parts))
