"""Made-up runs, figures and comparisons, of which a test says only what matters to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from parascrape.comparison.comparison import Comparison, Disagreement
from parascrape.comparison.measure import Measurement
from parascrape.comparison.runs import HostLoad, Result, StrategyRun
from parascrape.comparison.sample import ListSample, RecordedList
from parascrape.comparison.stages import StageTimes
from parascrape.comparison.statistics import Statistics
from parascrape.comparison.strategies import Strategy, parse_strategies
from parascrape.comparison.verdict import ThroughputLimits, give_verdict
from parascrape.harvesting.timings import Timings
from parascrape.loopback import LoadStats
from parascrape.loopback.replay.exchange import ExchangeTimes
from parascrape.records import Entry

STAGES = StageTimes(100, waiting=0.1, receiving=0.001, decoding=0.0, parsing=0.002, writing=0.001)
LIMITS = ThroughputLimits(cpus=2)


def make_run(name: str, seconds: float = 10.0, **more: Any) -> StrategyRun:
    """A run of 100 pages of one host that took so long; ``more`` names what is unusual about it."""
    given = {"pages": 100, "cpu": 1.0, "others": 0.0, "memory": 50_000_000, "starting": 0.5, "latency": 0.1}
    given |= {
        "host": "http://example.com:80",
        "errors": {},
        "server": LoadStats(),
        "fault": "",
        "write": 0.0,
        "held": 0.0,
    }
    given |= more
    (strategy,) = parse_strategies(name)
    measured = Measurement(seconds, 1000.0, 0, given["cpu"], given["memory"], given["others"])
    hosts = {given["host"]: HostLoad(given["pages"], given["pages"] * given["latency"])}
    latencies = (given["latency"],) * given["pages"]
    first = 1000.0 + given["starting"]
    result = Result(given["pages"], first, latencies, Counter(given["errors"]), hosts)
    timings = make_timings(strategy, seconds, given)
    return StrategyRun(strategy, measured, result, Path("nowhere"), given["fault"], given["server"], timings)


def make_timings(strategy: Strategy, seconds: float, given: dict[str, Any]) -> Timings:
    """Where that time went: to fetch takes the latency, to scrape the CPU time, ``held`` is for hosts."""
    going, cpu, pages = seconds - given["starting"], given["cpu"] or 0.0, given["pages"]
    timings = Timings(pages=pages, write=given["write"], scrape_cpu=cpu, cpu_here=cpu)
    timings.thread_seconds = strategy.fetches * going
    timings.core_seconds = max(1, strategy.processes) * going
    timings.scrape = min(cpu, timings.thread_seconds)
    timings.first_byte = min(pages * given["latency"], timings.thread_seconds - timings.scrape)
    timings.politeness = given["held"] * timings.thread_seconds
    timings.blame = {("crawl_delay", "example.com"): timings.politeness} if given["held"] else {}
    return timings


def make_figures(name: str, *seconds: float, **more: Any) -> Statistics:
    """The figures of runs that took so long."""
    runs = tuple(make_run(name, each, **more) for each in seconds)
    return Statistics(runs[0].strategy, runs)


def make_comparison(figures: Sequence[Statistics], disagreements: Sequence[Disagreement] = ()) -> Comparison:
    """A comparison with these figures."""
    sample = ListSample((Entry("http://example.com/"),), 100, 0)
    runs = tuple(run for each in figures for run in each.runs)
    return Comparison(
        RecordedList(sample, ExchangeTimes(0.001, 0.002, 0.0, 0.1, 0.01, 0.113)),
        tuple(each.strategy for each in figures),
        runs,
        tuple(figures),
        STAGES,
        LIMITS,
        tuple(disagreements),
        give_verdict(figures, STAGES, LIMITS, 100) if figures else None,
    )
