"""A server on loopback that does not lie about speed: ``python site_server.py ROOT [--latency S] ...``.

Nagle's algorithm is off (asyncio sets TCP_NODELAY; with it on, loopback costs 40 ms a request), the
backlog is deep, bodies are compressed before the first request, answers are one write. It prints its
port on one line, and its counts, since they were last asked for, at ``/-/counts``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import time
from pathlib import Path
from typing import cast

__all__ = ["Counts", "Site", "load", "main"]

BACKLOG = 4096
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class Counts:
    """Pages answered, and when (monotonic seconds) the first was asked for and the last answered."""

    def __init__(self) -> None:
        self.pages = self.waiting = self.peak = 0
        self.first = self.last = 0.0

    def asked(self) -> None:
        self.first = self.first or time.monotonic()
        self.waiting += 1
        self.peak = max(self.peak, self.waiting)

    def answered(self) -> None:
        self.pages += 1
        self.waiting -= 1
        self.last = time.monotonic()

    def take(self) -> bytes:
        """The counts as JSON; they begin again at nothing."""
        taken = {"pages": self.pages, "peak": self.peak, "seconds": self.last - self.first}
        self.__init__()  # type: ignore[misc]
        return json.dumps(taken).encode()


def _answer(body: bytes, *headers: str) -> bytes:
    head = ("HTTP/1.1 200 OK", *headers, f"Content-Length: {len(body)}", "Vary: Accept-Encoding")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def load(root: Path) -> dict[bytes, tuple[bytes, bytes]]:
    """Path -> whole answers, plain and gzipped, of every ``NAME.html`` with its ``NAME.html.gz``."""
    kind = "Content-Type: text/html; charset=utf-8"
    return {
        f"/{path.relative_to(root).as_posix()}".encode(): (
            _answer(path.read_bytes(), kind),
            _answer(path.with_name(path.name + ".gz").read_bytes(), kind, "Content-Encoding: gzip"),
        )
        for path in root.rglob("*.html")
    }


class Site(asyncio.Protocol):
    """One connection: GET requests, one after the other or pipelined, kept alive."""

    def __init__(self, answers: dict[bytes, tuple[bytes, bytes]], counts: Counts, latency: float) -> None:
        self.answers, self.counts, self.latency = answers, counts, latency
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, self.received = self.received.split(b"\r\n\r\n", 1)
            self.respond(head)

    def respond(self, head: bytes) -> None:
        path = head.split(b" ", 2)[1].split(b"?", 1)[0]
        both = self.answers.get(path)
        if both is None:
            counts = _answer(self.counts.take()) if path == b"/-/counts" else NOT_FOUND
            self.transport.write(counts)
            return
        self.counts.asked()
        accepted = head.lower().partition(b"accept-encoding:")[2].split(b"\r\n", 1)[0]
        answer = both[b"gzip" in accepted]
        if self.latency:
            asyncio.get_running_loop().call_later(self.latency, self.send, answer)
        else:
            self.send(answer)

    def send(self, answer: bytes) -> None:
        self.counts.answered()
        if not self.transport.is_closing():
            self.transport.write(answer)


class Dead(asyncio.Protocol):
    """One connection to a host that accepts and never answers."""


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


async def serve(options: argparse.Namespace) -> None:
    """Listen on 127.0.0.1 to 127.0.0.N, all at one port, and on one more address for the dead host."""
    loop, counts, answers = asyncio.get_running_loop(), Counts(), load(options.root)
    first = _listen("127.0.0.1", options.port)
    port = first.getsockname()[1]
    more = [_listen(f"127.0.0.{n}", port) for n in range(2, options.hosts + 1)]
    for listener in (first, *more):
        await loop.create_server(
            lambda: Site(answers, counts, options.latency), sock=listener, backlog=BACKLOG
        )
    if options.dead:
        dead = _listen(f"127.0.0.{options.hosts + 1}", port)
        await loop.create_server(Dead, sock=dead, backlog=BACKLOG)
    print(port, flush=True)
    # The parent holds the other end of stdin: when it ends, however it ends, so does the server.
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--hosts", type=int, default=1)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds to the first byte")
    parser.add_argument("--dead", action="store_true", help="one more host, which never answers")
    work = serve(parser.parse_args())
    try:
        import uvloop  # half the cost of a request, where it is installed
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)


if __name__ == "__main__":
    main()
