"""Heads without what lets somebody in: recordings are kept and shared. Pure.

Of a request only the values of fields that say nothing secret are kept; of an answer all but the values of
cookies. URLs are recorded whole but for user name and password: what stands in a query is not hidden.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PLACEHOLDER", "Request", "redact_reply", "redact_request"]

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


class Request(NamedTuple):
    """A request's head without secrets, and what of them makes a difference to the answer."""

    head: bytes = b""
    cookies: tuple[str, ...] = ()  # the names, sorted
    authorised: bool = False


def redact_request(head: bytes) -> Request:
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
    return Request("\r\n".join(kept).encode("latin-1"), tuple(sorted(cookies)), authorised)


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
