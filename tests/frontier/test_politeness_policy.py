"""What settings ask of a harvest: its limits, whose they are, and which lines are not fetched."""

from __future__ import annotations

import doctest
from typing import Any

import pytest
from hypothesis import given, strategies as st

from parascrape.errors import Duplicate, HostDown, NotFetched, RobotsForbidden
from parascrape.files.duplicates import mark_duplicates
from parascrape.frontier import Visit, politeness
from parascrape.frontier.host import refusal
from parascrape.frontier.politeness import domain_key, key_of, politeness_policy
from parascrape.records import Entry
from parascrape.settings import Settings
from parascrape.web.canonical import CanonicalOptions, canonical_url
from parascrape.web.urls import host_key


def marked(entries: list[Entry | None], **options: Any) -> list[str | None]:
    """What each entry is told of the one before it; None for nothing just now."""
    found = list(mark_duplicates(entries, Settings(**options)))
    assert [entry and entry._replace(duplicate="") for entry in found] == entries
    return [entry and entry.duplicate for entry in found]


def lines(*urls: str, source: str = "") -> list[Entry | None]:
    """A list of these, from line 1."""
    return [Entry(url, line, source) for line, url in enumerate(urls, 1)]


def test_the_examples_are_true() -> None:
    """In the docstrings."""
    assert doctest.testmod(politeness).failed == 0


# --- limits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "told_apart"),
    [
        ({}, True),
        ({"per_host": 0, "robots": False}, False),
        ({"per_host": 0}, True),
        ({"per_host": 0, "robots": False, "delay": 0.5}, True),
        ({"per_host": 1, "robots": False}, True),
    ],
)
def test_hosts_are_told_apart_where_there_is_anything_to_keep(
    options: dict[str, Any], told_apart: bool
) -> None:
    """A limit, a delay or robots.txt; without them a list is handed out as it comes."""
    assert (politeness_policy(Settings(**options)) is not None) == told_apart


def test_limits_are_those_of_the_settings() -> None:
    """Each under its name."""
    settings = Settings(per_host=7, delay=2.5, robots=False, max_backoff=33)
    limits = politeness_policy(settings)
    assert limits is not None
    assert (limits.per_host, limits.delay, limits.robots, limits.max_backoff) == (7, 2.5, False, 33)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://www.example.org/a", "example.org"),
        ("http://example.org:8080/", "example.org"),
        ("https://news.bbc.co.uk/1", "bbc.co.uk"),
        ("https://me.github.io/", "me.github.io"),
        ("https://co.uk/", "co.uk"),
        ("http://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("http://localhost:8000/", "localhost"),
        ("http://127.0.0.1:8000/", "127.0.0.1"),
        ("http://[::1]:8000/", "[::1]"),
    ],
)
def test_a_domain_is_what_somebody_has_registered(url: str, key: str) -> None:
    """By the public suffix list; a host of no such domain stands for itself, whatever its port."""
    assert domain_key(url) == key


def test_limits_are_a_hosts_or_a_domains() -> None:
    """As the settings say."""
    assert key_of(Settings()) is host_key
    assert key_of(Settings(per_domain=True)) is domain_key


# --- what is not fetched ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Duplicate, HostDown, RobotsForbidden])
def test_a_refusal_is_the_error_of_its_code(kind: type[NotFetched]) -> None:
    """With the reason as its message."""
    visit = Visit(0, Entry("http://h/", 1))
    visit.refuse(kind.code, "for a reason")
    assert type(refusal(visit)) is kind
    assert str(refusal(visit)) == "for a reason"


def test_a_duplicate_is_told_where_its_url_stands_first() -> None:
    """Whatever the spelling; the first one is told nothing, however many follow."""
    listed = lines("http://h/a", "HTTP://H:80/x/../a#top", "http://h/b", "http://h/a")
    first = "the same URL as in line 1"
    assert marked(listed) == ["", first, "", first]


def test_the_list_of_the_first_is_named_where_it_is_another() -> None:
    """A line's number alone says nothing then; within a list it does, also after others."""
    listed = [
        *lines("http://h/a", source="one.txt"),
        *lines("http://h/b", "http://h/a", "http://h/b", source="two.txt"),
        Entry("http://h/a", 9, "one.txt"),
    ]
    assert marked(listed) == [
        "",
        "",
        "the same URL as in line 1 of one.txt",
        "the same URL as in line 1",
        "the same URL as in line 1",
    ]


def test_no_list_is_named_for_another_however_many_there_are() -> None:
    """A place takes five bytes, so the lists after the first 254 are not told apart."""
    listed: list[Entry | None] = [Entry(f"http://h/{n}", n + 1, f"{n}.txt") for n in range(300)]
    again = [Entry(f"http://h/{n}", 1, "last.txt") for n in (0, 253, 254, 299)]
    assert marked([*listed, *again])[300:] == [
        "the same URL as in line 1 of 0.txt",
        "the same URL as in line 254 of 253.txt",
        "the same URL as in line 255 of a later list",
        "the same URL as in line 300 of a later list",
    ]


def test_what_is_no_url_is_no_duplicate() -> None:
    """It has its own record, each time; so has "nothing just now"."""
    bad = Entry("nonsense", 1, problem="no scheme")
    assert marked([bad, None, bad, Entry("ftp://h/", 4)]) == ["", None, "", ""]


def test_text_that_cannot_be_prepared_is_compared_as_it_stands() -> None:
    """An entry that nobody has checked: the worker will say what is wrong with it."""
    assert marked(lines("ftp://h/", "ftp://h/")) == ["", "the same URL as in line 1"]


@pytest.mark.parametrize(
    ("options", "is_duplicate"),
    [
        ({}, False),
        ({"drop_tracking": True}, False),
        ({"sort_query": True}, False),
        ({"drop_tracking": True, "sort_query": True}, True),
        ({"drop_tracking": True, "sort_query": True, "fetch_duplicates": True}, False),
    ],
)
def test_what_makes_no_difference_is_the_users_choice(options: dict[str, bool], is_duplicate: bool) -> None:
    """Tracking parameters and the query's order make one unless they are said not to."""
    second = marked(lines("http://h/?a=1&b=2", "http://h/?b=2&utm_source=x&a=1"), **options)[1]
    assert bool(second) == is_duplicate


URLS = st.builds(
    "{}://{}{}/{}?{}".format,
    st.sampled_from(["http", "HTTP"]),
    st.sampled_from(["h", "H", "other"]),
    st.sampled_from(["", ":80", ":81"]),
    st.sampled_from(["", "a", "./a", "%61"]),
    st.sampled_from(["", "a=1&b=2", "b=2&a=1", "utm_source=x"]),
)


@given(st.lists(URLS, max_size=30), st.booleans(), st.booleans())
def test_of_equal_urls_the_first_alone_is_fetched(urls: list[str], drop: bool, sort: bool) -> None:
    """Against a dict of canonical URLs: every other names the first one's line."""
    first: dict[str, int] = {}
    expected = []
    for line, url in enumerate(urls, 1):
        at = first.setdefault(canonical_url(url, CanonicalOptions(drop, sort)), line)
        expected.append("" if at == line else f"the same URL as in line {at}")
    assert marked(lines(*urls), drop_tracking=drop, sort_query=sort) == expected
