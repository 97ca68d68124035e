"""libcurl's error numbers: each that a transfer can end with is one error of ours, in one short line."""

from __future__ import annotations

import pycurl
import pytest

from parascrape.errors import (
    BadResponse,
    ConnectError,
    FetchError,
    FetchTimeout,
    ForbiddenAddress,
    ProxyFailed,
)
from parascrape.fetch.errors import CURL_ERRORS, raise_for

ROWS = [(number, kind) for kind, numbers in CURL_ERRORS.items() for number in numbers]

OTHERS = (
    "FTP",
    "TFTP",
    "LDAP",
    "TELNET",
    "SSH",
    "RTSP",
    "REMOTE",
    "FILE",
    "QUOTE",
    "UPLOAD",
    "CONV",
    "MULTI",
)
"""How the names of errors begin that belong to other protocols, or to the multi interface."""
IMPOSSIBLE = {
    "ALREADY_COMPLETE",  # pycurl's own
    "BAD_CALLING_ORDER",
    "BAD_DOWNLOAD_RESUME",
    "BAD_PASSWORD_ENTERED",
    "CALL_MULTI_PERFORM",
    "CHUNK_FAILED",  # of wildcard downloads
    "FUNCTION_NOT_FOUND",
    "HTTP_NOT_FOUND",  # with FAILONERROR, which is not set
    "HTTP_POST_ERROR",
    "HTTP_RANGE_ERROR",
    "HTTP_RETURNED_ERROR",
    "LIBRARY_NOT_FOUND",
    "LOGIN_DENIED",
    "MALFORMAT_USER",
    "NOT_BUILT_IN",
    "NO_CONNECTION_AVAILABLE",  # of multi handles that do not wait
    "OK",
    "RANGE_ERROR",
    "SHARE_IN_USE",
    "UNKNOWN_OPTION",
    "UNKNOWN_TELNET_OPTION",
    "URL_MALFORMAT_USER",
}
"""Errors that no transfer set up as ours are can end with."""


@pytest.mark.parametrize(("number", "kind"), ROWS)
def test_a_number_becomes_its_error(number: int, kind: type[FetchError]) -> None:
    """Of exactly that class, with libcurl's words."""
    with pytest.raises(FetchError, match=r"^went wrong$") as caught:
        raise_for(number, "went wrong")
    assert type(caught.value) is kind


def test_a_number_has_one_row() -> None:
    """No error depends on the order of the table."""
    numbers = [number for number, _ in ROWS]
    assert len(numbers) == len(set(numbers))


def test_every_error_of_libcurl_is_in_the_table_or_cannot_come() -> None:
    """A name in a new release of pycurl fails here until it is looked at."""
    numbers = {number for number, _ in ROWS}
    names = {
        name[2:] for name in dir(pycurl) if name.startswith("E_") and getattr(pycurl, name) not in numbers
    }
    assert {name for name in names if not name.startswith(OTHERS)} <= IMPOSSIBLE


@pytest.mark.parametrize(
    ("number", "message", "kind", "shown"),
    [
        (999, "", BadResponse, "libcurl error 999"),
        (7, "Failed\r\n to  connect", ConnectError, "Failed to connect"),
        (28, "x" * 1000, FetchTimeout, "x" * 300),
        (56, "CONNECT tunnel failed, response 403", ProxyFailed, "CONNECT tunnel failed, response 403"),
    ],
)
def test_the_message_is_one_short_line(number: int, message: str, kind: type[FetchError], shown: str) -> None:
    """Never empty, never more than 300 characters; a number of the future is a bad response."""
    with pytest.raises(kind) as caught:
        raise_for(number, message)
    assert str(caught.value) == shown


@pytest.mark.parametrize(("number", "kind"), [(7, ForbiddenAddress), (28, FetchTimeout), (56, FetchError)])
def test_a_refused_address_is_the_reason_why_nothing_was_connected_to(
    number: int, kind: type[FetchError]
) -> None:
    """And of nothing else: a name may have another address, which was slow."""
    with pytest.raises(kind) as caught:
        raise_for(number, "went wrong", "10.0.0.1 is refused")
    assert (str(caught.value) == "10.0.0.1 is refused") == (number == 7)
