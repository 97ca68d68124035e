"""Retry policy: statuses to retry, exponential backoff with jitter, Retry-After."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRY_STATUSES = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Statuses after which GET may be retried (RFC 9110 §9.2.1): server errors, and requests to come later."""

MAX_RETRY_AFTER = 3600.0
"""Seconds; a longer Retry-After is cut to this."""


def backoff(attempt: int, base: float, cap: float, retry_after: float | None = None) -> float:
    """Return the seconds to wait after attempt 1, 2, ...: exponential, capped, with "equal jitter".

    The wait is between half of ``base * 2**(attempt-1)`` and all of it, and at least ``retry_after``. Up to a
    tenth is added to ``retry_after``, so that the URLs of one host are not retried all at once.
    """
    whole = min(cap, base * 2.0 ** min(attempt - 1, 60))
    wait = whole * random.uniform(0.5, 1.0)  # noqa: S311 (jitter, not secrecy)
    if retry_after is None:
        return wait
    return max(wait, retry_after * random.uniform(1.0, 1.1))  # noqa: S311


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110 §10.2.3), from 0 to MAX_RETRY_AFTER.

    The value is delay-seconds or an HTTP-date; None for a missing or invalid one.

    >>> parse_retry_after("120"), parse_retry_after("-5"), parse_retry_after("soon")
    (120.0, 0.0, None)
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.removeprefix("-").isdecimal():
        return min(max(float(text[:12]), 0.0), MAX_RETRY_AFTER)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    seconds = (date - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)
