"""Verdict of a comparison: the strategy to use, what limits its throughput, how sure that is, and the doubts.

Each possible bottleneck is measured as the share of a run's time that it explains:

    twin      the replay server was too busy                     1 or 0
    start     starting took longer than the work                 time to the first fetch / time
    cpu       computing                                          CPU time / time of the cores it can use
    write     writing the output                                 time writing / time
    host      one host's limits: n pages x latency / per_host    that least time / time
              or (n - 1) x delay
    manners   threads wait until hosts may be asked again        that time / all threads' time
    latency   waiting for answers                                that time / all threads' time

The first that explains enough, in this order, is the bottleneck, because an earlier one also causes later
ones. If strategies tie, their bottleneck must hold for all of them: the least share counts for computing,
writing and waiting for answers. The largest counts for waiting for hosts, which shows only with more threads
than the limits can use. A host's latency is its least mean over the strategies, because in the others its
answers also waited for the processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from parascrape.comparison.stages import StageTimes
from parascrape.comparison.statistics import Statistics, chance, rank
from parascrape.harvesting import HostWait, main_host_wait
from parascrape.settings import Mode
from parascrape.system import printable, show_count, show_duration

_BOUNDS = {
    "twin": (0.8, "the local server"),
    "start": (0.5, "starting"),
    "cpu": (0.85, "computing"),
    "write": (0.6, "writing the output"),
    "host": (0.75, "a host's limit"),
    "manners": (0.5, "waiting until hosts may be asked again"),
    "latency": (0.6, "waiting for answers"),
}
"""The share of the time from which on each explains a run, and its name in words."""

_WORKING = 1.5
"""Pages that are at work for this many times their time on the network wait for a core."""

_DISTURBED = 0.08
"""Share of the CPUs used by other processes from which on a run is doubtful."""

_SHORT = 0.5
"""Seconds after the start; shorter runs say little about a longer list."""


class ThroughputLimits(NamedTuple):
    """The limits of all strategies: CPUs, fetches that a host may have at once (0: any), and the delay."""

    cpus: int
    per_host: int = 0
    delay: float = 0.0


class ThroughputBound(NamedTuple):
    """One possible bottleneck: the share of the time that it explains (about 1 at most), and its host."""

    name: str
    share: float
    host: str = ""
    pages: int = 0  # of that host
    least: float = 0.0  # seconds that its pages need
    kind: str = ""  # why hosts are waited for: limit, delay, crawl_delay, rest, retry
    clear: bool = True  # False: the largest share, but too small to be the reason


class Verdict(NamedTuple):
    """The result of a comparison. Every text is one or two printable sentences."""

    best: Statistics
    tied: tuple[Statistics, ...]
    bound: ThroughputBound
    choice: str
    reason: str
    sureness: str
    doubts: tuple[str, ...]  # why the figures may be wrong


def give_verdict(
    figures: Sequence[Statistics], stages: StageTimes, limits: ThroughputLimits, total: int
) -> Verdict:
    """Return the verdict for a list of ``total`` URLs. At least one strategy has figures."""
    best, tied = rank(figures, total)
    bounds = measure_bounds(tied, figures, stages, limits)
    long = total > best.pages * 5  # starting hardly matters for the whole list
    bound = find_bound([bound for bound in bounds if not (long and bound.name == "start")])
    return Verdict(
        best,
        tuple(tied),
        bound,
        choice=_choice(best, tied, total),
        reason=_Explanation(best, figures, stages, limits).text(bound),
        sureness=_sureness(best, tied, figures, total),
        doubts=tuple(_doubts(figures)),
    )


def measure_bounds(
    tied: Sequence[Statistics], every: Sequence[Statistics], stages: StageTimes, limits: ThroughputLimits
) -> list[ThroughputBound]:
    """Return all bottlenecks of the strategies that tie, the best one first, in the order above."""
    best = tied[0]
    going = max(best.seconds - best.starting, 1e-9)
    host = _host_bound(every, limits, stages)
    return [
        ThroughputBound("twin", float(best.waited_for_server)),
        ThroughputBound("start", best.starting / best.seconds),
        ThroughputBound("cpu", min(cpu_share(each, limits.cpus) for each in tied)),
        ThroughputBound("write", min(each.timings.write / each.seconds for each in tied)),
        host._replace(share=host.least / going),
        max((_politeness_bound(each) for each in tied), key=lambda bound: bound.share),
        ThroughputBound("latency", min(each.timings.of_threads(each.timings.network) for each in tied)),
    ]


def find_bound(bounds: Sequence[ThroughputBound]) -> ThroughputBound:
    """Return the first that explains enough; if none does the largest, not ``clear``."""
    largest = max(bounds, key=lambda bound: bound.share)._replace(clear=False)
    return next((bound for bound in bounds if bound.share >= _BOUNDS[bound.name][0]), largest)


def cpu_share(figures: Statistics, cpus: int) -> float:
    """Return the busy share of the cores that the strategy can use; 0.0 if it is not known.

    Cores that other programs use are not counted. It is the share of all cores, with the replay server's
    work, if that is larger.
    """
    timings = figures.timings
    usable = timings.core_seconds
    if timings.at_work > _WORKING * timings.network:
        others = figures.median(lambda run: run.measured.others) or 0.0
        usable = min(usable, (1 - min(others, 0.95)) * cpus * figures.seconds)
    own = timings.cpu / usable if usable else 0.0
    return max(own, figures.median(lambda run: run.machine_share(cpus)) or 0.0)


def _politeness_bound(figures: Statistics) -> ThroughputBound:
    """Return the share of the threads' time spent waiting for hosts, with the main reason."""
    timings = figures.timings
    wait = main_host_wait(timings)
    share = timings.of_threads(timings.politeness) if wait.kind else 0.0
    return ThroughputBound("manners", share, wait.host, kind=wait.kind)


