"""Answers: what a route becomes on the wire, made once and kept."""

from __future__ import annotations

import gzip
from functools import partial
from http import HTTPStatus
from typing import NamedTuple

from parascrape.loopback.demo.route import Route
from parascrape.loopback.demo.site import routes

__all__ = ["DemoAnswer", "DemoAnswers", "refusal"]

_NOT_FOUND = "<!DOCTYPE html><title>404 Not Found</title><h1>Not Found</h1><p>There is no such page.</p>\n"
_LATER = (
    "<!DOCTYPE html><title>Later</title><h1>Not now</h1><p>The server is busy. Ask again in a second.</p>\n"
)


class DemoAnswer(NamedTuple):
    """A response: ``head`` lacks the Date, the Connection field and the blank line that ends it."""

    head: bytes
    body: bytes
    delay: float = 0.0  # seconds before the first byte
    drip: float = 0.0  # seconds over which the body is spread
    cut: bool = False  # the head promises more than the body holds: close after it


def refusal(status: int) -> DemoAnswer:
    """The answer to a request that is none of this server's."""
    return DemoAnswer(_head(status, "text/html; charset=utf-8", 0, {"Allow": "GET, HEAD"}), b"")


class DemoAnswers:
    """The answers of all hosts; ``bases`` are the hosts' own URLs, which redirects need."""

    def __init__(self, bases: list[str]) -> None:
        self._bases = bases
        self._kept: dict[tuple[int, str, bool], DemoAnswer] = {}
        self._asked: dict[tuple[int, str], int] = {}

    def find(self, host: int, target: str, compress: bool) -> DemoAnswer:
        """The answer of a host to a request target (path and query); 404 where it has no such page."""
        kept = self._kept.get((host, target, compress))
        if kept is not None:
            return kept
        route = routes().get((host, target))
        if route is None:
            route = Route(host=host, path=target, text=partial(str, _NOT_FOUND), status=404)
            return self._make(route, compress)
        if route.first:
            asked = self._asked[host, target] = self._asked.get((host, target), 0) + 1
            if asked % 2:
                return self._make(
                    Route(host=host, path=target, text=partial(str, _LATER), status=route.first), compress
                )
            return self._make(route, compress)
        return self.keep(route, compress)

    def keep(self, route: Route, compress: bool) -> DemoAnswer:
        """The route's own answer, made now so that the next request finds it ready."""
        answer = self._make(route, compress)
        if not route.first:
            self._kept[route.host, route.path, compress] = answer
        return answer

    def _make(self, route: Route, compress: bool) -> DemoAnswer:
        body = route.body()
        fields: dict[str, str] = {}
        if route.fault == "garbled":
            fields["Content-Encoding"] = "gzip"
        elif route.gzip and body:
            fields["Vary"] = "Accept-Encoding"
            if compress:
                body = gzip.compress(body, 6, mtime=0)
                fields["Content-Encoding"] = "gzip"
        if route.location:
            fields["Location"] = self._location(route.host, *route.location)
        if route.status == 429:
            fields["Retry-After"] = "1"
        head = _head(route.status, route.content_type, len(body), fields)
        cut = route.fault == "cut"
        return DemoAnswer(head, body[: len(body) // 2] if cut else body, route.delay, route.drip, cut)

    def _location(self, here: int, host: int, path: str) -> str:
        """A path within the host, a whole URL to another."""
        return path if here == host else self._bases[host] + path


def _head(status: int, content_type: str, length: int, fields: dict[str, str]) -> bytes:
    """Status line and fields (RFC 9112 §3), every line with its end."""
    known = {"Content-Type": content_type, "Content-Length": str(length), **fields}
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        *(f"{key}: {text}" for key, text in known.items()),
    ]
    return ("\r\n".join(lines) + "\r\n").encode("latin-1")
