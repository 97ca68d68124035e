"""One connection to the twin: requests looked up, answers written in their time, and cut where they were."""

from __future__ import annotations

import asyncio
import socket
import struct

from parascrape.loopback.replay.answers import ReplayAnswer, ReplayAnswers
from parascrape.loopback.replay.load import ServerLoad

__all__ = ["MAX_HEAD", "HttpConnection"]

MAX_HEAD = 262_144
"""Bytes of a request's head; with more the connection ends."""

_AT_ONCE = 0.0005
"""Seconds below which an answer is not put off: event loops count in milliseconds."""

_TLS = 0x16  # of a ClientHello: the recorded host spoke plainly where TLS was expected
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing resets


class HttpConnection(asyncio.Protocol):
    """One client's connection; one request after the other, each answered in one write where it may be."""

    def __init__(
        self, scheme: str, answers: ReplayAnswers, meter: ServerLoad, connections: set[HttpConnection]
    ) -> None:
        self._scheme = scheme
        self._answers = answers
        self._meter = meter
        self._open = connections
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        self._new = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; asyncio and uvloop set TCP_NODELAY themselves."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._open.add(self)
        self._meter.connected()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection and what was still to be sent."""
        self._open.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._busy:
            self._busy = False
            self._meter.over()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer a request that is whole, unless one is being answered."""
        self._buffer += data
        if not self._busy:
            self._serve()
        elif len(self._buffer) > MAX_HEAD:
            self._transport.abort()

    def _serve(self) -> None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD or self._buffer[0] == _TLS:
                self._transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                self._transport.close()
            return
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        answer = self._answers.find(self._scheme, head)
        self._busy = True
        self._meter.asked(answer.known)
        wait = answer.wait + (answer.set_up if self._new else 0.0)
        self._new = False
        if wait < _AT_ONCE:
            self._send(answer, 0, 0.0)
        else:
            due = self._loop.time() + wait
            self._timer = self._loop.call_at(due, self._begin, answer, due)

    def _begin(self, answer: ReplayAnswer, due: float) -> None:
        """Send an answer whose time has come."""
        self._meter.answered(max(0.0, self._loop.time() - due))
        self._send(answer, 0, due)

    def _send(self, answer: ReplayAnswer, at: int, due: float) -> None:
        """Write the answer, or the piece that begins ``at`` and was ``due``, and put off the next."""
        end = at + answer.step if answer.pause else len(answer.data)
        if answer.data:
            self._transport.write(answer.data[at:end] if answer.pause else answer.data)
        if end < len(answer.data):
            due = (due or self._loop.time()) + answer.pause
            self._timer = self._loop.call_at(due, self._send, answer, end, due)
        else:
            self._finish(answer)

    def _finish(self, answer: ReplayAnswer) -> None:
        """Go on, or end the connection, or leave the client waiting."""
        self._timer = None
        if answer.then == "keep":
            self._busy = False
            self._meter.over()
            if self._buffer:
                self._serve()
        elif answer.then == "close":
            self._transport.close()
        elif answer.then == "reset":
            self._reset()

    def _reset(self) -> None:
        """Reset the connection when all is sent; what the kernel holds still arrives before the reset."""
        if self._transport.get_write_buffer_size():
            self._timer = self._loop.call_later(0.001, self._reset)
            return
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()
