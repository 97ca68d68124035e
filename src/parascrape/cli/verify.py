"""``scrape verify LIST...``: whether a scraper gives the same records however it is run."""

from __future__ import annotations

from parascrape.cli.compare import RECORDING, SAMPLE
from parascrape.cli.options import (
    DISPLAY,
    EXTRACT,
    FETCHING,
    LISTS,
    POLITENESS,
    Choices,
    command,
    pick,
)
from parascrape.settings import Settings

__all__ = ["verify"]


@command(LISTS, SAMPLE, RECORDING, EXTRACT, POLITENESS, FETCHING, pick(DISPLAY, "quiet"))
def verify(chosen: Choices) -> int:
    """Find a scraper's hidden state before the big run does: the same pages, one after the other, backwards,
    in threads and in processes, must give the same records.

    Exit status: 0 they did, 1 they did not (the differences are shown), 2 wrong usage.
    """
    from parascrape.cli.compare_run import Ask, run_verification

    return run_verification(chosen.make(Ask), chosen.make(Settings))
