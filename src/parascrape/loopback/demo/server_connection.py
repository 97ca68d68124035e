"""HTTP/1.1 on one connection: requests parsed, answers written, garbage refused (RFC 9112)."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from typing import NamedTuple

from parascrape.loopback.demo.answers import DemoAnswer, DemoAnswers, refusal

__all__ = ["MAX_HEAD", "DemoConnection", "DemoRequest", "parse_request"]

MAX_HEAD = 32_768
"""Bytes of a request's head; a longer one is refused."""

_PIECES = 8


class DemoRequest(NamedTuple):
    """What of a request makes a difference here."""

    method: str
    target: str
    gzip: bool
    close: bool


def parse_request(head: bytes) -> DemoRequest:
    """The request of a head without its blank line.

    Raises:
        ValueError: it is not HTTP/1.x, or it has a body, which nothing here wants.
    """
    line, *lines = head.decode("latin-1").lstrip("\r\n").split("\r\n")
    words = line.split(" ")
    if len(words) != 3 or not words[0].isalpha() or not words[2].startswith("HTTP/1."):
        raise ValueError("no request line")
    method, target, version = words
    fields = _fields(lines)
    if "transfer-encoding" in fields or fields.get("content-length", "0") != "0":
        raise ValueError("a body")
    if version != "HTTP/1.0" and "host" not in fields:
        raise ValueError("no Host")  # RFC 9112 §3.2
    connection = fields.get("connection", "").lower()
    close = "close" in connection or (version == "HTTP/1.0" and "keep-alive" not in connection)
    return DemoRequest(method, _origin_form(target), _accepts_gzip(fields), close)


def _fields(lines: list[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name[-1] == " ":
            raise ValueError("no field line")
        fields[name.lower()] = value.strip()
    return fields


def _origin_form(target: str) -> str:
    """Path and query of a request target, which a proxy's client sends in absolute form."""
    if target.startswith("http://"):
        _, slash, rest = target[7:].partition("/")
        return slash + rest or "/"
    if not target.startswith("/"):
        raise ValueError("no path")
    return target


def _accepts_gzip(fields: dict[str, str]) -> bool:
    """Whether gzip is named and not with a weight of nought (RFC 9110 §12.5.3)."""
    for coding in fields.get("accept-encoding", "").lower().split(","):
        name, _, weight = coding.replace(" ", "").partition(";q=")
        if name == "gzip":
            return weight.strip("0.") != "" or weight == ""
    return False


class DemoConnection(asyncio.Protocol):
    """One client's connection to one host; requests are answered in the order in which they come.

    Nothing is read while an answer is still to be written, so a client can make it hold no more
    than one head and one answer. asyncio sets TCP_NODELAY itself.
    """

    def __init__(self, host: int, answers: DemoAnswers, open_connections: set[DemoConnection]) -> None:
        self._host = host
        self._answers = answers
        self._open = open_connections
        self._buffer = b""
        self._busy = False
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (create_server makes no other)
        self._transport = transport
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._open.discard(self)

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer what is whole."""
        self._buffer += data
        self._serve()

    def pause_writing(self) -> None:
        """The client reads slower than it asks."""
        self._full = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._full = False
        self._go_on()

    def _go_on(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()
            self._serve()

    def _serve(self) -> None:
        """Answer every whole request of the buffer, until one has to wait."""
        while not (self._busy or self._full or self._transport.is_closing()):
            end = self._buffer.find(b"\r\n\r\n")
            if end > MAX_HEAD or (end < 0 and len(self._buffer) > MAX_HEAD):
                self._refuse(431)
            elif end < 0:
                return
            else:
                head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
                self._answer(head)

    def _answer(self, head: bytes) -> None:
        try:
            request = parse_request(head)
        except ValueError:
            self._refuse(400)
            return
        if request.method not in ("GET", "HEAD"):
            self._refuse(405)
            return
        answer = self._answers.find(self._host, request.target, request.gzip)
        if answer.delay:
            self._wait()
            asyncio.get_running_loop().call_later(answer.delay, self._send, request, answer)
        else:
            self._send(request, answer)

    def _refuse(self, status: int) -> None:
        self._send(DemoRequest("GET", "", False, True), refusal(status))
        self._buffer = b""

    def _wait(self) -> None:
        self._busy = True
        self._transport.pause_reading()

    def _send(self, request: DemoRequest, answer: DemoAnswer) -> None:
        close = request.close or answer.cut
        head = b"%bDate: %b\r\nConnection: %b\r\n\r\n" % (
            answer.head,
            _date(int(time.time())),
            b"close" if close else b"keep-alive",
        )
        if answer.drip and request.method != "HEAD":
            self._wait()
            self._transport.write(head)
            self._drip(answer.body, -(-len(answer.body) // _PIECES), answer.drip / (_PIECES - 1), close)
            return
        self._transport.write(head if request.method == "HEAD" else head + answer.body)
        self._finish(close)

    def _drip(self, body: bytes, size: int, pause: float, close: bool) -> None:
        """Write a piece of the body now and the rest later."""
        if self._transport.is_closing():
            return
        self._transport.write(body[:size])
        if len(body) > size:
            asyncio.get_running_loop().call_later(pause, self._drip, body[size:], size, pause, close)
        else:
            self._finish(close)

    def _finish(self, close: bool) -> None:
        if close:
            self._transport.close()
        elif self._busy:
            self._busy = False
            self._go_on()


_dates: dict[int, bytes] = {}


def _date(second: int) -> bytes:
    """The Date field of a second (RFC 9110 §6.6.1); the last one is kept."""
    if second not in _dates:
        _dates.clear()
        _dates[second] = formatdate(second, usegmt=True).encode()
    return _dates[second]
