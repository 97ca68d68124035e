"""Answers of another tool's WARC file, put into a form in which they can be sent again. Pure.

Such files hold HTTP/2 as text, bodies whose chunks are undone under a head that still names them, and
lengths that are those of another body. So the framing is made anew, and all else is left as it stands.
"""

from __future__ import annotations

import re

from parascrape.errors import InvalidUrl
from parascrape.loopback.replay.exchange import Exchange
from parascrape.web import urls

__all__ = ["to_exchange", "unchunk"]

_STATUS_LINE = re.compile(rb"HTTP/[0-9.]+ +([2-5][0-9][0-9])(?![0-9])([^\r\n]*)")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_FRAMING = frozenset(
    ("connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
)


def to_exchange(url: str, block: bytes, at: str = "") -> Exchange | None:
    """The exchange of a response record; None where it is no answer to a page's URL that could be sent."""
    match, end = _STATUS_LINE.match(block), _HEAD_END.search(block)
    if match is None or end is None:
        return None
    try:
        url = urls.redact(urls.prepare(url.strip("<>")))
    except InvalidUrl:
        return None
    lines = re.split(rb"\r?\n", block[match.end() : end.start()])[1:]
    body = block[end.end() :]
    if any(_name(line) == "transfer-encoding" for line in lines):
        body = unchunk(body)
    kept = [line for line in lines if b":" in line and _name(line) not in _FRAMING]
    kept.append(b"Content-Length: %d" % len(body))
    head = b"\r\n".join([b"HTTP/1.1 %b%b" % match.groups(), *kept, b"\r\n"])
    return Exchange(url=url, reply=head + body, at=at, entry=url)


def _name(line: bytes) -> str:
    return line.partition(b":")[0].strip().lower().decode("latin-1")


def unchunk(body: bytes) -> bytes:
    """The body without its chunks (RFC 9112 §7.1); as it stands where it is not made of whole chunks.

    >>> unchunk(b"3\\r\\nabc\\r\\n0\\r\\n\\r\\n"), unchunk(b"plain")
    (b'abc', b'plain')
    """
    pieces: list[bytes] = []
    at = 0
    while match := _CHUNK.match(body, at):
        size = int(match[1], 16)
        piece = body[match.end() : match.end() + size]
        if size == 0:
            return b"".join(pieces)
        if len(piece) < size:
            break
        pieces.append(piece)
        at = match.end() + size
        at += 2 if body[at : at + 2] == b"\r\n" else 1
    return body
