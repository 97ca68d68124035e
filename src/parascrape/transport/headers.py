"""Header lines as libcurl hands them over, made what requests makes of them."""

from __future__ import annotations

from http.client import HTTPMessage

import requests
from requests.cookies import extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict

__all__ = ["join_fields", "take_cookies"]

_ONCE = frozenset(("content-length", "location", "retry-after"))
"""Fields that hold one value; where a proxy repeats them, a list of two would be none."""


def join_fields(lines: list[bytes]) -> CaseInsensitiveDict[str]:
    """The header fields; those of one name joined as RFC 9110 §5.3 says, of some only the first."""
    found: CaseInsensitiveDict[str] = CaseInsensitiveDict()
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            name, value = name.strip(), value.strip()
            if name not in found:
                found[name] = value
            elif name.lower() not in _ONCE:
                found[name] = f"{found[name]}, {value}"
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
