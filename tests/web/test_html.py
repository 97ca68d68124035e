"""The text a reader sees, and links made absolute."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from parascrape.scrapers.metadata import language_tag, read_head
from parascrape.web.html import absolute, parse_lexbor, visible_text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("a<b>b</b>c", "abc"),
        ("<p>a</p><p>b</p>", "a b"),
        ("<ul><li>a<li>b</ul>c", "a b c"),
        ("<table><tr><td>a<td>b<tr><td>c</table>", "a b c"),
        ("a<br>b<hr>c", "a b c"),
        ("<div>a</div><span>b</span><i><p>c</p></i>d", "a b c d"),
        (" a\n\t b \u00a0 c ", "a b c"),
        ("a<script>x</script>b<style>y</style>c", "abc"),
        ("<script></script>a<style></style>b", "ab"),
        ("a<!-- x -->b", "ab"),
        ("<noscript>a</noscript>b", "ab"),
        ("<template>x</template>a", "a"),
        ("<select><option>a<option>b</select>", "a b"),
        ("日<wbr>本", "日本"),
        ("", ""),
    ],
)
def test_visible_text_separates_words_as_a_browser_shows_them(markup: str, text: str) -> None:
    """Blocks and cells separate words, inline markup does not, and code is left out."""
    body = parse_lexbor(f"<body>{markup}").body
    assert body is not None
    assert visible_text(body) == text


def test_a_script_itself_has_its_text() -> None:
    """For whoever selects one to read its data."""
    node = parse_lexbor("<script> {} </script>").css_first("script")
    assert node is not None
    assert visible_text(node) == "{}"


@given(st.text(max_size=30), st.text(max_size=60))
def test_absolute_links_never_raise_and_are_ascii(base: str, link: str) -> None:
    """Whatever a page writes into href."""
    url = absolute("http://a.example/" + base, link)
    assert url is None or (url.isascii() and url.startswith(("http://", "https://")))


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("d", "http://a.example/b/d"),
        ("/d?q=1#f", "http://a.example/d?q=1#f"),
        ("//h.example", "http://h.example/"),
        ("ht\ntp://h.ex\tample/", "http://h.example/"),
        (" x y ", "http://a.example/b/x%20y"),
        ("mailto:a@b", None),
        ("javascript:void(0)", None),
        ("http://[", None),
        ("", None),
        (None, None),
    ],
)
def test_links_are_joined_as_browsers_do(link: str | None, url: str | None) -> None:
    """White space and line ends are removed; other schemes than http(s) give None."""
    assert absolute("http://a.example/b/c", link) == url


@pytest.mark.parametrize(
    ("word", "tag"),
    [
        ("en", "en"),
        ("EN-us", "en-US"),
        ("pt_BR", "pt-BR"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        (" de , en", "de"),
        ("en-US.UTF-8", "en-US"),
        ("{{lang}}", None),
        ("english", None),
        ("", None),
        (None, None),
    ],
)
def test_languages_are_bcp_47_tags(word: str | None, tag: str | None) -> None:
    """The first of a list, in the tags' own case."""
    assert language_tag(word) == tag


@pytest.mark.parametrize(
    ("markup", "title"),
    [
        ("<title> a\n b </title><title>c</title>", "a b"),
        ("<svg><title>icon</title></svg><title>a</title>", "a"),
        ("<svg><g><title>icon</title></g></svg>", ""),
        ("<p>x<title>late</title>", "late"),
        ("x", ""),
    ],
)
def test_the_title_is_that_of_the_document(markup: str, title: str) -> None:
    """The first <title> counts wherever it stands, unless it is in an SVG drawing."""
    assert read_head(parse_lexbor(markup)).title == title
