"""Quantities as people write them: shares, durations, sizes and counts, parsed and shown."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{1,9})?)"
_SHARE = re.compile(_NUMBER + r"\s*%")
_DURATION = re.compile(_NUMBER + r"\s*([smhdw])")
_SIZE = re.compile(_NUMBER + r"\s*([kMGT]?i?B)")

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_LONGEST = 36_525  # days, a century: subtracted from today it must not lead to before the year 1
_POWERS = " kMGT"


def parse_share(value: Any) -> Fraction:
    """Return the share that ``"5%"`` or ``0.05`` means, from 0 to 1, exactly. Raises ValueError.

    >>> parse_share("5%") == parse_share(0.05) == Fraction(1, 20)
    True
    """
    share = None
    if isinstance(value, str) and (match := _SHARE.fullmatch(value.strip())):
        share = Fraction(match[1]) / 100
    elif isinstance(value, int | float) and not isinstance(value, bool) and value == value:  # not NaN
        share = Fraction(Decimal(repr(value))) if abs(value) < 2 else Fraction(2)
    if share is None or not 0 <= share <= 1:
        raise ValueError(f'{value!r} is not a share: write "5%", or a number from 0 to 1')
    return share


def show_share(share: Fraction | float) -> str:
    """Return a share in percent. Only exactly 0 and 1 are shown as 0% and 100%.

    >>> show_share(0.05), show_share(1 / 3), show_share(0.00001), show_share(0.99999)
    ('5%', '33.3%', '<0.1%', '>99.9%')
    """
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{float(share) * 100:.1f}".removesuffix(".0") + "%"


def parse_duration(value: Any) -> timedelta:
    """Return the duration that ``"90d"`` means: more than 0, at most a century. Raises ValueError.

    >>> parse_duration("1.5h")
    datetime.timedelta(seconds=5400)
    """
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match:
        days = Fraction(match[1]) * _SECONDS[match[2]] / 86_400
        if 0 < days <= _LONGEST:
            return timedelta(days=float(days))
    raise ValueError(f'{value!r} is not a duration: write "90d" or "12h"; units are s, m, h, d and w')


def show_duration(seconds: float) -> str:
    """Return a measured duration, to three digits or the second, the minute or the hour.

    >>> show_duration(0.25), show_duration(3600), show_duration(90_000)
    ('0.25 s', '1 h 00 min', '1 d 01 h')
    """
    if seconds < 59.95:  # more would be rounded to 60
        return f"{round(seconds, 3):.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours_of_day = divmod(hours, 24)
    if days:
        return f"{days:,} d {hours_of_day:02} h"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def show_interval(seconds: float) -> str:
    """Return a chosen interval, exact to the second.

    >>> show_interval(14_400), show_interval(5400), show_interval(0)
    ('4h', '1h30m', '0s')
    """
    parts, rest = [], round(seconds)
    for unit in "dhms":
        count, rest = divmod(rest, _SECONDS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_size(value: Any) -> int:
    """Return the bytes that ``"2GB"`` means: kB to TB by 1,000, KiB to TiB by 1,024. Raises ValueError.

    >>> parse_size("2GB"), parse_size("1.5 MiB")
    (2000000000, 1572864)
    """
    text = value.strip().replace("Ki", "ki").replace("KB", "kB") if isinstance(value, str) else ""
    match = _SIZE.fullmatch(text)
    if not match or match[2] == "iB":
        raise ValueError(f'{value!r} is not a size: write "500MB", "2GB" or "1GiB"')
    prefix, base = match[2][:-1].rstrip("i"), 1024 if "i" in match[2] else 1000
    return int(Fraction(match[1]) * base ** _POWERS.index(prefix or " "))


def show_size(size: float) -> str:
    """Return a number of bytes with its unit.

    >>> show_size(999), show_size(1_500), show_size(2e9)
    ('999 B', '1.5 kB', '2.0 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.95:  # more would be rounded to 1000.0
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def show_count(number: int, noun: str, ending: str = "s") -> str:
    """Return a number with its noun in the singular or plural.

    >>> show_count(1, "URL"), show_count(1_200, "fetch", "es")
    ('1 URL', '1,200 fetches')
    """
    return f"{number:,} {noun}{'' if number == 1 else ending}"
