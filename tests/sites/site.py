"""A real loopback server whose routes are named for what they do: well-behaved, slow, broken, hostile."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

import brotli
import zstandard

HTML = (
    b"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Bread \xe2\x80\x94 a loaf</title>"
    b"</head><body><h1>Bread</h1><article><p>Flour, water, salt and time make a loaf that keeps for days, "
    b"and the crust sings when it cools on the rack.</p></article><a href='/two'>two</a></body></html>"
)
BOMB = 30_000_000
"""Bytes that a bomb inflates to; more than the tests allow."""

Route = Callable[["Visitor"], None]


class Visitor:
    """One request: its path and headers, and the socket to answer on."""

    def __init__(self, site: Site, sock: socket.socket, head: bytes) -> None:
        lines = head.decode("latin-1").split("\r\n")
        self.site = site
        self.sock = sock
        self.target = lines[0].split(" ")[1]
        whole = urlsplit(self.target)  # in absolute form where we are asked as a proxy
        self.path, self.query = whole.path, whole.query
        pairs = (line.partition(":") for line in lines[1:] if line)
        self.headers = {name.strip().lower(): value.strip() for name, _, value in pairs}

    def argument(self, name: str) -> str:
        """One value of the query string."""
        return parse_qs(self.query)[name][0]

    def send(self, data: bytes) -> None:
        """Raw bytes, at once."""
        self.sock.sendall(data)

    def answer(self, body: bytes = HTML, status: str = "200 OK", **headers: str) -> None:
        """A whole answer; ``content_type="..."`` and the like become headers."""
        fields = {"content-type": "text/html", "content-length": str(len(body))}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
        self.send(f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1") + body)

    def stall(self, seconds: float = 30.0) -> None:
        """Do nothing until the site closes."""
        self.site.closing.wait(seconds)


class Site:
    """A context manager: the server runs in threads of this process; ``log`` holds (path, headers)."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.listener = socket.create_server((host, 0), backlog=1024)
        self.url = f"http://{host}:{self.listener.getsockname()[1]}"
        self.log: list[tuple[str, dict[str, str]]] = []
        self.seen: Counter[str] = Counter()
        self.connections = 0
        self.closing = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        # Without it a thread that waits in accept() may go on with the next socket of that number.
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def __call__(self, path: str) -> str:
        """The absolute URL of a path."""
        return self.url + path

    def route(self, name: str) -> Route:
        """What answers a path that begins so."""
        return ROUTES.get(name, not_found)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            buffer = b""
            while not self.closing.is_set():
                try:
                    while b"\r\n\r\n" not in buffer:
                        data = sock.recv(65536)
                        if not data:
                            return
                        buffer += data
                    head, _, buffer = buffer.partition(b"\r\n\r\n")
                    visitor = Visitor(self, sock, head)
                    self.log.append((visitor.target, visitor.headers))
                    self.seen[visitor.path] += 1
                    name = visitor.path.strip("/").split("/")[0].replace("-", "_") or "ok"
                    if self.route(name)(visitor) is False:
                        return
                except OSError:
                    return


def not_found(visitor: Visitor) -> None:
    visitor.answer(b"no such page", "404 Not Found")


def ok(visitor: Visitor) -> None:
    visitor.answer()


def page(visitor: Visitor) -> None:
    """A page of its own for every number: /page/17."""
    number = visitor.path.rsplit("/", 1)[1]
    visitor.answer(HTML.replace(b"Bread", f"Bread {number}".encode()))


def items(visitor: Visitor) -> None:
    rows = b"".join(b"<li class=item>%d</li>" % number for number in range(3))
    visitor.answer(b"<title>list</title><ul>" + rows + b"</ul>")


def body(visitor: Visitor) -> None:
    """Given bytes with a given Content-Type: /body?hex=...&type=..."""
    visitor.answer(bytes.fromhex(visitor.argument("hex")), content_type=visitor.argument("type"))


def sized(visitor: Visitor) -> None:
    """So many bytes: /sized/2000000."""
    visitor.answer(b"x" * int(visitor.path.rsplit("/", 1)[1]))


def echo(visitor: Visitor) -> None:
    visitor.answer(json.dumps(visitor.headers).encode(), content_type="application/json")


def coded(visitor: Visitor) -> None:
    """The page in a content coding: /coded/br, /coded/raw-deflate."""
    name = visitor.path.rsplit("/", 1)[1]
    visitor.answer(CODERS[name](HTML), content_encoding=name.replace("raw-", ""))


def bomb(visitor: Visitor) -> None:
    """A small body that inflates to BOMB bytes: /bomb/gzip."""
    name = visitor.path.rsplit("/", 1)[1]
    visitor.answer(make_bomb(name), content_encoding=name)


@cache
def make_bomb(name: str) -> bytes:
    """Compressed once: it takes a tenth of a second."""
    return CODERS[name](bytes(BOMB))


def six_codings(visitor: Visitor) -> None:
    data = HTML
    for _ in range(6):
        data = gzip.compress(data, mtime=0)
    visitor.answer(data, content_encoding=", ".join(["gzip"] * 6))


def not_gzip(visitor: Visitor) -> None:
    visitor.answer(HTML, content_encoding="gzip")


def cut_gzip(visitor: Visitor) -> None:
    visitor.answer(gzip.compress(HTML, mtime=0)[:-30], content_encoding="gzip")


