"""Timings that a run has written, and how often a run harvests its sample."""

from __future__ import annotations

from pathlib import Path

import pytest

from parascrape.comparison.comparison import count_repetitions
from parascrape.comparison.sample import ListSample
from parascrape.comparison.stages import StageTimes
from parascrape.comparison.statistics import PARTS, milliseconds_a_page, share_out
from parascrape.comparison.verdict import ThroughputLimits
from parascrape.errors import OutputError
from parascrape.harvesting.timings import STAGES, Timings, read_split, write_split
from parascrape.records import Entry
from tests.helpers.comparisons import make_figures

LIGHT = StageTimes(50, waiting=0.001, receiving=0.001, parsing=0.001)
SLOW = StageTimes(50, waiting=0.2, receiving=0.001)


def sample_of(pages: int, total: int, hosts: int = 50) -> ListSample:
    """Return a sample of a list of so many URLs."""
    return ListSample(tuple(Entry(f"http://h{n % hosts}.example/{n}") for n in range(pages)), total, 0)


def test_timings_are_read_as_they_were_written(tmp_path: Path) -> None:
    """The reasons of waits are kept."""
    split = Timings(pages=7, first_byte=1.5, write=0.25, threads=8)
    split.add_wait(("limit", "example.com"), 3.0)
    write_split(tmp_path / "split", split)
    assert read_split(tmp_path / "split") == split


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"blame": []}', '{"blame": [], "pages": 1}'])
def test_timings_that_were_not_written_are_empty(text: str | None, tmp_path: Path) -> None:
    """If the run was ended before it wrote them, the comparison goes on."""
    if text is not None:
        (tmp_path / "split").write_text(text)
    assert read_split(tmp_path / "split") == Timings()


def test_timings_that_cannot_be_written_are_an_error(tmp_path: Path) -> None:
    """It is an output error."""
    with pytest.raises(OutputError, match="No such file"):
        write_split(tmp_path / "nowhere" / "split", Timings())


def test_every_stage_is_shown() -> None:
    """It is a share of the threads' time, or milliseconds a page."""
    figures = make_figures("thread:8", 10.0, latency=0.1, cpu=2.0, write=1.0)
    assert set(share_out(figures)) == set(PARTS) < set(STAGES)
    shown = milliseconds_a_page(figures)
    assert list(shown) == list(STAGES)
    assert (shown["first_byte"], shown["write"]) == (pytest.approx(100), pytest.approx(10))


@pytest.mark.parametrize(
    ("sample", "stages", "limits", "repetitions"),
    [
        (sample_of(200, 100_000), LIGHT, ThroughputLimits(2), 8),  # 0.2 s at the quickest
        (sample_of(200, 700), LIGHT, ThroughputLimits(2), 3),  # no more pages than the list has
        (
            sample_of(200, 200),
            LIGHT,
            ThroughputLimits(2),
            1,
        ),  # the whole list: starting is part of the answer
        (sample_of(200, 100_000), SLOW, ThroughputLimits(2), 1),  # 40 s one after the other
        (sample_of(200, 100_000, hosts=1), LIGHT, ThroughputLimits(2, delay=0.1), 1),  # 20 s for its one host
        (sample_of(200, 100_000), StageTimes(), ThroughputLimits(2), 1),  # nobody knows
    ],
)
def test_a_run_lasts_long_enough_and_no_longer(
    sample: ListSample, stages: StageTimes, limits: ThroughputLimits, repetitions: int
) -> None:
    """Otherwise the start would decide which strategy is fastest for a long list."""
    assert count_repetitions(sample, stages, limits) == repetitions
