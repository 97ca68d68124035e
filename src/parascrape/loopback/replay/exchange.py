"""Exchange: one request and all that came of it, as bytes and seconds. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = [
    "ENDINGS",
    "Ending",
    "Exchange",
    "ExchangeTimes",
    "closes",
    "fields_of",
    "needs_close",
    "split_lines",
]

Ending = Literal["whole", "closed", "reset", "silent", "left", "refused", "dns", "tls"]
ENDINGS: tuple[Ending, ...] = ("whole", "closed", "reset", "silent", "left", "refused", "dns", "tls")
"""How it ended: the answer was whole (then the connection may stay); the server closed or reset the
connection; it said no more until the time was up; we left, with enough or too much; and no connection:
refused, no address for the name, no TLS."""

_FINAL = re.compile(rb"HTTP/[0-9.]+ +[2-9][0-9][0-9](?![0-9])")


class ExchangeTimes(NamedTuple):
    """How long each part took. ``first_byte`` is counted from when the request was sent.

    All but ``total`` are durations; ``dns``, ``connect`` and ``tls`` are 0 on a connection that was kept.
    """

    dns: float = 0.0
    connect: float = 0.0
    tls: float = 0.0
    first_byte: float = 0.0
    transfer: float = 0.0
    total: float = 0.0


_NONE = ExchangeTimes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request for ``url`` (prepared, without user name) and its answer; credentials are not in it.

    ``reply`` is the final head and the body as they came, chunks and codings still on; ``before`` is what
    came ahead of it (``100 Continue``), or all that came where there is no whole head. ``error`` and
    ``message`` are our error's, where the fetch of the list's ``entry`` ended here with one; ``hop`` counts
    its redirects. ``cookies`` are the names of those sent, ``at`` the time of the request (RFC 3339).
    """

    url: str
    request: bytes = b""
    before: bytes = b""
    reply: bytes = b""
    ending: Ending = "whole"
    error: str = ""
    message: str = ""
    seconds: ExchangeTimes = _NONE
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
        """The answer's status; 0 where none came."""
        return int(self.reply.split(None, 2)[1]) if self.reply else 0


_BLANKS = (b"\r\n\r\n", b"\n\n", b"\n\r\n")
"""How a head ends (RFC 9112 §2.2 has a lone LF be taken for a line's end)."""


def split_lines(lines: Sequence[bytes], body: bytes) -> tuple[bytes, bytes]:
    """``before`` and ``reply`` of the header lines that came, those of interim answers too, and the body."""
    starts = [number for number, line in enumerate(lines) if _FINAL.match(line)]
    if not starts or lines[-1].strip():
        return b"".join(lines) + body, b""
    return b"".join(lines[: starts[-1]]), b"".join(lines[starts[-1] :]) + body


def fields_of(head: bytes) -> dict[str, str]:
    """The head's fields, names in lower case; of several with one name the last."""
    pairs = (line.partition(":") for line in head.decode("latin-1").splitlines()[1:])
    return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}


def needs_close(head: bytes) -> bool:
    """Whether the body that follows this head ends only where the connection does (RFC 9112 §6.3)."""
    if head.split(None, 2)[1] in (b"204", b"304"):
        return False
    fields = fields_of(head)
    if "transfer-encoding" in fields:
        return not fields["transfer-encoding"].lower().endswith("chunked")
    return "content-length" not in fields


def closes(head: bytes) -> bool:
    """Whether the server closes the connection after an answer with this head (RFC 9112 §9.3)."""
    connection = fields_of(head).get("connection", "").lower()
    kept = "keep-alive" in connection or not head.startswith(b"HTTP/1.0")
    return needs_close(head) or "close" in connection or not kept
