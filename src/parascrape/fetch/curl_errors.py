"""libcurl's error numbers as our errors (libcurl-errors(3))."""

from __future__ import annotations

from typing import NoReturn

from parascrape.errors import (
    BadEncoding,
    BadRedirect,
    BadResponse,
    ConnectError,
    ConnectionLost,
    DnsError,
    FetchError,
    FetchTimeout,
    ForbiddenAddress,
    InvalidUrl,
    ProxyFailed,
    TlsError,
    TooLarge,
)

__all__ = ["TABLE", "raise_for"]

TABLE: dict[type[FetchError], tuple[int, ...]] = {
    InvalidUrl: (3, 43),
    ProxyFailed: (5, 97),
    DnsError: (6,),
    ConnectError: (7, 2, 27, 45, 80, 81),
    BadResponse: (1, 8, 16, 84, 85, 86, 92, 93, 95, 100),
    ConnectionLost: (18, 23, 26, 42, 52, 55, 56, 65),
    FetchTimeout: (28,),
    TlsError: (35, 51, 53, 54, 58, 59, 60, 64, 66, 77, 82, 83, 90, 91, 98, 101),
    BadRedirect: (47,),
    BadEncoding: (61,),
    TooLarge: (63,),
}
"""The numbers that an http or https transfer can end with."""

_COULDNT_CONNECT, _RECEIVING = 7, 56
_KINDS = {number: kind for kind, numbers in TABLE.items() for number in numbers}


def raise_for(number: int, message: str = "", refused: str = "", system: str = "") -> NoReturn:
    """Raise our error for libcurl's; the message is libcurl's, one short line.

    ``refused`` says which address was not connected to, if there was one: it is why no other worked either.
    ``system`` is what the system said, shorter than libcurl's message.
    """
    if refused and number == _COULDNT_CONNECT:
        raise ForbiddenAddress(refused)
    kind = _KINDS.get(number, BadResponse)
    if number in (_COULDNT_CONNECT, _RECEIVING) and ("CONNECT" in message or " over proxy " in message):
        kind = ProxyFailed
    elif number == _RECEIVING and "alert" in message:  # TLS 1.3 asks for a client's certificate so late
        kind, system = TlsError, ""
    raise kind(" ".join((system or message).split())[:300] or f"libcurl error {number}")
