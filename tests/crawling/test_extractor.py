"""The links of a page: where each leads, and which are not followed and why."""

from __future__ import annotations

import pytest

from parascrape.crawling.links.extractor import LinkExtractor
from parascrape.crawling.links.rules import LinkRules, Scope
from parascrape.crawling.links.sources import canonical_of, links_of, refresh_target
from parascrape.scrapers.following import DiscoveredLinks
from parascrape.web.page import Page

HERE = "http://h.example/dir/page.html?q=1"
ANYWHERE = Scope(reach="any", suffixes=frozenset())


def page(markup: str | bytes, url: str = HERE, content_type: str = "text/html", **headers: str) -> Page:
    """An HTML page."""
    body = markup.encode() if isinstance(markup, str) else markup
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Page(url, body, headers={"Content-Type": content_type, **named})


def found(markup: str | bytes, url: str = HERE, **headers: str) -> DiscoveredLinks:
    """Return the links of a page by the default rules."""
    return find_links(page(markup, url, **headers), LinkRules(scope=ANYWHERE))


def find_links(subject: Page, rules: LinkRules) -> DiscoveredLinks:
    """Return the links of a page by these rules, in a new crawl."""
    return LinkExtractor(rules).links_of(subject)


def links(markup: str | bytes, url: str = HERE, **headers: str) -> list[str]:
    """The URLs that are followed."""
    return [one.removeprefix("http://h.example") for one in found(markup, url, **headers).links.splitlines()]


@pytest.mark.parametrize(
    ("href", "leads_to"),
    [
        ("a.html", ["/dir/a.html"]),
        ("/a", ["/a"]),
        ("?x=1", ["/dir/page.html?x=1"]),
        ("?", ["/dir/page.html?"]),
        ("?#a", ["/dir/page.html?"]),
        ("./b/../c/./d", ["/dir/c/d"]),
        ("../../../../up", ["/up"]),
        ("%2e%2e/x", ["/x"]),
        (" \n\t a b \r\n", ["/dir/a%20b"]),
        ("a\n\tb", ["/dir/ab"]),
        ("//other.example/p", ["http://other.example/p"]),
        ("https://other.example", ["https://other.example/"]),
        ("HTTP://H.EXAMPLE:80/A", ["/A"]),
        ("http://bücher.example/ü?ü", ["http://xn--bcher-kva.example/%C3%BC?%C3%BC"]),
        ("\\\\other.example\\p", ["http://other.example/p"]),
        ("a.html#part", ["/dir/a.html"]),
        ("a?b=1&amp;c=2&lt=3", ["/dir/a?b=1&c=2&lt=3"]),
        ("a;p=1", ["/dir/a;p=1"]),
        ("a:b", []),
        ("./a:b", ["/dir/a:b"]),
        ("", []),
        ("  ", []),
        ("#", []),
        (" #part", []),
        ("page.html?q=1#part", []),
        (HERE, []),
        ("http://H.example:80/dir/./page.html?q=1", []),
        ("javascript:void(0)", []),
        ("JavaScript:location='/a'", []),
        ("mailto:a@h.example", []),
        ("tel:+12", []),
        ("data:text/html,<p>", []),
        ("ftp://h.example/", []),
        ("http://", []),
        ("http://[", []),
        ("http://a b/", []),
        ("http://127.1/", []),
    ],
)
def test_a_link_leads_where_a_browser_would_go(href: str, leads_to: list[str]) -> None:
    """URLs are prepared, without fragment; links to the page itself or not to http(s) are dropped."""
    quoted = href.replace('"', "&quot;")
    assert links(f'<a href="{quoted}">x</a>') == leads_to


@pytest.mark.parametrize(
    ("markup", "leads_to"),
    [
        ('<base href="/b/"><a href="x">', ["/b/x"]),
        ('<base href="sub/"><a href="x">', ["/dir/sub/x"]),
        ('<base href="http://other.example/o/"><a href="x"><a href="/y">', ["http://other.example/o/x"]),
        ('<base href="/one/"><base href="/two/"><a href="x">', ["/one/x"]),
        ('<base target="_top"><base href="/two/"><a href="x">', ["/two/x"]),
        ('<a href="x"><base href="/late/">', ["/late/x"]),
        ('<base href="javascript:1"><a href="x">', ["/dir/x"]),
        ('<base href="/b/c?d"><a href="">', ["/b/c?d"]),
        ('<base href="/b/#e/f"><a href="#top"><a href="g">', ["/b/", "/b/g"]),
        ('<html xml:base="/xml/"><a href="x">', ["/dir/x"]),
    ],
)
def test_the_first_base_counts(markup: str, leads_to: list[str]) -> None:
    """Links are relative to the first <base href>; xml:base does not count (HTML standard §2.4.1)."""
    assert links(markup)[:2] == [*leads_to, *(["http://other.example/y"] if "/y" in markup else [])]


