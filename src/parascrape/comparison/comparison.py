"""Comparison of strategies on a recorded sample: run, check for equal records, judge."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from parascrape.comparison.differences import Difference, compare_outputs
from parascrape.comparison.runs import RunPlan, StrategyRun, run_all
from parascrape.comparison.sample import ListSample, RecordedList, host_of
from parascrape.comparison.stages import StageTimes, run_stages
from parascrape.comparison.statistics import Statistics, summarise_runs
from parascrape.comparison.strategies import Strategy
from parascrape.comparison.verdict import ThroughputLimits, Verdict, give_verdict
from parascrape.loopback import ReplayServer
from parascrape.settings import Settings, command_options
from parascrape.system import available_cpus, temporary_folder

_LEAST = 1.5
"""Seconds that a run of the fastest strategy should take."""
_MOST = 10.0
"""Seconds that a run of the slowest strategy, one page after the other, may take."""


def count_repetitions(sample: ListSample, stages: StageTimes, limits: ThroughputLimits) -> int:
    """Return how often each run harvests the sample: at least once, and no more pages than the list has.

    A sample that is the whole list is harvested once: then the start is part of the answer.
    """
    pages = len(sample.entries)
    slowest = pages * (stages.waiting + stages.cpu)
    if not slowest:
        return 1
    largest = max(Counter(host_of(entry.url) for entry in sample.entries).values())  # pages of a host
    at_once = largest * stages.waiting / limits.per_host if limits.per_host else 0.0
    least = max(at_once, largest * limits.delay)  # seconds, by the limits of that host
    fastest = max(pages * stages.cpu / limits.cpus, pages * stages.waiting / 32, least)
    wanted = math.ceil(_LEAST / fastest)
    return max(1, min(wanted, int(_MOST / max(slowest, fastest)), sample.total // pages))


class RepetitionGrid(NamedTuple):
    """The strategies to compare, the runs of each, and whether times matter or only the records."""

    strategies: tuple[Strategy, ...]
    repeat: int
    timed: bool = True


class Disagreement(NamedTuple):
    """A strategy with other records than the first one: the number of URLs, and some of the differences."""

    reference: Strategy
    strategy: Strategy
    urls: int
    shown: tuple[Difference, ...]


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison; strategies that failed have no figures.

    Every run harvested the sample ``repetitions`` times.
    """

    recorded: RecordedList
    strategies: tuple[Strategy, ...]
    runs: tuple[StrategyRun, ...]
    figures: tuple[Statistics, ...]
    stages: StageTimes
    limits: ThroughputLimits
    disagreements: tuple[Disagreement, ...]
    verdict: Verdict | None
    repetitions: int = 1

    @property
    def sample(self) -> ListSample:
        """The sample of the list."""
        return self.recorded.sample

    @property
    def faults(self) -> dict[Strategy, str]:
        """Why strategies failed."""
        return {run.strategy: run.fault for run in self.runs if run.fault}

    @property
    def is_good(self) -> bool:
        """Whether every strategy did its work and all gave the same records."""
        return not self.faults and not self.disagreements


def compare(
    recorded: RecordedList,
    grid: RepetitionGrid,
    settings: Settings,
    server: ReplayServer | None,
    tell: Callable[[str], object],
) -> Comparison:
    """Compare the strategies on a recorded sample; ``tell`` gets a line after every step.

    A strategy that crashes or loses records is left out of the verdict and named in ``faults``. Without a
    ``server`` the sites themselves answer.
    """
    limits = ThroughputLimits(available_cpus(), settings.per_host, settings.delay)
    sample = recorded.sample
    with temporary_folder("parascrape-compare-") as folder:
        plan = RunPlan(grid.strategies, grid.repeat, folder, tuple(_options(settings, server)), server)
        plan = plan.with_list(sample.entries)
        stages = run_stages(plan.list_path(), settings, server) if grid.timed else StageTimes()
        repetitions = count_repetitions(sample, stages, limits)
        if repetitions > 1:
            tell(f"Each run harvests them {repetitions} times: once would be over too soon to tell.")
            plan = plan.with_list(sample.entries * repetitions)
        runs = tuple(run_all(plan, tell))
        disagreements = tuple(check_records(runs))
    figures = tuple(summarise_runs(grid.strategies, runs))
    verdict = give_verdict(figures, stages, limits, sample.total) if figures else None
    return Comparison(
        recorded, grid.strategies, runs, figures, stages, limits, disagreements, verdict, repetitions
    )


def _options(settings: Settings, server: ReplayServer | None) -> Iterator[str]:
    """Yield the options of the runs. The sample has no duplicates, and its repetitions are all fetched."""
    yield from command_options(replace(settings, fetch_duplicates=True))
    if server is not None:
        yield f"--connect-to={server.connect_to}"
        if server.ca_file:
            yield f"--ca-file={server.ca_file}"


def check_records(runs: Sequence[StrategyRun]) -> Iterator[Disagreement]:
    """Yield each strategy that has a run with other records than the first good run.

    This can be the first strategy too: if its own runs disagree, the scraper depends on more than the page.
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
