"""Table validator: reads TOML and JSON tables key by key and collects every mistake in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from parascrape.errors import UsageError
from parascrape.system import did_you_mean, printable

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Reader = Callable[[Any], Any]
"""Returns what a value of a table means. Raises ValueError or UsageError for a wrong value."""

T = TypeVar("T")
D = TypeVar("D", bound="DataclassInstance")


def read_table(kind: type[D], given: object, noun: str = "key", *, ignore_unknown: bool = False) -> D:
    """Return the dataclass with the values of a table; each field is ``Annotated`` with its `Reader`.

    Raises:
        ValueError: the table has mistakes; the message names all of them, each with its key.
    """
    values = table(given)
    readers = readers_of(kind)
    if ignore_unknown:
        values = {name: value for name, value in values.items() if name in readers}
    required = [one.name for one in fields(kind) if one.default is MISSING and one.default_factory is MISSING]
    read, mistakes = check_table(readers, values, required, noun)
    if mistakes:
        raise ValueError(printable("; ".join(f"{name}: {why}" for name, why in mistakes.items()), 2000))
    return kind(**read)


@cache
def readers_of(kind: Any) -> dict[str, Reader]:
    """Return the readers of a class by field; fields without a reader are left out."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")}


def check_table(
    readers: Mapping[str, Reader], given: Mapping[str, Any], required: Collection[str] = (), noun: str = "key"
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what the values of a table mean, and the mistakes in it, both by key."""
    read, mistakes = {}, {}
    for name, value in given.items():
        try:
            if name not in readers:
                raise ValueError(
                    f"no such {noun}{did_you_mean(name.replace('-', '_'), readers, similarity=0.5)}"
                )
            read[name] = readers[name](value)
        except (ValueError, UsageError) as error:
            mistakes[name] = str(error)
    missing = [name for name in required if name not in given]
    return read, mistakes | dict.fromkeys(missing, "is missing")


def text(value: object) -> str:
    """Return a string."""
    return _checked(value, str, "a string")


def strings(value: object) -> list[str]:
    """Return a list of strings."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"write a list of strings, not {value!r}")
    return value


def switch(value: object) -> bool:
    """Return a bool."""
    return _checked(value, bool, "true or false")


def table(value: object) -> Mapping[str, Any]:
    """Return a table."""
    return _checked(value, dict, "a table")


def whole(value: object, low: float = -math.inf) -> int:
    """Return an integer, at least ``low``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        least = "" if low == -math.inf else f" of at least {low:g}"
        raise ValueError(f"write a whole number{least}, not {value!r}")
    return value


def number(value: object) -> float:
    """Return a finite number."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"write a number, not {value!r}")
    return float(value)


def optional(read: Reader) -> Reader:
    """Return a reader that takes null as well."""
    return lambda value: None if value is None else read(value)


def mapping(read: Reader) -> Reader:
    """Return a reader of tables whose keys may be any and whose values are read by ``read``."""

    def read_all(value: object) -> dict[str, Any]:
        given = table(value)
        values, mistakes = check_table(dict.fromkeys(given, read), given)
        for name, why in mistakes.items():
            raise ValueError(f"{name}: {why}")
        return values

    return read_all


def _checked(value: object, kind: type[T], noun: str) -> T:
    if not isinstance(value, kind):
        raise ValueError(f"write {noun}, not {value!r}")
    return value
