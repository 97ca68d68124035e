"""Fetching: what a good server gives, and what every bad one is answered with."""

from __future__ import annotations

import inspect
import json
from unittest.mock import sentinel

import pytest
import requests.exceptions
import responses
import urllib3.exceptions

from parascrape.errors import (
    BadEncoding,
    BadRedirect,
    BadResponse,
    ConnectError,
    ConnectionLost,
    DnsError,
    FetchError,
    FetchTimeout,
    StatusError,
    TooLarge,
)
from parascrape.fetch.errors import map_error
from parascrape.records import Meta
from parascrape.settings import Settings
from parascrape.web import urls
from tests.helpers.fetching import fetch
from tests.sites.site import HTML, Site

QUICK = Settings(timeout=0.4, max_bytes=5_000_000)
SETTINGS = Settings(timeout=30, max_bytes=5_000_000)


@pytest.mark.parametrize(
    "path",
    [
        "/ok",
        "/coded/gzip",
        "/coded/deflate",
        "/coded/raw-deflate",
        "/coded/br",
        "/coded/zstd",
        "/chunked",
        "/until-close",
        "/hops/3",
        "/cookie-wall",
    ],
)
def test_the_same_page_comes_whichever_way_it_is_sent(site: Site, path: str) -> None:
    """Codings, framings and redirects end in the same bytes."""
    assert fetch(site(path), SETTINGS).body == HTML


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/drip-body", FetchTimeout),
        ("/drip-headers", FetchTimeout),
        ("/continue-flood", FetchTimeout),
        ("/silent", FetchTimeout),
        ("/endless-headers", BadResponse),
        ("/endless-body", TooLarge),
        ("/huge-length", TooLarge),
        ("/bomb/gzip", TooLarge),
        ("/bomb/deflate", TooLarge),
        ("/bomb/br", TooLarge),
        ("/bomb/zstd", TooLarge),
        ("/six-codings", BadEncoding),
        ("/not-gzip", BadEncoding),
        ("/cut-gzip", BadEncoding),
        ("/bad-chunks", ConnectionLost),
        ("/garbage", BadResponse),
        ("/short-body", ConnectionLost),
        ("/reset-in-body", ConnectionLost),
        ("/no-answer", ConnectionLost),
        ("/loop", BadRedirect),
        ("/hops/11", BadRedirect),
        ("/long-location", BadRedirect),
        ("/to?where=file:///etc/passwd", BadRedirect),
        ("/to?where=data:text/html,hi", BadRedirect),
        ("/to?where=ftp://127.0.0.1/", BadRedirect),
        ("/to?where=http://", BadRedirect),
    ],
)
def test_a_bad_server_gives_its_own_error_in_bounded_time(
    site: Site, path: str, error: type[FetchError]
) -> None:
    """Each hostile behaviour is one typed failure, no later than the time allowed."""
    with pytest.raises(error):
        fetch(site(path), QUICK if error is FetchTimeout else SETTINGS)


def test_the_time_allowed_is_for_all_hops_together(site: Site) -> None:
    """Redirects that are each in time are not in time together."""
    where = site("/slow?seconds=0.3").replace("?", "%3F")
    with pytest.raises(FetchTimeout):
        fetch(site(f"/to?where=/to%3Fwhere={where}"), Settings(timeout=0.2))


def test_a_refused_connection_and_an_unknown_name_have_different_codes() -> None:
    """Refused is `connect`, an unknown name `dns`."""
    with pytest.raises(ConnectError, match="refused"):
        fetch("http://127.0.0.1:1/", QUICK)
    with pytest.raises(DnsError):
        fetch("http://no-such-host.invalid/", QUICK)


@pytest.mark.parametrize(
    ("code", "retryable"),
    [(code, False) for code in (304, 401, 403, 404, 410, 501)]
    + [(code, True) for code in (408, 425, 429, 500, 502, 503, 504)],
)
def test_a_status_other_than_2xx_is_a_failure(site: Site, code: int, retryable: bool) -> None:
    """The error carries the status and whether asking again is worth it; meta carries it too."""
    meta: Meta = {}
    with pytest.raises(StatusError) as caught:
        fetch(site(f"/status/{code}?after=7"), SETTINGS, meta)
    assert (caught.value.status, caught.value.retryable, caught.value.retry_after) == (code, retryable, 7.0)
    assert meta["status"] == code


def test_meta_tells_the_way(site: Site) -> None:
    """Hops, final URL and bytes on the wire."""
    meta: Meta = {}
    page = fetch(site("/to?where=/coded/gzip"), SETTINGS, meta)
    assert page.final_url == meta["final_url"] == site("/coded/gzip")
    assert (meta["status"], meta["redirects"]) == (200, 1)
    assert meta["bytes"] < len(HTML)


