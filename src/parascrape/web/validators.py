"""Validators: what an answer says of its version, and the condition of the next request. Pure.

What servers send is kept only where it can do no harm: an entity tag that is one by RFC 9110 §8.8.3, a
modification time that lies in the past. Freshness (Cache-Control, Expires) plays no part, for every page is
asked for: this is no cache that would answer in a server's place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

__all__ = ["NOTHING", "Validators", "condition", "hash_answer", "validators_of"]

MAX_TAG = 512
"""Characters of the longest entity tag that is kept; the usual ones have 20 to 70."""

# Visible ASCII only: an obs-text octet would have to come back the same through every layer. An empty tag,
# which the grammar allows, tells no two versions apart.
_TAG = re.compile(r'(?:W/)?"[!#-~]+"')

# IMF-fixdate and the two obsolete forms (RFC 9110 §5.6.7) have nothing else in them.
_DATE = re.compile(r"[A-Za-z0-9 ,:+-]{20,40}")

_CONDITIONAL = frozenset(("if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "range"))


class Validators(NamedTuple):
    """What is known of a page from an earlier answer: its validators as they were sent, and its hash."""

    etag: str = ""
    last_modified: str = ""
    hash: str = ""


NOTHING = Validators()


def validators_of(headers: Mapping[str, str], now: datetime | None = None) -> dict[str, str]:
    """``etag`` and ``last_modified`` as the headers have them, those that are of use (RFC 9110 §8.8).

    A Last-Modified that is not at least a second before the answer's Date cannot tell two versions within
    that second apart (§8.8.2.2), and one in the future is a wrong clock's; without a Date, ``now`` is taken.

    >>> validators_of({"ETag": 'W/"a"', "Last-Modified": "yesterday"})
    {'etag': 'W/"a"'}
    """
    found: dict[str, str] = {}
    if is_tag(tag := headers.get("ETag") or ""):
        found["etag"] = tag
    modified = headers.get("Last-Modified") or ""
    if modified and (at := _parse_date(modified)):
        answered = _parse_date(headers.get("Date") or "") or now or datetime.now(UTC)
        if answered - at >= timedelta(seconds=1):
            found["last_modified"] = modified
    return found


def is_tag(text: str) -> bool:
    """Whether the text is one entity tag, and not too long."""
    return len(text) <= MAX_TAG and _TAG.fullmatch(text) is not None


@lru_cache(maxsize=64)  # 7 us; pages of one second, and often of one site, have the same
def _parse_date(text: str) -> datetime | None:
    """The time of an HTTP-date; None for anything else."""
    if not _DATE.fullmatch(text):
        return None
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def condition(known: Validators, chosen: Mapping[str, str]) -> dict[str, str]:
    """The headers that make a GET conditional on the validators, which are checked again; none without any.

    If-None-Match is compared weakly by the server, and goes before If-Modified-Since (RFC 9110 §13.1.3).
    Where the user's ``chosen`` headers are conditional themselves, a 304 or 206 would be about those.
    """
    if _CONDITIONAL.intersection(map(str.lower, chosen)):
        return {}
    if known.etag and is_tag(known.etag):
        return {"If-None-Match": known.etag}
    if known.last_modified and _parse_date(known.last_modified):
        return {"If-Modified-Since": known.last_modified}
    return {}


def hash_answer(final_url: str, headers: Mapping[str, str], body: bytes) -> str:
    """16 hex digits (of SHA-256) of what a record is made from: the body, and what it is read by.

    The body is hashed as it was sent, 0.02 ms for 36 kB where what it inflates to takes 0.1 ms; so another
    compression is another hash, and costs a scrape. Only the header of gzip, where some servers put a time
    or a random name, is left out.
    """
    coding = (headers.get("Content-Encoding") or "").strip().lower()
    parts = [final_url, headers.get("Content-Type") or "", headers.get("X-Robots-Tag") or "", coding]
    made = sha256("\0".join(parts).encode("utf-8", "surrogatepass") + b"\0")
    made.update(memoryview(body)[_gzip_header(body) if coding in ("gzip", "x-gzip") else 0 :])
    return made.hexdigest()[:16]


def _gzip_header(body: bytes) -> int:
    """Bytes of a gzip header that holds nothing but a time and a name (RFC 1952 §2.3); 0 for any other."""
    if body[:3] != b"\x1f\x8b\x08" or len(body) < 10:
        return 0
    if body[3] == 0:
        return 10
    return body.find(b"\0", 10) + 1 if body[3] == 8 else 0
