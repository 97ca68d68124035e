"""URLs: preparation for sending, refusals, and agreement between parsers."""

from __future__ import annotations

import doctest
import re
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import example, given, settings, strategies as st
from urllib3.util import parse_url

from parascrape.errors import InvalidUrl
from parascrape.web import urls
from parascrape.web.urls import MAX_URL, host_key, prepare, redact

LABELS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_éüñ例え語ßΣ①Ａ。", min_size=1, max_size=12)
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join) | st.sampled_from(
    ["127.0.0.1", "[::1]", "[2001:DB8::1]", "localhost", "EXAMPLE.org", "example.org."]
)
TAILS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=40)
LIKELY = st.builds(
    "{}://{}{}{}{}{}".format,
    st.sampled_from(["http", "https", "HTTP"]),
    st.sampled_from(["", "", "me@", "me:p%40ss@", "ü:é@", ":@"]),
    HOSTS,
    st.sampled_from(["", "", ":80", ":8080", ":443", ":", ":0"]),
    st.sampled_from(["", "/", "/./", "/%2e%2E/", "?", "#", "/a//b/../"]),
    TAILS,
)
"""Texts: many are URLs, and the others are similar to URLs."""

HOSTILE = st.text(st.sampled_from("htps:/.@#?[]%\\ \t\r\n\0ab1é\u2100\uff0f\ud800\u3002"), max_size=30).map(
    lambda rest: "http://" + rest
)


