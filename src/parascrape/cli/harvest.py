"""``scrape LIST...``: the harvest of lists."""

from __future__ import annotations

from parascrape.cli import options as opt
from parascrape.cli.options import Choices, command, pick
from parascrape.errors import UsageError
from parascrape.settings import SETTINGS_OPTIONS, Settings

_PREVIOUS = pick(SETTINGS_OPTIONS, "previous max_age")
_DUPLICATES, _ORDERED = pick(SETTINGS_OPTIONS, "fetch_duplicates"), pick(SETTINGS_OPTIONS, "ordered")
_QUIET, _LOG = pick(opt.DISPLAY, "quiet"), pick(opt.DISPLAY, "verbose log_file")


@command(
    *(opt.LISTS, opt.LIMIT, opt.SPEED, opt.EXTRACT, opt.POLITENESS, _DUPLICATES, opt.SAME_URL),
    *(opt.FETCHING, opt.REPLAYED, _PREVIOUS, opt.OUTPUT, _ORDERED),
    *(_QUIET, opt.PROFILE, _LOG, opt.LOG_JSON, opt.VERSION_OPTION),
)
def lists(chosen: Choices) -> int:
    """Turn a list of URLs into a file of records, one JSON line for each."""
    settings = chosen.make(Settings)
    if settings.max_age and not settings.previous:
        raise UsageError("--max-age: name the earlier output with --previous")
    from parascrape.cli.harvest_run import run_lists

    return run_lists(chosen, settings)
