"""Recordings that are damaged, hostile or of other tools: read as far as possible, or refused."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from parascrape.errors import UsageError
from parascrape.loopback import read_recording, serve_recording
from parascrape.loopback.replay.warc import to_exchange, to_metadata
from tests.helpers.harvests import make
from tests.helpers.recordings import answer, harvest, warc_record, write_recording

URL = "http://shop.example/a"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<title>t</title>"


def written(tmp_path: Path, *records: bytes) -> Path:
    """A file of these records."""
    path = tmp_path / "foreign.warc"
    path.write_bytes(b"".join(records))
    return path


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "holds no answer|no WARC"),
        (b"not a WARC file at all", "no WARC file|holds no answer"),
        (bytes(range(256)) * 40, "no WARC file"),
        (gzip.compress(b"plain text", mtime=0), "no WARC file|holds no answer"),
        (b"\x1f\x8b\x08\x00garbage", "no WARC file|holds no answer"),
        (warc_record("response", URL, PLAIN)[:-30], "is cut"),
        (warc_record("warcinfo", URL, b"software: x"), "holds no answer"),
        (warc_record("response", "dns:shop.example", b"20260101 1.2.3.4"), "holds no answer"),
        (warc_record("response", "http://", PLAIN), "holds no answer"),
        (warc_record("response", URL, b"\x16\x03 no HTTP"), "holds no answer"),
        (warc_record("response", URL, b""), "holds no answer"),
        (b"WARC/1.1\r\nWARC-Type: response\r\nContent-Length: 99999999999\r\n\r\n", "more than 1024 MB"),
        (b"WARC/1.1\r\nWARC-Type: response\r\nContent-Length: -5\r\n\r\n", "holds no answer"),
        (b"WARC/1.1\r\nWARC-Type: response\r\n\r\nabc", "more than|no WARC|holds no"),
    ],
)
def test_a_file_that_is_no_recording_is_one_clear_error(data: bytes, message: str, tmp_path: Path) -> None:
    """The `UsageError` names the file, in one printable line."""
    with pytest.raises(UsageError, match=message) as caught:
        read_recording(written(tmp_path, data))
    assert "foreign.warc" in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_recording_cut_anywhere_is_refused_or_read(tmp_path: Path) -> None:
    """Either the first exchanges are read whole, or the file is refused; no other error is raised."""
    path = write_recording([answer(f"http://a.example/{n}") for n in range(3)], tmp_path / "whole.warc.gz")
    data = path.read_bytes()
    for size in range(0, len(data), 37):
        path.write_bytes(data[:size])
        try:
            found = read_recording(path)
        except UsageError:
            continue
        assert {one.status for one in found.values()} == {200}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A path, and the bytes of an uncompressed recording."""
    path = tmp_path_factory.mktemp("sample") / "sample.warc"
    data = gzip.decompress(write_recording([answer(URL, cookies=("a",))], path).read_bytes())
    return path, data


@given(place=st.integers(0, 5000), value=st.integers(0, 255))
def test_a_damaged_recording_raises_usage_errors_only(
    place: int, value: int, sample: tuple[Path, bytes]
) -> None:
    """This holds for any changed byte."""
    path, data = sample
    damaged = bytearray(data)
    damaged[place % len(data)] = value
    path.write_bytes(damaged)
    with suppress(UsageError):
        assert len(read_recording(path)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"ending": "exploded"},
        {"seconds": {}},
        {"seconds": {"dns": "x", "connect": 0, "tls": 0, "first_byte": 0, "transfer": 0, "total": 0}},
        {"before": "no base 64!"},
        {"cookies": 5},
        {"error": "text"},
        {"hop": None},
        {"parascrape": 2},
    ],
)
def test_an_answer_with_broken_metadata_is_read_as_one_of_another_tool(
    change: dict[str, Any], tmp_path: Path
) -> None:
    """It is replayed without times rather than with wrong ones."""
    response = warc_record("response", URL, PLAIN)
    number = response.split(b"Record-ID: ")[1].split(b"\r")[0].decode()
    block = json.dumps({**to_metadata(answer(URL)), **change}).encode()
    metadata = warc_record("metadata", URL, block, f"WARC-Concurrent-To: {number}")
    found = read_recording(written(tmp_path, response, metadata))[URL]
    assert (found.ending, found.seconds.total, found.status) == ("whole", 0.0, 200)


def test_times_without_end_are_bounded(tmp_path: Path) -> None:
    """A recording cannot make the server wait for more than a day."""
    block = json.dumps(to_metadata(answer(URL))).replace('"first_byte": 0.0', '"first_byte": Infinity')
    assert "Infinity" in block
    metadata = warc_record("metadata", URL, block.encode())
    assert read_recording(written(tmp_path, metadata))[URL].seconds.first_byte == 86_400


@pytest.mark.parametrize(
    ("block", "reply"),
    [
        (
            b"HTTP/2 200\r\nserver: x\r\n\r\nbody",
            b"HTTP/1.1 200\r\nserver: x\r\nContent-Length: 4\r\n\r\nbody",
        ),
        (
            b"HTTP/1.1 200 OK\nA: b\nConnection: close\n\nbody",
            b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 4\r\n\r\nbody",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 999\r\n\r\nbody",
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
        ),
    ],
)
def test_answers_of_other_tools_get_a_correct_length(block: bytes, reply: bytes) -> None:
    """They come with HTTP/2, bare line feeds, chunks already undone, or the length of another body."""
    found = to_exchange(URL, block)
    assert found is not None
    assert found.reply == reply


def test_a_recording_of_another_tool_is_served(tmp_path: Path) -> None:
    """Revisits, requests and other records are skipped."""
    path = written(
        tmp_path,
        warc_record("warcinfo", "", b"software: other\r\n"),
        warc_record("request", URL, b"GET /a HTTP/1.1\r\n\r\n"),
        warc_record("response", URL, PLAIN),
        warc_record("revisit", URL + "2", b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        warc_record("resource", "urn:x", b"anything"),
    )
    with serve_recording(path) as server:
        (found,) = harvest([URL], make("thread", robots=False, scraper="page"), server)
    assert found["title"] == "t"


@given(st.lists(st.binary(min_size=1, max_size=40)), st.binary(max_size=20))
def test_chunks_are_undone(pieces: list[bytes], trailer: bytes) -> None:
    """Bytes after the last chunk are ignored."""
    coded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + trailer
    found = to_exchange(URL, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + coded)
    assert found is not None
    assert found.reply[found.body_start :] == b"".join(pieces)
