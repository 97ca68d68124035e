"""More routes for `tests.sites.site`: answers that no honest server gives. Importing it adds them."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from functools import cache

from tests.sites.site import HTML, ROUTES, Site, Visitor, drip

__all__ = ["PAGES", "STATUS_LINES", "apart"]

PAGES: dict[str, tuple[str, bytes]] = {}
"""Documents of a test, by name: media type and body, at /document/NAME."""

STATUS_LINES = {
    "999": b"HTTP/1.1 999 Request denied",
    "000": b"HTTP/1.1 000 Nothing",
    "-1": b"HTTP/1.1 -1 Negative",
    "1": b"HTTP/1.1 1 Short",
    "99999": b"HTTP/1.1 99999 Long",
    "words": b"HTTP/1.1 two hundred",
    "none": b"HTTP/1.1",
    "old": b"HTTP/0.9 200 OK",
    "new": b"HTTP/9.9 200 OK",
    "escape": b"HTTP/1.1 404 \x1b[2J\x1b[31mNot [/x] Found\xe2\x80\xae",
    "switch": b"HTTP/1.1 101 Switching Protocols",
}


def apart(site: Site, paths: Iterable[str]) -> list[str]:
    """The URLs of these paths, each on a host of its own (RFC 6761 §6.3): no bad one slows the next down."""
    return [site(path).replace("127.0.0.1", f"h{number}.localhost") for number, path in enumerate(paths)]


def document(visitor: Visitor) -> None:
    """One of `PAGES`."""
    kind, body = PAGES[visitor.path.rsplit("/", 1)[1]]
    visitor.answer(body, content_type=kind)


def status_line(visitor: Visitor) -> bool:
    """A good page below a line of `STATUS_LINES`."""
    _answer_with(visitor, b"", STATUS_LINES[visitor.path.rsplit("/", 1)[1]])
    return False


def header(visitor: Visitor) -> bool:
    """A good page with one more header line, given as hex: /header/6e3a00."""
    _answer_with(visitor, bytes.fromhex(visitor.path.rsplit("/", 1)[1]) + b"\r\n")
    return False


def lengths(visitor: Visitor) -> bool:
    """A good page with these Content-Length lines: /lengths/-1 or /lengths/5,7."""
    lines = [f"content-length: {value}\r\n" for value in visitor.path.rsplit("/", 1)[1].split(",")]
    visitor.send(f"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n{''.join(lines)}\r\n".encode() + HTML)
    return False


def long_header(visitor: Visitor) -> bool:
    """One header line of so many bytes: /long-header/10000000."""
    _answer_with(visitor, b"x: " + b"y" * int(visitor.path.rsplit("/", 1)[1]) + b"\r\n")
    return False


def many_headers(visitor: Visitor) -> bool:
    """So many header lines: /many-headers/100000."""
    _answer_with(visitor, b"a: b\r\n" * int(visitor.path.rsplit("/", 1)[1]))
    return False


def many_cookies(visitor: Visitor) -> None:
    """A circle of redirects, each with 200 cookies."""
    head = b"".join(b"set-cookie: a%d=b\r\n" % number for number in range(200))
    visitor.send(b"HTTP/1.1 302 Found\r\nlocation: /many-cookies\r\ncontent-length: 0\r\n" + head + b"\r\n")


def slow_charset(visitor: Visitor) -> bool:
    """A Content-Type in which a careless expression would walk the spaces again and again."""
    _answer_with(visitor, b"content-type: text/html; charset=" + b" " * 90_000 + b";\r\n")
    return False


def chunks(visitor: Visitor) -> bool:
    """A chunked body that is this, as hex: /chunks/2d310d0a."""
    body = bytes.fromhex(visitor.path.rsplit("/", 1)[1])
    visitor.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ntransfer-encoding: chunked\r\n\r\n" + body)
    return False


def endless_chunk_line(visitor: Visitor) -> None:
    """A chunk whose extension never ends."""
    visitor.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;")
    drip(visitor, b"x" * 65536, every=0)


def endless_trailers(visitor: Visitor) -> None:
    """A chunked body whose trailer section never ends."""
    visitor.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
    drip(visitor, b"x-more: and more\r\n" * 50, every=0)


def no_header(visitor: Visitor) -> bool:
    """HTTP/0.9: a body and nothing else."""
    visitor.send(HTML)
    return False


def endless_redirect_body(visitor: Visitor) -> None:
    """A redirect to a good page with a body that never ends."""
    visitor.send(b"HTTP/1.1 302 Found\r\nlocation: /ok\r\n\r\n")
    drip(visitor, b"x" * 65536, every=0)


def megabyte_location(visitor: Visitor) -> None:
    """A redirect to a URL of a million characters."""
    visitor.answer(b"", "302 Found", location="/" + "x" * 1_000_000)


def location(visitor: Visitor) -> bool:
    """A redirect to these bytes, as hex: /location/2f00. What it leads to below itself is a good page."""
    try:
        target = bytes.fromhex(visitor.path.rsplit("/", 1)[1])
    except ValueError:
        visitor.answer()
        return True
    visitor.send(b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: " + target + b"\r\n\r\n")
    return False


def nested_bomb(visitor: Visitor) -> None:
    """A bomb in three gzip codings, so that a few hundred bytes are 30 MB."""
    visitor.answer(_nested_bomb(), content_encoding="gzip, gzip, gzip")


@cache
def _nested_bomb() -> bytes:
    data = gzip.compress(bytes(30_000_000))
    return gzip.compress(gzip.compress(data))


def _answer_with(visitor: Visitor, more: bytes, status: bytes = b"HTTP/1.1 200 OK") -> None:
    """A good page with more header lines."""
    kind = b"" if b"content-type" in more else b"content-type: text/html\r\n"
    visitor.send(status + b"\r\n" + kind + b"content-length: %d\r\n" % len(HTML) + more + b"\r\n" + HTML)


ROUTES.update(
    (name, value)
    for name, value in list(globals().items())
    if getattr(value, "__module__", "") == __name__ and name.islower() and name[0] != "_" and name != "apart"
)
