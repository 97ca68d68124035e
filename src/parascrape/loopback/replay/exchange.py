"""Exchange: one request, its answer and their times, as recorded without credentials. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

Ending = Literal["whole", "closed", "reset", "silent", "left", "refused", "dns", "tls"]
ENDINGS: tuple[Ending, ...] = get_args(Ending)
"""How an exchange ended.

``whole``: the answer was complete, and the connection may stay; ``closed``, ``reset``: by the server;
``silent``: the server sent nothing more until the time-out; ``left``: we closed, with enough or too much; and
without a connection: ``refused``, ``dns`` (no address for the name), ``tls`` (no handshake).
"""

_FINAL = re.compile(rb"HTTP/[0-9.]+ +[2-9][0-9][0-9](?![0-9])")

_BLANKS = (b"\r\n\r\n", b"\n\n", b"\n\r\n")
"""How a head ends (RFC 9112 section 2.2 accepts a lone LF as a line end)."""


class ExchangeTimes(NamedTuple):
    """Seconds of each part. ``first_byte`` counts from when the request was sent.

    All but ``total`` are durations; ``dns``, ``connect`` and ``tls`` are 0 on a connection that was kept.
    """

    dns: float = 0.0
    connect: float = 0.0
    tls: float = 0.0
    first_byte: float = 0.0
    transfer: float = 0.0
    total: float = 0.0


_NO_TIMES = ExchangeTimes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request for ``url`` (prepared, without user name) and its answer, without credentials.

    ``reply`` is the final head and the body as they came, with chunks and codings. ``before`` is what came
    ahead of it (``100 Continue``), or everything where no whole head came. ``error`` and ``message`` are our
    error's, where it ended the fetch of the list's ``entry``; ``hop`` counts its redirects. ``cookies`` are
    the names of those sent, ``at`` is the time of the request (RFC 3339).
    """

    url: str
    request: bytes = b""
    before: bytes = b""
    reply: bytes = b""
    ending: Ending = "whole"
    error: str = ""
    message: str = ""
    seconds: ExchangeTimes = _NO_TIMES
    new_connection: bool = True
    cookies: tuple[str, ...] = ()
    authorised: bool = False
    at: str = ""
    address: str = ""
    entry: str = ""
    hop: int = 0

    @property
    def head(self) -> bytes:
        """The final head with its blank line; empty where none came."""
        return self.reply[: self.body_start]

    @property
    def body_start(self) -> int:
        """Where in ``reply`` the body begins."""
        ends = [at + len(blank) for blank in _BLANKS if (at := self.reply.find(blank)) >= 0]
        return min(ends, default=len(self.reply))

    @property
    def status(self) -> int:
        """The status of the answer; 0 where none came."""
        return int(self.reply.split(None, 2)[1]) if self.reply else 0


def split_lines(lines: Sequence[bytes], body: bytes) -> tuple[bytes, bytes]:
    """Return ``before`` and ``reply`` from the header lines that came (interim answers too) and the body."""
    starts = [number for number, line in enumerate(lines) if _FINAL.match(line)]
    if not starts or lines[-1].strip():
        return b"".join(lines) + body, b""
    return b"".join(lines[: starts[-1]]), b"".join(lines[starts[-1] :]) + body


def _fields_of(head: bytes) -> dict[str, str]:
    """Return the fields of a head, names in lower case; of several with one name the last."""
    pairs = (line.partition(":") for line in head.decode("latin-1").splitlines()[1:])
    return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}


def needs_close(head: bytes) -> bool:
    """Return whether the body after this head ends only with the connection (RFC 9112 section 6.3)."""
    if head.split(None, 2)[1] in (b"204", b"304"):
        return False
    fields = _fields_of(head)
    if "transfer-encoding" in fields:
        return not fields["transfer-encoding"].lower().endswith("chunked")
    return "content-length" not in fields


def closes(head: bytes) -> bool:
    """Return whether the server closes the connection after this answer (RFC 9112 section 9.3)."""
    connection = _fields_of(head).get("connection", "").lower()
    kept = "keep-alive" in connection or not head.startswith(b"HTTP/1.0")
    return needs_close(head) or "close" in connection or not kept


# --- credentials ------------------------------------------------------------------------------------

_PLACEHOLDER = "(not recorded)"

_PUBLIC = re.compile(
    "accept(-charset|-encoding|-language)?|cache-control|connection|dnt|host|if-modified-since|if-none-match"
    "|pragma|range|te|upgrade|user-agent"
)
"""Request fields whose values are kept; any other may hold a key."""

_SECRET = frozenset(("set-cookie", "set-cookie2"))


class RecordedRequest(NamedTuple):
    """The head of a request without secrets, and which secrets it had: the answer may depend on them."""

    head: bytes = b""
    cookies: tuple[str, ...] = ()
    authorised: bool = False


def cookie_names(field: str) -> tuple[str, ...]:
    """Return the names in a Cookie field, sorted.

    >>> cookie_names("b=1; a=2")
    ('a', 'b')
    """
    return tuple(sorted(pair.partition("=")[0].strip() for pair in field.split(";"))) if field else ()


def redact_request(head: bytes) -> RecordedRequest:
    """Return the request without the values of cookies, passwords, and all fields that are not known.

    >>> redact_request(b"GET / HTTP/1.1\\r\\nCookie: a=secret\\r\\n\\r\\n").head
    b'GET / HTTP/1.1\\r\\nCookie: a=(not recorded)\\r\\n\\r\\n'
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    kept, authorised = [first], False
    cookies: list[str] = []
    for line in lines:
        name, colon, value = line.partition(":")
        known = name.strip().lower()
        authorised = authorised or known == "authorization"
        if known == "cookie":
            names = cookie_names(value)
            cookies += names
            value = " " + "; ".join(f"{one}={_PLACEHOLDER}" for one in names)
        elif colon and not _PUBLIC.fullmatch(known):
            value = f" {_PLACEHOLDER}"
        kept.append(name + colon + value)
    return RecordedRequest("\r\n".join(kept).encode("latin-1"), tuple(sorted(cookies)), authorised)


def redact_reply(lines: list[bytes]) -> list[bytes]:
    """Return the header lines with an ``x`` for each character of a cookie's value; no length changes."""
    kept: list[bytes] = []
    secret = False
    for line in lines:
        folded = line[:1] in (b" ", b"\t")
        name = line.partition(b":")[0].strip().lower().decode("latin-1")
        secret = secret if folded else name in _SECRET
        kept.append(_without_value(line, folded) if secret else line)
    return kept


def _without_value(line: bytes, folded: bool) -> bytes:
    """Return ``Set-Cookie: name=value; attributes`` with the value crossed out; all of a folded line."""
    text = line.rstrip(b"\r\n")
    end = line[len(text) :]
    if folded:
        return text[:1] + b"x" * (len(text) - 1) + end
    pair, semicolon, rest = text.partition(b";")
    name, separator, value = pair.partition(b"=")
    if not separator:  # RFC 6265 section 5.2 ignores it; a browser takes it for a value without a name
        name, separator, value = pair.partition(b":")
    return name + separator + b"x" * len(value) + semicolon + rest + end
