"""A fingerprint of what makes records: one that differs makes other ones, so earlier records do not stand."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from parascrape.scrapers.registry import load_scraper
from parascrape.settings import VERSION, Settings

__all__ = ["fingerprint"]

_PARSERS = ("beautifulsoup4", "lxml", "selectolax", "trafilatura")

_ASKED_WITH = ("accept", "accept-language")
"""Headers by which servers choose what to send; If-Modified-Since does not tell the choices apart."""


def fingerprint(settings: Settings) -> str:
    """12 hex digits of what makes a page's record: the scraper's source file, the selections, the versions of
    parascrape and of the parsers, and what servers choose a language by.

    Empty where the scraper cannot be known by its source: a callable object, a closure, a partial with
    arguments, code that was typed in. What its file imports is not looked at.
    """
    headers = tuple(f"{name}: {settings.headers[name]}" for name in sorted(settings.headers))
    chosen = tuple(one for one in headers if one.partition(":")[0].lower() in _ASKED_WITH)
    return _fingerprint(settings.scraper, settings.select, chosen)


@lru_cache(maxsize=8)
def _fingerprint(scraper: str | Callable[..., Any], select: tuple[str, ...], headers: tuple[str, ...]) -> str:
    parts = [VERSION, *_parser_versions()]
    if scraper or not select:
        source = _source_of(load_scraper(scraper))
        if not source:
            return ""
        parts += source
    text = "\0".join([*parts, "", *select, "", *headers])
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def _source_of(scraper: Callable[..., Any]) -> list[str]:
    """The function's name, and a hash of the file it is in; empty where these do not tell all of it."""
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


@lru_cache(1)
def _parser_versions() -> tuple[str, ...]:
    return tuple(map(_version, _PARSERS))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
