"""The characters of a sitemap's body, as a stream: gzip undone, decoded, parted into lines. Pure.

A sitemap may have 50 MB, and its ``.gz`` is a file that no Content-Encoding tells of. What is broken or too
long is read as far as that goes, where `transport.inflate` gives all or nothing.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Callable, Iterable, Iterator

from parascrape.web import MAX_URL, Page, find_encoding, guess, python_codec

__all__ = ["GZIP", "PIECE", "XmlCharacters", "lines_of", "pieces_of"]

PIECE = 1 << 16
"""Bytes that are decoded at once."""

GZIP = b"\x1f\x8b"
"""What gzip begins with (RFC 1952 §2.3.1)."""

_MAX_MEMBERS = 1000
"""Gzip members of one body; 20 MB of empty ones would keep a CPU busy for minutes."""

_LINE_ENDS = re.compile(r"[\r\n]+")


class XmlCharacters:
    """The characters of a body, in pieces, with gzip undone; ``truncated`` is right after the last."""

    def __init__(self, page: Page, max_bytes: int):
        self._body = page.body
        self._header = page.headers.get("Content-Type")
        self._max_bytes = max_bytes
        self.truncated = False

    def __iter__(self) -> Iterator[str]:
        decode: Callable[..., str] | None = None
        room = self._max_bytes
        try:
            for octets in pieces_of(self._body):
                decode = decode or _open_decoder(octets, self._header)
                yield decode(octets[:room])
                room -= len(octets)
                if room < 0:
                    self.truncated = True
                    break
        except zlib.error:
            self.truncated = True
        if decode:
            yield decode(b"", final=True)


def _open_decoder(start: bytes, header: str | None) -> Callable[..., str]:
    """What decodes a body that begins so.

    The protocol wants UTF-8: bytes that can be nothing else are that whatever is declared, and bytes that are
    not, though it is declared, are looked at. For all others the order of evidence in `text` holds.
    """
    whole = start[: max(start.rfind(b">"), start.rfind(b"\n")) + 1] or start  # or a character is cut in two
    name = find_encoding(whole, header)
    if not whole.isascii() and not name.startswith("utf-16"):
        looks = guess(whole)
        name = looks if "utf-8" in (name, looks) else name
    return codecs.getincrementaldecoder(python_codec(name))("replace").decode


def pieces_of(body: bytes) -> Iterator[bytes]:
    """The body, gzip undone (RFC 1952 §2.2), in pieces of at most PIECE bytes.

    Raises:
        zlib.error: the gzip data are broken, end early, or have more members than honest ones.
    """
    rest = memoryview(body)
    if rest[:2] != GZIP:
        yield from (bytes(rest[at : at + PIECE]) for at in range(0, len(rest), PIECE))
        return
    for _ in range(_MAX_MEMBERS):
        state = zlib.decompressobj(31)
        while not state.eof:
            given = rest[:PIECE]
            octets = state.decompress(given, PIECE)
            rest = rest[len(given) - len(state.unconsumed_tail) - len(state.unused_data) :]
            if octets:
                yield octets
            elif not given:
                raise zlib.error("the gzip data end early")
        if rest[:2] != GZIP:
            return
    raise zlib.error("too many members")


def lines_of(pieces: Iterable[str]) -> Iterator[str]:
    """The lines that are not blank, stripped; of endless ones the start, which is too long for a URL."""
    rest = ""
    for piece in pieces:
        *lines, rest = _LINE_ENDS.split(rest + piece)
        yield from filter(None, map(_strip, lines))
        rest = rest[: 2 * MAX_URL]
    if rest := _strip(rest):
        yield rest


def _strip(line: str) -> str:
    return line.strip("\ufeff \t\x0b\x0c\xa0\x00")
