"""robots.txt: whom a group means, which rule decides, how fast, and what an answer's status allows."""

from __future__ import annotations

import doctest
import math
import pickle

import pytest
from hypothesis import example, given, strategies as st

from parascrape.web import robots
from parascrape.web.robots import (
    ALLOW_ALL,
    DAY,
    MAX_BODY,
    MAX_DELAY,
    RobotsRules,
    from_answer,
    parse,
    product_token,
)

HOST = "http://site.example"
AGENTS = ["User-agent: *", "user-agent: ours", "# x", "\x85\u2028", "Sitemap: http://h/s"]
WISHES = ["Disallow: /a", "Allow: /a/b", "Disallow:", "Disallow: /*a*$", "disallow /%", "Crawl-delay: 1e9"]
LINES = st.sampled_from([*AGENTS, *WISHES, "Request-rate: 1/9d"])


def allows(text: str, path: str, user_agent: str = "ours/1.0") -> bool:
    return parse(text.encode(), user_agent).allows(HOST + path)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("", True),
        ("User-agent: ours\nDisallow: /", False),
        ("USER-AGENT: OuRs\nDISALLOW: /", False),
        ("User-agent: ours/2.1\nDisallow: /", False),
        ("User-agent: ours*\nDisallow: /", False),
        ("User-agent: our\nDisallow: /", True),
        ("User-agent: oursX\nDisallow: /", True),
        ("User-agent: other\nDisallow: /", True),
        ("User-agent: *\nDisallow: /", False),
        ("User-agent: * and more\nDisallow: /", False),
        ("User-agent: *\nDisallow: /\nUser-agent: ours\nAllow: /", True),
        ("User-agent: ours\nAllow: /\n\nUser-agent: *\nDisallow: /", True),
        ("User-agent: ours\nUser-agent: *\nDisallow: /", False),
        ("User-agent: other\nUser-agent: ours\nDisallow: /", False),
        ("User-agent: ours\n\n# apart\n\nUser-agent: other\nDisallow: /", False),
        ("User-agent: ours\nDisallow: /x\nUser-agent: other\nDisallow: /", True),
        ("User-agent: ours\nDisallow: /x\nUser-agent: other\nAllow: /\nUser-agent: ours\nDisallow: /", False),
        ("User-agent: *\nDisallow: /x\nUser-agent: other\nAllow: /\nUser-agent: *\nDisallow: /", False),
        ("User-agent: ours\nDisallow:\nUser-agent: other\nDisallow: /", True),
        ("User-agent: *\nDisallow: /\nUser-agent: ours", True),
        ("User-agent: ours\nCrawl-delay: 5\nUser-agent: other\nDisallow: /", False),
        ("User-agent: ours\nSitemap: http://h/s.xml\nUser-agent: other\nDisallow: /", False),
        ("User-agent: ours\nUnknown: x\nUser-agent: other\nDisallow: /", False),
        ("User-agent: ours\nDisallow: /x\nCrawl-delay: 5\nUser-agent: other\nDisallow: /", True),
        ("User-agent:\nDisallow: /", True),
        ("User-agent: **\nDisallow: /", True),
        ("Disallow: /", True),
        ("Disallow: /\nUser-agent: ours\nAllow: /x", True),
        ("user-agent ours\ndisallow /", False),
        ("useragent: ours\ndissallow: /", False),
        ("User agent: ours\nDisalow: /", False),
        ("  User-agent : ours  \n\tDisallow\t:\t/ ", False),
        ("User-agent: ours # us\nDisallow: / # all", False),
        ("User-agent: ours\n# Disallow: /", True),
        ("User-agent: ours\nDisallow: # nothing", True),
        ("User-agent: ours\rDisallow: /", False),
        ("User-agent: ours\r\nDisallow: /\r\n", False),
        ("User-agent: ours\u2028Disallow: /", True),
        ("User-agent: ours\nDisallow: /zzz\x85Disallow: /", True),
        ("\ufeffUser-agent: ours\nDisallow: /", False),
        ("User-agent: ours\nDisallow\nDisallow/\nNoindex: /", True),
        ("User-agent: \u043e\u0443\u0440s\nDisallow: /", True),
        ("<html><body>Disallow: everything</body></html>", True),
    ],
)
def test_our_group_is_used_or_else_the_one_for_all_robots(text: str, allowed: bool) -> None:
    """RFC 9309 §2.2.1: case does not count, groups of one name are merged, ``*`` is for the rest."""
    assert allows(text, "/page") is allowed


