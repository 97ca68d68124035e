"""Responses: header fields from libcurl's lines, bodies within bounds, and redirect targets."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping
from http.client import HTTPMessage
from typing import Any
from urllib.parse import urljoin

import requests
from requests.cookies import extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict

from parascrape.errors import BadRedirect, ConnectionLost, InvalidUrl, OtherType, TooLarge
from parascrape.web import MAX_URL, essence, prepare, redact

_ONCE = frozenset(("content-length", "location", "retry-after"))
"""Fields that hold one value; a list of two, where a proxy repeats them, would be invalid."""


class HeaderFields(CaseInsensitiveDict[str]):
    """requests' mapping of header fields, in a plain dict of its own: a field that is missing costs 0.2 us
    instead of 1.6, a copy 0.2 us instead of 6.
    """

    def __init__(
        self, data: Mapping[str, str] | Iterable[tuple[str, str]] | None = None, **more: str
    ) -> None:
        self._fields: dict[str, tuple[str, str]] = {}
        if data or more:
            self.update(data or (), **more)

    def __setitem__(self, name: str, value: str) -> None:
        self._fields[name.lower()] = (name, value)

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()][1]

    def __delitem__(self, name: str) -> None:
        del self._fields[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    def get(self, name: str, default: Any = None) -> Any:
        """The field's value, or the default."""
        found = self._fields.get(name.lower())
        return default if found is None else found[1]

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._fields.values()])

    def __len__(self) -> int:
        return len(self._fields)

    def items(self) -> ItemsView[str, str]:
        """The fields, their names as they were written."""
        return dict(self._fields.values()).items()

    def lower_items(self) -> Iterator[tuple[str, str]]:
        """The fields, their names in lower case."""
        return ((name, value) for name, (_, value) in self._fields.items())

    def copy(self) -> HeaderFields:
        """Return a copy."""
        made = HeaderFields()
        made._fields.update(self._fields)
        return made


def join_fields(lines: list[bytes]) -> HeaderFields:
    """Return the fields; those of one name are joined as RFC 9110 §5.3 says, of some only the first."""
    found = HeaderFields()
    fields = found._fields
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            name, value = name.strip(), value.strip()
            key = name.lower()
            before = fields.get(key)
            if before is None:
                fields[key] = (name, value)
            elif key not in _ONCE:
                fields[key] = (name, f"{before[1]}, {value}")
    return found


def take_cookies(response: requests.Response, lines: list[bytes]) -> None:
    """Fill the response's cookie jar the way requests does: from the original header fields."""
    message = HTTPMessage()
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            message.add_header(name.strip(), value.strip())
    response.raw._original_response = _Original(message)
    extract_cookies_to_jar(response.cookies, response.request, response.raw)  # type: ignore[no-untyped-call]


class _Original:
    """What requests looks for behind a urllib3 response: the header fields."""

    def __init__(self, message: HTTPMessage) -> None:
        self.msg = message


_DRAIN = 1 << 16
"""Bytes of a body nobody wants that are read so that its connection can be used again."""
_PIECE = 1 << 18


def check_type(response: requests.Response, wanted: tuple[str, ...]) -> None:
    """Raise OtherType if the answer says that it is of another type."""
    content_type = response.headers.get("Content-Type")
    if not is_of_type(content_type, wanted):
        raise OtherType(f"{essence(content_type)[:100]}, not {', '.join(wanted)}")


def is_of_type(content_type: str | None, wanted: tuple[str, ...]) -> bool:
    """Return whether a Content-Type header is of one of these media types, or of none at all.

    >>> is_of_type("Image/PNG", ("text/html", "image/")), is_of_type("text/csv", ("text/html",))
    (True, False)
    """
    kind = essence(content_type)
    return not kind or any(kind == one or (one.endswith("/") and kind.startswith(one)) for one in wanted)


def read_body(response: requests.Response, max_bytes: int) -> bytes:
    """Return the whole body as it came over the wire. Raises TooLarge, ConnectionLost."""
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
    """Return a body of unknown length (chunked, or ended by closing)."""
    pieces: list[bytes] = []
    size = 0
    while piece := raw.read(_PIECE, decode_content=False):
        pieces.append(piece)
        size += len(piece)
        if size > max_bytes:
            raise TooLarge(f"more than {max_bytes} bytes")
    return b"".join(pieces)


def drain(response: requests.Response) -> None:
    """Read a short body that nobody needs; for a long one the connection is closed."""
    expected = response.raw.length_remaining
    if expected is not None and expected <= _DRAIN:
        response.raw.read(expected, decode_content=False)


def redirect_target(current: str, location: str) -> str:
    """Return the next URL (RFC 9110 §10.2.2). Raises BadRedirect unless it is http(s) and well formed."""
    if len(location) > MAX_URL:
        raise BadRedirect(f"a Location of {len(location)} characters")
    location = _as_sent(location)
    try:
        return prepare(urljoin(current, location))
    except (InvalidUrl, ValueError) as error:
        raise BadRedirect(f"redirect to {redact(location)[:200]!r}: {error}") from None


def _as_sent(location: str) -> str:
    """Return a Location as UTF-8; other bytes are percent-encoded, as browsers do."""
    if location.isascii():
        return location
    try:
        octets = location.encode("iso-8859-1")
    except UnicodeError:
        return location
    try:
        return octets.decode("utf-8")
    except UnicodeError:
        return "".join(chr(octet) if octet < 0x80 else f"%{octet:02X}" for octet in octets)
