"""Recordings for tests: made from sites or by hand, and the harvests that are compared with their replay."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

from parascrape import Settings
from parascrape.fetch import DIRECT, NetworkOptions
from parascrape.loopback import Exchange, RecordingResult, ReplayServer, read_recording, record
from parascrape.loopback.replay.warc import ExchangeWriter
from parascrape.records import Entry
from tests.helpers.harvests import records_of

VOLATILE = ("fetched_at", "elapsed", "fetch_seconds")


def make_recording(urls: Iterable[str], path: Path, settings: Settings) -> RecordingResult:
    """A recording of these URLs."""
    return record((Entry(url, line) for line, url in enumerate(urls, 1)), path, settings)


def harvest(
    urls: Iterable[str], settings: Settings, server: ReplayServer | None = None
) -> list[dict[str, Any]]:
    """The records in the order of the list, from the hosts or from a replay server, without their times."""
    network = NetworkOptions(server.connect_to, server.ca_file) if server is not None else DIRECT
    found = records_of(urls, replace(settings, ordered=True), network=network)
    for one in found:
        for name in VOLATILE:
            one["meta"].pop(name, None)
        if one.get("error", {}).get("code") == "bad_response":
            del one["error"]["message"]  # libcurl words it differently on a kept connection
    return found


def write_recording(exchanges: Iterable[Exchange], path: Path) -> Path:
    """Write a recording of made-up exchanges."""
    with open(path, "wb") as file:
        writer = ExchangeWriter(file, {})
        for exchange in exchanges:
            writer.write(replace(exchange, at=exchange.at or "2026-01-01T00:00:00Z"))
    return path


def answer(url: str, body: bytes = b"<title>t</title>", **more: Any) -> Exchange:
    """An exchange that went well."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body)
    return Exchange(url=url, reply=head + body, entry=url, **more)


def warc_record(kind: str, url: str, block: bytes, *more: str) -> bytes:
    """A WARC record written by hand, as another tool might."""
    fields = [f"WARC-Type: {kind}", f"WARC-Target-URI: {url}", f"Content-Length: {len(block)}", *more]
    fields.append(f"WARC-Record-ID: <urn:uuid:{crc32(kind.encode() + url.encode() + block):032x}>")
    return "\r\n".join(["WARC/1.1", *fields, "", ""]).encode() + block + b"\r\n\r\n"


@contextmanager
def closed_port() -> Iterator[int]:
    """A port at which nobody listens meanwhile."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def by_url(path: Path) -> dict[str, Exchange]:
    """The recording's exchanges by the path of their URL."""
    return {url.split("/", 3)[3]: exchange for url, exchange in read_recording(path).items()}
