"""Canonical URLs: which spellings are one URL, and which are different URLs."""

from __future__ import annotations

import doctest
import re
import sys

import can_ada
import pytest
from hypothesis import assume, example, given, strategies as st

from parascrape.errors import InvalidUrl
from parascrape.web.canonical import AS_SENT, CanonicalOptions, canonical_url
from parascrape.web.urls import MAX_URL, prepare

TRACKING = CanonicalOptions(drop_tracking=True)
SORTED = CanonicalOptions(sort_query=True)
BOTH = CanonicalOptions(drop_tracking=True, sort_query=True)
IDENTITIES = st.builds(CanonicalOptions, st.booleans(), st.booleans())

NAMES = ["example.org", "B\u00fccher.example", "xn--bcher-kva.example", "h."]
HOSTS = st.sampled_from([*NAMES, "127.0.0.1", "[::1]", "[2001:DB8::0:1]"])
TAILS = st.text(st.sampled_from("/.?#&='+@:;%2eEfF7A~-[]|^`\"<> \\\u00fc\u8a9ebc"), max_size=30)
URLS = st.builds(
    "{}://{}{}{}/{}".format,
    st.sampled_from(["http", "HTTPS"]),
    st.sampled_from(["", "", "me@", "me:@", "me:p%40@"]),
    HOSTS,
    st.sampled_from(["", ":80", ":443", ":8080"]),
    TAILS,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://example.org", "http://example.org/"),
        ("HTTP://EXAMPLE.org/a", "http://example.org/a"),
        ("http://example.org:80/a", "http://example.org/a"),
        ("https://example.org:443/a", "https://example.org/a"),
        ("http://example.org:/a", "http://example.org/a"),
        ("http://example.org:08080/a", "http://example.org:8080/a"),
        ("http://example.org/a#b", "http://example.org/a"),
        ("http://example.org/a#", "http://example.org/a"),
        ("http://example.org/./a/../b", "http://example.org/b"),
        ("http://example.org/%2e/a/%2E./b", "http://example.org/b"),
        ("http://example.org/a/.%2e", "http://example.org/"),
        ("http://example.org/../a", "http://example.org/a"),
        ("http://example.org/%e3%81%82", "http://example.org/\u3042"),
        ("http://example.org/%7Eme", "http://example.org/~me"),
        ("http://example.org/%41%2d%5f%2E", "http://example.org/A-_."),
        ("http://example.org/?%61=%62", "http://example.org/?a=b"),
        ("http://example.org/a b", "http://example.org/a%20b"),
        ("http://example.org/a[1]|", "http://example.org/a%5b1%5d%7c"),
        ("http://example.org/100%", "http://example.org/100%25"),
        ("http://example.org/?q='x'", "http://example.org/?q=%27x%27"),
        ("http://b\u00fccher.example/", "http://xn--bcher-kva.example/"),
        ("http://B\u00dcCHER.example/", "http://bu\u0308cher.example/"),
        ("http://\u4f8b\u3048\u3002jp/", "http://xn--r8jz45g.jp/"),
        ("http://\uff11\uff12\uff17.0.0.1/", "http://127.0.0.1/"),
        ("http://[2001:0DB8:0:0:0:0:0:1]/", "http://[2001:db8::1]/"),
        ("http://[::ffff:1.2.3.4]/", "http://[::ffff:102:304]/"),
        ("http://me:@example.org/", "http://me@example.org/"),
        ("http://:@example.org/", "http://example.org/"),
        (" http://example.org/ ", "http://example.org/"),
    ],
)
def test_all_spellings_of_a_url_have_one_canonical_url(one: str, other: str) -> None:
    """The URL standard's host, port, path and percent-encode rules, and RFC 3986 §6.2.2."""
    assert canonical_url(one) == canonical_url(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://example.org/", "https://example.org/"),
        ("http://example.org/", "http://www.example.org/"),
        ("http://example.org/", "http://example.org./"),
        ("http://example.org/", "http://example.org:8080/"),
        ("http://example.org:443/", "http://example.org/"),
        ("http://example.org/a", "http://example.org/A"),
        ("http://example.org/a", "http://example.org/a/"),
        ("http://example.org/a", "http://example.org/a?"),
        ("http://example.org/a/b", "http://example.org/a//b"),
        ("http://example.org/a/b", "http://example.org/a%2Fb"),
        ("http://example.org/?a=1&b=2", "http://example.org/?b=2&a=1"),
        ("http://example.org/?utm_source=x", "http://example.org/"),
        ("http://example.org/?a+b", "http://example.org/?a%20b"),
        ("http://example.org/?a%26b", "http://example.org/?a&b"),
        ("http://example.org/%2525", "http://example.org/%25"),
        ("http://example.org/%2541", "http://example.org/%41"),
        ("http://example.org/'", "http://example.org/%27"),
        ("http://me@example.org/", "http://example.org/"),
        ("http://me@example.org/", "http://you@example.org/"),
        ("http://127.0.0.1/", "http://localhost/"),
    ],
)
def test_urls_that_a_server_may_distinguish_stay_different(one: str, other: str) -> None:
    """A wrong duplicate would lose a page."""
    assert canonical_url(one) != canonical_url(other)


