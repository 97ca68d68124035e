"""Numbers as a line of small bars."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["BLOCKS", "PLAIN", "bars_for", "sparkline"]

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = "_.:-=+*#"
_UNKNOWN = "?"


def bars_for(encoding: str | None) -> str:
    """The bars that a terminal of this encoding can show.

    >>> bars_for("utf-8") == BLOCKS, bars_for("ascii") == PLAIN
    (True, True)
    """
    try:
        BLOCKS.encode(encoding or "ascii")
    except (UnicodeError, LookupError):
        return PLAIN
    return BLOCKS


def sparkline(values: Sequence[float | None], bars: str = BLOCKS) -> str:
    """One bar a value, from 0 to the greatest of them; a question mark where there is none.

    Only 0 has the lowest bar, so that a single failure is seen.

    >>> sparkline([0, 1, 50, None, 100], PLAIN)
    '_.=?#'
    """
    greatest = max((value for value in values if value is not None), default=0)
    top = len(bars) - 1

    def bar(value: float) -> str:
        if value <= 0 or greatest <= 0:
            return bars[0]
        return bars[max(1, round(value / greatest * top))]

    return "".join(_UNKNOWN if value is None else bar(value) for value in values)
