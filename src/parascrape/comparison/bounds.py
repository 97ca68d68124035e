"""What bounds a list: each possible bound as the share of a run's time that it explains. Pure.

    twin      the local server that answered was too busy        1 or 0: it knows itself
    start     starting took longer than the work                 time to the first fetch / time
    cpu       computing                                          CPU time / time of the cores it can use
    write     the output                                         time writing / time
    host      one host's limits: n pages x latency / per_host,   that least time / time
              or (n - 1) x delay
    manners   threads wait until hosts may be asked again        that time / all threads' time
    latency   waiting for answers                                that time / all threads' time

Where strategies tie, what bounds them bounds all of them: of computing, writing and waiting for answers the
least share of any counts, and of waiting for hosts the largest, for only those with more threads than the
limits let work show it. The latency of a host is its least mean over the strategies: in the others its
answers also waited for the processor.

The first that explains enough, in this order, is the bound: an earlier one fills later ones too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from parascrape.comparison.stages import StageTimes
from parascrape.comparison.statistics import Statistics

__all__ = ["ThroughputBound", "ThroughputLimits", "cpu_share", "find_bound", "measure_bounds"]

_ENOUGH = {"twin": 0.8, "start": 0.5, "cpu": 0.85, "write": 0.6, "host": 0.75, "manners": 0.5, "latency": 0.6}

_WORKING = 1.5
"""How many times the time on the network pages must be at work, or wait for it, for a core to be missed."""


class ThroughputLimits(NamedTuple):
    """What holds for every strategy: CPUs, fetches that a host may have at once (0: any), seconds between."""

    cpus: int
    per_host: int = 0
    delay: float = 0.0


class ThroughputBound(NamedTuple):
    """One bound: how much of the time it explains (about 1 at most), and of which host."""

    name: str
    share: float
    host: str = ""
    pages: int = 0  # of that host
    least: float = 0.0  # seconds that its pages need
    kind: str = ""  # of what hosts are waited for: limit, delay, crawl_delay, rest, retry
    clear: bool = True  # False: the largest, but not large enough to be the reason


def measure_bounds(
    tied: Sequence[Statistics], every: Sequence[Statistics], stages: StageTimes, limits: ThroughputLimits
) -> list[ThroughputBound]:
    """All bounds of the strategies that tie, the chosen one first, in the order above."""
    chosen = tied[0]
    going = max(chosen.seconds - chosen.starting, 1e-9)
    host = _host_bound(every, limits, stages)
    return [
        ThroughputBound("twin", float(chosen.waited_for_twin)),
        ThroughputBound("start", chosen.starting / chosen.seconds),
        ThroughputBound("cpu", min(cpu_share(each, limits.cpus) for each in tied)),
        ThroughputBound("write", min(each.split.write / each.seconds for each in tied)),
        host._replace(share=host.least / going),
        max((_manners(each) for each in tied), key=lambda bound: bound.share),
        ThroughputBound("latency", min(_of_threads(each, each.split.network) for each in tied)),
    ]


def cpu_share(figures: Statistics, cpus: int) -> float:
    """Share of the cores that it can use that are busy, or of all cores, which the server that answers needs
    too, where that is more; 0.0 where nothing is known. What other programs use of the cores it cannot use.
    """
    split = figures.split
    usable = split.core_seconds
    if split.turn + split.inflate + split.scrape > _WORKING * split.network:  # pages do wait for a core
        others = figures.median(lambda run: run.measured.others) or 0.0
        usable = min(usable, (1 - min(others, 0.95)) * cpus * figures.seconds)
    own = split.cpu / usable if usable else 0.0
    return max(own, figures.median(lambda run: run.machine_share(cpus)) or 0.0)


def find_bound(bounds: Sequence[ThroughputBound]) -> ThroughputBound:
    """The first that explains enough; where none does the largest, not ``clear``."""
    for bound in bounds:
        if bound.share >= _ENOUGH[bound.name]:
            return bound
    return max(bounds, key=lambda bound: bound.share)._replace(clear=False)


def _of_threads(figures: Statistics, seconds: float) -> float:
    whole = figures.split.thread_seconds
    return seconds / whole if whole else 0.0


def _manners(figures: Statistics) -> ThroughputBound:
    """What of the threads' time goes by until hosts may be asked, for which reason most; whose, if one's."""
    split = figures.split
    kinds: dict[str, float] = {}
    for (kind, _), seconds in split.blame.items():
        kinds[kind] = kinds.get(kind, 0.0) + seconds
    if not kinds:
        return ThroughputBound("manners", 0.0)
    kind = max(kinds, key=lambda each: kinds[each])
    hosts = {name: seconds for (of, name), seconds in split.blame.items() if of == kind}
    worst = max(hosts, key=lambda each: hosts[each])
    one = hosts[worst] > sum(hosts.values()) / 2
    return ThroughputBound("manners", _of_threads(figures, split.politeness), worst if one else "", kind=kind)


def _host_bound(every: Sequence[Statistics], limits: ThroughputLimits, stages: StageTimes) -> ThroughputBound:
    """The host whose limits need the longest time; of no host where there are no limits.

    A host's slot is free again when the page is here, so scraping does not count.
    """
    scraping = stages.decoding + stages.parsing + stages.writing
    worst = ThroughputBound("host", 0.0)
    runs = [run for figures in every for run in figures.runs]
    for host in {host for run in runs for host in run.result.hosts}:
        loads = [run.result.hosts[host] for run in runs if host in run.result.hosts]
        pages = loads[0].pages
        least = max(0, pages - 1) * limits.delay
        if limits.per_host:
            latency = min(load.seconds / load.pages for load in loads) - scraping
            least = max(least, pages * latency / limits.per_host)
        if least > worst.least:
            worst = ThroughputBound("host", 0.0, host, pages, least)
    return worst
