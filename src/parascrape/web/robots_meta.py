"""What a page itself asks of robots, by X-Robots-Tag and ``<meta name="robots">``: recorded, not acted on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from parascrape.web.robots import product_token

__all__ = ["MAX_DIRECTIVES", "robots_meta"]

MAX_DIRECTIVES = 20
"""Directives that are kept of a page."""

_MAX_VALUES = 50  # header values or meta elements that are looked at
_MAX_VALUE = 2000  # characters of one

_DIRECTIVES = frozenset(
    (
        "all",
        "indexifembedded",
        "noai",
        "noarchive",
        "nocache",
        "nofollow",
        "noimageai",
        "noimageindex",
        "noindex",
        "none",
        "noodp",
        "nositelinkssearchbox",
        "nosnippet",
        "notranslate",
        "noydir",
    )
)
_VALUED = ("max-image-preview", "max-snippet", "max-video-preview", "unavailable_after")
_NAMED = re.compile(r"([A-Za-z0-9_.-]{1,60})\s*:\s*(.*)", re.DOTALL)
_SPACE = re.compile(r"\s+")


def robots_meta(headers: Iterable[str], metas: Iterable[tuple[str, str]], user_agent: str) -> tuple[str, ...]:
    """The directives for us or for all robots: known ones, lower case, sorted, each once, at most 20.

    ``headers`` are the values of X-Robots-Tag fields, ``metas`` the (name, content) of meta elements;
    what is meant for another robot is left out. ``none`` becomes ``nofollow`` and ``noindex``;
    ``all`` says nothing. A robot's name holds to the end of its field, so of fields that were joined
    to one value those behind a name count as that robot's.

    >>> robots_meta(["noindex, unavailable_after: 25 Jun 2030 15:00 GMT"], [("Robots", "NoFollow")], "ours")
    ('nofollow', 'noindex', 'unavailable_after: 25 jun 2030 15:00 gmt')
    >>> robots_meta(["otherbot: noindex", "ours: none, max-snippet:5"], [("otherbot", "noarchive")], "ours")
    ('max-snippet: 5', 'nofollow', 'noindex')
    """
    token = product_token(user_agent)
    found: set[str] = set()
    for value in islice(headers, _MAX_VALUES):
        found.update(_header(value[:_MAX_VALUE], token))
    for name, content in islice(metas, _MAX_VALUES):
        if name.strip().lower() in ("robots", token):
            found.update(_directives(content[:_MAX_VALUE].split(",")))
    if "none" in found:
        found |= {"nofollow", "noindex"}
    return tuple(sorted(found - {"all", "none"}))[:MAX_DIRECTIVES]


def _header(value: str, token: str) -> Iterator[str]:
    """The directives of a field that are for all robots or for us."""
    parts: list[str] = []
    ours = True
    for part in value.split(","):
        named = _NAMED.fullmatch(part.strip())
        if named and named[1].lower() not in _VALUED and not named[1].isdecimal():
            ours = named[1].lower() == token
            part = named[2]
        if ours:
            parts.append(part)
    return _directives(parts)


def _directives(parts: list[str]) -> Iterator[str]:
    """The known directives; a date after ``unavailable_after`` may hold commas, and so may be in parts."""
    dated = ""
    for part in parts:
        text = _SPACE.sub(" ", part).strip().lower()
        name, colon, value = (piece.strip() for piece in text.partition(":"))
        known = text in _DIRECTIVES or (colon and name in _VALUED)
        if dated and (known or len(dated) > 60):
            yield dated[:100]
            dated = ""
        if text in _DIRECTIVES:
            yield text
        elif known and name == "unavailable_after":
            dated = f"{name}: {value}"
        elif known:
            yield f"{name}: {value}"[:40]
        elif dated and text:
            dated += f", {text}"
    if dated:
        yield dated[:100]
