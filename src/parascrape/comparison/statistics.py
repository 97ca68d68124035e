"""Figures: what the runs of a strategy come to, and which differences are more than noise.

The rule. Runs are interleaved, so what disturbs the machine for a while disturbs all strategies. One strategy
is faster than another only if every run of it was faster than every run of the other (their ranges do not
overlap) and the medians are at least 3 % apart; anything else is a tie. Were there no difference at all,
n runs of each would separate so by chance once in C(2n, n) times: 6 for two runs, 20 for three, 252 for
five (the permutation test with the most extreme order). It needs no assumption about the noise. Single runs
have no range, so they have to be 20 % apart.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from parascrape.comparison.runs import StrategyRun
from parascrape.comparison.strategies import Strategy
from parascrape.harvesting import STAGES, Timings

__all__ = [
    "CLEAR",
    "PARTS",
    "Statistics",
    "chance",
    "clearly_faster",
    "milliseconds_a_page",
    "rank",
    "share_out",
    "summarise_runs",
]

PARTS = {name: text for name, text in STAGES.items() if name not in ("queue", "pipe", "write")}
"""What takes a thread's time; the other stages are times of a page without one."""


def share_out(figures: Statistics) -> dict[str, float]:
    """Shares of all threads' time by `PARTS`, 1 in sum, of the typical run; none where it is not known."""
    split = figures.split
    seconds = {name: getattr(split, name) for name in PARTS}
    whole = sum(seconds.values())
    return {name: each / whole for name, each in seconds.items()} if whole else {}


def milliseconds_a_page(figures: Statistics) -> dict[str, float]:
    """Milliseconds a page of every stage, of the typical run; none where it is not known."""
    split = figures.split
    return {name: 1000 * getattr(split, name) / split.pages for name in STAGES} if split.pages else {}


CLEAR = 0.03
"""The least share by which two medians differ that are called different."""
_CLEAR_ONCE = 0.2


class Statistics(NamedTuple):
    """The good runs of one strategy, at least one."""

    strategy: Strategy
    runs: tuple[StrategyRun, ...]

    @property
    def rates(self) -> list[float]:
        """Pages a second of every run."""
        return [run.rate for run in self.runs]

    @property
    def rate(self) -> float:
        """Pages a second, the median."""
        return statistics.median(self.rates)

    @property
    def seconds(self) -> float:
        """Wall time, the median."""
        return self.median(lambda run: run.measured.seconds) or 0.0

    @property
    def starting(self) -> float:
        """Seconds until the first fetch, the median."""
        return self.median(lambda run: run.starting) or 0.0

    @property
    def split(self) -> Timings:
        """Where the time went in the typical run, that of the median wall time (of two the quicker)."""
        runs = sorted(self.runs, key=lambda run: run.measured.seconds)
        return runs[(len(runs) - 1) // 2].split

    @property
    def pages(self) -> int:
        """Pages of a run."""
        return self.runs[0].result.pages

    @property
    def cpu(self) -> float | None:
        """CPU seconds of the process tree, the median; None: unknown."""
        return self.median(lambda run: run.measured.cpu)

    @property
    def memory(self) -> int | None:
        """Bytes, the most of any run; None: unknown."""
        return max((run.measured.memory for run in self.runs if run.measured.memory), default=None)

    @property
    def waited_for_twin(self) -> bool:
        """Whether the server that answered was the bottleneck of a run."""
        return any(run.twin.was_bottleneck for run in self.runs)

    @property
    def errors(self) -> Counter[str]:
        """Failed pages of all runs, by code."""
        return sum((run.result.errors for run in self.runs), Counter[str]())

    def median(self, of: Callable[[StrategyRun], float | None]) -> float | None:
        """The median of one figure over the runs that have it; None where none has."""
        known = [value for run in self.runs if (value := of(run)) is not None]
        return statistics.median(known) if known else None

    def percentile(self, share: float) -> float | None:
        """Seconds that this share of the pages stays within: the median over the runs."""
        return self.median(lambda run: run.result.percentile(share))

    def projections(self, pages: int) -> list[float]:
        """Seconds that so many pages would take, by every run."""
        return [run.projected(pages) for run in self.runs]

    def projected(self, pages: int) -> float:
        """Seconds that so many pages would take, the median."""
        return statistics.median(self.projections(pages))


def summarise_runs(strategies: Iterable[Strategy], runs: Sequence[StrategyRun]) -> list[Statistics]:
    """The figures of every strategy that has a good run, in the given order."""
    good = {strategy: tuple(run for run in runs if run.strategy == strategy) for strategy in strategies}
    return [
        Statistics(strategy, mine)
        for strategy, mine in good.items()
        if mine and not any(run.fault for run in mine)
    ]


def clearly_faster(quick: Sequence[float], slow: Sequence[float]) -> bool:
    """Whether the first seconds are less than the second by more than noise (the rule above).

    >>> clearly_faster([1.0, 1.1, 1.2], [1.3, 1.4, 1.5]), clearly_faster([1.0, 1.1, 1.4], [1.3, 1.4, 1.5])
    (True, False)
    """
    least = CLEAR if min(len(quick), len(slow)) > 1 else _CLEAR_ONCE
    apart = statistics.median(slow) >= statistics.median(quick) * (1 + least)
    return apart and max(quick) < min(slow)


def chance(first: int, second: int) -> float:
    """How likely so many runs of each separate, in this direction, where there is no difference."""
    return 1 / math.comb(first + second, first)


def rank(figures: Sequence[Statistics], pages: int) -> tuple[Statistics, list[Statistics]]:
    """What to use for a list of so many pages, and those that tie with the fastest, in order of cost.

    Of strategies that tie the cheapest is chosen: fewer processes, then fewer threads.
    """
    fastest = min(figures, key=lambda each: each.projected(pages))
    quick = fastest.projections(pages)
    tied = [each for each in figures if not clearly_faster(quick, each.projections(pages))]
    tied.sort(key=lambda each: each.strategy.cost)
    return tied[0], tied
