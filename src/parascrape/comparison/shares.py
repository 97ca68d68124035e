"""Shares: what the threads of a strategy do with their time, as far as records and stages tell. Pure."""

from __future__ import annotations

from typing import NamedTuple

from parascrape.comparison.figures import Figures
from parascrape.comparison.stages import Stages

__all__ = ["Shares", "share_out"]


class Shares(NamedTuple):
    """Shares of all threads' time in a run, 1 in sum.

    ``contention`` is by how much pages took longer than alone: waiting for the processor, for the interpreter
    lock and for the connection's turn. ``free`` is without a page: politeness, queue, pipe, the list's end.
    """

    starting: float
    waiting: float
    computing: float
    contention: float
    free: float


def share_out(figures: Figures, stages: Stages) -> Shares:
    """The shares of a strategy's median run, each cut where the ones before it leave no more."""
    whole = figures.seconds * figures.strategy.fetches
    elapsed = figures.median(lambda run: sum(run.result.latencies)) or 0.0
    wanted = [
        figures.starting * figures.strategy.fetches,
        stages.waiting * figures.pages,
        stages.cpu * figures.pages,
    ]
    wanted.append(max(0.0, elapsed - wanted[1] - wanted[2]))
    left, shares = 1.0, list[float]()
    for seconds in wanted:
        shares.append(min(left, seconds / whole))
        left -= shares[-1]
    return Shares._make([*shares, left])
