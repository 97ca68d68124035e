"""The twin's answers: what is sent for a request, when, and what becomes of the connection. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median
from typing import Literal, NamedTuple

from parascrape.loopback.replay.exchange import Ending, Exchange, closes
from parascrape.loopback.replay.recording import Recording
from parascrape.web import host_key

__all__ = ["Asked", "ReplayAnswer", "ReplayAnswers", "parse_request"]

Then = Literal["keep", "close", "reset", "silent"]

_STEP = 0.004
"""Seconds between two pieces of a body that took its time: event loops count in milliseconds."""
_MOST_STEPS = 50

_THEN: dict[Ending, Then] = {"whole": "keep", "reset": "reset", "silent": "silent", "left": "silent"}
"""What follows the bytes; after any other ending the connection is closed."""


class ReplayAnswer(NamedTuple):
    """Bytes, and times in seconds: ``wait`` before the first byte, ``set_up`` more on a new connection, and
    ``pause`` between pieces of ``step`` bytes.
    """

    data: bytes
    wait: float = 0.0
    set_up: float = 0.0
    step: int = 0
    pause: float = 0.0
    then: Then = "keep"
    known: bool = True


class Asked(NamedTuple):
    """What of a request makes a difference to its answer."""

    target: str
    host: str
    cookies: tuple[str, ...] = ()
    authorised: bool = False


_MISSING = b"Not in the recording.\n"
_UNKNOWN = ReplayAnswer(
    b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
    b"X-Parascrape-Twin: not in the recording\r\n\r\n%b" % (len(_MISSING), _MISSING),
    known=False,
)
_NO_ROBOTS = _UNKNOWN._replace(known=True)
"""For robots.txt, which other tools' recordings lack: all is allowed (RFC 9309 §2.3.1.3)."""

_REFUSED = ReplayAnswer(
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", then="close"
)


def parse_request(head: bytes) -> Asked:
    """The request of a head without its blank line. Raises ValueError for what is no request for a page."""
    line, *lines = head.decode("latin-1").lstrip("\r\n").split("\r\n")
    method, target, version = line.split(" ")
    if method != "GET" or not version.startswith("HTTP/1.") or not target.startswith("/"):
        raise ValueError("no GET")
    host, cookies, authorised = "", [], False
    for text in lines:
        name, _, value = text.partition(":")
        name = name.lower()
        if name == "host":
            host = value.strip().lower()
        elif name == "cookie":
            cookies += [pair.partition("=")[0].strip() for pair in value.split(";")]
        elif name == "authorization":
            authorised = True
    return Asked(target, host, tuple(sorted(cookies)), authorised)


class ReplayAnswers:
    """What a recording answers, with its times multiplied by ``time_scale``.

    ``latency``, in seconds and not scaled, takes the place of every time to the first byte. What was
    recorded several times is answered as it was to the request with the same cookies, or else the first time.
    """

    def __init__(
        self, recording: Recording, *, time_scale: float = 1.0, latency: float | None = None
    ) -> None:
        self._scale = time_scale
        self._latency = latency
        self._set_up = _connecting(recording.exchanges)
        self._table: dict[str, list[tuple[Exchange, ReplayAnswer]]] = {}
        for exchange in recording.exchanges:
            self._table.setdefault(exchange.url, []).append((exchange, self._answer(exchange)))

    def find(self, scheme: str, head: bytes) -> ReplayAnswer:
        """The answer to the request with this head."""
        try:
            asked = parse_request(head)
        except ValueError:
            return _REFUSED
        found = self._table.get(f"{scheme}://{asked.host}{asked.target}")
        if found is None:
            return _NO_ROBOTS if asked.target == "/robots.txt" else _UNKNOWN
        return found[0][1] if len(found) == 1 else _choose(found, asked)

    def _answer(self, exchange: Exchange) -> ReplayAnswer:
        seconds = exchange.seconds
        data = _data(exchange)
        wait = seconds.first_byte * self._scale if self._latency is None else self._latency
        step, pause = _pieces(len(data), seconds.transfer * self._scale)
        then = _THEN.get(exchange.ending, "close")
        if then == "keep" and exchange.reply and closes(exchange.head):
            then = "close"
        return ReplayAnswer(
            data, wait, self._set_up.get(_host(exchange), 0.0) * self._scale, step, pause, then
        )


def _data(exchange: Exchange) -> bytes:
    """All that is sent. A head that was broken off has one line more: it was refused unseen."""
    if exchange.ending == "left" and not exchange.reply:
        return exchange.before + b"".join(exchange.before.splitlines(keepends=True)[-1:])
    return exchange.before + exchange.reply


def _choose(found: list[tuple[Exchange, ReplayAnswer]], asked: Asked) -> ReplayAnswer:
    """The answer to the request that is most like this one; of equals the first."""

    def likeness(pair: tuple[Exchange, ReplayAnswer]) -> tuple[bool, bool]:
        return pair[0].cookies == asked.cookies, pair[0].authorised == asked.authorised

    return max(found, key=likeness)[1]


def _pieces(size: int, seconds: float) -> tuple[int, float]:
    """Bytes of a piece, and seconds between two, so that the last is sent after so many seconds."""
    pieces = min(size, _MOST_STEPS, int(seconds / _STEP) + 1)
    if pieces < 2:
        return size, 0.0
    step = math.ceil(size / pieces)
    return step, seconds / max(1, math.ceil(size / step) - 1)


def _host(exchange: Exchange) -> str:
    return host_key(exchange.url)


def _connecting(exchanges: Iterable[Exchange]) -> dict[str, float]:
    """Seconds that connecting to each host takes, TLS too: the median of its connections."""
    times: dict[str, list[float]] = {}
    for exchange in exchanges:
        if exchange.new_connection:
            times.setdefault(_host(exchange), []).append(exchange.seconds.connect + exchange.seconds.tls)
    return {host: median(found) for host, found in times.items()}
