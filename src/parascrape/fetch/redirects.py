"""Redirects: where a Location leads. Pure."""

from __future__ import annotations

from urllib.parse import urljoin

from parascrape.errors import BadRedirect, InvalidUrl
from parascrape.web import urls

__all__ = ["redirect_target"]


def redirect_target(current: str, location: str) -> str:
    """The next URL (RFC 9110 §10.2.2). Raises BadRedirect unless it is http(s) and well formed."""
    if len(location) > urls.MAX_URL:
        raise BadRedirect(f"a Location of {len(location)} characters")
    location = _as_sent(location)
    try:
        return urls.prepare(urljoin(current, location))
    except (InvalidUrl, ValueError) as error:
        raise BadRedirect(f"redirect to {urls.redact(location)[:200]!r}: {error}") from None


def _as_sent(location: str) -> str:
    """A Location, read as ISO-8859-1, as the UTF-8 it is; other bytes are percent-encoded, as browsers do."""
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
