"""The client: a URL becomes a `Page`, within a total time and two size limits, or a `FetchError`."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import requests
from requests.cookies import RequestsCookieJar, get_cookie_header

from parascrape.errors import (
    BadRedirect,
    FetchError,
    FetchTimeout,
    ForbiddenAddress,
    OtherType,
    Redirected,
    StatusError,
)
from parascrape.fetch.adapter import CurlAdapter, CurlRequest
from parascrape.fetch.content_coding import ACCEPT_ENCODING, inflate
from parascrape.fetch.errors import map_error
from parascrape.fetch.handles import HandlePool
from parascrape.fetch.request import DIRECT, NO_RULES, FetchRules, FetchTrace, NetworkOptions
from parascrape.fetch.response import HeaderFields, is_of_type, read_body, redirect_target
from parascrape.settings import Settings
from parascrape.system import worker_limit
from parascrape.web import (
    NOTHING,
    RETRY_STATUSES,
    Page,
    Validators,
    canonical_url,
    condition,
    essence,
    hash_answer,
    host_key,
    is_local,
    literal_kind,
    parse_retry_after,
    redact,
    refusal,
    validators_of,
)

_REDIRECTS = frozenset((301, 302, 303, 307, 308))

_EVERYWHERE = frozenset(("accept", "accept-encoding", "accept-language", "user-agent"))
"""Headers that follow a redirect to another origin; all others may hold credentials and stay behind."""


class Client:
    """Fetches URLs by one run's settings, over its own connections. Safe for all threads.

    Bodies that are held at once have a quarter of the process's memory together; ``processes`` share the
    machine's.
    """

    def __init__(self, settings: Settings, network: NetworkOptions = DIRECT, *, processes: int = 1) -> None:
        self.settings = settings
        self._network = network
        self._processes = processes
        # With connect_to or a proxy, addresses are not the hosts' own, so they cannot be checked.
        self._proxy = "" if network.connect_to else settings.proxy
        self._checks = not (self._proxy or network.connect_to)
        self._lock = threading.Lock()
        self._adapters: dict[bool, CurlAdapter] = {}

    def fetch(self, url: str, trace: FetchTrace | None = None, rules: FetchRules = NO_RULES) -> Page:
        """Return the page at a prepared URL (`web.prepare`), redirects followed.

        Raises:
            FetchError: with the code that says why; `StatusError` for an answer other than 2xx.
        """
        page = self.fetch_if_changed(url, NOTHING, trace or FetchTrace(), rules)
        return cast(Page, page)  # nothing was known that could be the same

    def fetch_if_changed(
        self, url: str, known: Validators, trace: FetchTrace, rules: FetchRules
    ) -> Page | None:
        """Return the page, as `fetch` does; None if it has not changed since the ``known`` fetch.

        The request is conditional on the validators, at the first hop only: they are this URL's. Unchanged
        is a 304 to a condition, or an answer with the known hash; a 304 without a condition is a
        StatusError. The trace's meta gets the answer's own validators and hash. A URL that was found on a
        public page may lead to public addresses only, also where it is a private address itself.
        """
        try:
            return _Fetch(self, url, trace, rules).run(known)
        except FetchError:
            raise
        except Exception as error:
            mapped = map_error(error)
            if mapped is None:
                raise
            raise mapped from error

    def adapter(self, public_only: bool) -> CurlAdapter:
        """Return the adapter that may connect to all addresses, or to public ones only.

        They share no connections: an address is looked at when its connection is opened.
        """
        public_only = public_only and self._checks
        adapters = self._adapters
        if public_only not in adapters:
            with self._lock:  # threads that begin together share one
                if public_only not in adapters:
                    adapters[public_only] = self._open_adapter(public_only)
        if len(adapters) > 1 and (other := adapters.get(not public_only)) is not None:
            other.leave()  # it need not wait for this thread to come back
        return adapters[public_only]

    def _open_adapter(self, public_only: bool) -> CurlAdapter:
        """REQUESTS_CA_BUNDLE names other authorities to trust. The environment's proxies and netrc are not
        used: slow on every request, and netrc would send its passwords to any host in the list.
        """
        settings, network = self.settings, self._network
        authorities = network.ca_file or os.environ.get("REQUESTS_CA_BUNDLE") or True
        verify = settings.verify_tls and authorities
        handles = HandlePool(public_only=public_only, network=network, proxy=self._proxy, verify=verify)
        memory = settings.worker_bytes or worker_limit(self._processes)
        return CurlAdapter(settings.max_bytes, handles, budget=memory // 4)

    def leave(self) -> None:
        """Say that this thread fetches nothing more for now, so that others need not wait for it."""
        for adapter in list(self._adapters.values()):
            adapter.leave()

    def close(self) -> None:
        """Close the connections within a second; fetches in flight go on."""
        with self._lock:
            adapters, self._adapters = self._adapters, {}
        for adapter in adapters.values():
            adapter.close()


@dataclass(slots=True, eq=False)
class _Fetch:
    """One fetch, over its redirects."""

    client: Client
    url: str
    trace: FetchTrace
    rules: FetchRules
    cookies: RequestsCookieJar = field(default_factory=RequestsCookieJar)

    def run(self, known: Validators) -> Page | None:
        """Return the page at the end of at most ``max_redirects`` redirects."""
        rules, settings, meta, jar = self.rules, self.client.settings, self.trace.meta, self.cookies
        timeout = settings.timeout if rules.timeout is None else rules.timeout
        ends = time.monotonic() + timeout
        most = settings.max_redirects if rules.max_redirects is None else rules.max_redirects
        public_only = not (settings.allow_private or is_local(_host(rules.found_on or self.url)))
        if public_only and rules.found_on:
            _refuse_private(self.url)
        adapter, target, seen = self.client.adapter(public_only), self.url, {self.url}
        for hop in range(most + 1):
            conditions = {} if hop else condition(known, settings.headers)
            left = ends - time.monotonic()
            if left <= 0:
                raise FetchTimeout(f"the {timeout:g} s for the URL were up")
            response = adapter.send(self._request(target, conditions), timeout=left)
            try:
                meta["status"] = response.status_code
                location = response.headers.get("Location")
                if response.status_code == 304 and conditions:
                    meta["final_url"] = redact(target)
                    meta.update(validators_of(response.headers))  # type: ignore[typeddict-item]
                    return None
                if response.status_code not in _REDIRECTS or not location:
                    return self._page(target, response, known.hash)
            finally:
                response.close()
            jar.update(response.cookies)
            target = redirect_target(target, location)
            meta["redirects"] = hop + 1
            meta["final_url"] = redact(target)
            # What comes after a cookie depends on it: a second fetch would not get there.
            if not rules.follow_redirects and not jar and canonical_url(target) != canonical_url(self.url):
                raise Redirected(f"it leads to {redact(target)}", target)
            if target in seen and not jar:
                raise BadRedirect("the redirects go in a circle")
            if public_only:
                _refuse_private(target)
            seen.add(target)
        raise BadRedirect(f"more than {most} redirects")

    def _request(self, url: str, conditions: dict[str, str]) -> CurlRequest:
        """Return a GET for a prepared URL, without the cost of preparing it twice."""
        settings, rules = self.client.settings, self.rules
        own = url is self.url or host_key(url) == host_key(self.url)
        request = CurlRequest()
        request.trace, request.max_bytes = self.trace, rules.max_bytes or settings.max_bytes
        if rules.content_types:
            request.wanted = partial(is_of_type, wanted=rules.content_types)
        request.method = "GET"
        request.url = url
        request.hooks = {"response": []}
        request.headers = headers = HeaderFields()
        headers["User-Agent"] = settings.user_agent
        headers["Accept"] = rules.accept
        headers["Accept-Encoding"] = ACCEPT_ENCODING
        for name, value in settings.headers.items():
            if own or name.lower() in _EVERYWHERE:
                headers[name] = value
        cookies = [f"{name}={value}" for name, value in settings.cookies.items()] if own else []
        if self.cookies and (set_before := get_cookie_header(self.cookies, request)):  # type: ignore[no-untyped-call]
            cookies.append(str(set_before))
        if cookies:
            headers["Cookie"] = "; ".join(cookies)
        if "@" in url:
            request.prepare_auth(None, url)
        if conditions:
            headers.update(conditions)
        return request

    def _page(self, target: str, response: requests.Response, known_hash: str) -> Page | None:
        """Return the page of a 2xx answer, body read and inflated; None if its hash is known.

        Raises:
            StatusError: another answer.
        """
        meta: Any = self.trace.meta
        meta["final_url"] = redact(target)
        status = response.status_code
        if not 200 <= status < 300:
            wish = parse_retry_after(response.headers.get("Retry-After"))
            reason = f"{status} {response.reason or ''}".strip()[:200]
            raise StatusError(reason, status, status in RETRY_STATUSES, wish)
        content_type, wanted = response.headers.get("Content-Type"), self.rules.content_types
        if wanted and not is_of_type(content_type, wanted):
            raise OtherType(f"{essence(content_type)[:100]}, not {', '.join(wanted)}")
        max_bytes = self.rules.max_bytes or self.client.settings.max_bytes
        body = read_body(response, max_bytes)
        meta["bytes"] = len(body)
        meta["hash"] = hash_answer(meta["final_url"], response.headers, body)
        meta.update(validators_of(response.headers))
        if meta["hash"] == known_hash:
            return None
        if coding := response.headers.get("Content-Encoding"):
            began = time.perf_counter()
            body = inflate(body, coding, max_bytes)
            self.trace.inflate += time.perf_counter() - began
        return Page(self.url, body, final_url=meta["final_url"], status=status, headers=response.headers)


def _host(url: str) -> str:
    """Return the host of a prepared URL, IPv6 in brackets."""
    return host_key(url).partition("://")[2].rpartition(":")[0]


def _refuse_private(url: str) -> None:
    """Raise ForbiddenAddress for a URL whose host is written as a private address.

    What names resolve to is checked where connections are opened; with a proxy that is for the proxy to do.
    """
    host = _host(url)
    if kind := literal_kind(host):
        raise ForbiddenAddress(refusal(host, kind))
