"""The choice of a mode in mid-run: tables of what was seen, and what follows from it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from parascrape.harvesting.auto_mode import Machine, ModeChoice, ModeSample, choose_mode

TWO = Machine(cpus=2)
HEAVY = ModeSample(pages=10, seconds=0.3, cpu=0.3, scrape_cpu=0.28, latency=0.005, allowed=math.inf, left=600)
LIGHT = ModeSample(
    pages=200, seconds=0.2, cpu=0.2, scrape_cpu=0.06, latency=0.001, allowed=math.inf, left=3800
)
SLOW = ModeSample(pages=40, seconds=0.25, cpu=0.04, scrape_cpu=0.01, latency=0.2, allowed=math.inf, left=4000)


@pytest.mark.parametrize(
    ("seen", "machine", "processes", "threads"),
    [
        (HEAVY, TWO, 2, 8),
        (HEAVY, Machine(16), 16, 8),
        (HEAVY, Machine(16, processes=3), 3, 8),
        (HEAVY, Machine(2, threads=20), 2, 20),
        (LIGHT, TWO, 2, 8),
        (LIGHT._replace(latency=0.5), TWO, 0, 0),  # 2 x 32 fetches in flight bring no more
        (LIGHT._replace(latency=0.02), TWO, 2, 24),  # 8 threads in each could not hide it
        (HEAVY._replace(allowed=4.0), TWO, 2, 8),  # the hosts answer 4 at once quickly enough
        (HEAVY._replace(allowed=4.0, latency=0.15), TWO, 0, 0),
    ],
)
def test_processes_where_they_pay(seen: ModeSample, machine: Machine, processes: int, threads: int) -> None:
    """As many as there are CPUs or the user says, with threads enough for the latency, or none."""
    assert choose_mode(seen, machine)[1:] == (processes, threads)


@pytest.mark.parametrize(
    ("seen", "machine", "reason"),
    [
        (HEAVY, Machine(1), "there is only one CPU"),
        (SLOW, TWO, "one CPU was busy only 16% of the time"),
        (HEAVY._replace(left=20), TWO, "too few pages were left for processes to be faster"),
        (LIGHT._replace(left=300), TWO, "too few pages were left for processes to be faster"),
        (LIGHT._replace(left=0), TWO, "too few pages were left for processes to be faster"),
        (HEAVY, Machine(2, processes=1), "processes would not be faster"),
        (LIGHT._replace(pages=2000), TWO, "processes would not be faster"),  # 0.1 ms: the pipe eats it
    ],
)
def test_threads_where_they_do_not(seen: ModeSample, machine: Machine, reason: str) -> None:
    """And the reason is said."""
    assert choose_mode(seen, machine) == ModeChoice(reason)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (HEAVY, "parsing took 93% of one CPU (28 ms a page) and about 600 pages were left"),
        (LIGHT, "computing took 100% of one CPU (1 ms a page) and about 3,800 pages were left"),
        (
            HEAVY._replace(known=False),
            "parsing took 93% of one CPU (28 ms a page) and more pages were expected",
        ),
        (
            HEAVY._replace(scrape_cpu=0.5, left=3912),
            "parsing took 100% of one CPU (30 ms a page) and about 3,900 pages were left",
        ),
    ],
)
def test_the_reason_names_what_fills_the_cpu(seen: ModeSample, reason: str) -> None:
    """Parsing where that is most of it, and in figures that can be read."""
    assert choose_mode(seen, TWO).reason == reason


@given(
    pages=st.integers(1, 10_000),
    seconds=st.floats(0.1, 100),
    busy=st.floats(0, 20),
    latency=st.floats(0, 30),
    left=st.integers(0, 10**9),
    cpus=st.integers(1, 64),
)
def test_more_to_do_never_speaks_against_processes(
    pages: int, seconds: float, busy: float, latency: float, left: int, cpus: int
) -> None:
    """Whatever was seen there is a choice; where processes pay for some pages, they do for twice as many."""
    seen = ModeSample(pages, seconds, busy * seconds, 0.0, latency, math.inf, left)
    few, many = choose_mode(seen, Machine(cpus)), choose_mode(seen._replace(left=2 * left), Machine(cpus))
    assert many.processes >= few.processes
    assert few.processes in (0, cpus)
    assert (few.threads == 0) == (few.processes == 0)
    assert few.threads <= 32


@given(latency=st.floats(0, 30), more=st.floats(0, 30))
def test_a_slower_network_never_speaks_for_processes(latency: float, more: float) -> None:
    """They do not shorten it."""
    near, far = (choose_mode(HEAVY._replace(latency=each), TWO) for each in (latency, latency + more))
    assert far.processes <= near.processes
