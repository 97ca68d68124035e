"""Where the pages of an output begin, by a key: millions of them in sorted arrays, and what stands there."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from typing import IO, Any

from parascrape import records

__all__ = ["KeyIndex", "read_lines_at"]

_SHIFT = 64 - 12


class KeyIndex:
    """A multimap from 64-bit keys to offsets; 16 bytes each, where a dict takes a hundred.

    Kept in parts by the keys' first 12 bits, so that no step is long enough to hold up a Ctrl-C. `add` comes
    in the order of the file, then `sort` once, then the others.
    """

    def __init__(self) -> None:
        self._parts: defaultdict[int, tuple[array[int], array[int]]] = defaultdict(
            lambda: (array("q"), array("q"))
        )
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: int, offset: int) -> None:
        """Note that a page of this key begins at the offset."""
        keys, offsets = self._parts[key >> _SHIFT]
        keys.append(key)
        offsets.append(offset)
        self._count += 1

    def sort(self) -> None:
        """Make it ready to be asked."""
        for place, (keys, offsets) in self._parts.items():
            # Of one key, the first in the file comes last: taken from there, none of the others has to move.
            order = sorted(range(len(keys) - 1, -1, -1), key=keys.__getitem__)
            self._parts[place] = (
                array("q", (keys[at] for at in order)),
                array("q", (offsets[at] for at in order)),
            )

    def find(self, key: int) -> Iterator[int]:
        """The offsets of a key, in the order of the file."""
        keys, offsets = self._parts.get(key >> _SHIFT, _NOTHING)
        at = bisect_right(keys, key) - 1
        while at >= 0 and keys[at] == key:
            yield offsets[at]
            at -= 1

    def last(self, key: int) -> int | None:
        """The greatest offset of a key; None where there is none."""
        keys, offsets = self._parts.get(key >> _SHIFT, _NOTHING)
        at = bisect_left(keys, key)
        return offsets[at] if at < len(keys) and keys[at] == key else None

    def take(self, key: int, offset: int) -> bool:
        """Whether the key has this offset; from now on it has not."""
        keys, offsets = self._parts.get(key >> _SHIFT, _NOTHING)
        at = bisect_right(keys, key) - 1
        while at >= 0 and keys[at] == key:
            if offsets[at] == offset:
                keys.pop(at)
                offsets.pop(at)
                self._count -= 1
                return True
            at -= 1
        return False


_NOTHING: tuple[array[int], array[int]] = (array("q"), array("q"))


def read_lines_at(file: IO[bytes], offset: int, *, first: bool = False) -> list[dict[str, Any]]:
    """The records of the page whose first line begins there, at least one; with ``first`` only that.

    Raises:
        ValueError: no whole page stands there (any more).
        OSError: the file cannot be read.
    """
    file.seek(offset)
    found = [_read_record(file)]
    items = 1 if first else found[0]["meta"].get("items", 1)
    while isinstance(items, int) and len(found) < items:
        found.append(_read_record(file))
        if found[-1]["meta"].get("item") != len(found):
            raise ValueError("the page is not whole")
    return found


def _read_record(file: IO[bytes]) -> dict[str, Any]:
    line = file.readline()
    if not line.endswith(b"\n"):
        raise ValueError("the line is not whole")
    record = records.parse(line)
    if not isinstance(record.get("meta"), dict) or not isinstance(record.get("url"), str):
        raise ValueError("the line is no record")
    return record
