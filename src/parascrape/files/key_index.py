"""An index of 64-bit keys in sorted arrays: a multiset of keys, or a multimap from keys to file offsets."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from typing import TypeAlias

_SHIFT = 64 - 12

_Part: TypeAlias = "tuple[array[int], array[int]]"
_NOTHING: _Part = (array("q"), array("q"))


class KeyIndex:
    """Keys with their offsets, 16 bytes each, or keys alone, 8 bytes each; a dict takes a hundred.

    The arrays are split by the keys' first 12 bits, so that no step is long enough to delay a Ctrl-C: one
    sort of five million keys takes 2.7 s. Call `add` in the order of the file, then `sort` once, then the
    others. Add either all keys with an offset or all without.
    """

    def __init__(self) -> None:
        self._parts: defaultdict[int, _Part] = defaultdict(lambda: (array("q"), array("q")))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: int, offset: int | None = None) -> None:
        """Add a key once more, with the offset where its page begins."""
        keys, offsets = self._parts[key >> _SHIFT]
        keys.append(key)
        if offset is not None:
            offsets.append(offset)
        self._count += 1

    def sort(self) -> None:
        """Prepare the index for lookups."""
        for place, (keys, offsets) in self._parts.items():
            if not offsets:
                self._parts[place] = (array("q", sorted(keys)), offsets)
                continue
            # Of equal keys the first in the file comes last: taking it from there moves none of the others.
            order = sorted(range(len(keys) - 1, -1, -1), key=keys.__getitem__)
            sorted_keys, sorted_offsets = (
                array("q", map(part.__getitem__, order)) for part in (keys, offsets)
            )
            self._parts[place] = (sorted_keys, sorted_offsets)

    def find(self, key: int) -> Iterator[int]:
        """Yield the offsets of a key, in the order of the file."""
        keys, offsets = self._parts.get(key >> _SHIFT, _NOTHING)
        at = bisect_right(keys, key) - 1
        while at >= 0 and keys[at] == key:
            yield offsets[at]
            at -= 1

    def last(self, key: int) -> int | None:
        """Return the largest offset of a key; None for an unknown key."""
        keys, offsets = self._parts.get(key >> _SHIFT, _NOTHING)
        at = bisect_left(keys, key)
        return offsets[at] if at < len(keys) and keys[at] == key else None

    def take(self, key: int, offset: int | None = None) -> bool:
        """Remove a key once, with this offset if one is given; return whether it was there."""
        keys, offsets = self._parts.get(key >> _SHIFT, _NOTHING)
        at = bisect_right(keys, key) - 1
        while at >= 0 and keys[at] == key:
            if offset is None or offsets[at] == offset:
                keys.pop(at)
                if offsets:
                    offsets.pop(at)
                self._count -= 1
                return True
            at -= 1
        return False
