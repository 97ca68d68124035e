"""Scrapers as people write them, good and bad: top-level functions that workers import from here."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Any
from urllib.parse import parse_qs, urlsplit

from parascrape import Page


def product(page: Page) -> Any:
    """The title of a page, or a dict for each item of a listing."""
    page.require_html()
    rows = page.css("li.item")
    if rows:
        return [{"item": int(row.text())} for row in rows]
    title = page.css_first("title")
    return {"title": title.text() if title else None}


def moody(page: Page) -> Any:
    """Whatever the URL asks for: ``?do=hang``."""
    deed = parse_qs(urlsplit(page.url).query).get("do", ["good"])[0]
    return DEEDS[deed](page)


def talkative(page: Page) -> dict[str, Any]:
    """Print and log on the way, as people do."""
    print("looking at", page.url)
    logging.getLogger("shop").warning("price missing")
    return {"good": True}


def nothing_fits(first: Page, second: Page) -> dict[str, Any]:
    """No scraper: it wants two pages."""
    return {}


async def later(page: Page) -> dict[str, Any]:
    """No scraper: it is a coroutine function."""
    return {}


def _hang(page: Page) -> Any:
    threading.Event().wait(4)  # in a thread nothing can end it, so it ends by itself


def _raise(page: Page) -> Any:
    raise ValueError("no price")


def _interrupt(page: Page) -> Any:
    raise KeyboardInterrupt


DEEDS: dict[str, Any] = {
    "good": lambda page: {"good": True},
    "several": lambda page: ({"number": number} for number in (1, 2)),
    "none": lambda page: [],
    "hang": _hang,
    "raise": _raise,
    "interrupt": _interrupt,
    "leave": lambda page: sys.exit(3),
    "die": lambda page: os._exit(9),
    "null": lambda page: None,
    "text": lambda page: "title",
    "set": lambda page: {"colours": {"red"}},
    "nan": lambda page: {"price": float("nan")},
    "url": lambda page: {"url": "elsewhere"},
    "surrogate": lambda page: {"title": "\ud800"},
}
