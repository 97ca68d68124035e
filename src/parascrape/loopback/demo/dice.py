"""Choices that look random and are the same on every machine and in every Python version."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

__all__ = ["Dice"]

T = TypeVar("T")

_MASK = (1 << 64) - 1


class Dice:
    """A 64-bit linear congruential generator (Knuth's MMIX constants), seeded by a text.

    The standard library's ``random`` promises stable floats, not stable choices, from one version
    to the next; integers alone are used here, so no platform's rounding matters.
    """

    __slots__ = ("_state",)

    def __init__(self, seed: str) -> None:
        self._state = int.from_bytes(blake2b(seed.encode(), digest_size=8).digest(), "big")

    def below(self, limit: int) -> int:
        """An integer from 0 to ``limit`` - 1; ``limit`` is at most 2**31."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & _MASK
        return ((self._state >> 33) * limit) >> 31

    def between(self, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices."""
        return choices[self.below(len(choices))]

    def shuffled(self, choices: Sequence[T]) -> list[T]:
        """All the choices in another order (Fisher and Yates)."""
        deck = list(choices)
        for last in range(len(deck) - 1, 0, -1):
            other = self.below(last + 1)
            deck[last], deck[other] = deck[other], deck[last]
        return deck
