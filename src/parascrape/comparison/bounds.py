"""What bounds a list: each possible bound as the share of a run's time that it explains. Pure.

    twin      the local server that answered was too busy        1 or 0: it knows itself
    start     starting took longer than the work                 time to the first fetch / time
    host      one host's limits: n pages x latency / per_host,   that least time / time
              or (n - 1) x delay
    cpu       computing: all threads of a process share a core   CPU time / (time x cores it can use)
    latency   waiting for answers                                waiting a page x pages / (time x fetches)

The latency of a host is its least mean over the strategies: in the others its answers also waited for the
processor. The first that explains enough, in this order, is the bound: an earlier one fills later ones too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from parascrape.comparison.figures import Figures
from parascrape.comparison.stages import Stages

__all__ = ["Bound", "Limits", "find_bound", "measure_bounds"]

_ENOUGH = {"twin": 0.8, "start": 0.5, "host": 0.75, "cpu": 0.7, "latency": 0.5}


class Limits(NamedTuple):
    """What holds for every strategy: CPUs, fetches that a host may have at once (0: any), seconds between."""

    cpus: int
    per_host: int = 0
    delay: float = 0.0


class Bound(NamedTuple):
    """One bound: how much of the time it explains (about 1 at most), and of which host."""

    name: str
    share: float
    host: str = ""
    pages: int = 0  # of that host
    least: float = 0.0  # seconds that its pages need
    clear: bool = True  # False: the largest, but not large enough to be the reason


def measure_bounds(chosen: Figures, every: Sequence[Figures], stages: Stages, limits: Limits) -> list[Bound]:
    """All bounds of a strategy in the order above."""
    going = max(chosen.seconds - chosen.starting, 1e-9)
    waiting = stages.waiting * chosen.pages / (going * chosen.strategy.fetches)
    host = _host_bound(every, limits, stages)
    return [
        Bound("twin", float(chosen.waited_for_twin)),
        Bound("start", chosen.starting / chosen.seconds),
        host._replace(share=host.least / going),
        Bound("cpu", cpu_share(chosen, limits.cpus)),
        Bound("latency", waiting),
    ]


def cpu_share(figures: Figures, cpus: int) -> float:
    """Share of the cores that the strategy can use at once that it did use; 0.0 where that is unknown.

    The parent of worker processes works too, so processes can fill one core more than there are of them.
    """
    strategy = figures.strategy
    cores = (
        cpus
        if strategy.mode == "auto"
        else min(cpus, strategy.processes + 1)
        if strategy.processes > 1
        else 1
    )
    return (figures.cpu or 0.0) / (figures.seconds * cores)


def find_bound(bounds: Sequence[Bound]) -> Bound:
    """The first that explains enough; where none does the largest, not ``clear``."""
    for bound in bounds:
        if bound.share >= _ENOUGH[bound.name]:
            return bound
    return max(bounds, key=lambda bound: bound.share)._replace(clear=False)


def _host_bound(every: Sequence[Figures], limits: Limits, stages: Stages) -> Bound:
    """The host whose limits need the longest time; of no host where there are no limits.

    A host's slot is free again when the page is here, so scraping does not count.
    """
    scraping = stages.decoding + stages.parsing + stages.writing
    worst = Bound("host", 0.0)
    runs = [run for figures in every for run in figures.runs]
    for host in {host for run in runs for host in run.result.hosts}:
        loads = [run.result.hosts[host] for run in runs if host in run.result.hosts]
        pages = loads[0].pages
        least = max(0, pages - 1) * limits.delay
        if limits.per_host:
            latency = min(load.seconds / load.pages for load in loads) - scraping
            least = max(least, pages * latency / limits.per_host)
        if least > worst.least:
            worst = Bound("host", 0.0, host, pages, least)
    return worst