def test_connections_are_kept_and_a_dropped_one_is_replaced(site: Site) -> None:
    """Ten pages use one connection; a connection that the server dropped costs no failure."""
    for _ in range(10):
        fetch(site("/ok"), SETTINGS)
    assert site.connections == 1
    for _ in range(5):
        assert fetch(site("/drop-after"), SETTINGS).status == 200


def test_what_is_sent(site: Site) -> None:
    """User agent, codings, the user's headers and cookies arrive."""
    settings = Settings(headers={"X-Key": "7"}, cookies={"a": "1", "b": "2"}, user_agent="me/1.0")
    sent = json.loads(fetch(site("/echo"), settings).body)
    assert (sent["user-agent"], sent["x-key"], sent["cookie"]) == ("me/1.0", "7", "a=1; b=2")
    assert sent["accept-encoding"] == "gzip, deflate, br, zstd"


def test_credentials_do_not_follow_a_redirect_to_another_origin(site: Site) -> None:
    """Headers, cookies and the URL's password stay with the listed origin."""
    headers = {"Authorization": "Bearer s3cret", "Accept-Language": "ja"}
    settings = Settings(headers=headers, cookies={"sid": "9"})
    with Site("127.0.0.2") as other:
        start = site(f"/to?where={other('/echo')}").replace("http://", "http://me:pass@", 1)
        sent = json.loads(fetch(urls.prepare(start), settings).body)
    assert site.log[0][1]["cookie"] == "sid=9"
    assert site.log[0][1]["authorization"]
    assert "authorization" not in sent
    assert "cookie" not in sent
    assert sent["accept-language"] == "ja"


def test_cookies_of_one_url_are_not_sent_with_the_next(site: Site) -> None:
    """URLs are independent: no order of fetching may change a record."""
    fetch(site("/cookie-wall"), SETTINGS)
    assert "cookie" not in json.loads(fetch(site("/echo"), SETTINGS).body)


def test_a_password_in_the_url_is_sent_and_never_shown(site: Site) -> None:
    """Basic authentication from the URL; the page's final URL is without it."""
    page = fetch(urls.prepare(site("/echo").replace("http://", "http://me:pass@")), SETTINGS)
    assert json.loads(page.body)["authorization"].startswith("Basic ")
    assert "pass" not in page.final_url


def test_a_proxy_is_asked_for_everything(site: Site) -> None:
    """With --proxy the request line holds the whole URL, and the host is not looked up here."""
    page = fetch("http://shop.invalid/ok", Settings(proxy=site.url))
    assert page.body != b""
    assert site.log[0][0] == "http://shop.invalid/ok"


@responses.activate
def test_requests_mocks_work() -> None:
    """`responses` stands in for the network, so users can test their scrapers' fetches with it."""
    responses.get("http://mocked.example/", body=HTML, content_type="text/html")
    assert fetch("http://mocked.example/", SETTINGS).body == HTML


@responses.activate
@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (requests.exceptions.ConnectTimeout("x"), "timeout"),
        (requests.exceptions.SSLError("x"), "tls"),
        (requests.exceptions.ProxyError("x"), "proxy"),
        (requests.exceptions.ChunkedEncodingError("x"), "reset"),
        (requests.exceptions.InvalidURL("x"), "invalid_url"),
    ],
)
def test_exceptions_of_requests_become_ours(raised: Exception, code: str) -> None:
    """What requests raises is never seen by a scraper or a caller."""
    responses.get("http://mocked.example/", body=raised)
    with pytest.raises(FetchError) as caught:
        fetch("http://mocked.example/", SETTINGS)
    assert caught.value.code == code


def library_exceptions() -> list[type[Exception]]:
    """Every exception class of requests and urllib3 that is not a warning."""
    found = {
        value
        for module in (requests.exceptions, urllib3.exceptions)
        for _, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, OSError | urllib3.exceptions.HTTPError | requests.RequestException | ValueError)
        and not issubclass(value, Warning)
        and value.__module__.startswith(("requests", "urllib3"))
    }
    return sorted(found, key=lambda kind: f"{kind.__module__}.{kind.__name__}")


@pytest.mark.parametrize("kind", library_exceptions(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_exception_of_the_libraries_has_a_code(kind: type[Exception]) -> None:
    """A new class in a new release of requests or urllib3 fails here until it is mapped."""
    stand_in = type("StandIn", (kind,), {"__init__": lambda self: None, "__str__": lambda self: "something"})
    mapped = map_error(stand_in())
    assert mapped is not None
    assert mapped.code != FetchError.code


def test_a_foreign_exception_is_not_mapped() -> None:
    """A fault of our own is not dressed up as the network's."""
    assert map_error(KeyError(sentinel.anything)) is None
