"""The scope of a crawl by hosts, domains, patterns and endings."""

from __future__ import annotations

import pickle
import re

import pytest

from parascrape.crawling.links.rules import NOT_PAGES, Scope, hosts_of
from parascrape.errors import UsageError
from parascrape.web import domain_of, site_of
from parascrape.web.urls import MAX_URL

START = ("https://www.example.co.uk/start", "http://docs.example.co.uk:8080/")


@pytest.mark.parametrize(
    ("url", "site", "domain"),
    [
        ("https://example.org/a/b?c", "example.org", "example.org"),
        ("http://me:secret@www.example.org/", "www.example.org", "example.org"),
        ("http://www.example.co.uk:8080/", "www.example.co.uk:8080", "example.co.uk"),
        ("http://[2001:db8::1]/", "[2001:db8::1]", "[2001:db8::1]"),
        ("http://[2001:db8::1]:81/", "[2001:db8::1]:81", "[2001:db8::1]"),
        ("http://127.0.0.1:8000/", "127.0.0.1:8000", "127.0.0.1"),
        ("http://localhost/", "localhost", "localhost"),
        ("https://example.org/a@b/c", "example.org", "example.org"),
    ],
)
def test_a_url_has_a_site_and_a_domain(url: str, site: str, domain: str) -> None:
    """The site keeps a port that is not the scheme's, the domain none."""
    assert site_of(url) == site
    assert domain_of(site) == domain


@pytest.mark.parametrize(
    ("reach", "url", "why"),
    [
        ("host", "http://www.example.co.uk/a", ""),  # the other scheme
        ("host", "https://docs.example.co.uk:8080/a", ""),
        ("host", "http://docs.example.co.uk/a", "host"),
        ("host", "http://www.example.co.uk:81/a", "host"),
        ("host", "http://www.example.co.uk.evil.example/", "host"),
        ("host", "http://evil.example/www.example.co.uk/", "host"),
        ("domain", "http://other.example.co.uk:99/", ""),
        ("domain", "http://example.co.uk/", ""),
        ("domain", "http://other.co.uk/", "host"),
        ("domain", "http://notexample.co.uk/", "host"),
        ("any", "http://other.example/", ""),
    ],
)
def test_the_reach_says_how_far_a_crawl_goes(reach: str, url: str, why: str) -> None:
    """To the hosts of the start URLs, to all of their domains, or anywhere."""
    assert Scope(reach=reach, hosts=hosts_of(START, reach)).why_not(url) == why


@pytest.mark.parametrize(
    ("reach", "page_site", "url", "why"),
    [
        ("host", "elsewhere.example", "http://elsewhere.example/x", ""),
        ("host", "elsewhere.example", "http://www.elsewhere.example/x", "host"),
        ("domain", "a.elsewhere.com", "http://b.elsewhere.com/x", ""),
        ("domain", "a.elsewhere.com", "http://b.another.com/x", "host"),
    ],
)
def test_a_page_of_the_crawl_is_near_to_itself(reach: str, page_site: str, url: str, why: str) -> None:
    """A link within its own site or domain is in reach: the worker knows of no later start URL."""
    assert Scope(reach=reach, hosts=hosts_of(START, reach)).why_not(url, page_site) == why


def test_hosts_are_sorted_and_each_named_once() -> None:
    """So that two scopes of the same start URLs are equal."""
    assert hosts_of([*reversed(START), *START]) == ("docs.example.co.uk:8080", "www.example.co.uk")
    assert hosts_of(START, "domain") == ("example.co.uk",)


