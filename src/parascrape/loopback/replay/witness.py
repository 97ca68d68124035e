"""The witness of a thread's transfers: each becomes an `Exchange`, with the bytes as libcurl saw them."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pycurl

from parascrape.errors import ConnectError, DnsError, FetchError, ProxyFailed, TlsError
from parascrape.fetch import raise_for, refused_address
from parascrape.loopback.replay.exchange import Ending, Exchange, ExchangeTimes, split_lines

__all__ = ["PLACEHOLDER", "RecordedRequest", "TransferRecorder", "redact_reply", "redact_request"]

PLACEHOLDER = "(not recorded)"

_OPEN = {"accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "connection"}
_OPEN |= {
    "dnt",
    "host",
    "if-modified-since",
    "if-none-match",
    "pragma",
    "range",
    "te",
    "upgrade",
    "user-agent",
}
"""Request fields whose values are kept; any other may be somebody's key."""

_SECRET = frozenset(("set-cookie", "set-cookie2"))


class RecordedRequest(NamedTuple):
    """A request's head without secrets, and what of them makes a difference to the answer."""

    head: bytes = b""
    cookies: tuple[str, ...] = ()  # the names, sorted
    authorised: bool = False


def redact_request(head: bytes) -> RecordedRequest:
    """The request without the values of cookies, passwords, and all fields that are not known.

    >>> redact_request(b"GET / HTTP/1.1\\r\\nCookie: a=secret\\r\\n\\r\\n").head
    b'GET / HTTP/1.1\\r\\nCookie: a=(not recorded)\\r\\n\\r\\n'
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    kept, cookies, authorised = [first], [], False
    for line in lines:
        name, colon, value = line.partition(":")
        known = name.strip().lower()
        authorised = authorised or known == "authorization"
        if known == "cookie":
            names = [pair.partition("=")[0].strip() for pair in value.split(";")]
            cookies += names
            value = " " + "; ".join(f"{one}={PLACEHOLDER}" for one in names)
        elif colon and known not in _OPEN:
            value = f" {PLACEHOLDER}"
        kept.append(name + colon + value)
    return RecordedRequest("\r\n".join(kept).encode("latin-1"), tuple(sorted(cookies)), authorised)


def redact_reply(lines: list[bytes]) -> list[bytes]:
    """The header lines with an ``x`` for each character of a cookie's value; no line changes its length."""
    kept: list[bytes] = []
    secret = False
    for line in lines:
        folded = line[:1] in (b" ", b"\t")
        name = line.partition(b":")[0].strip().lower().decode("latin-1")
        secret = secret if folded else name in _SECRET
        kept.append(_without_value(line, folded) if secret else line)
    return kept


def _without_value(line: bytes, folded: bool) -> bytes:
    """``Set-Cookie: name=value; attributes`` with the value crossed out; all of a folded line."""
    text = line.rstrip(b"\r\n")
    if folded:
        return text[:1] + b"x" * (len(text) - 1) + line[len(text) :]
    pair, semicolon, rest = text.partition(b";")
    name, equals, value = pair.partition(b"=")
    if not equals:  # RFC 6265 §5.2 ignores it; a browser takes it for a value without a name
        name, colon, value = pair.partition(b":")
        return name + colon + b"x" * len(value) + semicolon + rest + line[len(text) :]
    return name + equals + b"x" * len(value) + semicolon + rest + line[len(text) :]


_NO_CONNECTION: dict[type[FetchError], Ending] = {
    ConnectError: "refused",
    DnsError: "dns",
    ProxyFailed: "refused",
    TlsError: "tls",
}
_ENDINGS: dict[int, Ending] = {18: "closed", 28: "silent", 52: "closed", 55: "closed", 56: "closed"}
"""libcurl's error numbers where they alone say how it ended."""


