"""Harvests for tests: their settings, what they may have in flight, and whether they have all ended."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from parascrape import Settings
from parascrape.executors import capacity
from parascrape.files import mark_duplicates
from parascrape.harvesting import Environment, harvest
from parascrape.records import Entry, parse
from tests.sites.shop import product
from tests.sites.site import Site

MODES = ("sequential", "thread", "process")

RUDE: dict[str, Any] = {"per_host": 0, "robots": False, "fetch_duplicates": True}
"""Settings of a harvest without manners: every entry is fetched, in the list's order, at full speed."""


def make(mode: str, **more: Any) -> Settings:
    """Settings of few workers that lose no time: without manners, but for those that are asked for."""
    chosen = {"processes": 2, "threads": 4, "scraper": product, "backoff": 0.01, "timeout": 20}
    return Settings(mode=mode, **{**RUDE, **chosen, **more})  # type: ignore[arg-type]


def window(settings: Settings) -> int:
    """How many entries may be on their way at once."""
    return capacity(settings.thread_count) * max(1, settings.process_count)


def entries(site: Site, paths: list[str]) -> Iterator[Entry]:
    """A list of the site's pages."""
    return (Entry(site(path), line) for line, path in enumerate(paths, 1))


def records_of(urls: Iterable[str | Entry], settings: Settings, **environment: Any) -> list[dict[str, Any]]:
    """The records of a harvest in this `Environment`."""
    listed = (Entry(one, line) if isinstance(one, str) else one for line, one in enumerate(urls, 1))
    run = harvest(mark_duplicates(listed, settings), settings, environment=Environment(**environment))
    return [parse(line) for outcome in run for line in outcome.lines.splitlines()]


def ours() -> list[threading.Thread]:
    """The threads that a harvest starts."""
    names = ("thread-", "worker-", "process-dispatcher")
    return [thread for thread in threading.enumerate() if thread.name.startswith(names)]


def assert_all_ended(before: list[threading.Thread]) -> None:
    """Check that everything that a harvest started ends."""
    ends = time.monotonic() + 30
    for child in multiprocessing.active_children():
        child.join(max(0.0, ends - time.monotonic()))
    for thread in set(ours()) - set(before):
        thread.join(max(0.0, ends - time.monotonic()))
    assert not multiprocessing.active_children()
    assert set(ours()) <= set(before)
