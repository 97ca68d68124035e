"""Refresh: where a page says it goes on to after a while (HTML standard §4.2.5.3). Pure."""

from __future__ import annotations

import re

__all__ = ["refresh_target"]

_WS = r"[\t\n\f\r ]*+"
_TIMED = re.compile(rf"{_WS}(?:[0-9]++|(?=\.))[0-9.]*+(?:(?=[;,\t\n\f\r ]){_WS}[;,]?+{_WS}(.*))?", re.DOTALL)
_URL = re.compile(rf"(?ai:url){_WS}={_WS}")


def refresh_target(value: str) -> str:
    """The URL, as it stands, that the "shared declarative refresh steps" find in a ``content`` or header.

    Empty where the value only asks for the same page again, or is no refresh at all.

    >>> refresh_target("5; url='next.html'"), refresh_target("0,/a"), refresh_target("x; url=/a")
    ('next.html', '/a', '')
    """
    timed = _TIMED.fullmatch(value)
    text: str = (timed and timed[1]) or ""
    if (said := _URL.match(text)) is not None:
        text = text[said.end() :]
    if text[:1] in ("'", '"'):
        text = text[1:].partition(text[0])[0]
    return text
