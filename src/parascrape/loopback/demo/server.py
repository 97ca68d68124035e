"""The demo site's server: each of its hosts at an address or a port of its own.

``python -m parascrape.loopback.demo.server`` prints ``{"hosts": ["http://127.0.0.1:4001", ...]}`` when it
listens, and ends when its standard input ends, so it never outlives the process that started it.
"""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections import Counter
from email.utils import formatdate
from functools import cache, partial
from http import HTTPStatus

from parascrape.loopback.connection import Answer, Request, head_of
from parascrape.loopback.demo.site import HOSTS, Route, listing, routes
from parascrape.loopback.server import Listener, bind, serve_until_stdin_ends

_PIECES = 8  # of a body that drips


def _error_page(status: int, text: str) -> Route:
    phrase = HTTPStatus(status).phrase
    page = f"<!DOCTYPE html><title>{status} {phrase}</title><h1>{phrase}</h1><p>{text}</p>\n"
    return Route(host=0, path="", text=partial(str, page), status=status)


_NOT_FOUND = _error_page(404, "There is no such page.")
_LATER = {status: _error_page(status, "The server is busy. Ask again in a second.") for status in (429, 503)}


class DemoAnswers:
    """Answers for all hosts; ``bases`` are the URLs of the hosts, for redirects."""

    def __init__(self, bases: list[str]) -> None:
        self._bases = bases
        self._asked: Counter[Route] = Counter()

    def find(self, host: int, request: Request) -> Answer:
        """Return a host's answer to a request; 404 for a page that it does not have."""
        route = routes().get((host, request.target), _NOT_FOUND)
        if route.first:
            self._asked[route] += 1
            if self._asked[route] % 2:
                route = _LATER[route.first]
        return self._answer(route, request)

    def _answer(self, route: Route, request: Request) -> Answer:
        fields, body = _response(route, accepts_gzip(request.fields.get("accept-encoding", "")))
        close = request.closes or route.fault == "cut"
        fields = {"Date": formatdate(time.time(), usegmt=True), **fields}  # RFC 9110 section 6.6.1
        fields["Connection"] = "close" if close else "keep-alive"
        if route.location:
            host, path = route.location
            fields["Location"] = path if host == route.host else self._bases[host] + path
        data = head_of(route.status, fields) + body
        return Answer(
            data,
            wait=route.delay,
            step=-(-len(data) // _PIECES),
            pause=route.drip / (_PIECES - 1),
            then="close" if close else "keep",
        )


def _warm() -> None:
    """Make the listed responses beforehand, so that clients seldom wait for one (2 ms)."""
    for key in listing():
        _response(routes()[key], True)


@cache
def _response(route: Route, compress: bool) -> tuple[dict[str, str], bytes]:
    """Return the fields of a route's response, without Date, Connection and Location, and its body."""
    body = route.body()
    fields: dict[str, str] = {}
    if route.fault == "garbled":
        fields["Content-Encoding"] = "gzip"
    elif route.gzip and body:
        fields["Vary"] = "Accept-Encoding"
        if compress:
            body = gzip.compress(body, 6, mtime=0)
            fields["Content-Encoding"] = "gzip"
    if route.status == 429:
        fields["Retry-After"] = "1"
    fields |= {"Content-Type": route.content_type, "Content-Length": str(len(body))}
    return fields, body[: len(body) // 2] if route.fault == "cut" else body


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
    threading.Thread(target=_warm, daemon=True).start()
    serve_until_stdin_ends(listeners, {"hosts": bases})


if __name__ == "__main__":
    main()
