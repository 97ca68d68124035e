"""Exchanges as WARC 1.1 records (ISO 28500:2017), each a gzip member of its own, written by warcio.

An exchange is a ``response`` (where a whole head came), a ``request`` (where one was sent) and a ``metadata``
record, joined by WARC-Concurrent-To. The metadata is JSON: what no WARC field has a place for.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from io import BytesIO
from types import ModuleType
from typing import Any, BinaryIO

from parascrape.errors import InvalidUrl, UsageError
from parascrape.loopback.replay.exchange import Ending, Exchange, ExchangeTimes
from parascrape.settings import VERSION
from parascrape.web import prepare, redact

__all__ = [
    "METADATA_TYPE",
    "ExchangeWriter",
    "from_metadata",
    "load_library",
    "to_exchange",
    "to_metadata",
    "unchunk",
]

METADATA_TYPE = "application/json"

_FORMAT = 1
_TRUNCATED: dict[Ending, str] = {
    "closed": "disconnect",
    "reset": "disconnect",
    "silent": "time",
    "left": "unspecified",
}
"""WARC-Truncated (§5.13) of an answer that is not whole."""


def load_library(name: str) -> ModuleType:
    """A module that comes with the extra. Raises UsageError where it is not installed."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise UsageError(f"{package} is not installed: pip install 'parascrape[compare]'") from error


def to_metadata(exchange: Exchange) -> dict[str, Any]:
    """What is recorded of an exchange beside its bytes; JSON."""
    return {
        "parascrape": _FORMAT,
        "entry": exchange.entry,
        "hop": exchange.hop,
        "ending": exchange.ending,
        "error": {"code": exchange.error, "message": exchange.message} if exchange.error else None,
        "seconds": {name: round(value, 6) for name, value in exchange.seconds._asdict().items()},
        "new_connection": exchange.new_connection,
        "cookies": list(exchange.cookies),
        "authorised": exchange.authorised,
        "before": base64.b64encode(exchange.before).decode(),
    }


def from_metadata(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an `Exchange` that `to_metadata` has written. Raises ValueError, TypeError, KeyError."""
    error = data["error"] or {}
    seconds = ExchangeTimes(
        *(min(max(float(data["seconds"][name]), 0.0), 86_400.0) for name in ExchangeTimes._fields)
    )
    return {
        "entry": str(data["entry"]),
        "hop": int(data["hop"]),
        "ending": data["ending"],
        "error": str(error.get("code", "")),
        "message": str(error.get("message", "")),
        "seconds": seconds,
        "new_connection": bool(data["new_connection"]),
        "cookies": tuple(str(name) for name in data["cookies"]),
        "authorised": bool(data["authorised"]),
        "before": base64.b64decode(data["before"], validate=True),
    }


class ExchangeWriter:
    """Writes exchanges to a binary file; ``about`` are further fields of its warcinfo record."""

    def __init__(self, file: BinaryIO, about: Mapping[str, str]) -> None:
        self._headers: Any = load_library("warcio.statusandheaders")
        self._loader: Any = load_library("warcio.recordloader")
        self._writer: Any = load_library("warcio.warcwriter").WARCWriter(file, gzip=True, warc_version="1.1")
        fields = {
            "software": f"parascrape/{VERSION}",
            "format": "WARC File Format 1.1",
            "conformsTo": "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/",
            **about,
        }
        self._writer.write_record(self._writer.create_warcinfo_record("", fields))

    def write(self, exchange: Exchange) -> None:
        """Write the exchange's records. Raises OSError."""
        kinds = {"response": exchange.reply, "request": exchange.request}
        blocks = {kind: block for kind, block in kinds.items() if block}
        blocks["metadata"] = json.dumps(to_metadata(exchange)).encode()
        first = ""
        for kind, block in blocks.items():
            record = self._record(kind, exchange, block)
            if first:
                record.rec_headers.add_header("WARC-Concurrent-To", first)
            first = first or record.rec_headers.get_header("WARC-Record-ID")
            self._writer.write_record(record)

    def _record(self, kind: str, exchange: Exchange, block: bytes) -> Any:
        """One record whose block is written as it stands; warcio would parse it and put it together anew."""
        content_type = METADATA_TYPE if kind == "metadata" else f"application/http; msgtype={kind}"
        headers = self._headers.StatusAndHeaders("", _fields(kind, exchange, block), protocol="WARC/1.1")
        length = len(block)
        return self._loader.ArcWarcRecord(
            "warc", kind, headers, BytesIO(block), None, content_type, length, payload_length=length
        )


def _fields(kind: str, exchange: Exchange, block: bytes) -> list[tuple[str, str]]:
    """The record's named fields (§5); those of its length and block digest are warcio's to add."""
    fields = [
        ("WARC-Type", kind),
        ("WARC-Record-ID", f"<urn:uuid:{uuid.uuid4()}>"),
        ("WARC-Target-URI", exchange.url),
        ("WARC-Date", exchange.at),
    ]
    if kind != "metadata":
        payload = block[exchange.body_start :] if kind == "response" else b""
        fields.append(("WARC-Payload-Digest", _digest(payload)))
        if exchange.address:
            fields.append(("WARC-IP-Address", exchange.address))
    if kind == "response" and exchange.ending in _TRUNCATED:
        fields.append(("WARC-Truncated", _TRUNCATED[exchange.ending]))
    return fields


def _digest(payload: bytes) -> str:
    """SHA-1 in base 32, as every WARC tool writes it; it guards against damage, not against forgery."""
    return "sha1:" + base64.b32encode(hashlib.sha1(payload, usedforsecurity=False).digest()).decode()


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
        url = redact(prepare(url.strip("<>")))
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
