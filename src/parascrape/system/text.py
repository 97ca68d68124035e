"""Text made safe to show."""

from __future__ import annotations

import re

__all__ = ["escape_surrogates", "printable"]


_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def printable(text: str, limit: int = 300) -> str:
    """The text as a terminal may be given it, at most ``limit`` characters of it.

    Control characters (C0, C1, ESC), line ends, bidirectional marks and overrides, and lone surrogates
    are shown as Python escapes; a cut is marked by an ellipsis.

    >>> printable("a\\x1b[31m\\u202eb")
    'a\\\\x1b[31m\\\\u202eb'
    """
    shown = _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text[: limit + 1])
    return shown if len(shown) <= limit else shown[: max(0, limit - 1)] + "…"


def escape_surrogates(text: str) -> str:
    r"""The text with lone surrogates shown as escapes: JSON and UTF-8 cannot carry them.

    File names that are no UTF-8 and user code's messages hold them.

    >>> escape_surrogates("a\udcff")
    'a\\udcff'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
