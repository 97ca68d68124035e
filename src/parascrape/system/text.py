"""Text made safe to show, and suggestions for misspelt names."""

from __future__ import annotations

import re
from collections.abc import Iterable

_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def printable(text: str, limit: int = 300) -> str:
    """Return the text as it can be shown on a terminal, at most ``limit`` characters.

    Control characters (C0, C1, ESC), line ends, bidirectional marks and overrides, and lone surrogates
    become Python escapes; an ellipsis marks a cut.

    >>> printable("a\\x1b[31m\\u202eb")
    'a\\\\x1b[31m\\\\u202eb'
    """
    shown = _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text[: limit + 1])
    return shown if len(shown) <= limit else shown[: max(0, limit - 1)] + "…"


def escape_surrogates(text: str) -> str:
    r"""Return the text with lone surrogates as escapes: JSON and UTF-8 cannot carry them.

    File names that are not UTF-8 and messages of user code may hold some.

    >>> escape_surrogates("a\udcff")
    'a\\udcff'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def did_you_mean(name: str, known: Iterable[str], *, similarity: float = 0.6) -> str:
    """Return the end of a message that suggests the most similar known name; empty without one.

    ``similarity`` is the least ratio of `difflib`, from 0 to 1. Case is ignored.

    >>> did_you_mean("Tilte", ["url", "title"]), did_you_mean("x", ["title"])
    ("; did you mean 'title'?", '')
    """
    from difflib import get_close_matches

    folded = {one.casefold(): one for one in known}
    near = get_close_matches(name.casefold(), folded, 1, similarity)
    return f"; did you mean {folded[near[0]]!r}?" if near else ""
