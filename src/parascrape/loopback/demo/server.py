"""The demo site's server: each of its hosts at an address or a port of its own.

``python -m parascrape.loopback.demo.server`` prints ``{"hosts": ["http://127.0.0.1:4001", ...]}`` when it
listens, and ends when its standard input ends, so it never outlives the process that started it.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
from email.utils import formatdate
from functools import partial
from typing import NamedTuple

from parascrape.loopback.connection import Answer, Request, head_of, parse_request, refuse
from parascrape.loopback.demo.site import HOSTS, Route, listing, routes
from parascrape.loopback.server import Listener, bind, serve_until_stdin_ends

__all__ = ["DemoAnswers", "accepts_gzip", "listen", "main"]

_PIECES = 8  # of a body that drips

_NOT_FOUND = "<!DOCTYPE html><title>404 Not Found</title><h1>Not Found</h1><p>There is no such page.</p>\n"
_LATER = (
    "<!DOCTYPE html><title>Later</title><h1>Not now</h1><p>The server is busy. Ask again in a second.</p>\n"
)


class _Made(NamedTuple):
    """A response that is ready but for its Date and Connection fields."""

    route: Route
    head: bytes
    body: bytes


class DemoAnswers:
    """Answers for all hosts, each made once and kept; ``bases`` are the URLs of the hosts, for redirects."""

    def __init__(self, bases: list[str]) -> None:
        self._bases = bases
        self._kept: dict[tuple[int, str, bool], _Made] = {}
        self._asked: dict[tuple[int, str], int] = {}

    def find(self, host: int, head: bytes) -> Answer:
        """Return a host's answer to the request with this head; 404 for a page that it does not have."""
        try:
            request = parse_request(head)
        except ValueError:
            return refuse(400)
        if request.method not in ("GET", "HEAD"):
            return refuse(405)
        compress = accepts_gzip(request.fields.get("accept-encoding", ""))
        made = self._kept.get((host, request.target, compress))
        return _answer(made or self._find(host, request.target, compress), request)

    def _find(self, host: int, path: str, compress: bool) -> _Made:
        route = routes().get((host, path))
        if route is None:
            return self._make(
                Route(host=host, path=path, text=partial(str, _NOT_FOUND), status=404), compress
            )
        if route.first:
            asked = self._asked[host, path] = self._asked.get((host, path), 0) + 1
            if asked % 2:
                text = partial(str, _LATER)
                return self._make(Route(host=host, path=path, text=text, status=route.first), compress)
        return self.keep(route, compress)

    def keep(self, route: Route, compress: bool) -> _Made:
        """Return the route's own response, and keep it for the next request."""
        made = self._make(route, compress)
        if not route.first:
            self._kept[route.host, route.path, compress] = made
        return made

    async def warm(self) -> None:
        """Make every response between requests, so that clients seldom wait for one (2 ms)."""
        for key in listing():
            self.keep(routes()[key], True)
            await asyncio.sleep(0)

    def _make(self, route: Route, compress: bool) -> _Made:
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
            host, path = route.location
            fields["Location"] = path if host == route.host else self._bases[host] + path
        if route.status == 429:
            fields["Retry-After"] = "1"
        known = {"Content-Type": route.content_type, "Content-Length": str(len(body)), **fields}
        sent = body[: len(body) // 2] if route.fault == "cut" else body
        return _Made(route, head_of(route.status, known), sent)


def _answer(made: _Made, request: Request) -> Answer:
    """Return the answer to one request, with its Date (RFC 9110 section 6.6.1)."""
    route, head, body = made
    close = request.closes or route.fault == "cut"
    date = formatdate(time.time(), usegmt=True).encode()
    head = b"%bDate: %b\r\nConnection: %b\r\n\r\n" % (head, date, b"close" if close else b"keep-alive")
    data = head if request.method == "HEAD" else head + body
    drips = route.drip and request.method != "HEAD"
    return Answer(
        data,
        wait=route.delay,
        step=-(-len(data) // _PIECES) if drips else 0,
        pause=route.drip / (_PIECES - 1) if drips else 0.0,
        then="close" if close else "keep",
    )


def accepts_gzip(accepted: str) -> bool:
    """Return whether an Accept-Encoding field names gzip with a weight above 0 (RFC 9110 section 12.5.3).

    >>> accepts_gzip("br, gzip;q=0.5"), accepts_gzip("gzip;q=0")
    (True, False)
    """
    for coding in accepted.lower().split(","):
        name, _, weight = coding.replace(" ", "").partition(";q=")
        if name == "gzip":
            return weight.strip("0.") != "" or weight == ""
    return False


def listen() -> list[socket.socket]:
    """Return a socket for each host: 127.0.0.1 to 127.0.0.8, or ports of 127.0.0.1 where it is alone."""
    return [bind(f"127.0.0.{host + 1}") for host in range(HOSTS)]


def main() -> None:
    """Run the server."""
    sockets = listen()
    bases = ["http://{}:{}".format(*sock.getsockname()) for sock in sockets]
    answers = DemoAnswers(bases)
    listeners = [Listener(sock, partial(answers.find, host)) for host, sock in enumerate(sockets)]
    serve_until_stdin_ends(listeners, {"hosts": bases}, answers.warm())


if __name__ == "__main__":
    main()
