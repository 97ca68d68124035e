"""URL patterns: traps, session ids, patterns and dates, all in linear time."""

from __future__ import annotations

import pytest
from hypothesis import example, given, strategies as st

from parascrape.crawling.links.url_patterns import (
    MAX_PATTERN,
    looks_dated,
    pattern_of,
    trap_of,
    without_session,
)
from parascrape.web.urls import prepare

HEX = "0123456789abcdef0123456789abcdef"
UUID = "f47ac10b-58cc-4372-a567-0e02b2c3d479"


def url_of(*parts: str, query: str = "") -> str:
    """A URL of these path segments."""
    return f"http://h/{'/'.join(parts)}{query and '?'}{query}"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (url_of("a", "b", "a", "b", "a", "b"), "repeated_segments"),
        (url_of("x", "css", "css", "css", "main.html"), "repeated_segments"),
        (url_of("en", "a1", "b2", "c3", "a1", "b2", "c3", "a1", "b2", "c3", ""), "repeated_segments"),
        (url_of("a", "x1", "a", "x2", "a", "y", "a", "z", "a", "v", "a"), "repeated_segments"),
        (url_of(*(f"s{number % 20}" for number in range(400)), query="q"), "deep_path"),
        (url_of(*(f"s{number}" for number in range(33))), "deep_path"),
        (url_of("a" * 2000), "long_url"),
        (url_of("l", query="&".join(f"p{number}=1" for number in range(31))), "many_parameters"),
        (url_of("l", query="&".join(["sort=x"] * 11)), "many_parameters"),
        (url_of("l", query="&".join(["a[]=x"] * 31)), "many_parameters"),
    ],
)
def test_a_trap_is_known_by_its_form(url: str, name: str) -> None:
    """Repetition, depth, length and number of parameters each have their name."""
    assert trap_of(url) == name


@pytest.mark.parametrize(
    "url",
    [
        url_of(),
        url_of("1", "1", "1", ""),
        url_of("0", "0", "0", "0", "0", "0", "0", "7.png"),
        url_of("2024", "01", "01", "01", "01"),
        url_of("12", "34", "12", "34", "12", "34"),
        url_of("pool", "a", "a", "a", "x.deb"),
        url_of("usa", "new-york", "new-york", ""),
        url_of("wiki", "Talk:Wiki", "Wiki", "Wiki"),
        url_of("src", "main", "java", "org", "main", "api", "main", "impl", "Main.java"),
        url_of("web", "2020", "http:", "", "h", ""),
        url_of(*(f"s{number}" for number in range(32)), ""),
        url_of("a" * 1991),
        url_of("l", query="&".join(f"p{number}=1" for number in range(30))),
        url_of("l", query="&".join(["sort=x"] * 10)),
        url_of("l", query="&".join(["colour[]=x"] * 25)),
        url_of("l", query="&".join(["colour%5B%5D=x"] * 25)),
        url_of("l", query="&".join(f"f[{number}]=x" for number in range(25))),
    ],
)
def test_ordinary_urls_are_not_traps(url: str) -> None:
    """Dates, shards, places, packages, archives, and forms with lists."""
    assert trap_of(url) == ""


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"http://h/a;jsessionid={HEX}.node1", "http://h/a"),
        ("http://h/a;JSESSIONID=1!-2/b?x=1", "http://h/a/b?x=1"),
        (f"http://h/a?x=1;jsessionid={HEX}&y=2", "http://h/a?x=1&y=2"),
        ("http://h/(S(lit3py55t21z5v55vlm25s55))/a.aspx", "http://h/a.aspx"),
        ("http://h/app/(X(1)S(lit3py55t21z5v55vlm25s55))/a.aspx?x", "http://h/app/a.aspx?x"),
        ("http://h/(S(lit3py55t21z5v55vlm25s55))", "http://h/"),
        (f"http://h/?PHPSESSID={HEX}", "http://h/"),
        (f"http://h/?a=1&phpsessid={HEX}&b=2", "http://h/?a=1&b=2"),
        ("http://h/?ASPSESSIONIDQABCDEFG=KLMNOPQRABCDEFGH&b", "http://h/?b"),
        ("http://h/?CFID=1234&CFTOKEN=98765432&b=2", "http://h/?b=2"),
        ("http://h/?osCsid=abcdefgh12345678", "http://h/"),
        ("http://h/?zenid=abcdefgh12345678", "http://h/"),
        ("http://h/?sessionid=ab12cd34", "http://h/"),
        ("http://h/?session_id=ab12cd34-ef", "http://h/"),
        ("http://h/?sid=3fa9c01b", "http://h/"),
        ("http://h/?sid=Zk3qWm9xTr5vLp2y", "http://h/"),
        (f"http://h/?s={HEX}&t=5", "http://h/?t=5"),
    ],
)
def test_session_ids_are_removed(url: str, expected: str) -> None:
    """From path parameters, segments and queries, wherever they stand."""
    assert without_session(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://h/",
        "http://h/a;v=1?x=1",
        "http://h/a_(S(x))/b",
        "http://h/(S(short))/b",
        "http://h/?s=shoes",
        f"http://h/?s={HEX}0",
        "http://h/?sid=1234567890",
        "http://h/?sid=08/03/12",
        "http://h/?sid=a-long-story-slug-name",
        "http://h/?sid=decade",
        "http://h/?session_id=keynotes",
        "http://h/?PHPSESSID=short",
        "http://h/?CFID=",
        "http://h/?sids=Zk3qWm9xTr5vLp2y&side=3fa9c01b",
        "http://h/?q=http://x/?sid",
        "http://h/a?",
    ],
)
def test_other_parameters_stay(url: str) -> None:
    """Searches, stories, conference sessions, and names that only begin alike."""
    assert without_session(url) == url


