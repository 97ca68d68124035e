"""Exchanges as WARC 1.1 records (ISO 28500:2017), each a gzip member of its own, written by warcio.

An exchange is a ``response`` (where a whole head came), a ``request`` (where one was sent) and a ``metadata``
record, joined by WARC-Concurrent-To. The metadata is JSON: what no WARC field has a place for.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping
from io import BytesIO
from types import ModuleType
from typing import Any, BinaryIO

from parascrape.errors import UsageError
from parascrape.loopback.replay.exchange import Ending, Exchange, Seconds
from parascrape.settings import VERSION

__all__ = ["METADATA_TYPE", "ExchangeWriter", "from_metadata", "load_library", "to_metadata"]

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
    seconds = Seconds(*(min(max(float(data["seconds"][name]), 0.0), 86_400.0) for name in Seconds._fields))
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
