"""The rules of retention, as a job states them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Self

from parascrape.errors import UsageError
from parascrape.system.quantities import parse_duration, parse_size
from parascrape.web.text import printable

__all__ = ["Policy"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What stays of a job's outputs; None: that does not matter.

    The last ``keep`` runs (as many rejected ones besides), none older than ``max_age``, and at most
    ``max_size`` bytes in all; those before the last ``compress_after`` runs are gzipped.
    """

    keep: int | None = None
    max_age: timedelta | None = None
    max_size: int | None = None
    compress_after: int | None = None

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Self:
        """The policy of a table such as ``{"keep": 30, "max_age": "90d", "max_size": "2GB"}``.

        Raises:
            UsageError: naming every key that is unknown or has a value that it cannot have.
        """
        values, faults = {}, []
        for key, value in table.items():
            if key not in _READ:
                near = get_close_matches(key, _READ, 1)
                faults.append(f"{key}: no such rule{f'; did you mean {near[0]}?' if near else ''}")
                continue
            try:
                values[key] = _READ[key](value)
            except ValueError as error:
                faults.append(f"{key}: {error}")
        if faults:
            raise UsageError(printable("; ".join(faults), 2000))
        return cls(**values)


def _read_count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{value!r} is no whole number from 1")
    return value


_READ: dict[str, Callable[[Any], Any]] = {
    "keep": _read_count,
    "max_age": parse_duration,
    "max_size": parse_size,
    "compress_after": _read_count,
}
