"""The verdict: which strategy to use, what bounds the list, how sure that is, and what to type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from parascrape.comparison.bounds import (
    ThroughputBound,
    ThroughputLimits,
    cpu_share,
    find_bound,
    measure_bounds,
)
from parascrape.comparison.stages import StageTimes
from parascrape.comparison.statistics import Statistics, chance, rank
from parascrape.settings import Mode
from parascrape.system import printable

__all__ = ["DISTURBED", "Verdict", "give_verdict", "span", "times"]

DISTURBED = 0.08
"""Share of the CPUs that others used, beyond which a run is not like the others."""

_SHORT = 0.5
"""Seconds after the start below which no run tells much of a longer list."""


class Verdict(NamedTuple):
    """What a comparison comes to. Every text is one sentence or two, and printable."""

    best: Statistics
    tied: tuple[Statistics, ...]
    bound: ThroughputBound
    choice: str
    reason: str
    sureness: str
    doubts: tuple[str, ...]  # why the figures may be off


def give_verdict(
    figures: Sequence[Statistics], stages: StageTimes, limits: ThroughputLimits, total: int
) -> Verdict:
    """The verdict for a list of ``total`` URLs. There is at least one strategy with figures."""
    best, tied = rank(figures, total)
    bounds = measure_bounds(tied, figures, stages, limits)
    if total > best.pages * 5:  # what starting takes is nothing for the whole list
        bounds = [bound for bound in bounds if bound.name != "start"]
    bound = find_bound(bounds)
    return Verdict(
        best,
        tuple(tied),
        bound,
        _choice(best, tied, total),
        _reason(bound, best, figures, stages, limits),
        _sureness(best, tied, figures, total),
        tuple(_doubts(figures)),
    )


def _choice(best: Statistics, tied: Sequence[Statistics], total: int) -> str:
    """What to use, and how long the whole list will take with it."""
    text = f"Use {best.strategy.name}: {_rate(best.rate)} pages/s"
    if total > best.pages:
        going = _rate(total / best.projected(total))
        text += (
            f", in the long run {going}: about {span(best.projected(total))} for the list's {total:,} URLs"
        )
    others = [each.strategy.name for each in tied if each is not best]
    if others:
        text += f". It ties with {', '.join(others)} and takes the least of the machine"
    return text + "."


def _rate(rate: float) -> str:
    """Pages a second in three digits.

    >>> _rate(1234.5), _rate(12.345)
    ('1,234', '12.3')
    """
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _reason(
    bound: ThroughputBound,
    best: Statistics,
    figures: Sequence[Statistics],
    stages: StageTimes,
    limits: ThroughputLimits,
) -> str:
    """What bounds the list, in a sentence with the figures that show it."""
    share = f"{min(bound.share, 1.0):.0%}"
    fastest = max(figures, key=lambda each: each.strategy.fetches)
    gain = _gain(best, _baseline(figures), best.strategy.name)
    if not bound.clear:
        return f"Nothing alone bounds it: the most is {_NAMES[bound.name]}, {share} of the time{gain}."
    if bound.name == "twin":
        return "The local server that answered was the bottleneck: the list itself may be faster than this."
    if bound.name == "start":
        return f"Starting takes {share} of the time: the list is too short for a strategy to matter."
    if bound.name == "write":
        return f"Writing the output takes {share} of the time: a faster disk would help, no strategy can."
    if bound.name in ("host", "manners"):
        return _host_reason(bound, best, limits)
    if bound.name == "cpu":
        return _cpu_reason(bound, best, figures, stages, limits)
    fetches = "the one fetch" if best.strategy.fetches == 1 else f"each of {best.strategy.fetches} fetches"
    more = "" if best is not fastest else f" More may be faster still: --strategies {_wider(best)}."
    return f"Waiting for answers: {fetches} in flight waits {share} of the time{gain}.{more}"


def _wider(figures: Statistics) -> str:
    """The strategy with four times its threads, and itself, to be compared next."""
    strategy = figures.strategy
    mode: Mode = "process" if strategy.processes else "thread"
    wider = strategy._replace(mode=mode, threads=min(512, 4 * strategy.threads))
    return f"{strategy.name},{wider.name}"


_NAMES = {
    "twin": "the local server",
    "start": "starting",
    "host": "a host's limit",
    "manners": "waiting until hosts may be asked again",
    "cpu": "computing",
    "write": "writing the output",
    "latency": "waiting for answers",
}


def _host_reason(bound: ThroughputBound, best: Statistics, limits: ThroughputLimits) -> str:
    host = printable(bound.host.rpartition("://")[2].removesuffix(":443").removesuffix(":80"), 80)
    limit = f"limit of {limits.per_host} at once"
    if bound.name == "manners":
        whose = f"Host {host}'s" if host else "The hosts'"
        return (
            f"{whose} {_KINDS.get(bound.kind, 'limits').format(limits)}: threads wait for it "
            f"{min(bound.share, 1.0):.0%} of their time, and no strategy can help."
        )
    if (bound.pages - 1) * limits.delay >= bound.least * 0.999:
        limit = f"delay of {limits.delay:g} s"
    return (
        f"Host {host}'s {limit}: its {bound.pages:,} pages need {span(bound.least)} "
        f"of these {span(best.seconds)}, and no strategy can help."
    )


_KINDS = {
    "limit": "limit of {0.per_host} at once",
    "delay": "delay of {0.delay:g} s",
    "crawl_delay": "Crawl-delay in robots.txt",
    "rest": "wish, or need, to be asked less often",
    "retry": "failures, each with a pause before the next try",
}


def _cpu_reason(
    bound: ThroughputBound,
    best: Statistics,
    figures: Sequence[Statistics],
    stages: StageTimes,
    limits: ThroughputLimits,
) -> str:
    """What the processor does most, how full one core is with threads, and what processes give."""
    work, share = _dearest(stages), f"{min(bound.share, 1.0):.0%}"
    threads = [each for each in figures if each.strategy.mode in ("sequential", "thread")]
    spreads = best.strategy.mode in ("auto", "process")
    if spreads and threads:
        quickest = min(threads, key=lambda each: each.seconds)
        core = min(1.0, cpu_share(quickest, limits.cpus))
        gain = _gain(best, quickest, _processes(best))
        return f"{work}: threads fill {core:.0%} of the one core that they share{gain}."
    where = f"all {limits.cpus} CPUs" if spreads else "the one core that threads share"
    if spreads:
        return f"{work}: {share} of {where} busy; only more CPUs, or cheaper work, would help."
    return f"{work}: {share} of {where}; more processes did not pay here."


def _processes(figures: Statistics) -> str:
    """Who gives the gain: ``2 processes``, or the strategy by its name."""
    count = figures.strategy.processes
    return f"{count} processes" if count > 1 else figures.strategy.name


def _dearest(stages: StageTimes) -> str:
    """The stage with the most CPU time, and its share of it."""
    costs = {name: getattr(stages, name) for name in ("receiving", "decoding", "parsing", "writing")}
    if not stages.cpu:
        return "Computing"
    name = max(costs, key=lambda each: costs[each])
    return f"{name.capitalize()} ({costs[name] / stages.cpu:.0%} of {stages.cpu * 1000:,.3g} ms CPU a page)"


def _baseline(figures: Sequence[Statistics]) -> Statistics | None:
    return next((each for each in figures if each.strategy.mode == "sequential"), None)


def _gain(best: Statistics, other: Statistics | None, name: str) -> str:
    """``; 2 processes give 1.9 x (1.8-2.0) thread:8``, from the slowest to the fastest pairing."""
    if other is None or other is best:
        return ""
    low, high = min(best.rates) / max(other.rates), max(best.rates) / min(other.rates)
    spread = f" ({low:.2g}-{high:.2g})" if len(best.runs) > 1 else ""
    give = "give" if name.endswith("processes") else "gives"
    return f"; {name} {give} {times(best.rate / other.rate)}{spread} the pages/s of {other.strategy.name}"


def _sureness(best: Statistics, tied: Sequence[Statistics], figures: Sequence[Statistics], total: int) -> str:
    """How far the choice is above the noise, by the rule of `figures`."""
    count = len(best.runs)
    behind = [each for each in figures if each not in tied]
    if count == 1:
        return "One run of each cannot tell noise from a difference below 20 %: --repeat 3 would."
    if not behind:
        return "All strategies tie: their differences are within the noise of the runs."
    nearest = min(behind, key=lambda each: each.projected(total))
    odds = round(1 / chance(count, len(nearest.runs)))
    ratio = nearest.projected(total) / min(each.projected(total) for each in tied)
    return (
        f"Every run of the fastest was faster than every run of {nearest.strategy.name}, which takes "
        f"{times(ratio)} its time; were they alike, that would happen once in {odds:,} comparisons."
    )


def _doubts(figures: Sequence[Statistics]) -> list[str]:
    """Why the figures may be off: other load, a busy twin, runs that failed much."""
    doubts = []
    busiest = max((run.measured.others or 0.0 for each in figures for run in each.runs), default=0.0)
    if busiest > DISTURBED:
        doubts.append(
            f"Other processes used up to {busiest:.0%} of the CPUs: run it again on a quiet machine, "
            "or believe only what is far beyond the spread."
        )
    doubts += list(dict.fromkeys(_twin_doubt(each) for each in figures if each.waited_for_twin))[:1]
    unknown = max(run.twin.unknown for each in figures for run in each.runs)
    if unknown:
        requests = "One request" if unknown == 1 else f"{unknown:,} requests"
        doubts.append(f"{requests} of a run had no recorded answer and got 404.")
    if all(each.seconds - each.starting < _SHORT for each in figures):
        doubts.append(
            "The runs are short, and mostly show what starting takes: compare a longer list if you have one."
        )
    failed = max(sum(run.result.errors.values()) / max(1, run.result.pages) for run in figures[0].runs)
    if failed > 0.5:
        doubts.append(f"{failed:.0%} of the pages failed: this compares how fast they fail.")
    return doubts


def _twin_doubt(figures: Statistics) -> str:
    busy = max(run.twin.busy for run in figures.runs)
    return (
        f"The local server was busy {busy:.0%} of a core with {figures.strategy.name}, which waited for it: "
        "the sites may be faster than this."
    )


def times(ratio: float) -> str:
    """A ratio in two digits or three.

    >>> times(1.94), times(12.3), times(0.5)
    ('1.9 ×', '12 ×', '0.50 ×')
    """
    decimals = 0 if ratio >= 10 else 1 if ratio >= 1 else 2
    return f"{ratio:.{decimals}f} ×"


def span(seconds: float) -> str:
    """A duration as a person says it.

    >>> span(0.0123), span(0.456), span(4.56), span(75), span(8000)
    ('12 ms', '0.46 s', '4.6 s', '75 s', '2.2 h')
    """
    if seconds < 0.0995:
        return f"{seconds * 1000:.1f} ms" if seconds < 0.00995 else f"{seconds * 1000:.0f} ms"
    if seconds < 300:
        return f"{seconds:.{2 if seconds < 0.995 else 1 if seconds < 9.95 else 0}f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7000 else f"{seconds / 3600:.1f} h"