def _host_bound(every: Sequence[Statistics], limits: ThroughputLimits, stages: StageTimes) -> ThroughputBound:
    """Return the host whose limits need the longest time; without limits no host.

    A host's slot is free again when the page has arrived, so scraping does not count.
    """
    scraping = stages.decoding + stages.parsing + stages.writing
    worst = ThroughputBound("host", 0.0)
    results = [run.result.hosts for figures in every for run in figures.runs]
    for host in {host for hosts in results for host in hosts}:
        loads = [hosts[host] for hosts in results if host in hosts]
        pages = loads[0].pages
        least = max(0, pages - 1) * limits.delay
        if limits.per_host:
            latency = min(load.seconds / load.pages for load in loads) - scraping
            least = max(least, pages * latency / limits.per_host)
        if least > worst.least:
            worst = ThroughputBound("host", 0.0, host, pages, least)
    return worst


def _choice(best: Statistics, tied: Sequence[Statistics], total: int) -> str:
    """Return what to use, and how long the whole list will take with it."""
    text = f"Use {best.strategy.name}: {_rate(best.rate)} pages/s"
    if total > best.pages:
        seconds = best.projected(total)
        text += f", in the long run {_rate(total / seconds)}: about {show_duration(seconds)} for the list's "
        text += f"{total:,} URLs"
    if others := [each.strategy.name for each in tied if each is not best]:
        text += f". It ties with {', '.join(others)} and needs the fewest processes and threads"
    return text + "."