@pytest.mark.parametrize(
    ("pattern", "url", "matches"),
    [
        ("*/docs/*", "http://h/docs/a?b", True),
        ("http://h/docs/*", "http://h/docs/", True),
        ("http://h/docs/*", "https://h/docs/", False),
        ("http?://h/*", "https://h/x", True),
        ("*.html", "http://h/a.html?x", False),
        ("*.html", "http://h/a.html", True),
        ("*[1]*", "http://h/a[1]", True),
        ("*[1]*", "http://h/a1", False),
        ("/docs/*", "http://h/docs/a", True),
        ("/docs/*", "http://h/x/docs/a", False),
        ("/docs", "http://h/docs/a", False),
        ("/a?b=?", "http://h/a?b=1", True),
        ("/*?print=1", "http://h/a?print=1", True),
        ("/*?print=1", "http://h/a?print=12", False),
        ("re:/v[0-9]+/", "http://h/a/v12/b", True),
        ("re:/v[0-9]+/$", "http://h/a/v12/b", False),
        ("re:^http://h/a$", "http://h/a", True),
        ("re:DOCS", "http://h/docs", False),
        ("re:(?i)DOCS", "http://h/docs", True),
    ],
)
def test_a_pattern_is_a_glob_or_a_regular_expression(pattern: str, url: str, matches: bool) -> None:
    """On the whole URL, on path and query, or searched."""
    scope = Scope(reach="any", include=(pattern,))
    assert scope.why_not(url) == ("" if matches else "include")
    assert Scope(reach="any", exclude=(pattern,)).why_not(url) == ("exclude" if matches else "")


def test_one_include_suffices_and_no_exclude_may_match() -> None:
    """Exclude patterns win over include patterns."""
    scope = Scope(reach="any", include=("/a/*", "/b/*"), exclude=("*/x", "re:private"))
    urls = ["/a/1", "/b/1", "/c/1", "/a/x", "/b/private/1"]
    assert [scope.why_not(f"http://h{path}") for path in urls] == ["", "", "include", "exclude", "exclude"]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/a.jpg", "suffix"),
        ("/a.JPG", "suffix"),
        ("/a.tar.gz", "suffix"),
        ("/a.pdf?page=2", "suffix"),
        ("/a.jpg/", ""),
        ("/a.jpg/b", ""),
        ("/jpg", ""),
        ("/a.html", ""),
        ("/a.php?file=b.zip", ""),
        ("/v1.2", ""),
        ("/", ""),
    ],
)
def test_urls_of_files_are_left_out(path: str, why: str) -> None:
    """By the path's last segment; none are where the set is empty."""
    assert Scope(hosts=("h",)).why_not(f"http://h{path}") == why
    assert Scope(hosts=("h",), suffixes=frozenset()).why_not(f"http://h{path}") == ""


def test_the_hosts_own_name_is_no_ending() -> None:
    """A host such as ``example.zip`` has pages."""
    assert Scope(hosts=("example.zip",)).why_not("http://example.zip/") == ""


def test_endings_of_pages_are_fetched() -> None:
    """Endings such as .php and .asp are pages."""
    assert NOT_PAGES.isdisjoint(("html", "htm", "php", "asp", "jsp", "cgi", "xml", "txt", "md", "com"))
    assert all(one == one.lower() and one.isalnum() for one in NOT_PAGES)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"include": ("re:(",)}, "--include 're:(': no regular expression: missing )"),
        ({"exclude": ("re:[z-a]",)}, "--exclude 're:[z-a]': no regular expression: bad character range"),
        ({"exclude": ("",)}, "--exclude '': an empty pattern"),
        ({"include": ("re:",)}, "--include 're:': an empty pattern"),
        ({"include": ("docs/*",)}, "write /docs/*, *docs/* or re:..."),
        ({"include": ("ftp://h/*",)}, "no URL begins so"),
        ({"reach": "planet"}, "reach: 'planet' is none of host, domain, any"),
    ],
)
def test_a_pattern_that_cannot_match_is_refused(values: dict[str, tuple[str, ...]], message: str) -> None:
    """The error is one line that names the option."""
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        Scope(**values)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_hostile_url_does_not_stop_a_glob() -> None:
    """Stars are atomic: the longest URL of a glob's own letters is through in linear time."""
    scope = Scope(reach="any", include=("*" + "a*" * 20 + "b",))
    assert scope.why_not("http://h/" + "a" * (MAX_URL - 9)) == "include"


def test_a_scope_crosses_to_workers_and_is_compared() -> None:
    """A frontier on disk is only gone on with by the scope it was made with."""
    scope = Scope(reach="domain", hosts=("example.org",), include=("/a*",))
    assert pickle.loads(pickle.dumps(scope)) == scope
    assert Scope(hosts=("a",)) != Scope(hosts=("b",))
    assert hash(scope) == hash(pickle.loads(pickle.dumps(scope)))
