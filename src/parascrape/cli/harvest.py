"""``scrape LIST...``: the harvest of lists."""

from __future__ import annotations

from parascrape.cli.options import (
    DISPLAY,
    EXTRACT,
    FETCHING,
    LIMIT,
    LISTS,
    LOG_JSON,
    OUTPUT,
    POLITENESS,
    PROFILE,
    REPLAYED,
    SAME_URL,
    SPEED,
    VERSION_OPTION,
    Choices,
    command,
    pick,
)
from parascrape.errors import UsageError
from parascrape.settings import SETTINGS_OPTIONS, Settings

__all__ = ["lists"]

_PREVIOUS = pick(SETTINGS_OPTIONS, "previous max_age")
_DUPLICATES, _ORDERED = pick(SETTINGS_OPTIONS, "fetch_duplicates"), pick(SETTINGS_OPTIONS, "ordered")
_QUIET, _LOG = pick(DISPLAY, "quiet"), pick(DISPLAY, "verbose log_file")


@command(
    *(LISTS, LIMIT, SPEED, EXTRACT, POLITENESS, _DUPLICATES, SAME_URL, FETCHING, REPLAYED, _PREVIOUS),
    *(OUTPUT, _ORDERED, _QUIET, PROFILE, _LOG, LOG_JSON, VERSION_OPTION),
)
def lists(chosen: Choices) -> int:
    """Turn a list of URLs into a file of records, one JSON line for each."""
    settings = chosen.make(Settings)
    if settings.max_age and not settings.previous:
        raise UsageError("--max-age: name the earlier output with --previous")
    from parascrape.cli.harvest_run import run_lists

    return run_lists(chosen, settings)
