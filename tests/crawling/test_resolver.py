"""Most links are resolved on a fast path, with the same result as on the slow one."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from parascrape.crawling.links import resolver as module
from parascrape.crawling.links.resolver import BaseUrl, LinkResolver
from parascrape.crawling.links.rules import Scope
from parascrape.web.canonical import AS_SENT
from parascrape.web.html import absolute

BASES = (
    "http://h/",
    "http://h/a/b/c.html",
    "https://example.org:8443/a/?x=/y/z",
    "http://127.0.0.1:8000/a//b/c",
    "http://h/a/%2F/c?d",
    "http://me:secret@example.org/a/b/",
)
PIECES = ("a", "b.html", ".", "..", "", "-", "~u", ".x", "x.", "%41", "é", "a b", "a:b", "a;b", "a;", "c,d")
TAILS = ("", "?", "?x=1", "?x=/../y", "?a?b", "?'", "?é", "?x=%zz", ";", "\\x", "\t", " ")
HEADS = (
    "",
    "/",
    "//",
    "../",
    "../../../",
    "./",
    "http://h/",
    "https://H/",
    "http://h:80/",
    "http:/",
    "http:",
    "?",
)


def of(url: str, href: str) -> str | None:
    """The URL that a link of the page at ``url`` leads to."""
    target = LinkResolver(Scope(reach="any"), AS_SENT).base(url, url).lead(href)
    return None if target is None else target.url


links = st.builds(
    lambda head, pieces, tail: head + "/".join(pieces) + tail,
    st.sampled_from(HEADS),
    st.lists(st.sampled_from(PIECES), max_size=4),
    st.sampled_from(TAILS),
)


@given(st.sampled_from(BASES), links)
def test_the_fast_path_resolves_like_absolute(url: str, href: str) -> None:
    """The links are combinations of parts of URLs, on several bases."""
    if href.strip("\x00\t\n\f\r ") in ("", "?"):
        return
    assert of(url, href) == absolute(url, href)


@given(st.sampled_from(BASES), st.text(st.sampled_from("a./?:%;#h\\@ é-"), max_size=12))
def test_the_fast_path_resolves_random_text_like_absolute(url: str, href: str) -> None:
    """The links are random text, not only combinations of parts of URLs."""
    href = href.partition("#")[0]
    if href.strip("\x00\t\n\f\r ") in ("", "?"):
        return
    assert of(url, href) == absolute(url, href)


@pytest.mark.parametrize(
    ("url", "href"),
    [
        ("http://h/a/b/c.html", "../d/e.html?x=1&y=2"),
        ("http://h/a/b/c.html", "d.html"),
        ("http://h/a/b/", "/d"),
        ("http://h/a", "https://www.example.org/d/"),
    ],
)
def test_common_links_take_the_fast_path(url: str, href: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The careful way takes ten times as long."""
    expected = absolute(url, href)
    monkeypatch.setattr(module, "absolute", None)
    assert of(url, href) == expected


def test_cached_links_are_bounded() -> None:
    """A full cache is emptied; links resolve to the same URLs as before."""
    targets = LinkResolver(Scope(), AS_SENT, max_known=10)
    base: BaseUrl = targets.base("http://h/a/", "http://h/a/")
    found = [base.lead(f"{number}.html") for number in range(100)]
    assert [one.url for one in found if one] == [f"http://h/a/{number}.html" for number in range(100)]
    base = targets.base("http://h/a/", "http://h/a/")  # another page of this directory
    last, first = base.lead("99.html"), base.lead("0.html")
    assert first == found[0]
    assert first is not found[0], "the first was dropped"
    assert last is found[-1], "the last was kept"
