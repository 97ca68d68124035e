"""Columns: which column of a table, or key of JSON Lines, holds the URLs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice

import orjson

from parascrape.errors import UsageError
from parascrape.system import did_you_mean, printable

__all__ = ["BARE_URL", "find_column", "json_keys", "refuse_json"]

BARE_URL = re.compile(r"https?://", re.IGNORECASE)
"""How a URL begins, where a list's name or a column's may stand."""

_LOOK_AHEAD = 100
"""Lines of JSON in which the URL's key must be found once."""


def refuse_json(source: str, lines: Iterator[str]) -> Iterator[str]:
    """The lines, or UsageError where they are one JSON text and not a text a line."""
    start = list(islice(lines, 1))
    if start and (start[0].lstrip("\ufeff \t")[:1] == "[" or start[0].strip("\ufeff \t\r\n") == "{"):
        raise UsageError(f"{printable(source)}: JSON, but no JSON Lines: jq -c '.[]' FILE > NAME.jsonl")
    return chain(start, lines)


def find_column(source: str, url_column: str, names: Sequence[str]) -> str:
    """The column of that name, or the only one that differs from it in case.

    Raises UsageError, with the nearest name as a hint, where there are columns but not that one.
    """
    alike = [name for name in names if name.casefold() == url_column.casefold()]
    if not names or url_column in names or len(alike) == 1:
        return url_column if url_column in names or not names else alike[0]
    if any(map(BARE_URL.match, names)):
        raise UsageError(
            f"{source}: no header row; the first row names the columns, one of them {url_column!r}"
        )
    hint = did_you_mean(url_column, names, similarity=0.5)
    raise UsageError(
        printable(f"{source}: no column {url_column!r}, but {', '.join(names)}", 500) + printable(hint)
    )


def json_keys(lines: Iterable[str]) -> list[str]:
    """The keys of the first objects; empty where there is no object, or a line is a URL's string."""
    keys: dict[str, None] = {}
    for line in islice(lines, _LOOK_AHEAD):
        with suppress(ValueError):
            value = orjson.loads(line)
            if isinstance(value, str):
                return []
            keys.update(dict.fromkeys(value if isinstance(value, dict) else ()))
    return list(keys)
