"""Fingerprint of a scraper: if it changes, earlier records are not reused."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from parascrape.scrapers.loading import load_scraper
from parascrape.settings import VERSION, Settings

_PARSERS = ("beautifulsoup4", "lxml", "selectolax", "trafilatura")

_ASKED_WITH = ("accept", "accept-language")
"""Headers by which servers choose a version of a page; If-Modified-Since does not distinguish these."""


def fingerprint(settings: Settings) -> str:
    """Return 12 hex digits of what determines a page's record; "" if the scraper's source is not enough.

    These are the scraper's source file, the selections, the versions of parascrape and of the parsers, and
    the headers that choose a language. The source is not enough for a callable object, a closure, a partial
    with arguments and code typed in a session. The file's imports are ignored.
    """
    chosen = sorted(pair for pair in settings.headers.items() if pair[0].lower() in _ASKED_WITH)
    return _fingerprint(settings.scraper, settings.select, tuple(map(": ".join, chosen)))


@lru_cache(maxsize=8)
def _fingerprint(scraper: str | Callable[..., Any], select: tuple[str, ...], headers: tuple[str, ...]) -> str:
    parts = [VERSION, *map(_version, _PARSERS)]
    if scraper or not select:
        source = _source_of(load_scraper(scraper))
        if not source:
            return ""
        parts += source
    text = "\0".join([*parts, "", *select, "", *headers])
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def _source_of(scraper: Callable[..., Any]) -> list[str]:
    """Return a function's name and the hash of its file; nothing if these do not determine it."""
    while isinstance(scraper, functools.partial) and not (scraper.args or scraper.keywords):
        scraper = scraper.func
    function = inspect.unwrap(scraper)
    if not inspect.isfunction(function) or function.__closure__:
        return []
    try:
        source = Path(function.__code__.co_filename).read_bytes()
    except (OSError, ValueError):
        return []
    return [function.__qualname__, blake2b(source, digest_size=16).hexdigest()]


@lru_cache
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
