"""Bottlenecks and verdicts of made-up statistics whose bottleneck is known."""

from __future__ import annotations

from typing import Any

import pytest

from parascrape.comparison.stages import StageTimes
from parascrape.comparison.statistics import Statistics, share_out
from parascrape.comparison.verdict import (
    ThroughputLimits,
    Verdict,
    find_bound,
    give_verdict,
    measure_bounds,
)
from parascrape.loopback import LoadStats
from tests.helpers.comparisons import LIMITS, STAGES, make_figures

PARSING = StageTimes(100, waiting=0.001, receiving=0.005, decoding=0.0, parsing=0.09, writing=0.001)
BUSY_SERVER = LoadStats(requests=100, active=5.0, busy=0.93, saturated=4.0)


def judge(
    figures: list[Statistics],
    stages: StageTimes = STAGES,
    limits: ThroughputLimits = LIMITS,
    total: int = 100,
) -> Verdict:
    """Return the verdict of these statistics."""
    return give_verdict(figures, stages, limits, total)


@pytest.mark.parametrize(
    ("name", "seconds", "more", "limits", "bound"),
    [
        ("thread:8", 10.0, {"cpu": 9.5, "latency": 0.7}, LIMITS, "cpu"),
        ("process:2x8", 5.5, {"cpu": 10.0, "latency": 0.7}, LIMITS, "cpu"),
        ("sequential", 11.0, {"cpu": 1.0}, LIMITS, "latency"),
        ("thread:4", 3.2, {"cpu": 0.5}, LIMITS, "latency"),
        ("thread:32", 3.2, {"cpu": 0.5}, ThroughputLimits(2, per_host=4), "host"),
        ("thread:32", 50.0, {"cpu": 0.5}, ThroughputLimits(2, delay=0.5), "host"),
        ("thread:32", 1.0, {"cpu": 0.5, "starting": 0.8}, LIMITS, "start"),
        ("thread:32", 2.0, {"cpu": 1.9, "server": BUSY_SERVER}, LIMITS, "twin"),
        ("thread:32", 9.0, {"cpu": 0.5, "held": 0.9}, LIMITS, "manners"),
        ("process:2x8", 9.0, {"cpu": 0.5, "write": 8.0}, LIMITS, "write"),
    ],
)
def test_a_known_bound_is_named(
    name: str, seconds: float, more: dict[str, Any], limits: ThroughputLimits, bound: str
) -> None:
    """It is waiting, computing, a host's limit, starting, writing or the replay server."""
    figures = make_figures(name, seconds, seconds, seconds, **more)
    found = find_bound(measure_bounds([figures], [figures], STAGES, limits))
    assert (found.name, found.clear) == (bound, True)


def test_a_host_that_waits_for_the_processor_is_not_the_bound() -> None:
    """A host's latency is its least of any strategy: in a full thread pool answers wait for their turn."""
    alone = make_figures("sequential", 12.0, latency=0.1, cpu=9.0)
    crowded = make_figures("thread:32", 10.0, latency=2.0, cpu=9.8)
    limits = ThroughputLimits(2, per_host=4)
    assert find_bound(measure_bounds([crowded], [alone, crowded], PARSING, limits)).name == "cpu"


def test_without_a_clear_bottleneck_the_largest_is_named() -> None:
    """The reason starts with that."""
    verdict = judge([make_figures("thread:32", 10.0, 10.0)])
    assert not verdict.bound.clear
    assert verdict.reason.startswith("No single bottleneck: the largest is ")


def test_the_verdict_for_a_list_that_is_parsed() -> None:
    """Threads fill one core; processes give nearly twice the rate."""
    figures = [
        make_figures("sequential", 11.0, 11.1, 11.2, cpu=10.0),
        make_figures("thread:8", 10.0, 10.1, 10.2, cpu=9.5, latency=0.7),
        make_figures("process:2x8", 5.2, 5.3, 5.4, cpu=10.0, latency=0.7),
    ]
    verdict = judge(figures, PARSING)
    assert verdict.choice == "Use process:2x8: 18.9 pages/s."
    assert verdict.reason == (
        "Parsing (94% of 96 ms CPU a page): threads fill 99% of the one core that they share; "
        "2 processes give 1.9 × (1.9-2) the pages/s of thread:8."
    )
    assert "every run of thread:8, which takes 1.9 × its time" in verdict.sureness
    assert "once in 20 comparisons" in verdict.sureness
    assert verdict.doubts == ()