@pytest.mark.parametrize(
    ("charset", "query"),
    [("utf-8", "%C3%A9"), ("iso-8859-1", "%E9"), ("shift_jis", "%26%23233%3B"), ("utf-16le", "%C3%A9")],
)
def test_a_query_is_sent_in_the_documents_encoding(charset: str, query: str) -> None:
    """A path is sent as UTF-8 (URL standard §4.4)."""
    href = '<a href="/é?é">' if charset != "shift_jis" else '<a href="/&eacute;?&eacute;">'
    body = href.encode("cp932" if charset == "shift_jis" else charset)
    assert links(body, content_type=f"text/html; charset={charset}") == [f"/%C3%A9?{query}"]


@pytest.mark.parametrize(
    ("markup", "leads_to"),
    [
        ('<map><area href="a"></map>', ["/dir/a"]),
        ('<iframe src="a"></iframe>', ["/dir/a"]),
        ('<iframe src=""></iframe><iframe srcdoc="<a href=b>"></iframe>', []),
        ('<frameset><frame src="a"><frame src="b"></frameset>', ["/dir/a", "/dir/b"]),
        ('<svg><a href="a"/></a><a xlink:href="b"></a></svg>', ["/dir/a", "/dir/b"]),
        ('<a name="here"><a>', []),
        ('<link rel="next" href="2"><link rel="PREV" href="0">', ["/dir/2", "/dir/0"]),
        ('<link rel="alternate" type="text/html; charset=x" href="a">', ["/dir/a"]),
        ('<link rel="alternate" hreflang="de" href="a">', ["/dir/a"]),
        ('<link rel="alternate" type="application/rss+xml" hreflang="de" href="a">', []),
        ('<link rel="alternate" href="a"><link rel="alternate stylesheet" type="text/html" href="b">', []),
        ('<link rel="stylesheet" href="a.css"><link rel="icon" href="b"><link href="c">', []),
        ('<meta http-equiv="Refresh" content="0; url=a">', ["/dir/a"]),
        ('<meta http-equiv="refresh" content="5"><meta http-equiv="refresh" content="0;b">', ["/dir/b"]),
        ('<meta http-equiv="refresh" content="1;a"><meta http-equiv="refresh" content="0;b">', ["/dir/a"]),
        ('<noscript><meta http-equiv="refresh" content="0;a"></noscript>', ["/dir/a"]),
        ("<!-- <a href=a> --><script>'<a href=b>'</script><template><a href=c></template>", []),
        ('<a href="a#1"><a href="a#2"><a href="./a">', ["/dir/a"]),
        ('<a href="%7eb"><a href="~b">', ["/dir/%7eb"]),
        ('<a href="a;jsessionid=0123456789ABCDEF"><a href="a">', ["/dir/a;jsessionid=0123456789ABCDEF"]),
        ('<iframe src="3"></iframe><a href="1"><area href="2">', ["/dir/3", "/dir/1", "/dir/2"]),
    ],
)
def test_links_stand_in_many_elements(markup: str, leads_to: list[str]) -> None:
    """Each URL once, whatever its spelling, in the order of the document."""
    assert links(markup) == leads_to


@pytest.mark.parametrize(
    ("content", "target"),
    [
        ("0;url=a", "a"),
        ("5; URL = 'a b' ignored", "a b"),
        ('5, url="a', "a"),
        ("5 url=a", "a"),
        ("5.7;a", "a"),
        (".5;a", "a"),
        ("0;'a'b", "a"),
        ("0;ura", "ura"),
        ("0;url", "url"),
        ("0;;a", ";a"),
        (" 1 ; \n url=\ta", "a"),
        ("5", ""),
        ("5;", ""),
        ("5;url=", ""),
        ("5x;url=a", ""),
        ("x;url=a", ""),
        ("-1;url=a", ""),
        ("url=a", ""),
        ("", ""),
    ],
)
def test_a_refresh_is_read_as_the_standard_reads_it(content: str, target: str) -> None:
    """As the "shared declarative refresh steps" of the HTML standard say."""
    assert refresh_target(content) == target


@pytest.mark.parametrize(
    ("header", "read"),
    [
        ("<a>; rel=next", [("a", {"rel": "next"})]),
        ('</x,y;z>;rel="a b" , <c>', [("/x,y;z", {"rel": "a b"}), ("c", {})]),
        ('<a>;title="x, <b>; rel=prev";REL="next"', [("a", {"title": "x, <b>; rel=prev", "rel": "next"})]),
        ('<a>; t="\\"q\\\\" ;rel = next;;', [("a", {"t": '"q\\', "rel": "next"})]),
        ("<a>; rel=next; rel=prev", [("a", {"rel": "next"})]),
        (", ,<a>;flag;rel=next junk, <b>", [("a", {"flag": "", "rel": "next junk"}), ("b", {})]),
        ('<a>; t="open, <b>', [("a", {"t": "open, <b>"})]),
        ("<a", []),
        ("a; rel=next", []),
        ("", []),
    ],
)
def test_a_link_header_is_read_by_its_grammar(header: str, read: list[tuple[str, dict[str, str]]]) -> None:
    """RFC 8288 appendix B.2: several values, commas in targets and quotes, parameters by name."""
    assert list(links_of(header)) == read


