"""``scrape compare LIST...``: which strategy is fastest for a list, and why."""

from __future__ import annotations

from parascrape.cli.options import (
    DISPLAY,
    EXTRACT,
    FETCHING,
    LISTS,
    POLITENESS,
    Choices,
    Options,
    command,
    pick,
)
from parascrape.settings import Option, Settings

__all__ = ["RECORDING", "SAMPLE", "compare"]

SAMPLE: Options = {
    "sample": Option(200, "--sample N", "URLs drawn from the lists, 0 all [{default}].", "Lists")
}
RECORDING: Options = {
    "recording": Option(
        "",
        "--recording FILE",
        "WARC of the pages (.warc.gz): used where it exists, else made and kept [made, not kept].",
        "How",
    )
}
_RUNS: Options = {
    "strategies": Option(
        "",
        "--strategies LIST",
        "Such as sequential,thread:8,process:2x8 [a grid for these CPUs].",
        "How",
    ),
    "repeat": Option(3, "--repeat N", "Runs of each strategy [{default}].", "How", (1, 100)),
}
_TIMES: Options = {
    "time_scale": Option(
        1.0, "--time-scale X", "Times of the recording times this; 0.1: as if quicker [{default}].", "How"
    ),
    "latency": Option("", "--latency TIME", "First byte after 200ms or 1.5s [as it was recorded].", "How"),
}
_REPORT: Options = {
    "report": Option("", "--report FILE", "An HTML page with plots [none].", "Output"),
    "json": Option("", "--json FILE", "All figures as JSON [none].", "Output"),
}


@command(
    *(LISTS, SAMPLE, _RUNS, RECORDING, _TIMES, EXTRACT, POLITENESS, FETCHING, _REPORT),
    pick(DISPLAY, "quiet"),
)
def compare(chosen: Choices) -> int:
    """Find the fastest strategy for a list: every page is fetched once and kept, then a local server answers
    for the sites while the list is harvested in each strategy, in turn, and measured.

    Exit status: 0 all strategies gave the same records, 1 they did not or one failed, 2 wrong usage.
    """
    from parascrape.cli.compare_run import Ask, run_comparison

    return run_comparison(chosen.make(Ask), chosen.make(Settings))
