"""Laps: how often a run goes through its sample, so that it lasts long enough to tell strategies apart. Pure.

Processes need a third of a second until all of them work. In runs shorter than that the cheapest to start
wins, though the whole list may take hours.
"""

from __future__ import annotations

import math
from collections import Counter

from parascrape.comparison.bounds import Limits
from parascrape.comparison.sample import Sample, host_of
from parascrape.comparison.stages import Stages

__all__ = ["count_laps"]

_LEAST = 1.5
"""Seconds that the fastest strategy should take."""
_MOST = 10.0
"""Seconds that the slowest, one page after the other, may take for it."""


def count_laps(sample: Sample, stages: Stages, limits: Limits) -> int:
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


def _held(sample: Sample, stages: Stages, limits: Limits) -> float:
    """Seconds that the sample takes at least by the limits of its largest host."""
    most = max(Counter(host_of(entry.url) for entry in sample.entries).values())
    at_once = most * stages.waiting / limits.per_host if limits.per_host else 0.0
    return max(at_once, most * limits.delay)
