"""Prose for the demo's pages: sentence templates of ``text/`` filled, joined and never long the same.

A text file has sections, ``[name]`` and one template a line; ``{town}`` and its like are slots, filled
from the section of that name in the language's ``common.txt`` or with a number.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from parascrape.loopback.demo.dice import Dice

__all__ = ["Writer", "sections"]

_TEXT = Path(__file__).with_name("text")
_SLOT = re.compile(r"\{(\w+)\}")

_NUMBERS = {
    "n": (3, 28),
    "many": (120, 4800),
    "percent": (4, 68),
    "year": (1911, 2019),
    "数": (3, 28),
    "多数": (120, 4800),
    "割合": (4, 68),
    "年": (1925, 2019),
    "月": (1, 12),
}


@cache
def sections(language: str, name: str) -> dict[str, tuple[str, ...]]:
    """The templates of ``text/<language>/<name>.txt`` by section."""
    found: dict[str, list[str]] = {}
    for line in (_TEXT / language / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            lines = found.setdefault(line.strip("[]"), [])
        else:
            lines.append(line.strip())
    return {section: tuple(lines) for section, lines in found.items()}


@cache
def _parts(template: str) -> tuple[str, ...]:
    """The template cut at its slots: text, slot, text, slot, ..., text."""
    return tuple(_SLOT.split(template))


class Writer:
    """One author: a language (``en`` or ``ja``), a topic (a text file's name) and dice of its own."""

    def __init__(self, language: str, topic: str, dice: Dice) -> None:
        self.language = language
        self.dice = dice
        self._common = sections(language, "common")
        self._topic = sections(language, topic)
        self._plain = topic == "forum"  # people in a forum do not introduce what they say
        self._deck: list[str] = []

    def fill(self, template: str) -> str:
        """The template with every slot filled."""
        parts = list(_parts(template))
        for index in range(1, len(parts), 2):
            parts[index] = self.slot(parts[index])
        return "".join(parts)

    def slot(self, name: str) -> str:
        """A value for the slot, such as a town or a number."""
        if name in _NUMBERS:
            number = self.dice.between(*_NUMBERS[name])
            return f"{number:,}" if name in ("many", "多数") else str(number)
        return self.dice.pick(self._common[name])

    def title(self) -> str:
        """A headline."""
        return self.fill(self.dice.pick(self._topic["titles"]))

    def sentence(self) -> str:
        """A sentence; the topic's templates all have their turn before one comes again."""
        if not self._deck:
            self._deck = self.dice.shuffled(self._topic["sentences"])
        core = self.fill(self._deck.pop())
        return self._japanese(core) if self.language == "ja" else self._english(core)

    def _english(self, core: str) -> str:
        chance = 9 if self._plain else self.dice.below(10)
        if chance < 3:
            core = self.fill(self.dice.pick(self._common["openers"])) + " " + core
        elif chance < 5:
            core += self.fill(self.dice.pick(self._common["tails"]))
        return core[0].upper() + core[1:] + ("" if core.endswith("?") else ".")

    def _japanese(self, core: str) -> str:
        chance = self.dice.below(10)
        if chance < 3:
            core = self.fill(self.dice.pick(self._common["文頭"])) + core
        elif chance < 5:
            return f"{core}。{self.fill(self.dice.pick(self._common['文末']))}"
        return f"{core}。"

    def paragraph(self, least: int = 3, most: int = 7) -> str:
        """A paragraph of ``least`` to ``most`` sentences."""
        count = self.dice.between(least, most)
        return ("" if self.language == "ja" else " ").join(self.sentence() for _ in range(count))

    def paragraphs(self, characters: int) -> list[str]:
        """Paragraphs of at least that many characters in all, one at the least."""
        found = [self.paragraph()]
        length = len(found[0])
        while length < characters:
            found.append(self.paragraph())
            length += len(found[-1])
        return found
