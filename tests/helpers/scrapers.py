"""Scrapers as users write them, good and bad: what the worker has to make records of."""

from __future__ import annotations

import itertools
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from parascrape.system.resources import resident_bytes
from parascrape.web.page import Page

SURROGATE = "\ud800"


def title(page: Page) -> dict[str, Any]:
    """One dict."""
    return {"title": str(page.tree.findtext(".//title"))}


def length(page: Page) -> dict[str, Any]:
    """A dict made without decoding anything."""
    return {"length": len(page.body)}


def listed(page: Page) -> list[dict[str, Any]]:
    """A list of dicts."""
    return [{"n": number} for number in range(3)]


def generated(page: Page) -> Iterator[dict[str, Any]]:
    """A generator of dicts."""
    for node in page.css("li"):
        yield {"item": node.text()}


def single(page: Page) -> list[dict[str, Any]]:
    """A list of one."""
    return [{"n": 0}]


def nothing(page: Page) -> list[dict[str, Any]]:
    """A listing page without items."""
    return []


def hollow(page: Page) -> dict[str, Any]:
    """A dict without keys."""
    return {}


class Row(Mapping[str, Any]):
    """A mapping that is no dict, as rows of databases are."""

    def __getitem__(self, key: str) -> Any:
        return {"a": 1, "b": [2]}[key]

    def __iter__(self) -> Iterator[str]:
        return iter(("a", "b"))

    def __len__(self) -> int:
        return 2


class BrokenRow(Row):
    """A mapping that fails when it is read."""

    def __getitem__(self, key: str) -> Any:
        raise LookupError("row is gone")


def mapped(page: Page) -> Row:
    """A mapping that is no dict."""
    return Row()


def mapped_and_broken(page: Page) -> Row:
    """A mapping that cannot be read."""
    return BrokenRow()


def none(page: Page) -> None:
    """What a function without return gives."""


def text(page: Page) -> str:
    """A string, which is an iterable of strings."""
    return "abc"


def raw(page: Page) -> bytes:
    """Bytes, which are an iterable of numbers."""
    return page.body


def texts(page: Page) -> list[Any]:
    """A list whose second item is no dict."""
    return [{"a": 1}, "b"]


def reserved(page: Page) -> dict[str, Any]:
    """A key that is the record's own."""
    return {"meta": 1}


def other_url(page: Page) -> dict[str, Any]:
    """Another URL than the page's."""
    return {"url": "http://elsewhere/"}


def nan(page: Page) -> dict[str, Any]:
    """What JSON has no number for."""
    return {"price": [{"eur": float("nan")}]}


def a_set(page: Page) -> dict[str, Any]:
    """What JSON has no type for."""
    return {"tags": {"a"}}


def endless_depth(page: Page) -> dict[str, Any]:
    """A list that holds itself."""
    one: list[Any] = []
    one.append(one)
    return {"a": one}


def surrogate(page: Page) -> dict[str, Any]:
    """A string that UTF-8 cannot carry."""
    return {"a": SURROGATE}


def endless(page: Page) -> Iterator[dict[str, Any]]:
    """Records for ever."""
    for number in itertools.count():
        yield {"n": number}


def failing(page: Page) -> dict[str, Any]:
    """Raise what comes of a page that looks different today."""
    prices: dict[str, str] = {}
    return {"price": prices["price"]}


def failing_late(page: Page) -> Iterator[dict[str, Any]]:
    """Raise after two good items."""
    yield {"n": 1}
    yield {"n": 2}
    raise RuntimeError("third item")


def leaving(page: Page) -> dict[str, Any]:
    """End the program, as scripts do."""
    sys.exit("no products here")


def failing_unprintably(page: Page) -> dict[str, Any]:
    """Raise with a message that UTF-8 cannot carry."""
    raise ValueError(f"bad text {SURROGATE}")


class Mute(Exception):
    """An exception that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def failing_mutely(page: Page) -> dict[str, Any]:
    """Raise what cannot be shown."""
    raise Mute


def html_only(page: Page) -> dict[str, Any]:
    """Ask for HTML, as the bundled scrapers do."""
    page.require_html()
    return title(page)


def addresses(page: Page) -> dict[str, Any]:
    """Every URL that a scraper can see."""
    return {"asked": page.url, "final": page.final_url, "base": page.base_url, "shown": repr(page)}


def telling(page: Page) -> dict[str, Any]:
    """Raise with every URL that a scraper can see."""
    raise ValueError(str(addresses(page)))


class Unloadable(Exception):
    """Pickles, and does not unpickle: its constructor wants two arguments, its state has one."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one)


class Held(Exception):
    """Does not pickle: it holds a lock."""

    def __init__(self) -> None:
        super().__init__("held")
        self.lock = threading.Lock()


def _raise(error: BaseException) -> Any:
    raise error


def _spin() -> Any:
    while True:
        pass


def _recurse() -> Any:
    return _recurse()


def _swell() -> Any:
    kept.append(b"x" * 500_000_000)
    return _spin()


kept: list[bytes] = []

RUDE: dict[str, Any] = {
    "unloadable": lambda: _raise(Unloadable("one", "two")),
    "held": lambda: _raise(Held()),
    "generator": lambda: _raise(GeneratorExit()),
    "recurse": _recurse,
    "bomb": lambda: {"text": "x" * 10**15},
    "vast": lambda: {"text": "x" * 100_000_000},
    "spin": _spin,
    "regex": lambda: re.fullmatch("(a|aa)+$", "a" * 200 + "b"),
    "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV) or _spin(),
    "freeze": lambda: os.kill(os.getpid(), signal.SIGSTOP) or _spin(),
    "close": lambda: os.closerange(3, 4096) or _spin(),
    "exit": lambda: os._exit(9),
    "swell": _swell,
}


def rude(page: Page) -> Any:
    """Whatever ``?do=`` asks for, none of which anybody should do to a worker."""
    deed = page.url.partition("do=")[2]
    return RUDE[deed]() if deed else {"good": True}


def leaking(page: Page) -> dict[str, Any]:
    """Keep 5 MB a page for ever, as caches without a bound do; how large the worker is by now."""
    kept.append(b"x" * 5_000_000)
    return {"size": resident_bytes()}
