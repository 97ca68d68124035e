"""A whole comparison: sampled, run, checked for equal records, judged."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

from parascrape.comparison.bounds import ThroughputLimits
from parascrape.comparison.command_line import options_of
from parascrape.comparison.differences import Difference, compare_outputs
from parascrape.comparison.network import Network, RecordedList
from parascrape.comparison.runs import RunPlan, StrategyRun, run_all
from parascrape.comparison.sample import ListSample, host_of, write_list
from parascrape.comparison.stages import StageTimes, run_stages
from parascrape.comparison.statistics import Statistics, summarise_runs
from parascrape.comparison.strategies import Strategy
from parascrape.comparison.verdict import Verdict, give_verdict
from parascrape.settings import Settings
from parascrape.system import available_cpus, temporary_folder

__all__ = [
    "Comparison",
    "Disagreement",
    "RepetitionGrid",
    "check_records",
    "compare",
    "count_laps",
    "make_plan",
]

_LEAST = 1.5
"""Seconds that the fastest strategy should take."""
_MOST = 10.0
"""Seconds that the slowest, one page after the other, may take for it."""


def count_laps(sample: ListSample, stages: StageTimes, limits: ThroughputLimits) -> int:
    """How often each run harvests the sample: at least once, and no more pages than the list has.

    A sample that is the whole list is harvested once: there starting is part of the answer.
    """
    pages = len(sample.entries)
    slowest = pages * (stages.waiting + stages.cpu)
    if not slowest:
        return 1
    fastest = max(
        pages * stages.cpu / limits.cpus, pages * stages.waiting / 32, _held(sample, stages, limits)
    )
    wanted = math.ceil(_LEAST / fastest)
    return max(1, min(wanted, int(_MOST / max(slowest, fastest)), sample.total // pages))


def _held(sample: ListSample, stages: StageTimes, limits: ThroughputLimits) -> float:
    """Seconds that the sample takes at least by the limits of its largest host."""
    most = max(Counter(host_of(entry.url) for entry in sample.entries).values())
    at_once = most * stages.waiting / limits.per_host if limits.per_host else 0.0
    return max(at_once, most * limits.delay)


class RepetitionGrid(NamedTuple):
    """What is compared, how often each, and whether it matters how long that takes, or only what it gives."""

    strategies: tuple[Strategy, ...]
    repeat: int
    timed: bool = True


class Disagreement(NamedTuple):
    """A strategy whose records are others than those of the first: of so many URLs, some of them shown."""

    reference: Strategy
    strategy: Strategy
    urls: int
    shown: tuple[Difference, ...]


@dataclass(frozen=True)
class Comparison:
    """All that came of it. ``figures`` and ``verdict`` are there for strategies that did their work.

    Every run harvested the sample ``laps`` times.
    """

    recorded: RecordedList
    strategies: tuple[Strategy, ...]
    runs: tuple[StrategyRun, ...]
    figures: tuple[Statistics, ...]
    stages: StageTimes
    limits: ThroughputLimits
    disagreements: tuple[Disagreement, ...]
    verdict: Verdict | None
    laps: int = 1

    @property
    def sample(self) -> ListSample:
        """What was drawn from the list."""
        return self.recorded.sample

    @property
    def faults(self) -> dict[Strategy, str]:
        """Why strategies gave nothing."""
        return {run.strategy: run.fault for run in self.runs if run.fault}

    @property
    def is_good(self) -> bool:
        """Whether every strategy did its work, and all gave the same records."""
        return not self.faults and not self.disagreements


def compare(
    recorded: RecordedList,
    grid: RepetitionGrid,
    settings: Settings,
    network: Network | None,
    tell: Callable[[str], object],
) -> Comparison:
    """The comparison of the strategies on a sample; ``tell`` gets a line after every step.

    A strategy that crashes or loses records is left out of the verdict and named in ``faults``.
    """
    settings = _over(network, settings)
    limits = ThroughputLimits(available_cpus(), settings.per_host, settings.delay)
    with make_plan(recorded.sample, grid, settings, network) as plan:
        stages = run_stages(plan.forwards, settings) if grid.timed else StageTimes()
        laps = count_laps(recorded.sample, stages, limits)
        plan = _lengthen(plan, recorded.sample, laps)
        if laps > 1:
            tell(f"Each run harvests them {laps} times: once would be over too soon to tell.")
        runs = run_all(plan, tell)
        disagreements = tuple(check_records(runs))
    figures = summarise_runs(grid.strategies, runs)
    verdict = give_verdict(figures, stages, limits, recorded.sample.total) if figures else None
    return Comparison(
        recorded,
        grid.strategies,
        tuple(runs),
        tuple(figures),
        stages,
        limits,
        disagreements,
        verdict,
        laps,
    )


def _lengthen(plan: RunPlan, sample: ListSample, laps: int) -> RunPlan:
    """The plan with the sample so many times in its lists."""
    write_list(plan.forwards, sample.entries * laps)
    write_list(plan.backwards, sample.entries[::-1] * laps)
    return plan._replace(pages=len(sample.entries) * laps)


def _over(network: Network | None, settings: Settings) -> Settings:
    """The settings of runs that this network answers. The sample holds no URL twice: none is looked for."""
    settings = replace(settings, fetch_duplicates=True)
    if network is None:
        return settings
    return replace(settings, connect_to=network.connect_to, ca_file=network.ca_file, proxy="")


@contextmanager
def make_plan(
    sample: ListSample, grid: RepetitionGrid, settings: Settings, network: Network | None
) -> Iterator[RunPlan]:
    """The plan, whose folder is there until the context ends."""
    with temporary_folder("parascrape-compare-") as folder:
        forwards, backwards = folder / "list.jsonl", folder / "reversed.jsonl"
        write_list(forwards, sample.entries)
        write_list(backwards, reversed(sample.entries))
        yield RunPlan(
            grid.strategies,
            grid.repeat,
            folder,
            forwards,
            backwards,
            len(sample.entries),
            tuple(options_of(settings)),
            network,
        )


def check_records(runs: Sequence[StrategyRun]) -> Iterator[Disagreement]:
    """The strategies with a run whose records are not those of the first good run, each once.

    The first strategy too: where its own runs disagree, its scraper depends on more than the page.
    """
    good = [run for run in runs if not run.fault]
    seen: set[Strategy] = set()
    for run in good[1:]:
        if run.strategy in seen:
            continue
        count, shown = compare_outputs(good[0].output, run.output)
        if count:
            seen.add(run.strategy)
            yield Disagreement(good[0].strategy, run.strategy, count, tuple(shown))
