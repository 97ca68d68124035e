"""Messages over one private stream socket between the parent and one worker.

A message is a pickled object behind its length. The parent reads without blocking and gets every
message that has arrived with one system call; that is what batches records as they queue up.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
from collections.abc import Callable
from logging.handlers import QueueHandler
from typing import Any

_READ = 1 << 18


def pack(message: Any) -> bytes:
    """Return the message as it is sent: 8 bytes of length, then its pickle."""
    body = pickle.dumps(message, protocol=5)
    return len(body).to_bytes(8, "big") + body


class Channel:
    """One end of the socket. The other end is our own code, so its pickles are trusted."""

    def __init__(self, sock: socket.socket, *, blocking: bool) -> None:
        sock.setblocking(blocking)
        self._sock = sock
        self._blocking = blocking
        self._file = _file_of(sock)
        self._incoming = bytearray()
        self._outgoing = bytearray()

    def fileno(self) -> int:
        """Return the socket's descriptor, for selectors."""
        return self._sock.fileno()

    @property
    def has_output(self) -> bool:
        """Whether messages wait until the other end reads."""
        return bool(self._outgoing)

    def send(self, packed: bytes) -> None:
        """Send a packed message; blocking ends only."""
        self._sock.sendall(packed)

    def push(self, packed: bytes = b"") -> None:
        """Send what the socket takes now and keep the rest for the next call; non-blocking ends only.

        Raises:
            OSError: the other end is gone.
        """
        self._outgoing += packed
        while self._outgoing:
            try:
                sent = self._sock.send(memoryview(self._outgoing)[: 1 << 20])
            except (BlockingIOError, InterruptedError):
                return
            del self._outgoing[:sent]

    def receive(self) -> list[Any] | None:
        """Return the messages that have come: at least one on a blocking end; None at the end of file."""
        messages: list[Any] = []
        while not messages:
            try:
                if self._blocking and _file_of(self._sock) != self._file:
                    return None  # a task closed all descriptors, and ours may be another file's now
                data = self._sock.recv(_READ)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                return None
            if not data:
                return None
            if self._incoming:
                self._incoming += data
                messages, used = _split(self._incoming)
                del self._incoming[:used]
            else:  # nearly always; a batch of records should not be copied
                messages, used = _split(data)
                self._incoming += memoryview(data)[used:]
        return messages

    def close(self) -> None:
        """Close the socket: the other end reads its end of file."""
        self._sock.close()


def _file_of(sock: socket.socket) -> tuple[int, int]:
    """Return the identity of the socket behind its descriptor. Raises OSError if that is closed."""
    if os.name != "posix":
        return (0, 0)
    found = os.fstat(sock.fileno())
    return found.st_dev, found.st_ino


def _split(data: bytes | bytearray) -> tuple[list[Any], int]:
    """Return the whole messages at the head of the data, and their length in bytes."""
    messages: list[Any] = []
    start, end = 0, len(data)
    with memoryview(data) as view:
        while end - start >= 8:
            stop = start + 8 + int.from_bytes(view[start : start + 8], "big")
            if stop > end:
                break
            messages.append(pickle.loads(view[start + 8 : stop]))  # noqa: S301 (our own worker's)
            start = stop
    return messages, start


_SENT = ("name", "levelno", "levelname", "msg", "created", "msecs", "threadName", "processName", "process")


class LogForwarder(QueueHandler):
    """Sends log records to the parent, message and traceback already text."""

    def __init__(self, send: Callable[[tuple[Any, ...]], None]) -> None:
        super().__init__(queue=None)  # type: ignore[arg-type]
        self.setFormatter(logging.Formatter())  # else `basicConfig` sets one with the level's name
        self._send = send

    def enqueue(self, record: logging.LogRecord) -> None:
        """Send the attributes that handlers show; others may not pickle."""
        record.msg = record.msg[:16_000]
        self._send(("log", {name: getattr(record, name) for name in _SENT}))


def relay_log(attributes: dict[str, Any]) -> None:
    """Pass a worker's log record to the handlers of this process."""
    logger = logging.getLogger(attributes["name"])
    if logger.isEnabledFor(attributes["levelno"]):
        logger.handle(logging.makeLogRecord(attributes))
