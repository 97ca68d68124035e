"""Calls a scraper on a page and checks what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from parascrape.errors import BadRecord, ScrapeError, TaskError
from parascrape.executors import describe
from parascrape.scrapers.following import FollowRequest, resolve_follows, scraper_of
from parascrape.scrapers.loading import scraper_for
from parascrape.settings import Settings
from parascrape.web import Page

MAX_RECORDS = 100_000
"""Records of one page; stops a scraper that yields without end."""


def scrape(
    page: Page, settings: Settings, scraper: str = "", max_records: int = MAX_RECORDS
) -> tuple[list[Mapping[str, Any]], tuple[FollowRequest, ...]]:
    """Return a page's records and its URLs to follow, by the settings' scraper or the one with this name.

    Raises:
        ScrapeError: the scraper raised (the cause holds its stack), or it did not return dicts.
    """
    scraping = _scraper(scraper_of(scraper) if scraper else settings.scraper, settings.select)
    try:
        return _collect(scraping, page, max_records)
    except ScrapeError:
        raise
    except BaseException as error:  # sys.exit() in a scraper fails the page, not the run
        failure = describe(error, skip=2)
        raise ScrapeError(f"{failure[1]}: {failure[0]}") from TaskError(*failure)


@lru_cache(maxsize=8)
def _scraper(scraper: str | Callable[..., Any], select: tuple[str, ...]) -> Callable[[Page], Any]:
    return scraper_for(Settings(scraper=scraper, select=select))


def _collect(
    scraper: Callable[[Page], Any], page: Page, max_records: int
) -> tuple[list[Mapping[str, Any]], tuple[FollowRequest, ...]]:
    """Return the scraper's dicts and the URLs to follow. Raises BadRecord for anything else."""
    found, leads = resolve_follows(scraper(page), page)
    if isinstance(found, Mapping):
        return [dict(found)], ()
    if isinstance(found, str | bytes) or not isinstance(found, Iterable):
        raise BadRecord(f"the scraper returned {type(found).__name__}, not a dict or an iterable of dicts")
    items: list[Mapping[str, Any]] = []
    for item in found:
        if not isinstance(item, Mapping):
            raise BadRecord(f"the scraper's item {len(items) + 1} is {type(item).__name__}, not a dict")
        items.append(dict(item))
        if len(items) > max_records:
            raise BadRecord(f"the scraper gives more than {max_records} records for one page")
    return items, tuple(leads)
