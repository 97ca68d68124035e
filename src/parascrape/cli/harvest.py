"""``scrape LIST...``: the harvest of lists."""

from __future__ import annotations

from pathlib import Path

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
    Display,
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
    from parascrape.cli.harvest_run import RunOutput, run_lists
    from parascrape.fetch import NetworkOptions
    from parascrape.files import forget_retry

    prepare = forget_retry if chosen["overwrite"] else _drop_failed if chosen["resume_failed"] else None
    network = chosen.make(NetworkOptions)
    target = RunOutput(chosen["output"], chosen["overwrite"], prepare, network=network)
    return run_lists(
        chosen["sources"],
        settings,
        chosen.make(Display),
        target,
        url_column=chosen["url_column"],
        limit=chosen["limit"],
    )


def _drop_failed(output: Path) -> None:
    """Take the failures out of an output, if it is there."""
    from parascrape.files import drop_pages

    if output.exists():
        drop_pages(output, lambda page: bool(page.code))
