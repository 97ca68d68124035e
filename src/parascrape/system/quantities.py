"""Amounts as people write them in files and options: shares, lengths of time, sizes."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

__all__ = ["parse_duration", "parse_share", "parse_size", "percent"]

_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{1,9})?)"
_SHARE = re.compile(_NUMBER + r"\s*%")
_DURATION = re.compile(_NUMBER + r"\s*([smhdw])")
_SIZE = re.compile(_NUMBER + r"\s*([kMGT]?i?B)")

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_LONGEST = 36_525  # days, a century: no date that it is taken from comes before the year 1
_POWERS = " kMGT"


def parse_share(value: Any) -> Fraction:
    """The share that ``"5%"`` or ``0.05`` means, from 0 to 1, exactly. Raises ValueError.

    >>> parse_share("5%") == parse_share(0.05) == Fraction(1, 20)
    True
    """
    share = None
    if isinstance(value, str) and (match := _SHARE.fullmatch(value.strip())):
        share = Fraction(match[1]) / 100
    elif isinstance(value, int | float) and not isinstance(value, bool) and value == value:  # NaN is not
        share = Fraction(Decimal(repr(value))) if abs(value) < 2 else Fraction(2)
    if share is None or not 0 <= share <= 1:
        raise ValueError(f'{value!r} is no share: "5%", or a number from 0 to 1')
    return share


def parse_duration(value: Any) -> timedelta:
    """The length of time that ``"90d"`` means: s, m, h, d or w, more than 0, at most a century. Raises
    ValueError.

    >>> parse_duration("1.5h")
    datetime.timedelta(seconds=5400)
    """
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match:
        days = Fraction(match[1]) * _SECONDS[match[2]] / 86_400
        if 0 < days <= _LONGEST:
            return timedelta(days=float(days))
    raise ValueError(f'{value!r} is no length of time: "90d", "12h"; units are s, m, h, d and w')


def parse_size(value: Any) -> int:
    """The bytes that ``"2GB"`` means: B, kB, MB, GB and TB by thousands, KiB to TiB by 1,024. Raises
    ValueError.

    >>> parse_size("2GB"), parse_size("1.5 MiB")
    (2000000000, 1572864)
    """
    text = value.strip().replace("Ki", "ki").replace("KB", "kB") if isinstance(value, str) else ""
    match = _SIZE.fullmatch(text)
    if not match or match[2] == "iB":
        raise ValueError(f'{value!r} is no size: "500MB", "2GB", "1GiB"')
    prefix, base = match[2][:-1].rstrip("i"), 1024 if "i" in match[2] else 1000
    return int(Fraction(match[1]) * base ** _POWERS.index(prefix or " "))


def percent(share: Fraction | float) -> str:
    """A share as people read it; one that is not 0 or 1 is not shown as such.

    >>> percent(0.05), percent(1 / 3), percent(0.00001), percent(0.99999)
    ('5%', '33.3%', '<0.1%', '>99.9%')
    """
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{float(share) * 100:.1f}".removesuffix(".0") + "%"
