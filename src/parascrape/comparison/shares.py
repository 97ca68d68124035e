"""Shares: what the threads of a strategy do with their time, from its run's own time split. Pure."""

from __future__ import annotations

from parascrape.comparison.statistics import Figures
from parascrape.harvesting.splits import STAGES

__all__ = ["PARTS", "milliseconds_a_page", "share_out"]

PARTS = {name: text for name, text in STAGES.items() if name not in ("queue", "pipe", "write")}
"""What takes a thread's time; the other stages are times of a page without one."""


def share_out(figures: Figures) -> dict[str, float]:
    """Shares of all threads' time by `PARTS`, 1 in sum, of the typical run; none where it is not known."""
    split = figures.split
    seconds = {name: getattr(split, name) for name in PARTS}
    whole = sum(seconds.values())
    return {name: each / whole for name, each in seconds.items()} if whole else {}


def milliseconds_a_page(figures: Figures) -> dict[str, float]:
    """Milliseconds a page of every stage, of the typical run; none where it is not known."""
    split = figures.split
    return {name: 1000 * getattr(split, name) / split.pages for name in STAGES} if split.pages else {}