@pytest.mark.parametrize(
    "start", ["<a>" + ";" * 65_000, "<" * 65_000, '<a>;t="' + "\\" * 65_000, "<a>," * 16_000]
)
def test_a_hostile_link_header_is_read_in_linear_time(start: str) -> None:
    """Every character is walked past once."""
    assert sum(1 for _ in links_of(start)) <= 16_000


@pytest.mark.parametrize(
    ("headers", "leads_to"),
    [
        ({"Link": '<2>; rel="next", </0>; rel=previous'}, ["/dir/2", "/0"]),
        ({"Link": '<2>; rel=alternate; type="text/html", <3>; rel=alternate; type="text/css"'}, ["/dir/2"]),
        ({"Link": "<a.css>; rel=preload, <b>; rel=stylesheet"}, []),
        ({"Link": '<2>; rel=next; anchor="#part", <3>; rel=next; anchor="/other"'}, ["/dir/2"]),
        ({"Refresh": "0; url=a"}, ["/dir/a"]),
    ],
)
@pytest.mark.parametrize("content_type", ["text/html", "application/pdf", "text/plain"])
def test_headers_hold_links_of_every_kind_of_page(
    headers: dict[str, str], leads_to: list[str], content_type: str
) -> None:
    """Relative to the page, not to its <base>."""
    assert links('<base href="/base/">', content_type=content_type, **headers) == leads_to


@pytest.mark.parametrize("content_type", ["text/plain", "application/pdf", "application/json"])
def test_only_html_has_links_in_its_body(content_type: str) -> None:
    """Markup in other types of documents is ignored."""
    assert links('{"a": "<a href=x>y</a>"}', content_type=content_type) == []


def test_a_page_too_complex_to_be_parsed_has_no_links() -> None:
    """No error is raised, and the canonical URL is unknown."""
    bomb = "<p>" + "".join(f"<b a={n}>" for n in range(2000)) + "<p><a href=a>" * 20_000
    assert found(bomb) == DiscoveredLinks()
    assert canonical_of(page(bomb)) == ""


def test_a_deeply_nested_page_is_walked_once_for_its_links() -> None:
    """Links in 3,000 elements within each other."""
    markup = "<div>" * 3000 + '<a href="a">' + "<object><a href=b>" * 500
    rules = LinkRules(scope=ANYWHERE, follow=("div",), edges=True)
    assert find_links(page(markup), rules).links.split() == [
        "http://h.example/dir/a",
        "http://h.example/dir/b",
    ]


@pytest.mark.parametrize(
    ("markup", "header", "canonical"),
    [
        ('<link rel="canonical" href="/c#x">', "", "/c"),
        ('<base href="/b/"><link rel="Canonical nofollow" href="c">', "", "/b/c"),
        ('<link rel="canonical" href="/c"><link rel="canonical" href="/./c">', "", "/c"),
        ('<link rel="canonical" href="/c"><link rel="canonical" href="/d">', "", None),
        ('<link rel="canonical" href="/c">', "</c>; rel=canonical", "/c"),
        ('<link rel="canonical" href="/c">', "</d>; rel=canonical", None),
        ("", '<c>; rel="canonical"', "/dir/c"),
        ("", '</c>; rel=canonical; anchor="/other"', None),
        ('<link rel="canonical" href="mailto:a@b">', "", None),
        ('<link rel="canonical" href=""><link rel="canonical">', "", None),
        ('<body><p><link rel="canonical" href="/forged">', "", None),
        ("<p>", "", None),
    ],
)
def test_a_page_has_one_canonical_url_or_none(markup: str, header: str, canonical: str | None) -> None:
    """It is in the head or a header; if several differ, none counts."""
    subject = page(markup, Link=header)
    assert canonical_of(subject) == (f"http://h.example{canonical}" if canonical else "")
    leads = find_links(subject, LinkRules(scope=ANYWHERE)).leads
    assert [(lead.url, lead.kind) for lead in leads] == (
        [(f"http://h.example{canonical}", "canonical")] if canonical else []
    )


def test_a_page_that_is_its_own_canonical_leads_nowhere() -> None:
    """Its canonical URL is still returned."""
    subject = page(f'<link rel="canonical" href="{HERE}">')
    assert canonical_of(subject) == HERE
    assert find_links(subject, LinkRules(scope=ANYWHERE)) == DiscoveredLinks()
