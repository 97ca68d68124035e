"""The summary of a run: what a history keeps of it, guards judge it by, and hooks are told."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Self

__all__ = ["FINISHED", "OUTCOMES", "ChangeTotals", "RunSummary"]

FINISHED = frozenset(("good", "some_failed", "rejected"))
"""Outcomes of runs that came to the end of their list."""

OUTCOMES = FINISHED | {"interrupted", "crashed", "running"}
"""``running`` is never stored: it is what an unfinished run is while its process lives."""


@dataclass(frozen=True, slots=True)
class ChangeTotals:
    """How many pages differ from the run before, each counted once; ``rewritten`` are those of ``changed``
    of which at least half of the fields have changed.
    """

    added: int = 0
    changed: int = 0
    removed: int = 0
    gone: int = 0
    failed: int = 0
    back: int = 0
    rewritten: int = 0


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run. Counts are of inputs (lines of the list), but for ``records`` and ``bytes``.

    ``inputs`` = ``good`` + all ``failed`` + all ``skipped``; ``unchanged`` are some of the good ones.
    """

    job: str
    began: datetime
    ended: datetime | None = None
    run: int = 0  # its number in the history; 0: it has none
    version: str = ""
    outcome: str = "good"  # one of OUTCOMES
    exit_status: int | None = None
    inputs: int = 0
    good: int = 0
    unchanged: int = 0
    records: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)  # by error code
    skipped: Mapping[str, int] = field(default_factory=dict)  # by error code
    failing_hosts: Mapping[str, int] = field(default_factory=dict)  # the 20 with most failures
    seconds: float = 0.0
    pages_per_second: float = 0.0
    bytes: int = 0  # received
    changes: ChangeTotals = ChangeTotals()
    empty: Mapping[str, float] = field(default_factory=dict)  # by field: share of records without a value
    output: str = ""
    size: int = 0  # bytes of the output

    def __post_init__(self) -> None:
        for name in ("began", "ended"):
            when = getattr(self, name)
            if when is not None:
                if when.tzinfo is None:
                    raise ValueError(f"{name}: a time without its zone")
                object.__setattr__(self, name, when.astimezone(UTC))
        if self.outcome not in OUTCOMES:
            raise ValueError(f"outcome: {self.outcome!r}")

    @property
    def failures(self) -> int:
        """Inputs that failed, by whatever code."""
        return sum(self.failed.values())

    def as_dict(self) -> dict[str, Any]:
        """What JSON can carry; times are RFC 3339 in UTC."""
        values = asdict(self)
        for name in ("began", "ended"):
            when = values[name]
            values[name] = when and when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return values

    def to_json(self) -> str:
        """One line of JSON, for `from_json`."""
        return json.dumps(self.as_dict(), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The summary that `to_json` wrote. Keys of later versions are passed over; raises ValueError."""
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError("not a JSON object")
        known = {one.name: one.type for one in fields(cls)}
        return cls(**{name: _READ[str(known[name])](values[name]) for name in known if name in values})


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r} is no whole number")
    return value


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _mapping(read: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    def read_all(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError(f"{value!r} is no JSON object")
        return {name: read(inner) for name, inner in value.items()}

    return read_all


def _changes(value: Any) -> ChangeTotals:
    counts = _mapping(_whole)(value)
    return ChangeTotals(**{one.name: counts.get(one.name, 0) for one in fields(ChangeTotals)})


_READ: dict[str, Callable[[Any], Any]] = {
    "str": _text,
    "int": _whole,
    "float": _number,
    "int | None": lambda value: None if value is None else _whole(value),
    "datetime": lambda value: datetime.fromisoformat(_text(value)),
    "datetime | None": lambda value: None if value is None else datetime.fromisoformat(_text(value)),
    "Mapping[str, int]": _mapping(_whole),
    "Mapping[str, float]": _mapping(_number),
    "ChangeTotals": _changes,
}
