"""A bound on what one page gives: nested elements repeat their text, a long <base> every link's URL.

4,000 <div> within each other around a text of 1 MB are 4 GB of text for ``--select 'all[]=div'``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from parascrape.errors import BadRecord

__all__ = ["MAX_CHARACTERS", "bounded"]

MAX_CHARACTERS = 50_000_000
"""Characters of all values of one list; a record may have 64 MB."""

_OVERHEAD = 100
"""Counted for each value beside its characters: what JSON and Python need."""

T = TypeVar("T")


def bounded(values: Iterable[T], length: Callable[[T], int]) -> Iterator[T]:
    """The values, as long as they are together no longer than MAX_CHARACTERS.

    Raises:
        BadRecord: they are.
    """
    left = MAX_CHARACTERS
    for value in values:
        left -= length(value) + _OVERHEAD
        if left < 0:
            raise BadRecord(f"the page's values are longer than {MAX_CHARACTERS:,} characters together")
        yield value
