"""Fetching: a URL becomes a Page, within a total time and two caps, or a `FetchError`."""

from __future__ import annotations

import os
import threading
import time
from functools import lru_cache, partial
from typing import NamedTuple

import requests
from requests.cookies import RequestsCookieJar, get_cookie_header

from parascrape.errors import (
    BadRedirect,
    FetchError,
    FetchTimeout,
    ForbiddenAddress,
    Redirected,
    StatusError,
)
from parascrape.fetch import timing
from parascrape.fetch.adapter import CurlRequest, leave, open_session
from parascrape.fetch.content_coding import ACCEPT_ENCODING, inflate
from parascrape.fetch.errors import map_error
from parascrape.fetch.request import FetchRules
from parascrape.fetch.response import HeaderFields, check_type, drain, is_of_type, read_body, redirect_target
from parascrape.records import Meta
from parascrape.settings import Settings
from parascrape.web import (
    NOTHING,
    RETRY_STATUSES,
    Page,
    Validators,
    canonical_url,
    condition,
    hash_answer,
    host_key,
    is_local,
    literal_kind,
    parse_retry_after,
    redact,
    refusal,
    validators_of,
)

__all__ = ["close_connections", "fetch", "fetch_if_changed", "leave"]

_REDIRECTS = frozenset((301, 302, 303, 307, 308))

_EVERYWHERE = frozenset(("accept", "accept-encoding", "accept-language", "user-agent"))
"""Headers that follow a redirect to another origin; all others may hold credentials and stay behind."""


_FREE = FetchRules()


def fetch(url: str, settings: Settings, meta: Meta | None = None) -> Page:
    """The page at a prepared URL (`urls.prepare`), redirects followed.

    ``meta`` is filled on the way (status, final_url, redirects, bytes), for failures too.

    Raises:
        FetchError: with the code that says why; `StatusError` for an answer other than 2xx.
    """
    page = fetch_if_changed(url, settings, {} if meta is None else meta, NOTHING)
    if page is None:  # nothing was known that could have been the same
        raise FetchError("no page")
    return page


def fetch_if_changed(
    url: str, settings: Settings, meta: Meta, known: Validators, rules: FetchRules = _FREE
) -> Page | None:
    """The page, as `fetch` gives it; None where it is what is known of this URL.

    The request is conditional on the validators, at the first hop only: they are this URL's. Unchanged is a
    304 to a condition, or an answer with the hash that is known; a 304 that nobody has asked for is a
    StatusError. ``meta`` gets the answer's own validators and its hash. A URL that was found on a public
    page may lead to public addresses only, where it is one of a private address itself, too.
    """
    try:
        return _follow(url, settings, meta, known, rules)
    except FetchError:
        raise
    except Exception as error:
        mapped = map_error(error)
        if mapped is None:
            raise
        raise mapped from error


def close_connections() -> None:
    """Have the connections that this process keeps closed within a second; fetches in flight go on."""
    _session.cache_clear()


def _follow(url: str, settings: Settings, meta: Meta, known: Validators, rules: FetchRules) -> Page | None:
    """The page at the end of at most ``max_redirects`` hops."""
    ends = time.monotonic() + settings.timeout
    public_only = not (settings.allow_private or is_local(_host(rules.found_on or url)))
    if public_only and rules.found_on:
        _refuse_private(url)
    jar = RequestsCookieJar()
    target = url
    seen = {url}
    for hop in range(settings.max_redirects + 1):
        request = _build_request(target, settings, jar, same_origin=_same_origin(url, target))
        if rules.content_types:
            request.wanted = partial(is_of_type, wanted=rules.content_types)
        conditions = {} if hop else condition(known, settings.headers)
        if conditions:
            request.headers.update(conditions)
        response = _send(request, settings, ends, public_only)
        try:
            meta["status"] = response.status_code
            location = response.headers.get("Location")
            if response.status_code == 304 and conditions:
                meta["final_url"] = redact(target)
                _note_validators(response, meta)
                return None
            if response.status_code not in _REDIRECTS or not location:
                return _make_page(url, target, response, settings, meta, known.hash, rules)
            drain(response)
        finally:
            response.close()
        jar.update(response.cookies)
        target = redirect_target(target, location)
        meta["redirects"] = hop + 1
        meta["final_url"] = redact(target)
        # What comes after a cookie depends on it: a second fetch would not get there.
        if not rules.follow_redirects and not jar and canonical_url(target) != canonical_url(url):
            raise Redirected(f"it leads to {redact(target)}", target)
        if target in seen and not jar:
            raise BadRedirect("the redirects go in a circle")
        if public_only:
            _refuse_private(target)
        seen.add(target)
    raise BadRedirect(f"more than {settings.max_redirects} redirects")


def _host(url: str) -> str:
    """The host of a prepared URL, IPv6 in brackets."""
    return host_key(url).partition("://")[2].rpartition(":")[0]


