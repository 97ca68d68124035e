"""Error mapping: libcurl's error numbers, and exceptions of requests and below, as our errors.

With libcurl beneath, only stand-ins such as `responses` raise exceptions of requests and urllib3.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from typing import NoReturn

import requests.exceptions as rq
import urllib3.exceptions as u3

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

CURL_ERRORS: dict[type[FetchError], tuple[int, ...]] = {
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
_KINDS = {number: kind for kind, numbers in CURL_ERRORS.items() for number in numbers}


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


LIBRARY_ERRORS: tuple[tuple[type[FetchError], tuple[type[BaseException], ...]], ...] = (
    # The first row that fits any exception of the chain wins, so special ones stand first.
    (ProxyFailed, (rq.ProxyError, rq.InvalidProxyURL)),
    (ProxyFailed, (u3.ProxyError, u3.ProxySchemeUnknown, u3.ProxySchemeUnsupported)),
    (TlsError, (rq.SSLError, u3.SSLError, ssl.SSLError)),
    (DnsError, (u3.NameResolutionError, socket.gaierror)),
    (FetchTimeout, (rq.Timeout, u3.ConnectTimeoutError, u3.ReadTimeoutError, u3.TimeoutError, TimeoutError)),
    (ConnectError, (u3.NewConnectionError,)),
    (ConnectionLost, (http.client.RemoteDisconnected, u3.IncompleteRead, http.client.IncompleteRead)),
    (ConnectError, (ConnectionRefusedError,)),
    (ConnectionLost, (ConnectionError,)),
    (BadResponse, (u3.InvalidChunkLength, u3.HeaderParsingError, u3.BodyNotHttplibCompatible)),
    (BadResponse, (u3.ResponseNotChunked, http.client.HTTPException)),
    (BadEncoding, (rq.ContentDecodingError, u3.DecodeError)),
    (BadRedirect, (rq.TooManyRedirects, u3.HostChangedError)),
    (InvalidUrl, (rq.InvalidURL, rq.MissingSchema, rq.InvalidSchema, rq.URLRequired, rq.InvalidHeader)),
    (InvalidUrl, (u3.LocationValueError, u3.InvalidHeader)),
    (BadResponse, (rq.HTTPError, rq.InvalidJSONError)),
    (ConnectionLost, (rq.ChunkedEncodingError, rq.StreamConsumedError, rq.UnrewindableBodyError)),
    (ConnectionLost, (u3.UnrewindableBodyError, rq.RetryError, u3.ProtocolError)),
    (BadResponse, (u3.ResponseError,)),
    (ConnectError, (u3.PoolError, u3.TimeoutStateError, rq.ConnectionError)),
    (BadResponse, (rq.RequestException, u3.HTTPError)),
    (ConnectError, (OSError,)),
    (InvalidUrl, (UnicodeError,)),
)


def map_error(error: BaseException) -> FetchError | None:
    """Return our error for one of a lower library; None for any other exception."""
    chain = list(_chain(error))
    for ours, kinds in LIBRARY_ERRORS:
        if any(isinstance(link, kinds) for link in chain):
            return ours(_message(chain[-1]))
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception and, outermost first, those it wraps in ``reason``, ``args``, ``__cause__``."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        inner = [getattr(link, "reason", None), *reversed(link.args), link.__cause__]
        link = next((one for one in inner if isinstance(one, BaseException)), None)


def _message(error: BaseException) -> str:
    """Return one short line: the innermost exception's text, which has no URL and so no password."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:300]
