"""Recordings as WARC 1.1 files (ISO 28500:2017): exchanges written and read with warcio.

An exchange is a ``response`` record (where a whole head came), a ``request`` (where one was sent) and a
``metadata`` record, joined by WARC-Concurrent-To. The metadata is JSON: what no WARC field has a place for.
WARC files of other tools are read too; they have no times and no errors.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import IO, Any, NamedTuple

from parascrape.errors import InvalidUrl, UsageError
from parascrape.loopback.replay.exchange import ENDINGS, Exchange, ExchangeTimes
from parascrape.settings import VERSION
from parascrape.system import printable
from parascrape.web import prepare, redact

MAX_BYTES = 1 << 30
"""Bytes, inflated, of all records that are kept: a recording is held in memory."""

_FORMAT = 1
_TRUNCATED = {"closed": "disconnect", "reset": "disconnect", "silent": "time", "left": "unspecified"}
"""WARC-Truncated (section 5.13) of an answer that is not whole."""

_PIECE = 1 << 20
_LONGEST = 86_400.0  # seconds of a recorded time, so that no recording makes the server wait for ever
_KEPT = frozenset(("response", "request", "metadata"))
_OWNERS = frozenset(("warc-concurrent-to", "warc-refers-to"))


def load_library(name: str) -> ModuleType:
    """Return a module of the extra ``compare``. Raises UsageError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise UsageError(f"{package} is not installed: pip install 'parascrape[compare]'") from error


# --- writing ----------------------------------------------------------------------------------------


def to_metadata(exchange: Exchange) -> dict[str, Any]:
    """Return what is recorded of an exchange besides its bytes, as JSON."""
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


class ExchangeWriter:
    """Writes exchanges to a binary file, a gzip member a record; ``about`` is added to the warcinfo."""

    def __init__(self, file: IO[bytes], about: Mapping[str, str]) -> None:
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
        """Write the records of an exchange. Raises OSError."""
        blocks = {"response": exchange.reply, "request": exchange.request}
        blocks["metadata"] = json.dumps(to_metadata(exchange)).encode()
        first = ""
        for kind, block in blocks.items():
            if block:
                record = self._record(kind, exchange, block)
                if first:
                    record.rec_headers.add_header("WARC-Concurrent-To", first)
                first = first or record.rec_headers.get_header("WARC-Record-ID")
                self._writer.write_record(record)

    def _record(self, kind: str, exchange: Exchange, block: bytes) -> Any:
        """Return a record whose block is written unchanged; warcio would parse it and write it anew."""
        content_type = "application/json" if kind == "metadata" else f"application/http; msgtype={kind}"
        headers = self._headers.StatusAndHeaders("", _fields(kind, exchange, block), protocol="WARC/1.1")
        given = ("warc", kind, headers, BytesIO(block), None, content_type, len(block))
        return self._loader.ArcWarcRecord(*given, payload_length=len(block))


def _fields(kind: str, exchange: Exchange, block: bytes) -> list[tuple[str, str]]:
    """Return the named fields of a record (section 5); warcio adds its length and block digest."""
    fields = [
        ("WARC-Type", kind),
        ("WARC-Record-ID", f"<urn:uuid:{uuid.uuid4()}>"),
        ("WARC-Target-URI", exchange.url),
        ("WARC-Date", exchange.at),
    ]
    if kind != "metadata":
        payload = block[exchange.body_start :] if kind == "response" else b""
        digest = hashlib.sha1(payload, usedforsecurity=False).digest()  # as every WARC tool writes it
        fields.append(("WARC-Payload-Digest", f"sha1:{base64.b32encode(digest).decode()}"))
        if exchange.address:
            fields.append(("WARC-IP-Address", exchange.address))
    if kind == "response" and exchange.ending in _TRUNCATED:
        fields.append(("WARC-Truncated", _TRUNCATED[exchange.ending]))
    return fields


# --- reading ----------------------------------------------------------------------------------------


class Recording(Mapping[str, Exchange]):
    """The exchanges of a recording by prepared URL; of several for one URL, the mapping gives the first.

    >>> Recording([Exchange(url="http://h/")])["http://h/"].ending
    'whole'
    """

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self._by_url: dict[str, list[Exchange]] = {}
        for exchange in exchanges:
            self._by_url.setdefault(exchange.url, []).append(exchange)

    def __getitem__(self, url: str) -> Exchange:
        return self._by_url[url][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_url)

    def __len__(self) -> int:
        return len(self._by_url)

    @property
    def exchanges(self) -> Iterator[Exchange]:
        """All exchanges; those of one URL come together, in their order."""
        return (exchange for found in self._by_url.values() for exchange in found)

    @property
    def entries(self) -> list[str]:
        """The URLs of the recorded list in the order of their fetches, without robots.txt."""
        return list(dict.fromkeys(one.url for one in self.exchanges if one.hop == 0 and one.entry))


class _Record(NamedTuple):
    """The parts of a WARC record that are used here."""

    kind: str
    url: str
    number: str  # WARC-Record-ID
    belongs_to: tuple[str, ...]
    address: str
    at: str
    block: bytes


