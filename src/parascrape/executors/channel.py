"""Messages over one private stream socket between the parent and one worker.

A message is a pickled object behind its length. The parent reads without blocking and gets every
message that has arrived with one system call; that is what batches records as they queue up.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import traceback
from collections.abc import Callable
from typing import Any

__all__ = ["Channel", "LogForwarder", "pack", "relay_log"]

_READ = 1 << 18


def pack(message: Any) -> bytes:
    """The message as it goes over the wire: 8 bytes of length, then its pickle."""
    body = pickle.dumps(message, protocol=5)
    return len(body).to_bytes(8, "big") + body


class Channel:
    """One end of the socket. Only pickles made by the other end, our own code, are read from it."""

    def __init__(self, sock: socket.socket, *, blocking: bool) -> None:
        sock.setblocking(blocking)
        self._sock = sock
        self._blocking = blocking
        self._file = _file_of(sock)
        self._incoming = bytearray()
        self._outgoing = bytearray()

    def fileno(self) -> int:
        """The socket's descriptor, for selectors."""
        return self._sock.fileno()

    @property
    def has_output(self) -> bool:
        """Whether packed messages wait for the other end to read."""
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
        """The messages that have come: at least one on a blocking end; None at the end of file."""
        messages: list[Any] = []
        while not messages:
            try:
                if self._blocking and _file_of(self._sock) != self._file:
                    return None  # somebody closed all descriptors, and ours may be another file's now
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
            else:  # nearly always, and a batch of records is worth not being copied
                messages, used = _split(data)
                self._incoming += memoryview(data)[used:]
        return messages

    def close(self) -> None:
        """Close the socket: the other end reads its end of file."""
        self._sock.close()


def _file_of(sock: socket.socket) -> tuple[int, int]:
    """What tells the socket from other files under its number. Raises OSError where that is closed."""
    if os.name != "posix":
        return (0, 0)
    found = os.fstat(sock.fileno())
    return found.st_dev, found.st_ino


def _split(data: bytes | bytearray) -> tuple[list[Any], int]:
    """The whole messages at the head of what has come, and how many bytes they have."""
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


class LogForwarder(logging.Handler):
    """Log records sent to the parent, message and traceback already text."""

    def __init__(self, send: Callable[[tuple[Any, ...]], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        attributes = {
            "name": record.name,
            "levelno": record.levelno,
            "levelname": record.levelname,
            "msg": text[:16_000],
            "created": record.created,
            "msecs": record.msecs,
            "threadName": record.threadName,
            "processName": record.processName,
            "process": record.process,
        }
        self._send(("log", attributes))


def relay_log(attributes: dict[str, Any]) -> None:
    """Pass a worker's log record to this process's handlers."""
    logger = logging.getLogger(attributes["name"])
    if logger.isEnabledFor(attributes["levelno"]):
        logger.handle(logging.makeLogRecord(attributes))
