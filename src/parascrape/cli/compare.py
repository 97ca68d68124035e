"""``scrape compare`` and ``scrape verify``: the fastest strategy for a list, and a scraper's hidden state."""

from __future__ import annotations

from parascrape.cli import options as opt
from parascrape.cli.options import Choices, Options, command, pick
from parascrape.settings import Option, Settings

_RECORDING = "WARC of the pages (.warc.gz): used where it exists, else made and kept [made, not kept]."
_STRATEGIES = "Such as sequential,thread:8,process:2x8 [a grid for these CPUs]."
_SCALE = "Times of the recording times this; 0.1: as if quicker [{default}]."
_LATENCY = "First byte after 200ms or 1.5s [as it was recorded]."
_OPTIONS: Options = {
    "sample": Option(200, "--sample N", "URLs drawn from the lists, 0 all [{default}].", "Lists"),
    "strategies": Option("", "--strategies LIST", _STRATEGIES, "How"),
    "repeat": Option(3, "--repeat N", "Runs of each strategy [{default}].", "How", (1, 100)),
    "recording": Option("", "--recording FILE", _RECORDING, "How"),
    "time_scale": Option(1.0, "--time-scale X", _SCALE, "How"),
    "latency": Option("", "--latency TIME", _LATENCY, "How"),
    "report": Option("", "--report FILE", "An HTML page with charts [none].", "Output"),
    "json": Option("", "--json FILE", "All figures as JSON [none].", "Output"),
}
_QUIET = pick(opt.DISPLAY, "quiet")
_BEFORE = pick(_OPTIONS, "sample strategies repeat recording time_scale latency")


@command(opt.LISTS, _BEFORE, opt.EXTRACT, opt.POLITENESS, opt.FETCHING, pick(_OPTIONS, "report json"), _QUIET)
def compare(chosen: Choices) -> int:
    """Find the fastest strategy for a list: every page is fetched once and kept, then a local server answers
    for the sites while the list is harvested in each strategy, in turn, and measured.

    Exit status: 0 all strategies gave the same records, 1 they did not or one failed, 2 wrong usage.
    """
    from parascrape.cli.compare_run import Ask, run_comparison

    return run_comparison(chosen.make(Ask), chosen.make(Settings))


@command(opt.LISTS, pick(_OPTIONS, "sample recording"), opt.EXTRACT, opt.POLITENESS, opt.FETCHING, _QUIET)
def verify(chosen: Choices) -> int:
    """Find a scraper's hidden state before the big run does: the same pages, one after the other, backwards,
    in threads and in processes, must give the same records.

    Exit status: 0 they did, 1 they did not (the differences are shown), 2 wrong usage.
    """
    from parascrape.cli.compare_run import Ask, run_verification

    return run_verification(chosen.make(Ask), chosen.make(Settings))
