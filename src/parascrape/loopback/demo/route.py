"""Route: what one path of one demo host answers, as plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["HTML", "SIZES", "Fault", "Route", "empty"]

HTML = "text/html; charset=utf-8"

SIZES = (2_000, 3_000, 4_000, 6_000, 9_000, 13_000, 18_000, 25_000, 36_000, 52_000, 75_000, 110_000)
"""Characters of main text to choose from; the largest pages (tables) are larger still."""

Fault = Literal["", "cut", "garbled"]


def empty() -> str:
    """No text at all."""
    return ""


@dataclass(frozen=True, kw_only=True)
class Route:
    """One path: how it answers, and what the harvest is to make of it.

    The body is ``text()`` in ``encoding``. ``first`` is a status that every other request gets in
    place of the true answer, beginning with the first. ``outcome`` is the error code of the record
    that the default settings give, empty for a good one.
    """

    host: int
    path: str
    text: Callable[[], str] = empty
    encoding: str = "utf-8"
    content_type: str = HTML
    status: int = 200
    location: tuple[int, str] | None = None  # host and path of a redirect
    first: int = 0
    delay: float = 0.0  # seconds before the first byte
    drip: float = 0.0  # seconds from the first byte of the body to the last
    gzip: bool = True  # compress for those who accept it
    fault: Fault = ""  # cut: half the body, then the end; garbled: no gzip where gzip is said
    outcome: str = ""
    listed: bool = True

    def body(self) -> bytes:
        """The body before any content coding."""
        return self.text().encode(self.encoding)