def _refuse_private(url: str) -> None:
    """Raise ForbiddenAddress for a URL whose host is written as a private address.

    What names resolve to is checked where connections are opened; with a proxy that is for the proxy to do.
    """
    host = _host(url)
    if kind := literal_kind(host):
        raise ForbiddenAddress(refusal(host, kind))


def _same_origin(one: str, other: str) -> bool:
    return one is other or host_key(one) == host_key(other)


def _build_request(url: str, settings: Settings, jar: RequestsCookieJar, *, same_origin: bool) -> CurlRequest:
    """A GET for a URL that `urls.prepare` has made, without the cost of preparing it twice."""
    request = CurlRequest()
    request.method = "GET"
    request.url = url
    request.hooks = {"response": []}
    request.headers = HeaderFields()
    request.headers["User-Agent"] = settings.user_agent
    request.headers["Accept"] = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"
    request.headers["Accept-Encoding"] = ACCEPT_ENCODING
    for name, value in settings.headers.items():
        if same_origin or name.lower() in _EVERYWHERE:
            request.headers[name] = value
    _add_cookies(request, settings, jar, same_origin)
    if "@" in url:
        request.prepare_auth(None, url)
    return request


def _add_cookies(
    request: requests.PreparedRequest, settings: Settings, jar: RequestsCookieJar, same_origin: bool
) -> None:
    """The user's cookies at the listed origin, and those that earlier hops of this fetch have set."""
    cookies = [f"{name}={value}" for name, value in settings.cookies.items()] if same_origin else []
    if jar and (set_on_the_way := get_cookie_header(jar, request)):  # type: ignore[no-untyped-call]
        cookies.append(str(set_on_the_way))
    if cookies:
        request.headers["Cookie"] = "; ".join(cookies)


def _send(
    request: requests.PreparedRequest, settings: Settings, ends: float, public_only: bool
) -> requests.Response:
    """The response, from within what time is left."""
    left = ends - time.monotonic()
    if left <= 0:
        raise FetchTimeout(f"the {settings.timeout:g} s for the URL were up")
    with _opening:  # the cache alone would open one for each thread that asks at the same time
        session = _session(_way(settings, public_only))
    adapter = session.get_adapter(str(request.url))
    return adapter.send(
        request, stream=True, timeout=left, verify=session.verify or False, proxies=session.proxies
    )


def _way(settings: Settings, public_only: bool) -> _FetchContext:
    """A fetch's way. With ``connect_to`` or a proxy the addresses are not the hosts' own to be checked."""
    proxy = "" if settings.connect_to else settings.proxy
    return _FetchContext(
        settings.max_bytes,
        settings.verify_tls and (settings.ca_file or True),
        proxy,
        public_only and not (proxy or settings.connect_to),
        settings.connect_to,
        settings.body_bytes,
    )


class _FetchContext(NamedTuple):
    """What tells one session from another."""

    max_bytes: int
    verify: bool | str
    proxy: str
    public_only: bool
    connect_to: str
    budget: int


_opening = threading.Lock()


@lru_cache(maxsize=4)
def _session(way: _FetchContext) -> requests.Session:
    """This process's session for these settings; REQUESTS_CA_BUNDLE names other authorities to trust."""
    where = way.connect_to.split(",") if way.connect_to else ()
    session = open_session(
        way.max_bytes, public_only=way.public_only, connect_to=where, budget=way.budget or 1 << 30
    )
    verify = way.verify
    session.verify = (os.environ.get("REQUESTS_CA_BUNDLE") or True) if verify is True else verify
    if way.proxy:
        session.proxies = {"http": way.proxy, "https": way.proxy}
    return session


def _note_validators(response: requests.Response, meta: Meta) -> None:
    for key, value in validators_of(response.headers).items():
        meta[key] = value  # type: ignore[literal-required]


def _make_page(  # noqa: PLR0913
    url: str,
    target: str,
    response: requests.Response,
    settings: Settings,
    meta: Meta,
    known_hash: str,
    rules: FetchRules,
) -> Page | None:
    """The page of a 2xx answer, body read and inflated; None if its hash is known. Raises StatusError for
    another answer.
    """
    meta["final_url"] = redact(target)
    status = response.status_code
    if not 200 <= status < 300:
        drain(response)
        wish = parse_retry_after(response.headers.get("Retry-After"))
        reason = f"{status} {response.reason or ''}".strip()[:200]
        raise StatusError(reason, status, status in RETRY_STATUSES, wish)
    if rules.content_types:
        check_type(response, rules.content_types)
    body = read_body(response, settings.max_bytes)
    meta["bytes"] = len(body)
    meta["hash"] = hash_answer(meta["final_url"], response.headers, body)
    _note_validators(response, meta)
    if meta["hash"] == known_hash:
        return None
    if coding := response.headers.get("Content-Encoding"):
        began = time.perf_counter()
        body = inflate(body, coding, settings.max_bytes)
        timing.add_inflating(time.perf_counter() - began)
    return Page(url, body, final_url=redact(target), status=status, headers=response.headers)
