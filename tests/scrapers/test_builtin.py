"""The built-in scrapers on golden pages and on any bytes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings, strategies as st

from parascrape import records
from parascrape.errors import NotHtml
from parascrape.scrapers.loading import BUILTIN, load_scraper, scraper_for
from parascrape.settings import Settings
from parascrape.web.page import Page
from tests.helpers.linear import linear_time

GOLDEN = Path(__file__).parents[1] / "golden"


def make_page(body: bytes | str, url: str = "http://a.example/", charset: str = "utf-8") -> Page:
    data = body if isinstance(body, bytes) else body.encode(charset)
    return Page(url, data, headers={"content-type": f"text/html; charset={charset}"})


def normalise(record: dict[str, Any]) -> dict[str, Any]:
    """The record with its text as words: line ends and bullets are the extractors' own business."""
    return {**record, "text": re.findall(r"\w+", record["text"])} if "text" in record else record


@pytest.mark.parametrize("scraper", BUILTIN)
@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.html")))
def test_golden_pages_give_their_golden_records(name: str, scraper: str) -> None:
    """Keys in their order, values to the letter, texts to the word."""
    golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    record = load_scraper(scraper)(make_page((GOLDEN / f"{name}.html").read_bytes(), golden["url"]))
    assert list(record) == list(golden[scraper])
    assert normalise(record) == normalise(golden[scraper])


@pytest.mark.parametrize("charset", ["shift_jis", "euc-jp", "iso-2022-jp"])
@pytest.mark.parametrize("scraper", BUILTIN)
def test_a_japanese_page_gives_the_same_record_in_every_encoding(scraper: str, charset: str) -> None:
    """The meta element still says UTF-8: the header outweighs it."""
    text = (GOLDEN / "kiji.html").read_text(encoding="utf-8")
    for character, plain in {
        "①": "一",
        "②": "二",
        "㈱": "株",
        "髙": "高",
        "ｶﾀｶﾅ": "カタカナ",
        "～": "から",
    }.items():
        text = text.replace(character, plain)  # Python's encoders lack them; test_text has them by hand
    scrape = load_scraper(scraper)
    assert scrape(make_page(text, charset=charset)) == scrape(make_page(text))


@pytest.mark.parametrize("scraper", BUILTIN)
def test_other_types_than_html_are_refused(scraper: str) -> None:
    """By its type, which the message names."""
    page = Page("http://a.example/", b"{}", headers={"content-type": "application/json"})
    with pytest.raises(NotHtml, match="application/json"):
        load_scraper(scraper)(page)


TAGS = [
    "p",
    "div",
    "title",
    "svg",
    "table",
    "td",
    "a",
    "script",
    "style",
    "template",
    "meta",
    "base",
    "h1",
    "select",
]
FRAGMENT = st.one_of(
    st.sampled_from(TAGS).map("<{}>".format),
    st.sampled_from(TAGS).map("</{}>".format),
    st.sampled_from(
        [
            '<meta property="og:title" content="&#xD800;\x00">',
            "<a href='http://[x'>",
            "<a href=&#0;>",
            "<base href='x:y'>",
            '<script type="application/ld+json">',
            '{"@type":"Article","author":{"name":[1,null,{"name":{}}]},"datePublished":"2020-13-45"}',
            '[{"a":1e999,"b":"\\ud800","c":NaN},]',
            "<!--",
            "<![CDATA[",
            "<article><time datetime='0000-00-00'>",
            "<html lang=&#x80;>",
        ]
    ),
    st.text(max_size=8),
)
MUTILATED = st.lists(FRAGMENT, max_size=30).map(lambda parts: "".join(parts).encode("utf-8", "replace"))


@pytest.mark.parametrize("scraper", BUILTIN)
@settings(max_examples=60, deadline=None)
@given(
    body=st.one_of(st.binary(max_size=300), MUTILATED),
    charset=st.sampled_from(["utf-8", "shift_jis", "utf-16", ""]),
)
def test_no_bytes_raise_and_every_record_is_json(scraper: str, body: bytes, charset: str) -> None:
    """Random bytes and mutilated markup alike give a record that can be written."""
    headers = {"content-type": f"text/html; charset={charset}"}
    page = Page("http://a.example/", body, headers=headers)
    assume(page.is_html)
    record = records.success("x", load_scraper(scraper)(page), None, {})
    assert records.parse(records.encode(record)) == record


@pytest.mark.parametrize("scraper", [*BUILTIN, "select"])
@pytest.mark.parametrize("tag", ["div", "b", "table><tr><td", "ul><li", "font"])
def test_deep_nesting_is_bounded_and_nothing_is_lost(scraper: str, tag: str) -> None:
    """3,000 elements within each other, and the title after all."""
    page = make_page("<title>Deep</title>" + f"<{tag}>" * 3_000 + "<a href=/x>down here</a>")
    select = Settings(select=("title=title", "a=a"))
    chosen = scraper_for(select) if scraper == "select" else load_scraper(scraper)
    with linear_time():
        record = chosen(page)
    assert record.get("title", "Deep") == "Deep"
    assert records.encode(record)


