"""Feeds: the entries of RSS and Atom, their links and dates, and the dates of sitemaps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st

from parascrape.crawling.links.feeds import FeedEntry, read_date, read_entries
from parascrape.crawling.links.sitemaps import Sitemap, is_sitemap, read_sitemap
from parascrape.web.page import Page

ATOM = 'xmlns="http://www.w3.org/2005/Atom"'
RSS_1 = (
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"'
    ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
)


def read(text: str, **options: datetime) -> Sitemap:
    """A feed at http://h/blog/feed."""
    page = Page("http://h/blog/feed", text.encode(), headers={"Content-Type": "application/xml"})
    assert is_sitemap(page)
    return read_sitemap(page, in_scope=lambda url: True, **options)


def rss(items: str) -> Sitemap:
    """An RSS 2.0 feed of these items."""
    head = '<link>http://h/</link><atom:link rel="self" href="http://h/feed"/>'
    return read(
        f'<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel>{head}{items}</channel></rss>'
    )


def atom(entries: str, attributes: str = "") -> Sitemap:
    """An Atom feed of these entries."""
    return read(f'<feed {ATOM} {attributes}><link href="http://h/"/><id>x</id>{entries}</feed>')


@pytest.mark.parametrize(
    ("item", "links"),
    [
        ("<item><title>a</title><link> http://h/1#top </link></item>", ["http://h/1"]),
        ("<item><link><![CDATA[http://h/?a=1&b=2]]></link></item>", ["http://h/?a=1&b=2"]),
        ("<item><link>http://h/?a=1&b=2&amp;c=3</link></item>", ["http://h/?a=1&b=2&c=3"]),
        ("<item><link>2024/post</link></item>", ["http://h/blog/2024/post"]),
        ("<item><link>http://h/1</link><guid>http://h/2</guid></item>", ["http://h/1"]),
        ("<item><link/><guid>http://h/2</guid></item>", ["http://h/2"]),
        ('<item><guid isPermaLink="true">http://h/2</guid></item>', ["http://h/2"]),
        ('<item><guid isPermaLink="false">http://h/2</guid></item>', []),
        ('<item><atom:link href="http://h/x"/><link>http://h/1</link></item>', ["http://h/1"]),
        ('<item><enclosure url="http://h/a.mp3"/><link>http://h/1</link></item>', ["http://h/1"]),
        ('<item><m:g xmlns:m="urn:m"><link>http://h/no</link></m:g></item>', []),
        ('<item><m:link xmlns:m="urn:m">http://h/no</m:link></item>', []),
        ("<item><title>a&nbsp;b &eacute; < c</title><link>http://h/1</link></item>", ["http://h/1"]),
        ("<ITEM><LINK>http://h/1</LINK></ITEM>", ["http://h/1"]),
    ],
)
def test_an_rss_item_names_its_page(item: str, links: list[str]) -> None:
    """By link, else by a guid that is a permalink (RSS 2.0); the channel's own link does not count."""
    found = rss(item)
    assert (found.kind, found.links, found.invalid) == ("rss", links, 0 if links else 1)


def test_rss_1_keeps_its_items_beside_the_channel() -> None:
    """RDF that says that it is RSS, dated by Dublin Core."""
    item = "<item><link>http://h/1</link><dc:date>2024-02-03</dc:date></item>"
    found = read(f"<rdf:RDF {RSS_1}><channel><link>http://h/</link></channel>{item}</rdf:RDF>")
    assert (found.kind, found.links) == ("rss", ["http://h/1"])
    assert found.lastmods == [read_date("2024-02-03")]


def test_other_rdf_is_not_a_feed() -> None:
    """RDF is written for many things."""
    body = b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>'
    assert not is_sitemap(Page("http://h/foaf", body))


@pytest.mark.parametrize(
    ("entry", "links"),
    [
        ('<link rel="alternate" href="http://h/1"/>', ["http://h/1"]),
        ('<link href="a?x=1&amp;y=2"/>', ["http://h/blog/a?x=1&y=2"]),
        ('<link rel="self" href="s"/><link rel="edit" href="e"/><link href="a"/>', ["http://h/blog/a"]),
        ('<link href="a.html" type="text/html"/><link href="a.pdf" type="application/pdf"/>', ["a.html"]),
        ('<link rel="http://www.iana.org/assignments/relation/alternate" href="/b"/>', ["http://h/b"]),
        ('<link href="/en" hreflang="en"/><link href="/ja" hreflang="ja"/>', ["http://h/en", "http://h/ja"]),
        ("<title>none</title>", []),
    ],
)
def test_an_atom_entry_names_its_alternates(entry: str, links: list[str]) -> None:
    """RFC 4287 §4.2.7: links that are alternates, or have no rel."""
    expected = [link if link.startswith("http") else f"http://h/blog/{link}" for link in links]
    assert atom(f"<entry>{entry}</entry>").links == expected