class TransferRecorder:
    """Given to `curl.witnessed`; ``seen`` holds the exchanges in their order.

    libcurl's debug messages carry the head that is sent and all that comes, before chunks are undone.
    """

    def __init__(self) -> None:
        self.seen: list[Exchange] = []

    def __call__(self, perform: Callable[[Any], None], handle: Any) -> None:
        """Perform, and keep what passes. Raises pycurl.error as ``perform`` does."""
        notes: list[tuple[int, bytes]] = []
        handle.setopt(pycurl.DEBUGFUNCTION, lambda kind, data: notes.append((kind, data)) if kind else None)
        handle.setopt(pycurl.VERBOSE, 1)
        at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        try:
            perform(handle)
        except pycurl.error as error:
            self._keep(handle, notes, at, error.args)
            raise
        self._keep(handle, notes, at, ())

    def _keep(self, handle: Any, notes: list[tuple[int, bytes]], at: str, failure: tuple[Any, ...]) -> None:
        handle.setopt(pycurl.VERBOSE, 0)
        handle.setopt(pycurl.DEBUGFUNCTION, _ignore)
        before, reply = _received(notes)
        request = redact_request(_sent(notes))
        self.seen.append(
            Exchange(
                url=handle.getinfo(pycurl.EFFECTIVE_URL),
                request=request.head,
                before=before,
                reply=reply,
                ending=_ending(handle, failure, bool(before or reply)) if failure else "whole",
                seconds=_seconds(handle),
                new_connection=handle.getinfo(pycurl.NUM_CONNECTS) > 0,
                cookies=request.cookies,
                authorised=request.authorised,
                at=at,
                address=handle.getinfo(pycurl.PRIMARY_IP) or "",
            )
        )


def _ignore(_kind: int, _data: bytes) -> None:
    """Nothing: the handle's next transfer is nobody's business."""


def _sent(notes: Sequence[tuple[int, bytes]]) -> bytes:
    """The head of the request; the last, where libcurl had to send it again on a new connection."""
    return next((data for kind, data in reversed(notes) if kind == pycurl.INFOTYPE_HEADER_OUT), b"")


def _received(notes: Sequence[tuple[int, bytes]]) -> tuple[bytes, bytes]:
    """What came before the final head, and the answer; trailers are told twice and kept once."""
    lines: list[bytes] = []
    pieces: list[bytes] = []
    for kind, data in notes:
        if kind == pycurl.INFOTYPE_DATA_IN:
            pieces.append(data)
        elif kind == pycurl.INFOTYPE_HEADER_IN and not pieces:
            lines.append(data)
    return split_lines(redact_reply(lines), b"".join(pieces))


def _ending(handle: Any, failure: Sequence[Any], answered: bool) -> Ending:
    """How an exchange ended that did not end well, by libcurl's number and message."""
    number, message = int(failure[0]), str(failure[1])
    reason = handle.getinfo(pycurl.OS_ERRNO)
    if number in (55, 56) and reason in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED):
        return "reset"
    try:
        raise_for(number, message, refused_address(handle))
    except FetchError as error:
        if not answered and (ending := _NO_CONNECTION.get(type(error))):
            return ending
        return _ENDINGS.get(number, "refused" if error.code == "address" else "left")


def _seconds(handle: Any) -> ExchangeTimes:
    """The times of a transfer that has ended; where no byte came, ``first_byte`` is how long we waited."""
    looked_up = handle.getinfo(pycurl.NAMELOOKUP_TIME)
    connected = handle.getinfo(pycurl.CONNECT_TIME)
    secured = handle.getinfo(pycurl.APPCONNECT_TIME)
    sent = handle.getinfo(pycurl.PRETRANSFER_TIME)
    first = handle.getinfo(pycurl.STARTTRANSFER_TIME)
    total = handle.getinfo(pycurl.TOTAL_TIME)
    began = first or total
    return ExchangeTimes(
        dns=looked_up,
        connect=max(0.0, connected - looked_up),
        tls=max(0.0, secured - connected),
        first_byte=max(0.0, began - sent) if sent else 0.0,
        transfer=max(0.0, total - began),
        total=total,
    )
