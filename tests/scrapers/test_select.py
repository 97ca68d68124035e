"""Selections: their syntax, their values, and the errors before the first fetch."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from parascrape.errors import NotHtml, UsageError
from parascrape.scrapers.select import Selection, parse_selection, parse_selections, select
from parascrape.web.page import Page

BODY = b"""<title>T</title>
<ul class=x><li><a href="/1" rel>one <b>1</b></a></li><li><a href="/2">two</a></li>
<li><a>three</a></li></ul>"""


def make_page(body: bytes = BODY, content_type: str = "text/html") -> Page:
    return Page("http://a.example/", body, headers={"content-type": content_type})


@pytest.mark.parametrize(
    ("text", "selection"),
    [
        ("t=title", Selection("t", "title")),
        (" t = ul > li ", Selection("t", "ul > li")),
        ("t[]=li", Selection("t", "li", many=True)),
        ("t=a::attr(href)", Selection("t", "a", attribute="href")),
        ("t[]=a::attr( Data-X )", Selection("t", "a", many=True, attribute="data-x")),
        ("t=a::text", Selection("t", "a")),
        ("t=a[href='x=y']", Selection("t", "a[href='x=y']")),
        ("名前=h1", Selection("名前", "h1")),
    ],
)
def test_a_selection_is_read_as_written(text: str, selection: Selection) -> None:
    """The first = parts name and selector."""
    assert parse_selection(text) == selection


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("v=title", "T"),
        ("v=ul", "one 1 two three"),
        ("v=li:nth-child(2)", "two"),
        ("v[]=li", ["one 1", "two", "three"]),
        ("v=a::attr(href)", "/1"),
        ("v=a::attr(rel)", ""),
        ("v=ul::attr(href)", None),
        ("v[]=a::attr(href)", ["/1", "/2"]),
        ("v=h1", None),
        ("v[]=h1", []),
        ("v=h1::attr(id)", None),
        ("v=h1, title", "T"),
    ],
)
def test_a_selection_gives(text: str, value: object) -> None:
    """Text or attribute, of the first match or all; None or an empty list for none."""
    assert select(make_page(), [parse_selection(text)]) == {"v": value}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("title", "NAME=CSS"),
        ("=title", "NAME=CSS"),
        ("[]=title", "NAME=CSS"),
        ("t=", "NAME=CSS"),
        ("t= ", "NAME=CSS"),
        ("t=::text", "is not a CSS selector"),
        ("t=a[", "is not a CSS selector"),
        ("t=a..b", "is not a CSS selector"),
        ("t=a:no-such", "is not a CSS selector"),
        ("t=a::before", "is not a CSS selector"),
        ("t=a::attr()", "is not a CSS selector"),
        ('t=a[href="x]', "not closed"),
        ("t=a/*", "not closed"),
        ("t=a\x00", "control character"),
        ("t=\ud800", "control character"),
        ("a\x1bb=title", "is not a name"),
        ("a[0]=title", "is not a name"),
        ("url=title", "is reserved"),
        ("meta[]=title", "is reserved"),
    ],
)
def test_bad_selections_are_refused_in_one_line(text: str, says: str) -> None:
    """The line names the selection, is safe to show, and tells what is wrong."""
    with pytest.raises(UsageError) as raised:
        parse_selection(text)
    message = str(raised.value)
    assert says in message
    assert message.isprintable()


def test_a_repeated_name_is_refused() -> None:
    """Rather than one value lost."""
    with pytest.raises(UsageError, match=r"'t' is given twice"):
        parse_selections(["t=title", "u=h1", "t[]=li"])


def test_other_types_than_html_are_refused() -> None:
    """A PDF gives a failure, not a record of nulls."""
    with pytest.raises(NotHtml, match="application/pdf"):
        select(make_page(b"%PDF", "application/pdf"), parse_selections(["t=title"]))


def test_invalid_bytes_read_as_in_the_decoded_text() -> None:
    """Although the parser is given the bytes."""
    page = make_page(b"<title>a\xff\xe3\x81b</title><p title='\xff'>", "text/html; charset=utf-8")
    selections = parse_selections(["t=title", "a=p::attr(title)"])
    assert select(page, selections) == {"t": "a\ufffd\ufffdb", "a": "\ufffd"}


@given(st.binary(max_size=200), st.sampled_from(["", "; charset=utf-8", "; charset=shift_jis"]))
def test_selections_never_raise_on_html(body: bytes, charset: str) -> None:
    """Whatever the bytes, and what they give is text that UTF-8 can carry."""
    selected = select(make_page(b"<p id=" + body, f"text/html{charset}"), PROBES)
    assert list(selected) == ["all", "ids", "title"]
    assert str(selected).encode()


PROBES = parse_selections(["all[]=*", "ids[]=*::attr(id)", "title=title"])
