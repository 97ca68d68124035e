"""HTTP/1.1 connections of the loopback server: requests parsed, answers sent at their times (RFC 9112)."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Literal, NamedTuple

from parascrape.loopback.load import ServerLoad

MAX_HEAD = 262_144
"""Bytes of a request's head; a longer one is refused with 431."""

_MIN_WAIT = 0.0005
"""Seconds; a shorter wait is skipped, because event loops count in milliseconds."""

_TLS = 0x16  # first byte of a ClientHello: the client expects TLS on a plain port
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with a time-out of 0: closing sends a reset

Then = Literal["keep", "close", "reset", "silent"]
"""What happens to the connection after an answer; ``silent`` keeps it open and sends nothing more."""


class Request(NamedTuple):
    """A request without a body; names of ``fields`` are in lower case."""

    method: str
    target: str
    version: str
    fields: dict[str, str]

    @property
    def closes(self) -> bool:
        """Whether the client wants the connection closed after the answer (RFC 9112 section 9.3)."""
        connection = self.fields.get("connection", "").lower()
        return "close" in connection or (self.version == "HTTP/1.0" and "keep-alive" not in connection)


class Answer(NamedTuple):
    """The bytes to send, and when.

    Times are in seconds: ``wait`` before the first byte, ``set_up`` more on a new connection, and ``pause``
    between pieces of ``step`` bytes. ``known`` is False for a URL that the server has no answer for.
    """

    data: bytes
    wait: float = 0.0
    set_up: float = 0.0
    step: int = 0
    pause: float = 0.0
    then: Then = "keep"
    known: bool = True


def parse_request(head: bytes) -> Request:
    """Return the request of a head. Raises ValueError unless it is HTTP/1.x with a path and no body."""
    line, *lines = head.decode("latin-1").lstrip("\r\n").split("\r\n")
    words = line.split(" ")
    if len(words) != 3 or not words[0].isalpha() or not words[2].startswith("HTTP/1."):
        raise ValueError("not a request line")
    method, target, version = words
    fields: dict[str, str] = {}
    for each in lines:
        name, colon, value = each.partition(":")
        if not colon or not name or name[-1] == " ":
            raise ValueError("not a field line")
        fields[name.lower()] = value.strip()
    if "transfer-encoding" in fields or fields.get("content-length", "0") != "0":
        raise ValueError("a request with a body")
    if version != "HTTP/1.0" and "host" not in fields:
        raise ValueError("no Host field")  # RFC 9112 section 3.2
    return Request(method, _origin_form(target), version, fields)


def _origin_form(target: str) -> str:
    """Return path and query of a request target; clients of a proxy send it in absolute form."""
    if target.startswith("http://"):
        _, slash, rest = target[7:].partition("/")
        return slash + rest or "/"
    if not target.startswith("/"):
        raise ValueError("no path")
    return target


def head_of(status: int, fields: Mapping[str, str]) -> bytes:
    """Return a status line, header fields and the blank line (RFC 9112 section 3)."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *map(": ".join, fields.items()), "\r\n"]
    return "\r\n".join(lines).encode("latin-1")


def refuse(status: int) -> Answer:
    """Return the answer to a request that is refused; the connection closes."""
    fields = {"Allow": "GET, HEAD", "Content-Length": "0", "Connection": "close"}
    return Answer(head_of(status, fields), then="close")


def respond(find: Callable[[Request], Answer], head: bytes) -> Answer:
    """Return the answer to the request with this head, which comes without its blank line."""
    try:
        request = parse_request(head)
    except ValueError:
        return refuse(400)
    if request.method not in ("GET", "HEAD"):
        return refuse(405)
    answer = find(request)
    if request.method == "HEAD":
        return answer._replace(data=answer.data[: answer.data.find(b"\r\n\r\n") + 4], pause=0.0)
    return answer


class HttpConnection(asyncio.Protocol):
    """One client's connection. Requests are answered in their order, one at a time.

    While the client does not read, no further request is answered, so a connection holds at most one answer
    and `MAX_HEAD` bytes of requests.
    """

    def __init__(
        self, find: Callable[[Request], Answer], load: ServerLoad, open_connections: set[HttpConnection]
    ) -> None:
        self._find = find
        self._load = load
        self._open = open_connections
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        self._full = False
        self._new = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, without Nagle's delay of 40 ms."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        # asyncio does it only for sockets that name their protocol; those of create_server do not.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.add(self)
        self._load.connected()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and cancel what was still to be sent."""
        self._open.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._busy:
            self._busy = False
            self._load.over()

    def abort(self) -> None:
        """Close at once."""
        self.transport.abort()

    def pause_writing(self) -> None:
        """Answer no further request: the client reads slower than it asks."""
        self._full = True

    def resume_writing(self) -> None:
        """Go on: the client has caught up."""
        self._full = False
        self._serve()

    def data_received(self, data: bytes) -> None:
        """Answer the requests that have arrived whole."""
        self._buffer += data
        if self._busy and len(self._buffer) > MAX_HEAD:
            self.transport.abort()
        else:
            self._serve()

    def _serve(self) -> None:
        """Answer every whole request in the buffer, until one has to wait."""
        while self._buffer and not (self._busy or self._full or self.transport.is_closing()):
            end = self._buffer.find(b"\r\n\r\n")
            if end > MAX_HEAD or (end < 0 and len(self._buffer) > MAX_HEAD):
                self._begin(refuse(431))
            elif end >= 0:
                head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
                self._begin(respond(self._find, head))
            elif self._buffer[0] == _TLS:
                self._begin(refuse(400))
            else:
                return

    def _begin(self, answer: Answer) -> None:
        """Start an answer now, or at its time."""
        self._busy = True
        self._load.asked(answer.known)
        wait = answer.wait + (answer.set_up if self._new else 0.0)
        self._new = False
        if wait < _MIN_WAIT:
            self._send(answer, 0, 0.0)
        else:
            due = self._loop.time() + wait
            self._timer = self._loop.call_at(due, self._send_first, answer, due)

    def _send_first(self, answer: Answer, due: float) -> None:
        self._load.answered(max(0.0, self._loop.time() - due))
        self._send_later(answer, 0, due)

    def _send_later(self, answer: Answer, start: int, due: float) -> None:
        self._timer = None
        self._send(answer, start, due)
        self._serve()

    def _send(self, answer: Answer, start: int, due: float) -> None:
        """Write the answer, or the piece at ``start`` that was ``due``, and schedule the next piece."""
        end = start + answer.step if answer.pause else len(answer.data)
        if answer.data:
            self.transport.write(answer.data[start:end] if answer.pause else answer.data)
        if end < len(answer.data):
            due = (due or self._loop.time()) + answer.pause
            self._timer = self._loop.call_at(due, self._send_later, answer, end, due)
        elif answer.then == "keep":
            self._busy = False
            self._load.over()
        elif answer.then == "close":
            self.transport.close()
        elif answer.then == "reset":
            self._reset()

    def _reset(self) -> None:
        """Reset the connection once all is written; the client still gets what the kernel holds."""
        if self.transport.get_write_buffer_size():
            self._timer = self._loop.call_later(0.001, self._reset)
            return
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()
