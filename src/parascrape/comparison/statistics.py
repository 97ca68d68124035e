"""Statistics of the runs of a strategy, and which differences are more than noise.

Runs are interleaved, so a disturbance of the machine disturbs all strategies. One strategy is faster than
another only if every run of it was faster than every run of the other (their ranges do not overlap) and the
medians are at least 3 % apart; otherwise they tie. Without a real difference, n runs of each would separate
so by chance once in C(2n, n) times: 6 for two runs, 20 for three, 252 for five (the permutation test with
the most extreme order). The rule assumes nothing about the noise. Single runs have no range, so they must
be 20 % apart.
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

PARTS = {name: text for name, text in STAGES.items() if name not in ("queue", "pipe", "write")}
"""The stages in which a page has a thread; in the others it has none."""


def share_out(figures: Statistics) -> dict[str, float]:
    """Return the shares of all threads' time by `PARTS`, in the typical run; empty: unknown."""
    seconds = {name: getattr(figures.timings, name) for name in PARTS}
    whole = sum(seconds.values())
    return {name: each / whole for name, each in seconds.items()} if whole else {}


def milliseconds_a_page(figures: Statistics) -> dict[str, float]:
    """Return milliseconds a page by stage, in the typical run; empty: unknown."""
    timings = figures.timings
    return {name: 1000 * getattr(timings, name) / timings.pages for name in STAGES} if timings.pages else {}


_CLEAR = 0.03
"""The least difference of two medians, as a share, that counts."""
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
    def timings(self) -> Timings:
        """The timings of the typical run: the one of median wall time, of two the quicker."""
        runs = sorted(self.runs, key=lambda run: run.measured.seconds)
        return runs[(len(runs) - 1) // 2].timings

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
    def waited_for_server(self) -> bool:
        """Whether the replay server was the bottleneck of a run."""
        return any(run.server.was_bottleneck for run in self.runs)

    @property
    def errors(self) -> Counter[str]:
        """Failed pages of all runs, by code."""
        return sum((run.result.errors for run in self.runs), Counter[str]())

    def median(self, of: Callable[[StrategyRun], float | None]) -> float | None:
        """Return the median of a value over the runs that know it; None: unknown."""
        known = [value for run in self.runs if (value := of(run)) is not None]
        return statistics.median(known) if known else None

    def percentile(self, share: float) -> float | None:
        """Return the seconds that this share of the pages stays within: the median of the runs."""
        return self.median(lambda run: run.result.percentile(share))

    def projections(self, pages: int) -> list[float]:
        """Return the seconds that so many pages would take, by every run."""
        return [run.projected(pages) for run in self.runs]

    def projected(self, pages: int) -> float:
        """Return the seconds that so many pages would take, the median."""
        return statistics.median(self.projections(pages))


def summarise_runs(strategies: Iterable[Strategy], runs: Sequence[StrategyRun]) -> list[Statistics]:
    """Return the statistics of every strategy without a failed run, in the given order."""
    made = (Statistics(one, tuple(run for run in runs if run.strategy == one)) for one in strategies)
    return [each for each in made if each.runs and not any(run.fault for run in each.runs)]


def clearly_faster(quick: Sequence[float], slow: Sequence[float]) -> bool:
    """Return whether the first runs were faster than the second by more than noise (the rule above).

    >>> clearly_faster([1.0, 1.1, 1.2], [1.3, 1.4, 1.5]), clearly_faster([1.0, 1.1, 1.4], [1.3, 1.4, 1.5])
    (True, False)
    """
    least = _CLEAR if min(len(quick), len(slow)) > 1 else _CLEAR_ONCE
    apart = statistics.median(slow) >= statistics.median(quick) * (1 + least)
    return apart and max(quick) < min(slow)


def chance(first: int, second: int) -> float:
    """Return the chance that so many runs of each separate in this direction without a real difference."""
    return 1 / math.comb(first + second, first)


def rank(figures: Sequence[Statistics], pages: int) -> tuple[Statistics, list[Statistics]]:
    """Return the best strategy for a list of so many pages, and all that tie with the fastest by cost.

    Among strategies that tie, the cheapest is the best: fewer processes, then fewer threads.
    """
    fastest = min(figures, key=lambda each: each.projected(pages))
    quick = fastest.projections(pages)
    tied = [each for each in figures if not clearly_faster(quick, each.projections(pages))]
    tied.sort(key=lambda each: each.strategy.cost)
    return tied[0], tied
