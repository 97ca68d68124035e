"""Generated text for the demo pages: sentence templates in English and Japanese, filled at random."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

TOPICS = ("town", "railways", "weather", "cooking", "archives")
"""The sections of the newspaper."""

_SLOT = re.compile(r"\{(\w+)\}")
_WITH_COMMAS = ("many", "多数")


@cache
def templates(language: str) -> dict[str, Any]:
    """Return the texts of a language (``en`` or ``ja``), as its TOML file has them."""
    return tomllib.loads(Path(__file__).with_name(f"{language}.toml").read_text(encoding="utf-8"))


class Writer:
    """Writes sentences on a topic. The same seed gives the same text in every process.

    ``random`` is the source of all choices; a string seed does not depend on ``PYTHONHASHSEED``.
    """

    def __init__(self, language: str, topic: str, seed: str) -> None:
        self.random = Random(seed)  # noqa: S311 (text to read, not secrets)
        self._english = language == "en"
        self._space = " " if self._english else ""
        texts = templates(language)
        self._slots, self._numbers, self._joins = texts["slots"], texts["numbers"], texts["joins"]
        self._topic = texts["topics"][topic]
        self._deck: list[str] = []

    def fill(self, template: str) -> str:
        """Return the template with a value for each ``{slot}``."""
        return _SLOT.sub(lambda match: self.slot(match[1]), template)

    def slot(self, name: str) -> str:
        """Return a value for a slot, such as a town or a number."""
        if name in self._numbers:
            number = self.random.randint(*self._numbers[name])
            return f"{number:,}" if name in _WITH_COMMAS else str(number)
        return self._pick(self._slots[name])

    def _pick(self, choices: list[str]) -> str:
        return self.random.choice(choices)

    def title(self) -> str:
        """Return a headline."""
        return self.fill(self._pick(self._topic["titles"]))

    def sentence(self) -> str:
        """Return a sentence. No template comes a second time before each has come once."""
        if not self._deck:
            self._deck = self.random.sample(self._topic["sentences"], k=len(self._topic["sentences"]))
        core, chance = self.fill(self._deck.pop()), self.random.random()
        if chance < 0.3:
            core = self.fill(self._pick(self._joins["openers"])) + self._space + core
        tail = self.fill(self._pick(self._joins["tails"])) if 0.3 <= chance < 0.5 else ""
        return f"{core[0].upper()}{core[1:]}{tail}." if self._english else f"{core}。{tail}"

    def paragraph(self, least: int = 3, most: int = 7) -> str:
        """Return a paragraph of ``least`` to ``most`` sentences."""
        count = self.random.randint(least, most)
        return self._space.join(self.sentence() for _ in range(count))

    def paragraphs(self, characters: int) -> list[str]:
        """Return paragraphs with at least ``characters`` characters in all, and at least one."""
        found = [self.paragraph()]
        length = len(found[0])
        while length < characters:
            found.append(self.paragraph())
            length += len(found[-1])
        return found