@pytest.mark.parametrize(
    ("how", "url", "expected"),
    [
        (TRACKING, "http://h/?utm_source=x&a=1&UTM_Medium=y", "http://h/?a=1"),
        (TRACKING, "http://h/?gclid=1&fbclid=2&msclkid=3&mc_eid=4&_ga=5&srsltid=6&yclid=7", "http://h/"),
        (TRACKING, "http://h/?%75tm_source=x", "http://h/"),
        (TRACKING, "http://h/?a=utm_source", "http://h/?a=utm_source"),
        (TRACKING, "http://h/?xutm_source=1&gclids=2", "http://h/?xutm_source=1&gclids=2"),
        (TRACKING, "http://h/?b&a", "http://h/?b&a"),
        (TRACKING, "http://h/?", "http://h/?"),
        (TRACKING, "http://h/utm_source=1", "http://h/utm_source=1"),
        (SORTED, "http://h/?b=1&a=2", "http://h/?a=2&b=1"),
        (SORTED, "http://h/?b=2&a=9&b=1", "http://h/?a=9&b=2&b=1"),
        (SORTED, "http://h/?a-b=1&a=2", "http://h/?a=2&a-b=1"),
        (SORTED, "http://h/?b&&a&", "http://h/?a&b"),
        (SORTED, "http://h/?utm_source=x&a", "http://h/?a&utm_source=x"),
        (BOTH, "http://h/?z=1&fbclid=x&a=2", "http://h/?a=2&z=1"),
    ],
)
def test_tracking_and_order_count_unless_told_otherwise(
    how: CanonicalOptions, url: str, expected: str
) -> None:
    """Each on its own; names are compared unescaped."""
    assert canonical_url(url, how) == expected


@given(URLS, IDENTITIES)
@example("http://h/%%34%31", AS_SENT)
@example("http://h/?&&", SORTED)
@example("http://h/.%2%65/", AS_SENT)
def test_a_canonical_url_is_its_own_canonical_url(url: str, how: CanonicalOptions) -> None:
    """This also holds for the canonical URL of the prepared URL."""
    once = canonical_or_none(url, how)
    assume(once is not None)
    assert canonical_url(str(once), how) == once
    assert canonical_url(prepare(url), how) == once


@given(URLS)
@example("http://h/?'")
@example("http://me:@h/")
def test_a_parser_of_the_url_standard_agrees(url: str) -> None:
    """ada's form of the prepared URL has the same canonical URL, and ada keeps the canonical URL."""
    once = canonical_or_none(url, AS_SENT)
    assume(once is not None)
    assert canonical_url(can_ada.parse(prepare(url)).href) == once
    assert can_ada.parse(str(once)).href == once


@given(URLS, st.data())
def test_variants_of_a_url_are_the_same(url: str, data: st.DataObject) -> None:
    """Letters escaped at will, escapes in any case, a fragment, dot segments, a default port."""
    once = canonical_or_none(url, AS_SENT)
    assume(once is not None)
    scheme, _, rest = str(once).partition("://")
    authority, _, tail = rest.partition("/")
    spelt = "".join(respell(piece, data.draw(st.integers(0, 2))) for piece in re.findall("%..|.", tail))
    assert canonical_url(f"{scheme.upper()}://{authority}/x/%2E./{spelt}#f{url}") == once


@pytest.mark.parametrize(
    "url", ["", "ftp://h/", "http://", "http://127.1/", "http://a b/", "x" * (MAX_URL + 1)]
)
def test_an_invalid_url_has_no_canonical_url(url: str) -> None:
    """The texts that fetching refuses are refused."""
    with pytest.raises(InvalidUrl):
        canonical_url(url)


def respell(piece: str, way: int) -> str:
    """A letter or an escape in another of its spellings."""
    if piece.isalpha() and way:
        return f"%{ord(piece):02x}" if way == 1 else f"%{ord(piece):02X}"
    return piece.lower() if len(piece) == 3 and way else piece


def canonical_or_none(url: str, how: CanonicalOptions) -> str | None:
    try:
        return canonical_url(url, how)
    except InvalidUrl:
        return None


def test_the_examples_in_the_docstrings_hold() -> None:
    """They are what a reader tries first."""
    assert doctest.testmod(sys.modules["parascrape.web.canonical"]).failed == 0