def chunked(visitor: Visitor) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ntransfer-encoding: chunked\r\n\r\n"
    pieces = [HTML[at : at + 50] for at in range(0, len(HTML), 50)]
    visitor.send(head + b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in pieces) + b"0\r\n\r\n")


def bad_chunks(visitor: Visitor) -> bool:
    visitor.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n")
    return False


def until_close(visitor: Visitor) -> bool:
    visitor.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n" + HTML)
    return False


def drip_body(visitor: Visitor) -> None:
    visitor.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 100000\r\n\r\n")
    drip(visitor, b"x")


def drip_headers(visitor: Visitor) -> None:
    visitor.send(b"HTTP/1.1 200 OK\r\nx-slow: ")
    drip(visitor, b"a")


def continue_flood(visitor: Visitor) -> None:
    drip(visitor, b"HTTP/1.1 100 Continue\r\n\r\n", every=0.001)


def endless_headers(visitor: Visitor) -> None:
    visitor.send(b"HTTP/1.1 200 OK\r\n")
    drip(visitor, b"x-more: and more\r\n" * 50, every=0)


def endless_body(visitor: Visitor) -> None:
    visitor.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n")
    drip(visitor, b"x" * 65536, every=0)


def drip(visitor: Visitor, data: bytes, every: float = 0.05) -> None:
    """Send the same bytes again and again; at most for half a minute."""
    ends = time.monotonic() + 30
    while time.monotonic() < ends and not visitor.site.closing.wait(every):
        visitor.send(data)


def silent(visitor: Visitor) -> None:
    visitor.stall()


def silent_once(visitor: Visitor) -> None:
    """/silent-once/name does not answer the first request for it, and is good afterwards."""
    if visitor.site.seen[visitor.path] == 1:
        visitor.stall()
    else:
        visitor.answer()


def slow(visitor: Visitor) -> None:
    """A good page after a while: /slow?seconds=0.2"""
    visitor.stall(float(visitor.argument("seconds")))
    visitor.answer()


def huge_length(visitor: Visitor) -> bool:
    visitor.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000000\r\n\r\nstart")
    return False


def short_body(visitor: Visitor) -> bool:
    visitor.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 5000\r\n\r\n" + HTML)
    return False


def reset_in_body(visitor: Visitor) -> bool:
    visitor.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 5000\r\n\r\n" + HTML)
    visitor.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def no_answer(visitor: Visitor) -> bool:
    return False


def garbage(visitor: Visitor) -> bool:
    visitor.send(b"\x16\x03\x01 this is not HTTP at all\r\n\r\n")
    return False


def drop_after(visitor: Visitor) -> bool:
    """A good answer that promises to stay, then a closed connection."""
    visitor.answer()
    return False


def status(visitor: Visitor) -> None:
    """/status/503?after=7 answers 503 with Retry-After: 7."""
    code = visitor.path.rsplit("/", 1)[1]
    after = visitor.argument("after") if visitor.query else ""
    visitor.answer(b"sorry", f"{code} Something", retry_after=after)


def flaky(visitor: Visitor) -> None:
    """/flaky/2/name fails twice with 503, then is good."""
    failures = int(visitor.path.split("/")[2])
    if visitor.site.seen[visitor.path] <= failures:
        visitor.answer(b"later", "503 Service Unavailable")
    else:
        visitor.answer()


def again(visitor: Visitor) -> None:
    """/again/1/name answers 503 with Retry-After: 1 at first, then is good."""
    if visitor.site.seen[visitor.path] == 1:
        visitor.answer(b"later", "503 Service Unavailable", retry_after=visitor.path.split("/")[2])
    else:
        visitor.answer()


def slow_status(visitor: Visitor) -> None:
    """/slow-status/503?seconds=0.2 answers 503 after a while."""
    visitor.stall(float(visitor.argument("seconds")))
    visitor.answer(b"sorry", f"{visitor.path.rsplit('/', 1)[1]} Something")


def to(visitor: Visitor) -> None:
    """A redirect: /to?where=..."""
    visitor.answer(b"", "302 Found", location=unquote(visitor.argument("where")))


def hops(visitor: Visitor) -> None:
    """/hops/3 redirects three times."""
    left = int(visitor.path.rsplit("/", 1)[1])
    if left:
        visitor.answer(b"gone on", "301 Moved Permanently", location=f"/hops/{left - 1}")
    else:
        visitor.answer()


def loop(visitor: Visitor) -> None:
    visitor.answer(b"", "302 Found", location="/loop")


def long_location(visitor: Visitor) -> None:
    visitor.answer(b"", "302 Found", location="/" + "x" * 60_000)


def cookie_wall(visitor: Visitor) -> None:
    """Sets a cookie and asks again, as consent pages do."""
    if "seen=1" in visitor.headers.get("cookie", ""):
        visitor.answer()
    else:
        visitor.answer(b"", "302 Found", location="/cookie-wall", set_cookie="seen=1")


CODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": partial(gzip.compress, mtime=0),
    "deflate": zlib.compress,
    "raw-deflate": lambda data: zlib.compress(data)[2:-4],
    "br": lambda data: brotli.compress(data, quality=1),
    "zstd": lambda data: zstandard.compress(data),
}
_HELPERS = {"drip", "urlsplit", "unquote", "parse_qs"}
ROUTES: dict[str, Route] = {
    name: value
    for name, value in list(globals().items())
    if getattr(value, "__module__", "") == __name__ and name.islower() and name not in _HELPERS
}