@pytest.mark.parametrize(
    ("rules", "path", "allowed"),
    [
        ("Disallow: /fish", "/fish", False),
        ("Disallow: /fish", "/fish.html", False),
        ("Disallow: /fish", "/fish/salmon", False),
        ("Disallow: /fish", "/fish?id=1", False),
        ("Disallow: /fish", "/Fish", True),
        ("Disallow: /fish", "/catfish", True),
        ("Disallow: /fish/", "/fish", True),
        ("Disallow: fish", "/fish", True),
        ("Disallow: /a\nAllow: /a/b", "/a/b/c", True),
        ("Allow: /a/b\nDisallow: /a", "/a/c", False),
        ("Allow: /a\nDisallow: /a/b", "/a/b", False),
        ("Allow: /a\nDisallow: /a", "/a", True),
        ("Disallow: /a\nAllow: /a", "/a", True),
        ("Allow: /p\nDisallow: /", "/page", True),
        ("Disallow: /\nAllow: /$", "/", True),
        ("Disallow: /\nAllow: /$", "/page", False),
        ("Disallow: /*.php", "/a/index.php?x", False),
        ("Disallow: /*.php$", "/index.php", False),
        ("Disallow: /*.php$", "/index.php?x", True),
        ("Disallow: /*.php$", "/index.php5", True),
        ("Disallow: /fish*.php", "/fishheads/catfish.php?id=1", False),
        ("Disallow: /fish*.php", "/Fish.PHP", True),
        ("Disallow: /a*b*c", "/a-c-b", True),
        ("Disallow: /a*b*c", "/a-b-c", False),
        ("Disallow: *", "/", False),
        ("Disallow: *.pdf$", "/a.pdf", False),
        ("Disallow: /a***b", "/axb", False),
        ("Disallow: /a*", "/a", False),
        ("Disallow: /a$b", "/a$b", False),
        ("Disallow: /a$b", "/a", True),
        ("Disallow: /a%24", "/a$", False),
        ("Disallow: /a%24", "/a", True),
        ("Disallow: /a%2A", "/a*", False),
        ("Disallow: /a%2A", "/abc", True),
        ("Disallow: /*?s=", "/?s=x", False),
        ("Disallow: /*?s=", "/s=x", True),
        ("Disallow: /foo/bar?baz=quz", "/foo/bar?baz=quz", False),
        ("Disallow: /foo/bar?baz=http://foo.bar", "/foo/bar?baz=http://foo.bar", False),
        ("Disallow: /foo/bar/\u30c4", "/foo/bar/%E3%83%84", False),
        ("Disallow: /foo/bar/%E3%83%84", "/foo/bar/%e3%83%84", False),
        ("Disallow: /foo/bar/%62%61%7A", "/foo/bar/baz", False),
        ("Disallow: /foo/bar/baz", "/foo/bar/%62%61%7A", False),
        ("Disallow: /a%2Fb", "/a/b", True),
        ("Disallow: /a b", "/a%20b", False),
        ("Disallow: /", "/robots.txt", True),
        ("Disallow: //", "/a", True),
        ("Disallow: //a", "//a/b", False),
        ("Allow: /d/index.html\nDisallow: /d", "/d/", True),
        ("Allow: /d/index.html\nDisallow: /d", "/d/other", False),
        ("Disallow: /" + "a" * 9000, "/" + "a" * 9000, False),
        ("Disallow: /" + "a" * 9000, "/" + "a" * 8999, True),
    ],
)
def test_the_longest_rule_decides_and_allow_wins_a_tie(rules: str, path: str, allowed: bool) -> None:
    """RFC 9309 §2.2.2 and §2.2.3: prefixes, ``*``, ``$`` and percent-encoding."""
    assert allows(f"User-agent: *\n{rules}", path) is allowed