def test_the_verdict_for_a_list_of_one_host() -> None:
    """All strategies tie, the cheapest is chosen, and the host is named with its limit."""
    figures = [
        make_figures(name, 3.1, 3.2, 3.3, cpu=0.4) for name in ("process:2x8", "thread:32", "thread:4")
    ]
    verdict = judge(figures, limits=ThroughputLimits(2, per_host=4))
    assert verdict.best.strategy.name == "thread:4"
    assert "ties with thread:32, process:2x8" in verdict.choice
    assert verdict.reason.startswith("Host example.com's limit of 4 at once: its 100 pages need 2.")
    assert verdict.reason.endswith("and no strategy can help.")
    assert "All strategies tie" in verdict.sureness


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"held": 0.8},
            "Host example.com's Crawl-delay in robots.txt: threads wait for it 80% of their time",
        ),
        ({"write": 8.0}, "Writing the output takes 80% of the time: only a faster disk would help"),
    ],
)
def test_the_verdict_for_other_bounds(more: dict[str, Any], said: str) -> None:
    """The Crawl-delay of a host, and the disk."""
    assert judge([make_figures("thread:8", 10, 10, latency=0.01, **more)]).reason.startswith(said)


def test_of_strategies_that_tie_the_widest_shows_what_hosts_allow() -> None:
    """The cheapest has too few threads to wait for them."""
    narrow = make_figures("thread:4", 10.0, 10.1)
    wide = make_figures("thread:32", 10.0, 10.1, held=0.9)
    verdict = judge([narrow, wide])
    assert (verdict.best, verdict.bound.name) == (narrow, "manners")


def test_the_verdict_for_a_list_that_waits() -> None:
    """Threads hide the waiting."""
    figures = [
        make_figures("sequential", 11.0, 11.1, 11.2, cpu=1.0),
        make_figures("thread:8", 1.8, 1.85, 1.9, cpu=0.4),
    ]
    verdict = judge(figures)
    assert verdict.reason.startswith("Waiting for answers: each of 8 fetches in flight waits 9")
    assert "thread:8 gives 6.0 ×" in verdict.reason
    assert verdict.reason.endswith("sequential. More may be faster still: --strategies thread:8,thread:32.")


def test_the_whole_list_is_projected() -> None:
    """The start counts once, so it is not the bottleneck of a long list."""
    figures = [make_figures("thread:8", 1.0, 1.0, starting=0.6)]
    assert judge(figures).bound.name == "start"
    verdict = judge(figures, total=100_000)
    assert verdict.bound.name != "start"
    assert "in the long run 250: about 6 min 41 s for the list's 100,000 URLs" in verdict.choice


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"others": 0.3}, "Other processes used up to 30% of the CPUs"),
        ({"server": BUSY_SERVER}, "The local server was busy 93% of a core with thread:8"),
        ({"server": LoadStats(unknown=7)}, "7 requests of a run had no recorded answer"),
        ({"errors": {"status": 90}}, "90% of the pages failed"),
    ],
)
def test_doubts_are_reported(more: dict[str, Any], said: str) -> None:
    """A noisy machine, a busy replay server, a recording of another list, a list that fails."""
    (doubt,) = judge([make_figures("thread:8", 5.0, 5.1, **more)]).doubts
    assert doubt.startswith(said)


def test_a_hostile_host_is_shown_harmlessly() -> None:
    """No control character reaches the sentence."""
    figures = [make_figures("thread:8", 2.6, 2.6, host="http://a\x1b[31m\u202eb:80")]
    assert judge(figures, limits=ThroughputLimits(2, per_host=4)).reason.isprintable()


def test_one_run_of_each_is_not_sure() -> None:
    """The verdict says how to be sure."""
    assert "--repeat 3" in judge([make_figures("thread:8", 5.0), make_figures("sequential", 9.0)]).sureness


def test_the_shares_of_a_run_are_all_of_it() -> None:
    """No share is below zero, and their sum is one."""
    for name, seconds, more in [
        ("sequential", 11.0, {}),
        ("thread:32", 0.6, {"latency": 5.0}),
        ("process:2x8", 0.7, {"latency": 0.0}),
    ]:
        shares = share_out(make_figures(name, seconds, **more)).values()
        assert min(shares) >= 0
        assert sum(shares) == pytest.approx(1)
