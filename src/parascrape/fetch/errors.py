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


LIBRARY_ERRORS: tuple[tuple[type[BaseException], type[FetchError]], ...] = (
    # The first row that fits any exception of the chain wins, so what is special stands first.
    (rq.ProxyError, ProxyFailed),
    (rq.InvalidProxyURL, ProxyFailed),
    (u3.ProxyError, ProxyFailed),
    (u3.ProxySchemeUnknown, ProxyFailed),
    (u3.ProxySchemeUnsupported, ProxyFailed),
    (rq.SSLError, TlsError),
    (u3.SSLError, TlsError),
    (ssl.SSLError, TlsError),
    (u3.NameResolutionError, DnsError),
    (socket.gaierror, DnsError),
    (rq.Timeout, FetchTimeout),
    (u3.ConnectTimeoutError, FetchTimeout),
    (u3.ReadTimeoutError, FetchTimeout),
    (u3.TimeoutError, FetchTimeout),
    (TimeoutError, FetchTimeout),
    (u3.NewConnectionError, ConnectError),
    (http.client.RemoteDisconnected, ConnectionLost),
    (u3.IncompleteRead, ConnectionLost),
    (http.client.IncompleteRead, ConnectionLost),
    (ConnectionRefusedError, ConnectError),
    (ConnectionError, ConnectionLost),
    (u3.InvalidChunkLength, BadResponse),
    (u3.HeaderParsingError, BadResponse),
    (u3.BodyNotHttplibCompatible, BadResponse),
    (u3.ResponseNotChunked, BadResponse),
    (http.client.HTTPException, BadResponse),
    (rq.ContentDecodingError, BadEncoding),
    (u3.DecodeError, BadEncoding),
    (rq.TooManyRedirects, BadRedirect),
    (rq.InvalidURL, InvalidUrl),
    (rq.MissingSchema, InvalidUrl),
    (rq.InvalidSchema, InvalidUrl),
    (rq.URLRequired, InvalidUrl),
    (rq.InvalidHeader, InvalidUrl),
    (u3.LocationValueError, InvalidUrl),
    (u3.HostChangedError, BadRedirect),
    (u3.InvalidHeader, InvalidUrl),
    (rq.HTTPError, BadResponse),
    (rq.InvalidJSONError, BadResponse),
    (rq.ChunkedEncodingError, ConnectionLost),
    (rq.StreamConsumedError, ConnectionLost),
    (rq.UnrewindableBodyError, ConnectionLost),
    (u3.UnrewindableBodyError, ConnectionLost),
    (rq.RetryError, ConnectionLost),
    (u3.ProtocolError, ConnectionLost),
    (u3.ResponseError, BadResponse),
    (u3.PoolError, ConnectError),
    (u3.TimeoutStateError, ConnectError),
    (rq.ConnectionError, ConnectError),
    (rq.RequestException, BadResponse),
    (u3.HTTPError, BadResponse),
    (OSError, ConnectError),
    (UnicodeError, InvalidUrl),
)


def map_error(error: BaseException) -> FetchError | None:
    """Return our error for one of a lower library; None for any other exception."""
    chain = list(_chain(error))
    for kind, ours in LIBRARY_ERRORS:
        for link in chain:
            if isinstance(link, kind):
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