@pytest.mark.parametrize(
    ("user_agent", "token"),
    [
        ("parascrape/0.1.0 (+https://pypi.org/project/parascrape/)", "parascrape"),
        ("ExampleBot", "examplebot"),
        ("my-bot_2/1.0 (contact@example.org)", "my-bot_2"),
        ("Mozilla/5.0 (compatible; Some-Bot/2.1; +http://h/bot)", "some-bot"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "parascrape"),
        ("Mozilla/5.0", "parascrape"),
        ("", "parascrape"),
        ("(+http://h)", "parascrape"),
        ("\u00fcbot/1.0", "parascrape"),
    ],
)
def test_the_product_token_comes_from_the_user_agent(user_agent: str, token: str) -> None:
    """The first product, the name after ``compatible;``, or else our own."""
    assert product_token(user_agent) == token
    assert not allows(f"User-agent: {token}\nDisallow: /\nUser-agent: *\nAllow: /", "/", user_agent)


@pytest.mark.parametrize(
    ("rules", "seconds"),
    [
        ("", 0.0),
        ("Crawl-delay: 2", 2.0),
        ("Crawl-delay: 0.5", 0.5),
        ("crawl delay: 3 # slow", 3.0),
        ("Request-rate: 1/5", 5.0),
        ("Request-rate: 10/1m 0600-0845", 6.0),
        ("Crawl-delay: 2\nRequest-rate: 1/5", 5.0),
        ("Crawl-delay: 7\nRequest-rate: 1/5", 7.0),
        ("Crawl-delay: 9\nCrawl-delay: 1", 9.0),
        ("Crawl-delay: 86400", MAX_DELAY),
        ("Request-rate: 1/1d", MAX_DELAY),
        ("Request-rate: 1/" + "9" * 4000, MAX_DELAY),
        ("Request-rate: " + "9" * 4000 + "/1", 0.0),
        ("Request-rate: " + "9" * 5000 + "/1", 0.0),
        ("Request-rate: 0/1", 0.0),
        ("Request-rate: 1/0", 0.0),
        ("Request-rate: 5", 0.0),
        ("Crawl-delay: -1", 0.0),
        ("Crawl-delay: nan", 0.0),
        ("Crawl-delay: inf", 0.0),
        ("Crawl-delay: soon", 0.0),
        ("Crawl-delay:", 0.0),
        ("Disallow: /\nUser-agent: other\nCrawl-delay: 5", 0.0),
    ],
)
def test_the_longest_delay_counts_up_to_a_maximum(rules: str, seconds: float) -> None:
    """Crawl-delay and Request-rate of our group; other values are ignored."""
    assert parse(f"User-agent: *\n{rules}".encode(), "ours").delay == seconds


@pytest.mark.parametrize(
    ("status", "error_code", "allowed"),
    [
        (200, "", False),
        (206, "", False),
        (204, "", False),
        *((status, "status", True) for status in (304, 400, 401, 403, 404, 410, 418, 451)),
        (301, "bad_redirect", True),
        *((status, "status", False) for status in (429, 500, 502, 503, 599, 999)),
        *(
            (0, code, False)
            for code in ("dns", "connect", "reset", "timeout", "tls", "proxy", "bad_response")
        ),
        (301, "timeout", False),
        (404, "reset", False),
        (200, "too_large", False),
        (200, "bad_encoding", False),
        (0, "ValueError: x", False),
    ],
)
def test_the_status_of_robots_txt_decides(status: int, error_code: str, allowed: bool) -> None:
    """RFC 9309 §2.3.1: unavailable allows all, unreachable allows nothing for now."""
    body = None if error_code else b"User-agent: *\nDisallow: /"
    rules = from_answer(status, {}, body, error_code, "ours")
    assert rules.allows(HOST + "/page") is allowed
    assert rules.unreachable is (not allowed and bool(error_code))
    assert bool(rules.reason) is rules.unreachable
    assert (rules is ALLOW_ALL) is allowed
    assert rules.silent is (rules.unreachable and status == 0)
    assert rules.expires == (60.0 if rules.unreachable else DAY)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, DAY),
        ({"Cache-Control": "max-age=7200"}, 7200.0),
        ({"cache-control": 'public, MAX-AGE="7200"'}, 7200.0),
        ({"Cache-Control": "max-age=0"}, 3600.0),
        ({"Cache-Control": "no-cache"}, 3600.0),
        ({"Cache-Control": "private, no-store, max-age=86400"}, 3600.0),
        ({"Cache-Control": "max-age=999999999"}, DAY),
        ({"Cache-Control": "max-age=-1"}, DAY),
        ({"Cache-Control": "\x00;;=max-age"}, DAY),
    ],
)
def test_rules_hold_for_an_hour_to_a_day(headers: dict[str, str], seconds: float) -> None:
    """As Cache-Control says, within these bounds (§2.4)."""
    assert from_answer(200, headers, b"", "", "ours").expires == seconds