class _Explanation(NamedTuple):
    """Words for the bottleneck of the best strategy, with the figures that show it."""

    best: Statistics
    figures: Sequence[Statistics]
    stages: StageTimes
    limits: ThroughputLimits

    def text(self, bound: ThroughputBound) -> str:
        """Return one or two sentences."""
        share = f"{min(bound.share, 1.0):.0%}"
        if not bound.clear:
            largest = _BOUNDS[bound.name][1]
            return f"No single bottleneck: the largest is {largest}, {share} of the time{self._gain()}."
        if bound.name == "twin":
            return "The local server that answered was the bottleneck: the sites may be faster than this."
        if bound.name == "start":
            return f"Starting takes {share} of the time: the list is too short for a strategy to matter."
        if bound.name == "write":
            return f"Writing the output takes {share} of the time: only a faster disk would help."
        if bound.name in ("host", "manners"):
            return self._host_limit(bound, share)
        return self._computing(share) if bound.name == "cpu" else self._waiting(share)

    def _gain(self, other: Statistics | None = None, name: str = "") -> str:
        """Return ``; 2 processes give 1.9 x (1.8-2.0) ...``, from the slowest to the fastest pair of runs.

        The default is the gain of the best strategy over sequential mode; empty if that was not measured.
        """
        best = self.best
        other = other or next((each for each in self.figures if each.strategy.mode == "sequential"), best)
        if other is best:
            return ""
        name = name or best.strategy.name
        low, high = min(best.rates) / max(other.rates), max(best.rates) / min(other.rates)
        spread = f" ({low:.2g}-{high:.2g})" if len(best.runs) > 1 else ""
        give = "give" if name.endswith("processes") else "gives"
        return f"; {name} {give} {times(best.rate / other.rate)}{spread} the pages/s of {other.strategy.name}"

    def _host_limit(self, bound: ThroughputBound, share: str) -> str:
        limits = self.limits
        by_delay = (bound.pages - 1) * limits.delay >= bound.least * 0.999
        kind = bound.kind or ("delay" if by_delay else "limit")
        limit = HostWait(kind).describe(limits.per_host, limits.delay)
        if bound.name == "host":
            needed, taken = show_duration(bound.least), show_duration(self.best.seconds)
            time = f"its {bound.pages:,} pages need {needed} of these {taken}"
        else:
            time = f"threads wait for it {share} of their time"
        host = bound.host.rpartition("://")[2].removesuffix(":443").removesuffix(":80")
        whose = f"Host {printable(host, 80)}'s" if host else "The hosts'"
        return f"{whose} {limit}: {time}, and no strategy can help."

    def _computing(self, share: str) -> str:
        """Name the dearest stage, how busy one core is with threads, and what processes gain."""
        work, cpus = self._dearest_stage(), self.limits.cpus
        spreads = self.best.strategy.mode in ("auto", "process")
        threads = [each for each in self.figures if each.strategy.mode in ("sequential", "thread")]
        if spreads and threads:
            quickest = min(threads, key=lambda each: each.seconds)
            core = min(1.0, cpu_share(quickest, cpus))
            count = self.best.strategy.processes
            gain = self._gain(quickest, f"{count} processes" if count > 1 else "")
            return f"{work}: threads fill {core:.0%} of the one core that they share{gain}."
        if spreads:
            return f"{work}: {share} of all {cpus} CPUs busy; only more CPUs, or less work, would help."
        return f"{work}: {share} of the one core that threads share; more processes did not pay here."

    def _dearest_stage(self) -> str:
        """Return the stage with the most CPU time, and its share."""
        stages, cpu = ("receiving", "decoding", "parsing", "writing"), self.stages.cpu
        if not cpu:
            return "Computing"
        cost, name = max((getattr(self.stages, name), name) for name in stages)
        return f"{name.capitalize()} ({cost / cpu:.0%} of {cpu * 1000:,.3g} ms CPU a page)"

    def _waiting(self, share: str) -> str:
        """Say how long fetches wait for answers; if the widest strategy is best, suggest a wider one."""
        strategy = self.best.strategy
        fetches = "the one fetch" if strategy.fetches == 1 else f"each of {strategy.fetches} fetches"
        more = ""
        if strategy.fetches == max(each.strategy.fetches for each in self.figures):
            mode: Mode = "process" if strategy.processes else "thread"
            wider = strategy._replace(mode=mode, threads=min(512, 4 * strategy.threads))
            more = f" More may be faster still: --strategies {strategy.name},{wider.name}."
        return f"Waiting for answers: {fetches} in flight waits {share} of the time{self._gain()}.{more}"


def _sureness(best: Statistics, tied: Sequence[Statistics], figures: Sequence[Statistics], total: int) -> str:
    """Return how far the choice is above the noise, by the rule of `statistics`."""
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
        f"{times(ratio)} its time; if they were equally fast, that would happen once in {odds:,} comparisons."
    )


def _doubts(figures: Sequence[Statistics]) -> list[str]:
    """Return why the figures may be wrong: other load, a busy replay server, many failures."""
    doubts = []
    runs = [run for each in figures for run in each.runs]
    busiest = max(run.measured.others or 0.0 for run in runs)
    if busiest > _DISTURBED:
        doubts.append(
            f"Other processes used up to {busiest:.0%} of the CPUs: run it again on a quiet machine, "
            "or trust only differences far beyond the spread."
        )
    if waited := [each for each in figures if each.waited_for_server]:
        busy = max(run.server.busy for run in waited[0].runs)
        doubts.append(
            f"The local server was busy {busy:.0%} of a core with {waited[0].strategy.name}, which waited "
            "for it: the sites may be faster than this."
        )
    if unknown := max(run.server.unknown for run in runs):
        doubts.append(f"{show_count(unknown, 'request')} of a run had no recorded answer and got 404.")
    if all(each.seconds - each.starting < _SHORT for each in figures):
        doubts.append("The runs are short and mostly show the start: compare a longer list if you have one.")
    failed = max(sum(run.result.errors.values()) / max(1, run.result.pages) for run in figures[0].runs)
    if failed > 0.5:
        doubts.append(f"{failed:.0%} of the pages failed: this compares how fast they fail.")
    return doubts


def _rate(rate: float) -> str:
    """Return pages a second in three digits."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def times(ratio: float) -> str:
    """Return a ratio in two or three digits.

    >>> times(1.94), times(12.3), times(0.5)
    ('1.9 ×', '12 ×', '0.50 ×')
    """
    decimals = 0 if ratio >= 10 else 1 if ratio >= 1 else 2
    return f"{ratio:.{decimals}f} ×"