PIECES = st.sampled_from(
    [
        *(
            "/a",
            "/",
            ";jsessionid=",
            ";",
            "=",
            "&",
            "?",
            "(S(abcdefgh1))",
            "sid=3fa9c01b",
            "PHPSESSID=",
            "s=",
        ),
        *(HEX, "/(S(abcdefgh1))", "?sid=", "&sessionid=", "0", "1" * 20, UUID, "%", "(X(1)S(12345678))", "x"),
    ]
)
URLS = st.lists(PIECES, max_size=14).map(lambda pieces: "http://h/" + "".join(pieces)).map(prepare)


@given(URLS)
@example("http://h/(S(abcdefgh1))?")
def test_taking_session_ids_out_twice_changes_nothing(url: str) -> None:
    """The result is a prepared URL, not longer than the given one."""
    once = without_session(url)
    assert without_session(once) == once
    assert prepare(once) == once
    assert len(once) <= len(url)


@pytest.mark.parametrize(
    ("url", "pattern"),
    [
        ("http://h/", "http://h/*"),
        ("http://h/about", "http://h/*"),
        ("http://h/calendar/2026/11/", "http://h/calendar/0/*"),
        ("http://h/item/123", "http://h/item/*"),
        ("http://h/list?page=2&sort=x", "http://h/list?page&sort"),
        ("http://h/list?sort=x&page=3", "http://h/list?page&sort"),
        ("http://h/list/7?page=3&page=4", "http://h/list/0?page"),
        ("http://h/list/?f[0]=a&f[1]=b", "http://h/list/?f[0]&f[0]"),
        ("http://h1.example:8080/p12-3/x", "http://h1.example:8080/p0-0/*"),
        (f"http://h/u/{UUID}/photo", "http://h/u/x/*"),
        (f"http://h/u/{HEX}/photo?size=3", "http://h/u/x/photo?size"),
        ("http://h/u/2024-01-05-2024-01-06/photo", "http://h/u/0-0-0-0-0-0/*"),
        ("http://h/defaced-decade/photo", "http://h/defaced-decade/*"),
    ],
)
def test_a_pattern_is_what_urls_have_in_common(url: str, pattern: str) -> None:
    """Numbers, ids and the last name are left out, and the values of a query."""
    assert pattern_of(url) == pattern


@given(URLS, st.integers(0, 10**9))
def test_a_pattern_ignores_numbers_and_names(url: str, number: int) -> None:
    """Another number and another last name make no other pattern, and it is bounded."""
    path = url.partition("?")[0].rstrip("/")
    assert pattern_of(f"{path}/{number}/a{number}") == pattern_of(f"{path}/1/b")
    assert len(pattern_of(url)) <= MAX_PATTERN


def test_long_patterns_are_kept_apart() -> None:
    """Beyond 500 characters by a hash of the whole."""
    one, other = (pattern_of(f"http://h/{'d' * 1000}{end}/p") for end in "xy")
    assert one != other
    assert len(one) == len(other) == MAX_PATTERN


@pytest.mark.parametrize(
    ("url", "dated"),
    [
        ("http://h/2026/11/", True),
        ("http://h/2026/11/03/title", True),
        ("http://h/2026/nov/", True),
        ("http://h/events/2026-11", True),
        ("http://h/events/20261103", True),
        ("http://h/2026-W45", True),
        ("http://h/?date=x", True),
        ("http://h/?a=1&start_date=3", True),
        ("http://h/?tribe-bar-date=3", True),
        ("http://h/?Month=3&Year=1", True),
        ("http://2026-11.example/", False),
        ("http://h/2026/", False),
        ("http://h/2026/13", False),
        ("http://h/item/1234567", False),
        ("http://h/12026/11", False),
        ("http://h/2026/market", False),
        ("http://h/2026-march", True),
        ("http://h/?update=3", False),
        ("http://h/date", False),
    ],
)
def test_dates_are_seen(url: str, dated: bool) -> None:
    """A year with a month, day or week after it, or a parameter named for one."""
    assert looks_dated(url) is dated


@pytest.mark.parametrize(
    "part", ["/a", "/1", "&sid=", ";jsessionid", "/(S(", "&a-", "_", "/(X(1)", "2026", "?", "%5B%5D", "/a1-"]
)
def test_long_urls_take_linear_time(part: str) -> None:
    """A megabyte of any repeated text: a function that backtracks would exceed the time limit of tests."""
    url = "http://h/?"[: 9 + part.startswith("&")] + part * (1_000_000 // len(part))
    for look in (trap_of, without_session, pattern_of, looks_dated):
        assert look(url) is not None