@pytest.mark.parametrize(
    ("markup", "title"),
    [
        ("<title>Only this</title><p>text", "Only this"),
        ("<title>A story | Site</title><meta property=og:site_name content=Site>", "A story"),
        ("<title>Site</title><meta property=og:site_name content=Site>", "Site"),
        ("<title>A story - Site</title><h1>Site news</h1><h1>A story</h1>", "A story"),
        ("<title>Site</title><h1>A story</h1>", "A story"),
        ("<title>Site</title><h1> </h1><h1>One</h1><h1>Two</h1>", "Site"),
        ("<meta property=og:title content='From the card'>", "From the card"),
        ("<h1>One</h1><h1>Two</h1>", "One"),
        ("<p>text", None),
    ],
)
def test_the_article_s_title_is_the_heading_it_declares(markup: str, title: str | None) -> None:
    """Never null where the page has a title of any kind."""
    assert load_scraper("article")(make_page(markup))["title"] == title


def ld(value: str) -> str:
    return f'<script type="application/ld+json">{value}</script>'


@pytest.mark.parametrize(
    ("markup", "date"),
    [
        (ld('{"@type":"Article","datePublished":"2024-02-29T23:59:59-05:00"}'), "2024-02-29"),
        (
            ld('{"@type":"WebPage","datePublished":"2020-01-01"}{') + "<meta name=date content=2021-01-01>",
            "2020-01-01",
        ),
        (
            ld('{"@type":"Article","datePublished":"2023-02-29"}') + "<meta name=date content=2021-01-01>",
            "2021-01-01",
        ),
        ("<meta property=article:published_time content=2022-05-06>", "2022-05-06"),
        ("<time itemprop=datePublished datetime=2022-05-06>x</time>", "2022-05-06"),
        ("<article><time datetime='2022-05-06 10:00'>x</time></article>", "2022-05-06"),
        ("<meta name=date content='6 May 2022'>", "2022-05-06"),
        ("<p>Copyright 2022, sold on 2021-03-04", None),
    ],
)
def test_the_article_s_date_is_the_day_it_declares(markup: str, date: str | None) -> None:
    """It is YYYY-MM-DD; a day that does not exist gives None."""
    assert load_scraper("article")(make_page(f"<title>t</title>{markup}<p>text"))["date"] == date


@pytest.mark.parametrize(
    ("markup", "author"),
    [
        (ld('{"@type":"BlogPosting","author":"Ada"}'), "Ada"),
        (
            ld('{"@graph":[{"@type":"Article","author":[{"name":"Ada"},{"name":"Bo"},{"name":"Ada"}]}]}'),
            "Ada; Bo",
        ),
        (ld('{"@type":"Article","author":"https://x.example/ada"}') + "<meta name=author content=Bo>", "Bo"),
        ("<meta property=article:author content=https://x.example/ada><a rel=author>By Ada Q.</a>", "Ada Q."),
        ("<p class=byline>By 3 of us: all</p>", None),
        ("<p>text", None),
    ],
)
def test_the_article_s_author_is_a_name(markup: str, author: str | None) -> None:
    """It comes from JSON-LD, a meta element or a byline; a URL is not a name."""
    assert load_scraper("article")(make_page(markup))["author"] == author


def test_a_page_without_an_article_gives_its_visible_text() -> None:
    """The default scraper gives the visible text where trafilatura finds a scrap."""
    cells = "".join(f"<td><a href=/{n}>Item number {n}</a></td>" for n in range(200))
    text = load_scraper("article")(make_page(f"<title>List</title><table><tr>{cells}</table>"))["text"]
    assert "Item number 199" in text


@pytest.mark.parametrize(
    ("block", "value"),
    [
        ('{"a": 1}', [{"a": 1}]),
        ("[1, 2]", [[1, 2]]),
        ('{"a": "line\n\tend"}', [{"a": "line\n\tend"}]),
        ('{"a": [1, 2,], }', [{"a": [1, 2]}]),
        ('<!-- {"a": 1} -->', [{"a": 1}]),
        ('// <![CDATA[\n{"a": 1}\n// ]]>', [{"a": 1}]),
        ('/* <![CDATA[ */{"a": 1}/* ]]> */', [{"a": 1}]),
        ('{"a": "http://x//y"}; // end', [{"a": "http://x//y"}]),
        ('{"a": 1, // one\n /* two */ "b": 2}', [{"a": 1, "b": 2}]),
        ("{&quot;a&quot;: 1}", [{"a": 1}]),
        ('{"a": 1} {"b": 2}', [{"a": 1}]),
        ('{"a": "\\ud83d\\ude00 \\ud83d"}', [{"a": "😀 \ufffd"}]),
        (
            '{"a": NaN, "b": 1e999, "c": 123456789012345678901234}',
            [{"a": None, "b": None, "c": 1.2345678901234568e23}],
        ),
        ('{"a": ', []),
        ("", []),
        ("null", []),
        ("[" * 150 + "]" * 150, []),
        ("[" * 100_000, []),
    ],
)
def test_json_ld_with_common_mistakes_is_read(block: str, value: list[Any]) -> None:
    """Repairable blocks are read, others are left out, and every value can be written as JSON."""
    record = load_scraper("metadata")(make_page(ld(block)))
    assert record["json_ld"] == value
    assert records.encode(record)