def read_recording(path: str | Path) -> Recording:
    """Return the recording in a WARC file.

    Raises:
        UsageError: the file is no readable WARC file, is cut, holds no answer, or is larger than MAX_BYTES.
    """
    shown = printable(str(path))
    try:
        with open(path, "rb") as file:
            exchanges = _join(list(_read_records(file, shown)))
    except UsageError:
        raise
    except OSError as error:
        raise UsageError(f"{shown}: {(error.strerror or str(error)).lower()}") from None
    except Exception as error:  # warcio and zlib raise anything on damaged files
        reason = printable(" ".join(str(error).split())[:200] or type(error).__name__)
        raise UsageError(f"{shown}: no WARC file, or a damaged one: {reason}") from error
    if not exchanges:
        raise UsageError(f"{shown}: holds no answer of any page")
    return Recording(exchanges)


def _read_records(file: Any, shown: str) -> Iterator[_Record]:
    """Yield the records that can be part of an exchange."""
    total = 0
    for record in load_library("warcio.archiveiterator").ArchiveIterator(file, no_record_parse=True):
        if record.rec_type not in _KEPT:
            continue
        block = _read_block(record, MAX_BYTES - total, shown)
        total += len(block)
        names = record.rec_headers
        yield _Record(
            record.rec_type,
            names.get_header("WARC-Target-URI") or "",
            names.get_header("WARC-Record-ID") or "",
            tuple(value for name, value in names.headers if name.lower() in _OWNERS),
            names.get_header("WARC-IP-Address") or "",
            names.get_header("WARC-Date") or "",
            block,
        )


def _read_block(record: Any, room: int, shown: str) -> bytes:
    """Return the block of a record. Raises UsageError where it is too large, or the file ends within it."""
    if record.length is None or record.length > room:
        raise UsageError(f"{shown}: more than {MAX_BYTES >> 20} MB: record a smaller sample")
    block = b"".join(iter(partial(record.raw_stream.read, _PIECE), b""))
    if len(block) < record.length:
        raise UsageError(f"{shown}: is cut: a record has {len(block)} of {record.length} bytes")
    return block


def _join(records: Sequence[_Record]) -> list[Exchange]:
    """Return the exchanges in the order of the file, with answers that have no metadata of ours."""
    by_number = {record.number: record for record in records}
    requests = {one: record for record in records if record.kind == "request" for one in record.belongs_to}
    described: dict[int, Exchange] = {}
    joined: set[int] = set()  # ids of the records that are part of one
    for place, record in enumerate(records):
        if (fields := _our_metadata(record)) is not None:
            first = next((by_number[one] for one in record.belongs_to if one in by_number), None)
            described[place] = _make(record, fields, first, requests)
            joined.add(id(first))
    for place, record in enumerate(records):
        other = record.kind == "response" and id(record) not in joined
        if other and (found := to_exchange(record.url, record.block, record.at)) is not None:
            described[place] = found
    return [described[place] for place in sorted(described)]


def _our_metadata(record: _Record) -> dict[str, Any] | None:
    """Return the fields of an `Exchange` from a metadata record in our format; None for any other record."""
    if record.kind != "metadata" or not record.block.startswith(b'{"parascrape": %d,' % _FORMAT):
        return None
    try:
        data = json.loads(record.block)
        error, seconds = data["error"] or {}, data["seconds"]
        times = (min(max(float(seconds[name]), 0.0), _LONGEST) for name in ExchangeTimes._fields)
        return {
            "entry": str(data["entry"]),
            "hop": int(data["hop"]),
            "ending": ENDINGS[ENDINGS.index(data["ending"])],
            "error": str(error.get("code", "")),
            "message": str(error.get("message", "")),
            "seconds": ExchangeTimes(*times),
            "new_connection": bool(data["new_connection"]),
            "cookies": tuple(str(name) for name in data["cookies"]),
            "authorised": bool(data["authorised"]),
            "before": base64.b64decode(data["before"], validate=True),
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _make(
    metadata: _Record, fields: dict[str, Any], first: _Record | None, requests: Mapping[str, _Record]
) -> Exchange:
    """Return an exchange from its metadata and the record that it belongs to."""
    first = first or metadata
    request = requests.get(first.number) if first.kind == "response" else first
    url = metadata.url
    with suppress(InvalidUrl):
        url = prepare(url)
    return Exchange(
        url=url,
        request=request.block if request is not None and request.kind == "request" else b"",
        reply=first.block if first.kind == "response" else b"",
        at=metadata.at,
        address=first.address,
        **fields,
    )


_STATUS_LINE = re.compile(rb"HTTP/[0-9.]+ +([2-5][0-9][0-9])(?![0-9])([^\r\n]*)")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_FRAMING = frozenset(
    ("connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
)


def to_exchange(url: str, block: bytes, at: str = "") -> Exchange | None:
    """Return the exchange of another tool's response record; None if it answers no URL that can be sent.

    Its body gets a new length: other tools keep HTTP/2 heads, and bodies whose chunks are already undone.
    """
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
        body = _unchunk(body)
    kept = [line for line in lines if b":" in line and _name(line) not in _FRAMING]
    kept.append(b"Content-Length: %d" % len(body))
    head = b"\r\n".join([b"HTTP/1.1 %b%b" % match.groups(), *kept, b"\r\n"])
    return Exchange(url=url, reply=head + body, at=at, entry=url)


def _name(line: bytes) -> str:
    return line.partition(b":")[0].strip().lower().decode("latin-1")


def _unchunk(body: bytes) -> bytes:
    """Return the body without its chunks (RFC 9112 section 7.1); unchanged if it is not made of whole chunks.

    >>> _unchunk(b"3\\r\\nabc\\r\\n0\\r\\n\\r\\n"), _unchunk(b"plain")
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
