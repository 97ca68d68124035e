"""Sitemaps: how they are recognised, their URLs, what is left out, and hostile ones."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import given, strategies as st

from parascrape.crawling.links.sitemaps import MAX_ENTRIES, Sitemap, is_sitemap, read_sitemap
from parascrape.web.page import Page
from tests.helpers.linear import linear_time

pack = partial(gzip.compress, mtime=0)
"""Without the time, which would be in the names of tests."""

NS = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def page(body: str | bytes, kind: str = "application/xml", url: str = "http://h/s/map.xml") -> Page:
    """A page with this body, UTF-8 where it is a text."""
    return Page(url, body.encode() if isinstance(body, str) else body, headers={"Content-Type": kind})


def read(body: str | bytes, kind: str = "application/xml", **options: datetime | int) -> Sitemap:
    """Read a sitemap with every URL in scope."""
    return read_sitemap(page(body, kind), in_scope=lambda url: True, **options)  # type: ignore[arg-type]


def urlset(*locs: str, attributes: str = NS) -> str:
    """A sitemap of these URLs, as they are to stand there."""
    urls = "".join(f"<url><loc>{loc}</loc><changefreq>daily</changefreq></url>" for loc in locs)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset {attributes}>{urls}</urlset>\n'


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (urlset(), "application/xml", True),
        (urlset(), "text/html", True),
        (urlset("http://h/"), "text/plain", True),
        (f"<!-- {'made by a shop ' * 100} --><?style x?><!DOCTYPE urlset><urlset/>", "text/xml", True),
        ('<!DOCTYPE urlset [<!ELEMENT a (b)> <!ENTITY x "]">]><urlset/>', "text/xml", True),
        (f"<s:sitemapindex xmlns:s='x' {NS}/>", "text/xml", True),
        ("\ufeff\n <URLSET>", "text/xml", True),
        ("<rss version='2.0'>", "application/rss+xml", True),
        ("<feed/>", "application/atom+xml", True),
        (urlset().encode("utf-16"), "text/xml", True),
        (urlset().encode("utf-16-be"), "text/xml", True),
        (pack(urlset().encode()), "application/x-gzip", True),
        (pack(b"http://h/1\n"), "application/octet-stream", True),
        ("http://h/1\r\n\r\n https://h/2 \n", "text/plain; charset=utf-8", True),
        ("http://h/1", "application/json", False),
        ("http://h/1\nsee also\n", "text/plain", False),
        ("\n \n", "text/plain", False),
        ("", "", False),
        ("<!doctype html><html><body><urlset>", "text/html", False),
        ("<html><body><rss/>", "application/xml", False),
        ("<urlsets/>", "application/xml", False),
        ("<feedback/>", "application/xml", False),
        (pack(b"<html>"), "application/gzip", False),
        (pack(urlset().encode())[:12], "application/gzip", False),
        (b"\x1f\x8bnot gzip at all", "application/gzip", False),
        ("<" * 100_000, "application/xml", False),
        ("<!--" * 30_000, "application/xml", False),
        ("<!DOCTYPE a [" + "] " * 30_000, "application/xml", False),
    ],
)
def test_a_sitemap_is_known_by_what_it_is(body: str | bytes, kind: str, expected: bool) -> None:
    """By its root element, or as a list of nothing but URLs; its name and most of its type say nothing."""
    assert is_sitemap(page(body, kind)) is expected


@pytest.mark.parametrize(
    ("loc", "links"),
    [
        ("\n http://h/a \n", ["http://h/a"]),
        ("http://h/?a=1&amp;b=&#50;#top", ["http://h/?a=1&b=2"]),
        ("http://h/?a=1&b=2&copy=3&nbsp;&lt", ["http://h/?a=1&b=2&copy=3&nbsp;&lt"]),
        ("<![CDATA[http://h/?a=1&b=2]]>", ["http://h/?a=1&b=2"]),
        ("HTTP://H:80/ü/./b", ["http://h/%C3%BC/b"]),
        ("/rel", ["http://h/rel"]),
        ("//other/x", ["http://other/x"]),
        ("http://h/a\x0b\x00b", ["http://h/ab"]),
        ("http://h/<b>x</b>a", ["http://h/a"]),
        ("mailto:a@h", []),
        ("", []),
        ("http://h/" + "a" * 20_000, []),
    ],
)
def test_a_loc_is_made_fit_to_send(loc: str, links: list[str]) -> None:
    """It is unescaped, stripped, absolute and without its fragment; other text is counted as invalid."""
    found = read(urlset(loc))
    assert (found.links, found.invalid) == (links, 0 if links else 1)
    assert not found.truncated


@pytest.mark.parametrize(
    "attributes",
    [
        "",
        'xmlns="http://www.google.com/schemas/sitemap/0.84"',
        NS.replace('0.9"', '0.9/"'),
        "xmlns='' x='a&b'",
    ],
)
def test_the_namespace_makes_no_difference(attributes: str) -> None:
    """Old, wrong, missing and broken ones are seen."""
    assert read(urlset("http://h/a", attributes=attributes)).links == ["http://h/a"]


@pytest.mark.parametrize(
    "body",
    [
        "  \n" + urlset("http://h/é"),
        urlset("http://h/é").encode("utf-16"),
        urlset("http://h/é").encode("utf-16-le"),
        urlset("http://h/é").encode("latin-1"),
        urlset("http://h/é").replace("UTF-8", "UTF-16").encode(),
        urlset("http://h/é").replace("UTF-8", "ISO-8859-1").encode(),
        urlset("http://h/é").replace("UTF-8", "ISO-8859-1").encode("latin-1"),
        pack(urlset("http://h/é").encode()),
        pack(urlset().encode()[:50]) + pack(urlset("http://h/é").encode()[50:]),
    ],
    ids=["blank", "utf-16", "utf-16le", "lies", "lies-16", "is-utf-8", "latin-1", "gzip", "members"],
)
def test_characters_are_read_whatever_is_declared(body: str | bytes) -> None:
    """The bytes themselves are the better evidence; gzip is undone, however many members it has."""
    found = read(body)
    assert (found.kind, found.links, found.truncated) == ("urlset", ["http://h/%C3%A9"], False)


def test_extensions_are_not_pages() -> None:
    """Images, videos, news and alternates of other languages."""
    more = "<image:image><image:loc>http://h/i</image:loc></image:image><image:loc>http://h/j</image:loc>"
    more += "<video:video><video:content_loc>http://h/v</video:content_loc></video:video>"
    more += '<xhtml:link rel="alternate" href="http://h/de"/>'
    names = " ".join(f'xmlns:{name}="urn:{name}"' for name in ("image", "video", "xhtml"))
    body = f"<urlset {NS} {names}><url>{more}<loc>http://h/a</loc>{more}</url></urlset>"
    assert read(body).links == ["http://h/a"]
    undeclared = body.replace(names, "").replace("<image:loc>http://h/j</image:loc>", "")
    assert read(undeclared).links == ["http://h/a"]


def test_urls_come_once_in_their_order() -> None:
    """Repeated URLs are counted."""
    found = read(urlset("http://h/b", "http://h/a", "http://h/b#x", "HTTP://h/a"))
    assert (found.links, found.repeated) == (["http://h/b", "http://h/a"], 2)


def test_what_is_out_of_scope_is_counted() -> None:
    """The caller says which pages are wanted."""
    there = page(urlset("http://h/a", "http://other/b"))
    found = read_sitemap(there, in_scope=lambda url: url.startswith("http://h/"))
    assert (found.links, found.out_of_scope) == (["http://h/a"], 1)


def test_an_index_names_sitemaps_of_its_host() -> None:
    """Scope is for pages: only a sitemap on another host is asked about."""
    asked: list[str] = []

    def in_scope(url: str) -> bool:
        asked.append(url)
        return False

    names = ("http://h/1.xml", "https://h:8443/2.xml.gz", "http://cdn/3.xml")
    entries = "".join(f"<sitemap><loc>{name}</loc></sitemap>" for name in names)
    found = read_sitemap(page(f"<sitemapindex {NS}>{entries}</sitemapindex>"), in_scope=in_scope)
    assert (found.kind, found.links, found.sitemaps) == ("index", [], list(names[:2]))
    assert (asked, found.out_of_scope) == ([names[2]], 1)


@pytest.mark.parametrize(("root", "entry"), [("urlset", "url"), ("sitemapindex", "sitemap")])
def test_entries_before_since_are_left_out(root: str, entry: str) -> None:
    """Entries without a date, or with one that may mean a later moment, stay."""
    dates = ["2024-05-01", "2024-06-01", "2024", "2023", "", "soon", "2024-06-01T13:00:00+09:00"]
    entries = "".join(
        f"<{entry}><loc>http://h/{place}</loc><lastmod>{date}</lastmod></{entry}>"
        for place, date in enumerate(dates)
    )
    found = read(f"<{root} {NS}>{entries}</{root}>", since=datetime(2024, 6, 1, 12, tzinfo=UTC))
    kept = found.links or found.sitemaps
    assert [url[-1] for url in kept] == ["1", "2", "4", "5"]
    assert found.skipped_old == 3
    assert len(found.lastmods) == len(found.links)


def test_a_list_is_read_line_by_line() -> None:
    """Blank lines are skipped; lines that are not absolute URLs are counted."""
    found = read("\ufeffhttp://h/1\r\n\r\n# more\rhttp://h/2#x\nrel\n", "text/plain")
    assert (found.kind, found.links, found.invalid) == ("text", ["http://h/1", "http://h/2"], 2)
    assert read(pack(b"http://h/1\nhttp://h/2"), "application/gzip").kind == "text"


@pytest.mark.parametrize("body", ["", "<html><a href='http://h/'>", "{}", "%PDF-1.4\n\xff", "\0\0"])
def test_other_documents_have_no_kind(body: str) -> None:
    """They have no URLs either."""
    found = read(body, "text/html")
    assert (found.kind, found.links, found.sitemaps) == ("", [], [])


@pytest.mark.parametrize(
    ("body", "links"),
    [
        (urlset("http://h/a", "http://h/b").encode()[:-30], 1),
        (urlset(*["http://h/a"] * 3000).replace("a<", "é<").encode()[:-9], 1),
        (pack(urlset(*[f"http://h/{n}" for n in range(3000)]).encode())[:-40], 2990),
        (pack(urlset("http://h/a").encode()[:-9]) + pack(b" ")[:14], 1),
    ],
    ids=["cut", "cut-long", "cut-gzip", "cut-member"],
)
def test_a_body_that_ends_early_is_read_as_far_as_it_goes(body: bytes, links: int) -> None:
    """And said to be truncated."""
    found = read(body)
    assert found.truncated
    assert len(found.links) >= links


def test_a_sitemap_is_read_to_its_bounds() -> None:
    """Entries beyond the protocol's 50,000 are counted, bytes beyond the caller's are not read."""
    body = "<urlset>" + "".join(f"<url><loc>/{n}</loc></url>" for n in range(MAX_ENTRIES // 10)) + "</urlset>"
    many = "\n".join(f"http://h/{n}" for n in range(MAX_ENTRIES + 7))
    found = read(many, "text/plain")
    assert (len(found.links), found.cut, found.truncated) == (MAX_ENTRIES, 7, False)
    for packed in (body.encode(), pack(body.encode())):
        small = read(packed, max_bytes=1000)
        assert small.truncated
        assert 20 < len(small.links) <= 40


NESTED = b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12))


@pytest.mark.parametrize(
    ("body", "links"),
    [
        (
            b'<!DOCTYPE urlset [<!ENTITY a0 "lol">'
            + NESTED
            + b"]><urlset><url><loc>/&a11;</loc></url></urlset>",
            1,
        ),
        (b'<!DOCTYPE u SYSTEM "http://127.0.0.1:9/x"><urlset><url><loc>/a</loc></url></urlset>', 1),
        (b"<urlset>" + b"<" * 1_000_000, 0),
        (b"<urlset>" + b"&" * 300_000, 0),
        (b"<urlset>" + b"<![CDATA[" * 300_000, 0),
        (b"<urlset><url><loc>" + b"x" * 10_000_000 + b"</loc></url><url><loc>/b</loc></url></urlset>", 1),
        (b"<urlset>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"<url><loc>/b</loc></url></urlset>", 1),
        (b"<urlset " + b"x" * 3_000_000, 0),
        (b"<urlset><a " + b" ".join(b'x%d="1"' % n for n in range(50_000)) + b"/></urlset>", 0),
        (b"<urlset>" + b"<b></c>" * 50_000 + b"<url><loc>/b</loc></url></urlset>", 1),
        (b'<feed xml:base="' + b"a/" * 50_000 + b'">' + b'<entry><link href="z"/></entry>' * 5_000, 1),
        (pack(b"<urlset>" + b" " * 3_000_000) + pack(b"") * 1500, 0),
        (b"http://h/" + b"x" * 3_000_000, 0),
    ],
    ids=[
        *("entities", "dtd", "<", "&", "cdata", "long", "nested", "tag", "attributes", "mismatch", "base"),
        *("gzip", "line"),
    ],
)
def test_a_hostile_sitemap_comes_to_a_quick_end(body: bytes, links: int) -> None:
    """In linear time, with what could be read of it."""
    with linear_time():
        found = read(body)
    assert len(found.links) == links


def test_entities_are_never_loaded() -> None:
    """A file named by an entity is not read; the reference stands in the URL as text."""
    body = (
        '<!DOCTYPE urlset [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
        + urlset("http://h/&x;").split("\n")[1]
    )
    assert read(body).links == ["http://h/&x;"]


def test_memory_is_that_of_the_urls() -> None:
    """A document of 3 MB with 80 URLs takes less than 1 MB of Python's memory."""
    filler = "<changefreq>daily</changefreq><priority>0.5</priority>" * 700
    body = page("<urlset>" + "".join(f"<url><loc>/{n}</loc>{filler}</url>" for n in range(80)) + "</urlset>")
    assert len(body.body) > 3_000_000
    tracemalloc.start()
    try:
        assert len(read_sitemap(body, in_scope=lambda url: True).links) == 80
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


FRAGMENTS = [
    "<urlset>",
    "</urlset>",
    "<url>",
    "</url>",
    "<loc>",
    "</loc>",
    "http://h/a",
    "&",
    "&amp;",
    "<![CDATA[",
]
FRAGMENTS += [
    "]]>",
    "<!--",
    "-->",
    "<rss>",
    "<item>",
    "<link>",
    "<feed>",
    "<entry>",
    "\0",
    "é",
    '"',
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join), st.sampled_from([bytes, pack]))
def test_nothing_breaks_the_reading(text: str, pack: Callable[[bytes], bytes]) -> None:
    """Whatever stands there, URLs are fit to send and each comes once."""
    found = read(pack(text.encode()))
    assert len(set(found.links)) == len(found.links) == len(found.lastmods)
    assert all(url.startswith("http://h/") for url in found.links)