def prepared_or_none(text: str) -> str | None:
    try:
        return prepare(text)
    except InvalidUrl:
        return None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.org/a?b=c&d=%E3%81%82", "https://example.org/a?b=c&d=%E3%81%82"),
        ("https://example.org", "https://example.org/"),
        ("https://example.org?q", "https://example.org/?q"),
        ("  \thttp://example.org/\r\n", "http://example.org/"),
        ("HTTPS://Example.ORG/Path", "https://example.org/Path"),
        ("http://example.org/a#part", "http://example.org/a"),
        ("http://example.org/a # a comment", "http://example.org/a"),
        ("http://example.org/a b/ü", "http://example.org/a%20b/%C3%BC"),
        ("http://example.org/100%/%7e%e3", "http://example.org/100%25/%7e%e3"),
        ('http://example.org/a[1]?x[]="1"|2', "http://example.org/a%5B1%5D?x%5B%5D=%221%22%7C2"),
        ("http://日本語.jp/", "http://xn--wgv71a119e.jp/"),
        ("http://BÜCHER.example/", "http://xn--bcher-kva.example/"),
        ("http://例え。jp/", "http://xn--r8jz45g.jp/"),
        ("http://exa_mple.org/", "http://exa_mple.org/"),
        ("http://example.org./", "http://example.org./"),
        ("http://localhost/", "http://localhost/"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/"),
        ("http://[2001:DB8:0::1]:8080/", "http://[2001:db8::1]:8080/"),
        ("http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/"),
        ("http://[::FFFF:0:0]/", "http://[::ffff:0:0]/"),
        ("http://example.org:80/", "http://example.org/"),
        ("https://example.org:443/", "https://example.org/"),
        ("https://example.org:80/", "https://example.org:80/"),
        ("http://example.org:/", "http://example.org/"),
        ("http://example.org:065535/", None),
        ("http://example.org:08080/", "http://example.org:8080/"),
        ("http://example.org:65535/", "http://example.org:65535/"),
        ("http://me:secret@example.org/", "http://me:secret@example.org/"),
        ("http://me:s%40é@example.org/", "http://me:s%40%C3%A9@example.org/"),
        ("http://@example.org/", "http://example.org/"),
        ("http://example.org/a/./b/../c", "http://example.org/a/c"),
        ("http://example.org/../%2e%2E/a/..", "http://example.org/"),
        ("http://example.org/.well-known/x", "http://example.org/.well-known/x"),
        ("http://example.org//a//b", "http://example.org//a//b"),
        ("http://example.org?mail=me@there.org", "http://example.org/?mail=me@there.org"),
        ("http://example.org/?next=/../x", "http://example.org/?next=/../x"),
    ],
)
def test_prepare_gives_the_url_to_send(text: str, expected: str | None) -> None:
    """Each text is sent as this; None: refused."""
    assert prepared_or_none(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("example.org", "no http:// or https:// at its start"),
        ("example.org:8080/a", "no http:// or https:// at its start"),
        ("mailto:me@example.org", "no http:// or https:// at its start"),
        ("//example.org/", "no http:// or https:// at its start"),
        ("http:/example.org/", "no http:// or https:// at its start"),
        ("http\u017f://example.org/", "no http:// or https:// at its start"),
        ("ftp://example.org/", "the scheme is ftp"),
        ("JavaScript://alert(1)", "the scheme is javascript"),
        ("http://", "no host"),
        ("http:///a", "no host"),
        ("http://:80/", "no host"),
        ("http://me@/", "no host"),
        ("http://a b/", "not a valid name"),
        ("http://a /", "not a valid name"),
        ("http://a..b/", "not a valid name"),
        ("http://.a/", "not a valid name"),
        ("http://a%2eb/", "not a valid name"),
        ("http://a<b/", "not a valid name"),
        ("http://" + "a" * 64 + ".org/", "not a valid name"),
        ("http://" + "a." * 130 + "org/", "not a valid name"),
        ("http://a\uff0fb/", "not a valid internationalized name"),
        ("http://\u2100.org/", "not a valid internationalized name"),
        ("http://" + "é" * 300, "too long"),
        ("http://999.1.1.1/", "IPv4"),
        ("http://127.1/", "IPv4"),
        ("http://2130706433/", "IPv4"),
        ("http://0x7f.0.0.1/", "IPv4"),
        ("http://010.0.0.1/", "IPv4"),
        ("http://127.0.0.1./", "IPv4"),
        ("http://\uff11\uff12\uff17.1/", "IPv4"),
        ("http://[::g]/", "IPv6"),
        ("http://[fe80::1%25eth0]/", "IPv6"),
        ("http://[::1/", "malformed"),
        ("http://[::1]x/", "malformed"),
        ("http://a:0/", "port"),
        ("http://a:65536/", "port"),
        ("http://a:x/", "port"),
        ("http://a:٣/", "port"),
        ("http://a:80:80/", "port"),
        ("http://a\\@b/", "backslash"),
        ("http://a\\b/", "backslash"),
        ("http://a@b@c/", "second @"),
        ("http://a b@c/", "white space"),
        ("http://a#@b/", "ambiguous"),
        ("http://a/\r\nHost: b", "U+000D"),
        ("http://a/\tb", "U+0009"),
        ("http://a/\0", "U+0000"),
        ("http://a/\x7f", "U+007F"),
        ("http://a/\x85b", "U+0085"),
        ("http://a/\ud800", "U+D800"),
        ("http://a/\ufffd", "U+FFFD"),
        ("http://a/" + "b" * MAX_URL, "longer than 16384"),
        ("http://a/" + "é" * (MAX_URL // 4), "when percent-encoded"),
    ],
)
def test_prepare_refuses_invalid_urls_with_the_reason(text: str, reason: str) -> None:
    """The message is short and names the fault."""
    with pytest.raises(InvalidUrl) as caught:
        prepare(text)
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 100


def test_no_message_quotes_a_password() -> None:
    """Messages go to records and logs."""
    for text in (
        "http://me:secret@a b/",
        "http://me:secret@@b/",
        "http://me:sec\0ret@b/",
        "http://me:secret@b:x/",
    ):
        with pytest.raises(InvalidUrl) as caught:
            prepare(text)
        assert "secret" not in str(caught.value)


@given(st.text() | LIKELY | HOSTILE)
@example("http://a/" + "%" * (MAX_URL - 9))
@example("http://a/" + "/.." * 5_000)
def test_prepare_is_idempotent_and_gives_printable_ascii(text: str) -> None:
    """Whatever the text: InvalidUrl, or a URL that preparing again leaves as it is."""
    url = prepared_or_none(text)
    if url is not None:
        assert url.isascii()
        assert url.isprintable()
        assert " " not in url
        assert "#" not in url
        assert len(url) <= MAX_URL
        assert prepare(url) == url


@given(LIKELY | HOSTILE)
def test_every_parser_sees_the_same_host(text: str) -> None:
    """What urllib3 connects to and requests sends to is what the prepared URL shows, and its key names."""
    url = prepared_or_none(text)
    if url is not None:
        parsed, split = parse_url(url), urlsplit(url)
        sent = requests.Request("GET", redact(url)).prepare().url
        assert sent is not None
        port = parsed.port or {"http": 80, "https": 443}[parsed.scheme or ""]
        assert host_key(url) == f"{parsed.scheme}://{parsed.host}:{port}"
        assert parse_url(sent)[2:4] == parsed[2:4]
        assert (split.hostname, split.port) == ((parsed.host or "").strip("[]"), parsed.port)


@given(
    st.from_regex(
        r"https?://([a-z0-9_-]{1,3}\.){1,3}[a-z0-9_-]{1,4}(:[0-9]{1,6})?(/[a-z.%2eE]{0,6}){0,4}(\?[a-z%2/.?@]{0,6})?(#x?)?",
        fullmatch=True,
    )
)
@settings(max_examples=300)
def test_the_quick_way_gives_what_the_careful_way_gives(text: str) -> None:
    """Ordinary URLs take a short cut, and it changes nothing."""
    try:
        careful: str | None = urls.prepare_carefully(text)
    except InvalidUrl:
        careful = None
    assert prepared_or_none(text) == careful


@given(LIKELY)
def test_requests_sends_the_path_that_was_prepared(text: str) -> None:
    """Robots rules are asked about the path that the server will see."""
    url = prepared_or_none(text)
    if url is not None:
        sent = parse_url(requests.Request("GET", redact(url)).prepare().url or "")
        again = prepare(sent.url)
        assert parse_url(again).path == sent.path


@given(
    st.lists(st.sampled_from(["HTTP://Ex.org/", "http://ex.org:80/", "http://a:b@ex.org/x", "http://ex.org"]))
)
def test_one_host_has_one_key(texts: list[str]) -> None:
    """Capitals, default ports, users and paths do not make another host."""
    assert {host_key(prepare(text)) for text in texts} <= {"http://ex.org:80"}


def test_host_key_requires_a_prepared_url() -> None:
    """Any other text raises."""
    for text in ("", "http://Ex.org", "ftp://a/", "http://a b/"):
        with pytest.raises(InvalidUrl):
            host_key(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:secret@example.org/", "https://example.org/"),
        ("https://me@example.org/", "https://example.org/"),
        ("HTTP://me:se@cret@example.org", "HTTP://example.org"),
        ("http://me:secret/x@host/", "http://host/"),
        ("http://me:my secret@host/", "http://host/"),
        ("http://me:p?@secret@host/", "http://host/"),
        ("http://me:secret\\@host/", "http://host/"),
        ("http://a/?next=http://me:secret@b/", "http://a/?next=http://b/"),
        ("failed: http://me:secret@a/ and http://me:secret@b/", "failed: http://a/ and http://b/"),
        ("socks5://me:secret@proxy:1080", "socks5://proxy:1080"),
        ("https://example.org/@me", "https://example.org/@me"),
        ("https://example.org:8080/@me", "https://example.org:8080/@me"),
        ("https://[::1]/@me", "https://[::1]/@me"),
        ("https://example.org?mail=me@b", "https://example.org?mail=me@b"),
        ("mail me@example.org", "mail me@example.org"),
        ("", ""),
    ],
)
def test_redact_removes_only_user_names_and_passwords(text: str, shown: str) -> None:
    """User names and passwords go; an @ in a path or a query stays."""
    assert redact(text) == shown


@settings(deadline=None)
@given(st.text() | LIKELY | HOSTILE)
@example("@" + "://a:b" * 5_000)
def test_redact_accepts_any_text_and_leaves_no_user_name(text: str) -> None:
    """It never raises, leaves no @ in an authority, and a redacted URL has no user for any parser."""
    assert not re.search(r"://[^/?#\s]*@", redact(text))
    url = prepared_or_none(text)
    if url is not None:
        assert parse_url(redact(url)).auth is None
        assert host_key(redact(url)) == host_key(url)


def test_doctests_hold() -> None:
    """The examples in the docstrings are true."""
    assert doctest.testmod(urls).failed == 0
