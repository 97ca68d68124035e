"""Finds scrapers by name or reference, checks them, and combines them with selections."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from parascrape.errors import UsageError
from parascrape.scrapers import loading
from parascrape.settings import Mode, Settings
from parascrape.web import Page

BUILTIN = {
    "article": "parascrape.scrapers.article:article",
    "page": "parascrape.scrapers.page:page",
    "links": "parascrape.scrapers.links:links",
    "metadata": "parascrape.scrapers.metadata:metadata",
}
"""The builtin scrapers' names and references."""


def load_scraper(scraper: str | Callable[..., Any]) -> Callable[[Page], Any]:
    """Return the function for a builtin name, ``package.module:function`` or ``path/shop.py:function``.

    A callable is returned as it is; an empty name means ``article``. A file is run once in a process: its
    folder is appended to ``sys.path`` and its module put into ``sys.modules``, under a name made from its
    path.

    Raises:
        UsageError: there is no such function; one line says what is wrong and what to write.
    """
    if not isinstance(scraper, str):
        return scraper
    name = scraper or "article"
    if name in BUILTIN:
        return loading.load(BUILTIN[name])
    if ":" not in name:
        raise UsageError(loading.explain_name(name, BUILTIN))
    return loading.load(name)


def check_scraper(scraper: str | Callable[..., Any], mode: Mode, select: Sequence[str] = ()) -> None:
    """Check that workers of this mode can call the scraper with a Page, and that the selections are valid.

    Raises:
        UsageError: one line says what is wrong and what to do. In process mode a callable must also pickle:
            no lambda, no nested function.
    """
    loading.check_callable(
        load_scraper(scraper), by_reference=mode == "process" and not isinstance(scraper, str)
    )
    _selections(select)


def scraper_for(settings: Settings) -> Callable[[Page], Any]:
    """Return one scraper for ``scraper`` and ``select`` of the settings.

    Without either it is ``article``; with selections alone, only these. With both, a record has the scraper's
    keys, then the selections; a selection with the same name replaces the scraper's value.

    Raises:
        UsageError: see `load_scraper` and `select.parse_selection`.
    """
    selections = _selections(settings.select)
    if not selections:
        return load_scraper(settings.scraper)
    from parascrape.scrapers.select import select

    selecting = functools.partial(select, selections=selections)
    if not settings.scraper:
        return selecting
    return functools.partial(_scrape_both, load_scraper(settings.scraper), selecting)


def _selections(texts: Sequence[str]) -> tuple[Any, ...]:
    """Parse selections; lexbor is loaded only if there are any."""
    if not texts:
        return ()
    from parascrape.scrapers.select import parse_selections

    return parse_selections(texts)


def _scrape_both(
    scraper: Callable[[Page], Any], selecting: Callable[[Page], dict[str, Any]], page: Page
) -> Any:
    """Return the scraper's record or records, each with the selections; other values stay as they are."""
    result = scraper(page)
    if isinstance(result, Mapping):
        return {**result, **selecting(page)}
    if hasattr(result, "_fields"):  # a named tuple is one value, for example that of `follow`
        return result
    if isinstance(result, Iterable) and not isinstance(result, str | bytes):
        return _extend(result, selecting(page))
    return result


def _extend(results: Iterable[Any], selected: dict[str, Any]) -> Iterator[Any]:
    for result in results:
        yield {**result, **selected} if isinstance(result, Mapping) else result
