"""Page: what a scraper is given, worked out no more than once."""

from __future__ import annotations

import pytest
from hypothesis import example, given, strategies as st

from parascrape.errors import NotHtml
from parascrape.web.html import parse_lexbor
from parascrape.web.page import Page

HTML = {"content-type": "text/html"}


def make_page(body: bytes, **headers: str) -> Page:
    return Page("http://a.example/", body, headers=HTML | headers)


@pytest.mark.parametrize("name", ["text", "lexbor", "tree", "soup"])
def test_each_property_is_computed_once(name: str) -> None:
    """The second use gives the same object."""
    page = make_page("<p>é".encode())
    assert getattr(page, name) is getattr(page, name)


def test_a_page_has_the_fields_of_the_response() -> None:
    """The requested URL is the default of the final URL; headers ignore case."""
    page = Page("http://a.example/", b"", status=404, headers={"X-Thing": "1"})
    assert (page.url, page.final_url, page.status, page.body) == (
        "http://a.example/",
        "http://a.example/",
        404,
        b"",
    )
    assert page.headers["x-thing"] == "1"
    assert page.content_type == ""


def test_the_known_encoding_decodes_nothing() -> None:
    """It is None until the text or a parser needs it."""
    page = make_page("é".encode("cp1252"), **{"content-type": "text/html; charset=latin1"})
    assert page.known_encoding is None
    assert page.text == "é"
    assert page.known_encoding == page.encoding == "windows-1252"


@pytest.mark.parametrize("encoding", ["utf-8", "shift_jis", "euc-jp", "iso-2022-jp"])
def test_all_parsers_read_the_same_characters(encoding: str) -> None:
    """The decoded ones, whatever the document declares to the parser."""
    text = "<?xml version='1.0' encoding='latin1'?><meta charset='koi8-r'><p>日本語"
    page = make_page(text.encode(encoding), **{"content-type": f"text/html; charset={encoding}"})
    found = page.css_first("p")
    assert found is not None
    assert found.text() == page.tree.findtext(".//p") == page.soup.p.get_text() == "日本語"


@pytest.mark.parametrize("depth", [254, 300, 2_047, 2_049, 3_000])
def test_no_parser_cuts_deep_nesting(depth: int) -> None:
    """libxml2 alone would silently drop elements deeper than 254 or 2,048 levels."""
    page = make_page(b"<div>" * depth + b"deep" + b"</div>" * depth + b"<p>after</p>")
    assert page.tree.text_content() == "deepafter"
    assert page.soup.get_text() == "deepafter"
    assert page.lexbor.root.text() == "deepafter"


@given(st.binary(max_size=300))
@example(b"\xc2\x00\x80")
def test_lexbor_reads_utf_8_bytes_as_it_reads_their_text(body: bytes) -> None:
    """Invalid ones too; so the bytes need no decoding first."""
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    assert parse_lexbor(body).html == parse_lexbor(text).html


@pytest.mark.parametrize("body", [b"", b" \n", b"\x00", b"<!-- -->", b"plain \xff text"])
def test_any_body_has_a_document(body: bytes) -> None:
    """Also one without a single element."""
    page = make_page(body)
    assert page.tree.tag == "html"
    assert page.css("html")
    assert page.soup is not None


@pytest.mark.parametrize(
    ("content_type", "body", "is_html"),
    [
        ("text/html", b"%PDF", True),
        ("TEXT/HTML;charset=utf-8", b"", True),
        ("text/html, text/html", b"", True),
        ("application/xhtml+xml", b"", True),
        ("text/plain", b"<html>", False),
        ("application/json", b"{}", False),
        ("image/png", b"<html>", False),
        ("", b"\xef\xbb\xbf \n<!DOCTYPE html>", True),
        ("", "\ufeff<html>".encode("utf-16-le"), True),
        ("", b"<!DOCTYPE html\n SYSTEM>", True),
        ("", b"<!-- a page -->", True),
        ("", b"<a href=x>", True),
        ("", b"<article>", False),
        ("", b"just text", False),
        ("", b"", False),
        ("application/octet-stream", b"<html>", True),
        ("application/octet-stream", b"%PDF-1.7", False),
        ("nonsense", b"<html>", True),
        ("text/xml", b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">', True),
        ("application/xml", b'<?xml version="1.0"?><!DOCTYPE HTML PUBLIC "">', True),
        ("application/xml", b"<rss/>", False),
        ("", b"<?xml version='1.0'?><rss/>", False),
    ],
)
def test_html_is_recognised_by_its_type_or_its_first_bytes(
    content_type: str, body: bytes, is_html: bool
) -> None:
    """The header where it says something, the MIME Sniffing standard where it does not."""
    page = Page("http://a.example/", body, headers={"content-type": content_type} if content_type else {})
    assert page.is_html is is_html


def test_other_types_are_refused_with_their_name() -> None:
    """The message names it."""
    with pytest.raises(NotHtml, match=r"application/pdf"):
        Page("http://a.example/", b"%PDF", headers={"content-type": "application/pdf; v=1"}).require_html()
    make_page(b"").require_html()


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("", "http://a.example/b/c"),
        ("<base href=/d/>", "http://a.example/d/"),
        ("<base target=x><base href=e><base href=f>", "http://a.example/b/e"),
        ("<base href='//h.example'>", "http://h.example/"),
        ("<base href='http://['>", "http://a.example/b/c"),
        ("<base href='data:,'>", "http://a.example/b/c"),
    ],
)
def test_links_are_relative_to_the_first_base(base: str, expected: str) -> None:
    """It is joined with the final URL; other schemes than http(s) are ignored."""
    page = Page("http://other.example/", base.encode(), final_url="http://a.example/b/c", headers=HTML)
    assert page.base_url == expected
