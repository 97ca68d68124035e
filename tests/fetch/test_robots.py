"""Fetching robots.txt over real connections: redirects, statuses, bodies, and hosts that do not answer."""

from __future__ import annotations

import socket
from itertools import pairwise

import pytest

from parascrape.fetch.robots import MAX_ROBOTS_REDIRECTS
from parascrape.settings import Settings
from tests.helpers.fetching import robots_of
from tests.sites import site as site_module
from tests.sites.site import Site, Visitor

FORBID = b"User-agent: ours\nDisallow: /secret\nUser-agent: *\nDisallow: /\n"
QUICK = Settings(timeout=5, user_agent="ours/1.0")
Answers = dict[str, tuple[str, bytes, dict[str, str]]]


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """What the site answers under /robots.txt and /elsewhere: status, body and headers."""
    answers: Answers = {}

    def answer(visitor: Visitor) -> None:
        status, body, headers = answers.get(visitor.path, ("404 Not Found", b"", {}))
        visitor.answer(body, status, **headers)

    monkeypatch.setitem(site_module.ROUTES, "robots.txt", answer)
    monkeypatch.setitem(site_module.ROUTES, "elsewhere", answer)
    return answers


def test_the_rules_are_fetched_from_the_origin_in_our_name(site: Site, table: Answers) -> None:
    """With the User-Agent of the settings, by which the group is found, and the run's own headers."""
    table["/robots.txt"] = ("200 OK", FORBID, {"cache_control": "max-age=7200"})
    rules = robots_of(site.url, Settings(user_agent="ours/1.0", headers={"X-Key": "7"}))
    assert (rules.allows(site("/page")), rules.allows(site("/secret"))) == (True, False)
    assert rules.expires == 7200
    [(target, headers)] = site.log
    assert (target, headers["user-agent"], headers["x-key"]) == ("/robots.txt", "ours/1.0", "7")
    assert headers["accept"].startswith("text/plain")


def test_a_user_agent_header_names_us_before_the_setting(site: Site, table: Answers) -> None:
    """It is what the server sees."""
    table["/robots.txt"] = ("200 OK", FORBID, {})
    assert robots_of(site.url, Settings(headers={"user-agent": "ours/2"})).allows(site("/page"))
    assert not robots_of(site.url, Settings(user_agent="ours/1")).allows(site("/secret"))
    assert not robots_of(site.url, Settings()).allows(site("/page"))


@pytest.mark.parametrize(
    ("status", "unreachable", "expires"),
    [
        ("404 Not Found", False, 86_400),
        ("403 Forbidden", False, 86_400),
        ("429 Too Many Requests", True, 120),
        ("503 Service Unavailable", True, 120),
        ("500 Oops", True, 120),
    ],
)
def test_a_status_says_what_is_allowed(
    site: Site, table: Answers, status: str, unreachable: bool, expires: float
) -> None:
    """RFC 9309 §2.3.1.3 and §2.3.1.4, Retry-After heeded."""
    table["/robots.txt"] = (status, b"User-agent: *\nDisallow: /", {"retry_after": "120"})
    rules = robots_of(site.url, QUICK)
    assert (rules.unreachable, rules.expires) == (unreachable, expires)
    assert rules.allows(site("/page")) is not unreachable


@pytest.mark.parametrize(
    ("hops", "allowed"), [(1, False), (MAX_ROBOTS_REDIRECTS, False), (MAX_ROBOTS_REDIRECTS + 1, True)]
)
def test_five_redirects_are_followed_and_more_allow_all(
    site: Site, table: Answers, hops: int, allowed: bool
) -> None:
    """RFC 9309 §2.3.1.2."""
    paths = ["/robots.txt", *(f"/elsewhere/{number}" for number in range(hops))]
    for path, target in pairwise(paths):
        table[path] = ("301 Moved Permanently", b"", {"location": target})
    table[paths[-1]] = ("200 OK", b"User-agent: *\nDisallow: /", {})
    assert robots_of(site.url, QUICK).allows(site("/page")) is allowed


def test_a_redirect_that_leads_nowhere_allows_all(site: Site, table: Answers) -> None:
    """To itself, or to what is not http."""
    for location in ("/robots.txt", "ftp://h/robots.txt"):
        table["/robots.txt"] = ("302 Found", b"", {"location": location})
        assert not robots_of(site.url, QUICK).unreachable


def test_a_host_that_does_not_answer_forbids_all_for_now(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused, cut off, not HTTP, too late: nothing raises, and the reason is told."""
    monkeypatch.setitem(site_module.ROUTES, "robots.txt", lambda visitor: False)
    assert "reset" in robots_of(site.url, QUICK).reason
    monkeypatch.setitem(site_module.ROUTES, "robots.txt", Visitor.stall)
    assert "timeout" in robots_of(site.url, Settings(timeout=0.1)).reason
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "connect" in robots_of(f"http://127.0.0.1:{port}", QUICK).reason
    assert robots_of("http://no.such.invalid:80", QUICK).unreachable
    assert robots_of("no origin", QUICK).unreachable


def test_a_long_body_is_read_to_the_cap_though_pages_may_not_be_so_long(site: Site, table: Answers) -> None:
    """``max_bytes`` of the run does not count below 500 KiB; what is longer than it forbids for now."""
    table["/robots.txt"] = ("200 OK", FORBID + b"# x\n" * 100_000, {})
    rules = robots_of(site.url, Settings(max_bytes=100, user_agent="ours/1.0"))
    assert (rules.allows(site("/page")), rules.allows(site("/secret"))) == (True, False)
    table["/robots.txt"] = ("200 OK", FORBID + b"# x\n" * 200_000, {})
    assert not robots_of(site.url, QUICK).allows(site("/secret"))
    assert "too_large" in robots_of(site.url, Settings(max_bytes=100)).reason
