"""markup: XHTML and ruby, rewritten before an HTML parser reads them."""

from __future__ import annotations

import doctest
from typing import Any

import pytest

from parascrape import Page
from parascrape.scrapers.loading import load_scraper
from parascrape.web import markup
from parascrape.web.markup import from_xhtml, without_ruby
from tests.helpers.linear import linear_time

XHTML = "application/xhtml+xml"
HOSTILE = ["<a ", '<a x="', "<rt>", "<rt ", "<![CDATA[", "]]><![CDATA[", "<script><![CDATA[]]>", "<a/>"]


def scrape(name: str, body: str, kind: str = XHTML) -> dict[str, Any]:
    page = Page("http://h.example/", body.encode(), headers={"Content-Type": kind})
    return dict(load_scraper(name)(page))


@pytest.mark.parametrize("name", ["page", "article"])
@pytest.mark.parametrize(
    ("body", "title", "text"),
    [
        ("<html><head><script src='a.js'/><title>T</title></head><body><p>x</p></body></html>", "T", "x"),
        ("<html><head><title>T</title></head><body><div/><textarea/><p>x</p></body></html>", "T", "x"),
        ("<html><head><title><![CDATA[a & b]]></title></head><body><p>x</p></body></html>", "a & b", "x"),
        ("<html><head><title>T</title></head><body><p>a<br/>b</p></body></html>", "T", "a\nb"),
    ],
    ids=["script", "div", "cdata", "void"],
)
def test_xhtml_is_read_by_the_rules_of_xml(name: str, body: str, title: str, text: str) -> None:
    """An empty-element tag ends its element, and a CDATA section is text."""
    record = scrape(name, body)
    assert (record["title"], record["text"]) == (title, text)


def test_html_is_left_as_it_is() -> None:
    """There a slash at a tag's end means nothing (HTML standard §13.1.2.1)."""
    body = "<title>T</title><div/>in it"
    assert Page("http://h/", body.encode(), headers={"Content-Type": "text/html"}).markup == body


def test_scripts_keep_their_cdata() -> None:
    """To HTML they are raw, and an escape would be part of the program."""
    script = "<script>//<![CDATA[\na < b\n//]]></script>"
    assert from_xhtml(f"{script}<p><![CDATA[<]]></p>") == f"{script}<p>&lt;</p>"


@pytest.mark.parametrize("name", ["page", "article"])
def test_ruby_keeps_its_base_text(name: str) -> None:
    """The annotated words stay in one piece, without the annotation."""
    body = "<title>T</title><p><ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp>字<rt>じ</rt></ruby>です。</p>"
    assert scrape(name, body, "text/html; charset=utf-8")["text"] == "漢字です。"


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_grows_with_the_length_only(piece: str) -> None:
    """This also holds for unclosed elements."""
    text = "<ruby>" + piece * 50_000 + "/>]]>"
    with linear_time():
        from_xhtml(text)
        without_ruby(text)


def test_doctests_hold() -> None:
    """The examples in the documentation are true."""
    assert doctest.testmod(markup).failed == 0