@pytest.mark.parametrize(
    ("outer", "inner", "link"),
    [
        ("http://b/x/", "", "http://b/x/z"),
        ("http://b/x/", "y/", "http://b/x/y/z"),
        ("", "http://c/", "http://c/z"),
        ("", "//c/d/", "http://c/d/z"),
        ("http://[", "", "http://h/blog/z"),
        ("x/" * 300, "y/", "http://h/blog/y/z"),
    ],
)
def test_links_are_relative_to_xml_base(outer: str, inner: str, link: str) -> None:
    """XML Base §3: each is joined to the one around it; a broken or endless one changes nothing."""
    entry = f'<entry xml:base="{inner}"><link href="z"/></entry>'
    assert atom(entry, f'xml:base="{outer}"').links == [link]


def test_an_xml_base_ends_with_its_element() -> None:
    """The next entry is relative to the base around both."""
    entry = '<entry><link href="z"/></entry>'
    assert atom(entry.replace("<entry>", '<entry xml:base="http://b/">') + entry).links == [
        "http://b/z",
        "http://h/blog/z",
    ]


def test_an_entry_is_dated_by_its_last_change() -> None:
    """Updated counts, not published; an entry of an earlier day than asked for is left out and counted."""
    dates = "<published>2020-01-01T00:00:00Z</published><updated>{}</updated>"
    entries = "".join(
        f'<entry><link href="/{day}"/>{dates.format(f"2024-03-0{day}T12:00:00Z")}</entry>'
        for day in (1, 2, 3)
    )
    found = read(f"<feed {ATOM}>{entries}</feed>", since=datetime(2024, 3, 2))
    assert (found.links, found.skipped_old) == (["http://h/2", "http://h/3"], 1)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024", "2024-12-31 23:59:59.999999+00:00"),
        ("2024-02", "2024-02-29 23:59:59.999999+00:00"),
        (" 2024-02-03\n", "2024-02-03 23:59:59.999999+00:00"),
        ("2024-02-03T04:05+09:00", "2024-02-03 04:05:59.999999+09:00"),
        ("2024-02-03T04:05:06Z", "2024-02-03 04:05:06+00:00"),
        ("2024-02-03T04:05:06.7-0330", "2024-02-03 04:05:06.700000-03:30"),
        ("2024-02-03T04:05:06.123456789z", "2024-02-03 04:05:06.123456+00:00"),
        ("2024-02-03 04:05:06", "2024-02-03 04:05:06+00:00"),
        ("Sat, 03 Feb 2024 04:05:06 GMT", "2024-02-03 04:05:06+00:00"),
        ("3 Feb 24 04:05 EST", "2024-02-03 04:05:00-05:00"),
        ("Sat, 03 Feb 2024 04:05:06 -0000", "2024-02-03 04:05:06+00:00"),
    ],
)
def test_a_date_is_the_last_moment_that_it_may_mean(text: str, moment: str) -> None:
    """W3C-DTF in all precisions and RFC 822, in UTC where no zone is said."""
    assert str(read_date(text)) == moment


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "0000", "2024-13", "2024-02-30", "2024-02-03T25:00Z", "2024-02-03T04:05:06+99:00"),
        *("Tue, 99 Foo 2024 99:99:99", "9" * 99, "１９９９", "2024-W05", "\ud800", "1 Jan 99999 00:00"),
    ],
)
def test_invalid_dates_are_none(text: str) -> None:
    """An entry with such a date stays, as one without."""
    assert read_date(text) is None


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)), st.integers(-720, 720))
def test_dates_written_by_isoformat_are_read_back(moment: datetime, offset: int) -> None:
    """To the microsecond, in whatever zone."""
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    assert read_date(zoned.isoformat()) == zoned


@given(st.text(max_size=80))
def test_no_text_breaks_reading_a_date(text: str) -> None:
    """The result can be compared with other dates."""
    date = read_date(text)
    assert date is None or isinstance(date < datetime.now(UTC), bool)


@given(st.lists(st.integers(1, 40), max_size=30))
def test_where_the_pieces_part_makes_no_difference(cuts: list[int]) -> None:
    """Tokens that two pieces share, ampersands and CDATA sections among them, are read as one."""
    links = ("h?a&b=1&amp;c&#38;&lt", "<![CDATA[h?x&y]]&amp;>]]>", "h?&&amp;", "1 < 2 <")
    text = "<rss>" + "".join(f"<item><link>{link}</link></item>" for link in links) + "</rss>"
    found: list[FeedEntry] = []
    pieces = []
    rest = text
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    assert read_entries([*pieces, rest], "rss", found.append)
    assert [entry.links[0] for entry in found] == ["h?a&b=1&c&&lt", "h?x&y]]&amp;>", "h?&&", "1 < 2 <"]
