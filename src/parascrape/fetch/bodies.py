"""The bodies of answers: read whole and within bounds, drained, or not looked at."""

from __future__ import annotations

from typing import Any

import requests

from parascrape.errors import ConnectionLost, OtherType, TooLarge
from parascrape.web.html import essence

__all__ = ["check_type", "drain", "is_of_type", "read_body"]

_DRAIN = 1 << 16
"""Bytes of a body nobody wants that are read so that its connection can be used again."""
_PIECE = 1 << 18


def check_type(response: requests.Response, wanted: tuple[str, ...]) -> None:
    """Nothing, or OtherType where the answer says that it is of another type."""
    content_type = response.headers.get("Content-Type")
    if not is_of_type(content_type, wanted):
        raise OtherType(f"{essence(content_type)[:100]}, not {', '.join(wanted)}")


def is_of_type(content_type: str | None, wanted: tuple[str, ...]) -> bool:
    """Whether a Content-Type header is of one of these media types, or of none at all.

    >>> is_of_type("Image/PNG", ("text/html", "image/")), is_of_type("text/csv", ("text/html",))
    (True, False)
    """
    kind = essence(content_type)
    return not kind or any(kind == one or (one.endswith("/") and kind.startswith(one)) for one in wanted)


def read_body(response: requests.Response, max_bytes: int) -> bytes:
    """The body as it came over the wire, whole. Raises TooLarge, ConnectionLost."""
    raw = response.raw
    expected = raw.length_remaining
    if expected is None:
        return _read_pieces(raw, max_bytes)
    if expected > max_bytes:
        raise TooLarge(f"Content-Length {expected}, more than {max_bytes} bytes")
    body: bytes = raw.read(expected, decode_content=False) if expected else b""
    if len(body) < expected:
        raise ConnectionLost(f"the body ended after {len(body)} of {expected} bytes")
    return body


def _read_pieces(raw: Any, max_bytes: int) -> bytes:
    """A body of unknown length (chunked, or ended by closing)."""
    pieces: list[bytes] = []
    size = 0
    while piece := raw.read(_PIECE, decode_content=False):
        pieces.append(piece)
        size += len(piece)
        if size > max_bytes:
            raise TooLarge(f"more than {max_bytes} bytes")
    return b"".join(pieces)


def drain(response: requests.Response) -> None:
    """Read a short body that nobody wants; a long one's connection is closed instead."""
    expected = response.raw.length_remaining
    if expected is not None and expected <= _DRAIN:
        response.raw.read(expected, decode_content=False)
