"""Content codings: what was coded comes back whole, anything else is one of two errors, memory is bounded."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given, settings, strategies as st

from parascrape.errors import BadEncoding, TooLarge
from parascrape.fetch import content_coding as module
from parascrape.fetch.content_coding import ACCEPT_ENCODING, inflate
from tests.sites.site import CODERS

CODINGS = sorted(CODERS)
MOST = 1_000_000
MIXED = random.Random(7).randbytes(200_000) + b"bread " * 50_000
"""Half a megabyte: a part that no coding makes smaller, and one that becomes next to nothing."""
EMPTY_FRAME = zstandard.compress(b"")
SKIPPABLE = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"

each_coding = pytest.mark.parametrize("coding", CODINGS)


@pytest.fixture(params=["fast", "zlib"], autouse=True)
def library(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test runs with the quick library, where there is one, and with zlib alone."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "zlib":
            patch.setattr(module, "fast_zlib", zlib)
        elif module.fast_zlib is zlib:
            pytest.skip("no isal on this machine")
        yield


def header(*codings: str) -> str:
    """The Content-Encoding that says so; a bare deflate stream is called deflate too."""
    return ", ".join(coding.removeprefix("raw-") for coding in codings)


@cache
def coded(coding: str, data: bytes) -> bytes:
    """The data in a coding."""
    return CODERS[coding](data)


@each_coding
@pytest.mark.parametrize("data", [b"x", b"\x1f\x8b", MIXED], ids=["one", "magic", "large"])
def test_what_was_coded_comes_back(coding: str, data: bytes) -> None:
    """Small, misleading and larger than any piece."""
    assert inflate(coded(coding, data), header(coding), MOST) == data


@given(data=st.binary(max_size=3000), codings=st.lists(st.sampled_from(CODINGS), max_size=3))
@settings(deadline=None)
def test_stacked_codings_come_off_in_reverse(data: bytes, codings: list[str]) -> None:
    """The header lists codings in the order in which they were put on (RFC 9110 §8.4)."""
    body = data
    for coding in codings:
        body = CODERS[coding](body)
    assert inflate(body, header(*codings), MOST) == data


def test_every_coding_that_is_asked_for_is_undone() -> None:
    """Accept-Encoding promises nothing else."""
    assert set(ACCEPT_ENCODING.split(", ")) == {header(coding) for coding in CODINGS}


@pytest.mark.parametrize(
    "name", [None, "", "identity", "utf-8", "text/html", "none, ,", "aws-chunked", "gzipped", "\xff"]
)
def test_an_unknown_coding_leaves_the_body_as_it_is(name: str | None) -> None:
    """Servers write charsets and media types there, over bodies that are plain."""
    assert inflate(b"plain", name, 5) == b"plain"


@pytest.mark.parametrize("name", ["GZIP", "x-gzip", " gzip ,", "identity, gzip", "gzip, utf-8"])
def test_spellings_of_a_coding(name: str) -> None:
    """Names ignore case (RFC 9110 §8.4.1), empty list members and the old alias are harmless."""
    assert inflate(gzip.compress(b"bread", mtime=0), name, MOST) == b"bread"


@pytest.mark.parametrize("name", ["gzip", "br", "gzip, br"])
def test_an_empty_body_is_empty_in_every_coding(name: str) -> None:
    """Servers name a coding over a body that is none."""
    assert inflate(b"", name, MOST) == b""


def test_more_codings_than_honest_servers_use_are_refused() -> None:
    """Each further one multiplies what a bomb can do."""
    with pytest.raises(BadEncoding, match="4 content codings"):
        inflate(b"x", "gzip, gzip, gzip, gzip", MOST)


@each_coding
def test_a_body_that_ends_early_is_no_page(coding: str) -> None:
    """Wherever it is cut: half a page that looks like a whole one would be a silent loss."""
    body = coded(coding, b"Flour, water, salt and time. " * 40)
    for length in range(1, len(body)):
        with pytest.raises(BadEncoding):
            inflate(body[:length], header(coding), MOST)


@pytest.mark.parametrize(
    ("body", "name", "content"),
    [
        (gzip.compress(b"one ", mtime=0) + gzip.compress(b"two", mtime=0), "gzip", b"one two"),
        (gzip.compress(b"one", mtime=0) + b"garbage", "gzip", b"one"),
        (gzip.compress(b"one", mtime=0) + bytes(9), "gzip", b"one"),
        (zlib.compress(b"one") + b"garbage", "deflate", b"one"),
        (zlib.compress(b"one")[2:-4] + b"garbage", "deflate", b"one"),
        (zstandard.compress(b"one ") + zstandard.compress(b"two"), "zstd", b"one two"),
        (SKIPPABLE + zstandard.compress(b"one") + SKIPPABLE + EMPTY_FRAME, "zstd", b"one"),
    ],
)
def test_what_follows_the_first_stream(body: bytes, name: str, content: bytes) -> None:
    """Members and frames are joined, skippable frames skipped, what gzip and zlib ignore is ignored."""
    assert inflate(body, name, MOST) == content


def zstd_with_window(log: int) -> bytes:
    """A frame that wants a window of 2**log bytes to decode."""
    parameters = zstandard.ZstdCompressionParameters(window_log=log)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return stream.compress(b"bread") + stream.flush()


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"<html>", "gzip"),
        (b"\x1f", "gzip"),
        (gzip.compress(b"one", mtime=0)[:-8] + b"\0\0\0\0" + gzip.compress(b"one", mtime=0)[-4:], "gzip"),
        (gzip.compress(b"one", mtime=0) + b"\x1f\x8bxx", "gzip"),
        (zlib.compress(b"one")[:-1] + b"?", "deflate"),
        (b"<html>", "deflate"),
        (brotli.compress(b"one") + b"garbage", "br"),
        (b"<html>", "br"),
        (zstandard.compress(b"one") + b"garbage", "zstd"),
        (b"<html>", "zstd"),
        (zstd_with_window(24), "zstd"),
        (gzip.compress(b"", mtime=0) * 1001, "gzip"),
        (EMPTY_FRAME * 1001, "zstd"),
    ],
)
def test_what_is_not_in_its_coding_is_bad_encoding(body: bytes, name: str) -> None:
    """Plain text, wrong checksums, garbage, a window above 8 MB, more members than any server sends."""
    with pytest.raises(BadEncoding):
        inflate(body, name, MOST)


def test_a_window_of_8_mb_is_decoded() -> None:
    """RFC 9659 §3 lets a server use so much."""
    assert inflate(zstd_with_window(23), "zstd", MOST) == b"bread"


@each_coding
@pytest.mark.parametrize("size", [1, 4095, 65_536, 300_000])
def test_the_bound_is_exact(coding: str, size: int) -> None:
    """As many bytes as allowed are a page, one more is too large."""
    body = CODERS[coding](MIXED[-size:])
    assert len(inflate(body, header(coding), size)) == size
    with pytest.raises(TooLarge):
        inflate(body, header(coding), size - 1)


@pytest.mark.parametrize(
    ("body", "name"),
    [(gzip.compress(MIXED, mtime=0) * 3, "gzip"), (zstandard.compress(MIXED) * 3, "zstd")],
)
def test_the_bound_is_for_all_members_together(body: bytes, name: str) -> None:
    """Members that are each allowed are not allowed together."""
    assert len(inflate(body, name, 3 * len(MIXED))) == 3 * len(MIXED)
    with pytest.raises(TooLarge):
        inflate(body, name, 3 * len(MIXED) - 1)


@each_coding
def test_a_bomb_takes_no_more_memory_than_allowed(coding: str) -> None:
    """64 MB of zeros in some kB: what is held stays near the bound, as Python's own allocator counts."""
    body = bomb(coding)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            inflate(body, header(coding), 1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 12 << 20  # zstd: a piece may give 8 MiB (RLE blocks)
    finally:
        tracemalloc.stop()


@cache
def bomb(coding: str) -> bytes:
    """Zeros, made once."""
    return CODERS[coding](bytes(64 << 20))


def test_a_zstd_bomb_of_the_densest_kind_is_bounded() -> None:
    """RLE blocks give 128 KiB for 4 bytes (RFC 8878 §3.1.1.2): 32,000 to 1."""
    block = (((128 << 10) << 3) | 0b010).to_bytes(3, "little") + b"x"
    body = b"\x28\xb5\x2f\xfd\x00\x68" + block * 10_000  # 1.2 GiB
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            inflate(body, "zstd", 1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()


def names() -> Any:
    """Content-Encoding values, known ones more often than not."""
    return st.one_of(st.sampled_from([header(coding) for coding in CODINGS]), st.text(max_size=20))


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """A coding, and a body in it with some bytes changed."""
    coding = draw(st.sampled_from(CODINGS))
    body = bytearray(CODERS[coding](draw(st.binary(max_size=300)) * draw(st.integers(1, 50))))
    for _ in range(draw(st.integers(1, 4))):
        body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return header(coding), bytes(body)


@given(case=st.one_of(damaged(), st.tuples(names(), st.binary(max_size=300))))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_a_body_or_one_of_two_errors(case: tuple[str, bytes]) -> None:
    """Whatever a server sends, the worker sees no exception of a library, and no more than the bound."""
    name, body = case
    try:
        content = inflate(body, name, 5000)
    except (BadEncoding, TooLarge):
        return
    assert len(content) <= max(5000, len(body))
