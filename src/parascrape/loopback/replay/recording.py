"""Reading a recording: any WARC file becomes a mapping of URLs to exchanges, or a `UsageError`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from parascrape.errors import InvalidUrl, UsageError
from parascrape.loopback.replay.exchange import ENDINGS, Exchange
from parascrape.loopback.replay.warc import from_metadata, load_library, to_exchange
from parascrape.system import printable
from parascrape.web import prepare

__all__ = ["MAX_BYTES", "Recording", "read_recording"]

MAX_BYTES = 1 << 30
"""Bytes, inflated, of all records that are kept: a recording is held in memory."""

_PIECE = 1 << 20
_KEPT = frozenset(("response", "request", "metadata"))


class Recording(Mapping[str, Exchange]):
    """Prepared URLs and what came of each; where one was asked for several times, of the first.

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

    def every(self, url: str) -> Sequence[Exchange]:
        """All exchanges of a URL in their order; empty where there is none."""
        return tuple(self._by_url.get(url, ()))

    @property
    def exchanges(self) -> Iterator[Exchange]:
        """All exchanges, those of one URL together."""
        return (exchange for found in self._by_url.values() for exchange in found)

    @property
    def entries(self) -> list[str]:
        """The URLs of the list that was recorded, in the order in which they were fetched; no robots.txt."""
        return list(dict.fromkeys(one.url for one in self.exchanges if one.hop == 0 and one.entry))


class _Record(NamedTuple):
    """What of a WARC record counts here."""

    kind: str
    url: str
    number: str  # its WARC-Record-ID
    belongs_to: tuple[str, ...]
    address: str
    at: str
    block: bytes


def read_recording(path: str | Path) -> Recording:
    """What a WARC file holds; a crawl of another tool will do, but has no timings and no errors.

    Raises:
        UsageError: no readable WARC file, one that is cut, holds no answer, or is larger than MAX_BYTES.
    """
    shown = printable(str(path))
    try:
        with open(path, "rb") as file:
            exchanges = _join(list(_read_records(file, shown)))
    except UsageError:
        raise
    except OSError as error:
        raise UsageError(f"{shown}: {(error.strerror or str(error)).lower()}") from None
    except Exception as error:  # warcio and zlib meet damaged files with whatever comes up
        raise UsageError(f"{shown}: no WARC file, or a damaged one: {_one_line(error)}") from error
    if not exchanges:
        raise UsageError(f"{shown}: holds no answer of any page")
    return Recording(exchanges)


def _one_line(error: Exception) -> str:
    return printable(" ".join(str(error).split())[:200] or type(error).__name__)


def _read_records(file: Any, shown: str) -> Iterator[_Record]:
    """The records that can be part of an exchange."""
    total = 0
    for record in load_library("warcio.archiveiterator").ArchiveIterator(file, no_record_parse=True):
        if record.rec_type not in _KEPT:
            continue
        block = _read_block(record, MAX_BYTES - total, shown)
        total += len(block)
        names = record.rec_headers
        owners = [value for name, value in names.headers if name.lower() in _OWNERS]
        yield _Record(
            record.rec_type,
            names.get_header("WARC-Target-URI") or "",
            names.get_header("WARC-Record-ID") or "",
            tuple(owners),
            names.get_header("WARC-IP-Address") or "",
            names.get_header("WARC-Date") or "",
            block,
        )


_OWNERS = frozenset(("warc-concurrent-to", "warc-refers-to"))


def _read_block(record: Any, room: int, shown: str) -> bytes:
    """The record's block. Raises UsageError where it is too large, or the file ends within it."""
    if record.length is None or record.length > room:
        raise UsageError(f"{shown}: more than {MAX_BYTES >> 20} MB: record a smaller sample")
    pieces: list[bytes] = []
    while piece := record.raw_stream.read(_PIECE):
        pieces.append(piece)
    block = b"".join(pieces)
    if len(block) < record.length:
        raise UsageError(f"{shown}: is cut: a record has {len(block)} of {record.length} bytes")
    return block


def _join(records: Sequence[_Record]) -> list[Exchange]:
    """The exchanges in the order of the file; foreign answers, which have no metadata of ours, too."""
    by_number = {record.number: record for record in records}
    asked = {one: record for record in records if record.kind == "request" for one in record.belongs_to}
    exchanges: list[tuple[int, Exchange]] = []
    joined: set[str] = set()
    places = {record.number: place for place, record in enumerate(records)}
    for record in records:
        fields = _our_metadata(record)
        if fields is None:
            continue
        first = next((by_number[one] for one in record.belongs_to if one in by_number), None)
        exchanges.append((places[record.number], _make(record, fields, first, asked)))
        if first is not None:
            joined.add(first.number)
    for record in records:
        if record.kind == "response" and record.number not in joined:
            found = to_exchange(record.url, record.block, record.at)
            if found is not None:
                exchanges.append((places[record.number], found))
    exchanges.sort(key=lambda placed: placed[0])
    return [exchange for _, exchange in exchanges]


def _our_metadata(record: _Record) -> dict[str, Any] | None:
    """The fields of a metadata record that `warc` has written; None for any other record."""
    if record.kind != "metadata" or not record.block.startswith(b'{"parascrape": 1,'):
        return None
    try:
        fields = from_metadata(json.loads(record.block))
        return fields if fields["ending"] in ENDINGS else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _make(
    metadata: _Record, fields: dict[str, Any], first: _Record | None, asked: Mapping[str, _Record]
) -> Exchange:
    reply = first.block if first is not None and first.kind == "response" else b""
    request = first if first is not None and first.kind == "request" else None
    if first is not None and reply:
        request = asked.get(first.number)
    return Exchange(
        url=_prepared(metadata.url),
        request=request.block if request is not None else b"",
        reply=reply,
        at=metadata.at,
        address=first.address if first is not None else "",
        **fields,
    )


def _prepared(url: str) -> str:
    try:
        return prepare(url)
    except InvalidUrl:
        return url