@pytest.mark.parametrize(
    ("wish", "seconds"), [("600", 600.0), ("1", 60.0), ("-5", 60.0), ("soon", 60.0), ("9" * 400, 3600.0)]
)
def test_an_unreachable_host_is_asked_again_after_its_retry_after(wish: str, seconds: float) -> None:
    """Retry-After, a minute at least and an hour at most."""
    assert from_answer(503, {"retry-after": wish}, None, "status", "ours").expires == seconds


def test_500_kib_are_read_without_the_line_that_is_cut() -> None:
    """The rule before the cut counts, the cut one would forbid all, and what follows is not seen."""
    head = b"User-agent: *\nDisallow: /seen\n"
    filler = b"#" * (MAX_BODY - len(head) - 12) + b"\n"
    body = head + filler + b"Disallow: /unseen"
    assert MAX_BODY - 2 < len(head + filler) + len(b"Disallow: /") <= MAX_BODY < len(body)
    rules = parse(body, "ours")
    assert not rules.allows(HOST + "/seen")
    assert rules.allows(HOST + "/unseen")
    assert parse(b"Disallow: /" * 100_000, "ours") is ALLOW_ALL


def test_sitemaps_do_not_depend_on_the_user_agent() -> None:
    """They stand outside of groups, and are bounded."""
    body = b"Sitemap: http://h/a.xml\nUser-agent: other\nDisallow: /\nsite-map: http://h/b.xml\nSitemap:\n"
    assert parse(body, "ours").sitemaps == ("http://h/a.xml", "http://h/b.xml")
    assert parse(body, "ours").allows(HOST + "/")
    assert len(parse(b"Sitemap: http://h/a.xml\n" * 5000, "ours").sitemaps) == 1000
    assert ALLOW_ALL.sitemaps == ()


def test_equal_rules_are_one_object_also_after_unpickling() -> None:
    """100,000 hosts that allow all cost nothing, and their rules come from other processes."""
    assert parse(b"User-agent: *\nAllow: /\nDisallow:", "ours") is ALLOW_ALL
    assert pickle.loads(pickle.dumps(ALLOW_ALL)) is ALLOW_ALL
    rules = parse(b"User-agent: *\nDisallow: /a\nCrawl-delay: 2", "ours")
    assert pickle.loads(pickle.dumps(rules)) is rules
    assert len(pickle.dumps(rules)) < 200


def test_only_our_rules_are_kept() -> None:
    """A file with rules for a thousand others is as small as ours alone."""
    others = "".join(f"User-agent: bot{number}\nDisallow: /{number}\n" for number in range(1000))
    ours = "User-agent: *\nDisallow: /a\nDisallow: /a\n"
    assert parse((others + ours).encode(), "ours").packed == parse(ours.encode(), "ours").packed


def test_ten_thousands_of_rules_are_handled() -> None:
    """They are parsed once and matched without backtracking."""
    body = b"User-agent: *\n" + b"".join(b"Disallow: /*a*b*c*%d\n" % number for number in range(22_000))
    rules = parse(body + b"User-agent: *\n" * 8000, "ours")
    assert rules.allows(HOST + "/" + "abc" * 50)
    assert not rules.allows(HOST + "/abc17")


@given(st.binary(max_size=300) | st.lists(LINES, max_size=12).map(lambda lines: "\n".join(lines).encode()))
@example(b"User-agent: *\nDisallow: http://[\nAllow: %\nDisallow: /\x00\xff")
def test_any_bytes_give_rules(body: bytes) -> None:
    """Nothing raises, and every value is within its bounds."""
    rules = parse(body, "ours/1.0")
    assert isinstance(rules, RobotsRules)
    assert isinstance(rules.allows(HOST + "/a/b?c"), bool)
    assert 0.0 <= rules.delay <= MAX_DELAY
    assert math.isfinite(rules.delay)
    assert isinstance(rules.sitemaps, tuple)


def test_the_examples_in_the_docstrings_hold() -> None:
    """They are what a reader tries first."""
    assert doctest.testmod(robots).failed == 0
