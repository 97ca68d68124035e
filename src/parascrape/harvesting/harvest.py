"""The harvest: URLs in, records out, in the mode that the settings name. A script calls `crawl`."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Generator, Iterable, Iterator, Sized
from functools import partial
from typing import Any

from parascrape import records
from parascrape.errors import InvalidUrl, UsageError
from parascrape.executors import refuse_during_import
from parascrape.files import Outcome, check_previous, mark_duplicates
from parascrape.harvesting.in_flight import Environment
from parascrape.harvesting.loop import HarvestHooks, HarvestLoop, Stop
from parascrape.records import Entry
from parascrape.scrapers import check_scraper
from parascrape.settings import Settings
from parascrape.system import printable
from parascrape.web import prepare


def crawl(urls: Iterable[str | Entry], settings: Settings | None = None) -> Iterator[dict[str, Any]]:
    """Yield the records of the URLs, as they are finished (in the URLs' order where ``settings.ordered``).

    Every URL gives at least one record; a failed one gives a record with ``error``. The URLs are
    streamed, so they may be endless. Leaving the loop early ends the harvest. What ``urls`` itself
    raises comes out after the records of the URLs before it.

    Raises:
        UsageError: at once, where the settings or the scraper cannot work in this mode.
    """
    if isinstance(urls, str):
        raise UsageError("urls: a string, not URLs; write [url] for a single one")
    settings = settings or Settings()
    refuse_during_import()
    if settings.mode == "process":
        _check_main()
    check_scraper(settings.scraper, settings.mode, settings.select)
    check_previous(settings.previous)
    entries = map(_to_entry, itertools.count(1), urls)
    hooks = HarvestHooks(total=partial(len, urls)) if isinstance(urls, Sized) else None
    outcomes = harvest(mark_duplicates(entries, settings), settings, hooks=hooks)
    return (records.parse(line) for outcome in outcomes for line in outcome.lines.splitlines())


def harvest(
    entries: Iterable[Entry | None],
    settings: Settings,
    *,
    stop: Stop | None = None,
    hooks: HarvestHooks | None = None,
    environment: Environment | None = None,
) -> Generator[Outcome]:
    """Yield the final outcome of every entry, encoded. `crawl` and the commands build on it.

    ``entries`` may yield None for "nothing just now". A harvest that ``stop`` ends gives no outcome for
    entries that had none yet.
    """
    run = HarvestLoop(
        entries, settings, stop or Stop(), hooks or HarvestHooks(), environment or Environment()
    )
    try:
        yield from run.outcomes()
    except BaseException:
        run.stop()
        raise
    finally:
        run.end()


def _check_main() -> None:
    """Raise UsageError where worker processes cannot import the main script: it came by stdin."""
    main = sys.modules["__main__"]
    path = getattr(main, "__file__", None)
    if path and getattr(main, "__spec__", None) is None and not os.path.exists(path):
        raise UsageError(
            f"worker processes cannot import the script {path}: write it to a file, or use mode thread"
        )


def _to_entry(number: int, url: str | Entry) -> Entry:
    """Return the entry of a URL; of anything else an entry that says what is wrong with it."""
    if isinstance(url, Entry):
        return url
    try:
        if not isinstance(url, str):
            raise InvalidUrl(f"{type(url).__name__}, not a string")
        prepare(url)
    except InvalidUrl as error:
        return Entry(printable(str(url)), number, problem=str(error))
    return Entry(url, number)
