"""A process that uses a frontier: ``python -m tests.faults.crawl_store_child work|fill PATH COUNT``.

``work`` does so many rounds, and writes the number of each to its standard output when it is committed.
``fill`` adds so many URLs, and writes how many steps of SQLite's virtual machine a URL costs, and the memory.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from parascrape.crawling.store.keys import KeyLimits, NewUrl, url_key
from parascrape.crawling.store.url_store import UrlStore

__all__ = ["ADDED", "DONE", "REFUSED", "TAKEN", "main"]

ADDED, TAKEN, DONE, REFUSED = 50, 20, 10, 2
"""URLs of each round."""


_STEPS = 100  # of SQLite's virtual machine, that are counted together
_ticks: list[int] = []


def counted(*arguments: Any, **options: Any) -> sqlite3.Connection:
    """Connect as `sqlite3.connect`, and count the steps of the connection."""
    connection = sqlite3.Connection(*arguments, **options)
    connection.set_progress_handler(lambda: _ticks.append(1), _STEPS)
    return connection


def main(act: str, path: Path, count: int) -> None:
    """Do what the arguments say."""
    if act == "fill":
        sqlite3.connect = counted
    limits = KeyLimits(waiting=400) if act == "work" else KeyLimits()  # 400: keys are always being written
    with UrlStore.open(path, options={}, limits=limits) as store:
        if act == "work":
            for number in range(store.counts().known // ADDED, count):
                work(store, number)
                sys.stdout.write(f"{number + 1}\n")
                sys.stdout.flush()
        else:
            sys.stdout.write(json.dumps(fill(store, count)))


def page(number: int, sites: int = 3) -> NewUrl:
    """The page of a number: 61 characters on average, ten times as many on each level as above it."""
    depth = len(str(number))
    url = f"https://s{number % sites}.example.org/{number // 1000:06}/{'x' * (number % 30)}-{number}.html"
    return NewUrl(url_key(url), url, f"s{number % sites}", depth, number // 100, float(depth))


def work(store: UrlStore, number: int) -> None:
    """One round: URLs new and known, some of the others taken, some of those with an outcome; a commit."""
    start = number * ADDED
    assert store.add([page(one) for one in range(start, start + ADDED)]) == ADDED
    assert store.add([page(one) for one in range(max(0, start - 500), start, 10)]) == 0
    taken = [known.number for site in store.sites().copy() for known in store.take(site, TAKEN)]
    for one in taken[:DONE]:
        store.done(one)
    for one in taken[DONE : DONE + REFUSED]:
        store.refuse(one, "budget")
    store.mark_pending(taken[-1:])
    store.set_value("rounds", number + 1)
    store.commit()
    if number % 5 == 0:
        store.sync()


def fill(store: UrlStore, count: int) -> dict[str, float]:
    """Steps of SQLite for each URL, and the greatest resident size in MB."""
    order = random.Random(1)
    figures = {"new": each(lambda pages: add(store, pages), range(count))}
    recent = range(count - min(count, 50_000), count)
    figures["known, recent"] = each(lambda pages: add(store, pages), recent)
    cold = [order.randrange(count) for _ in range(min(count, 50_000))]
    figures["known, any"] = each(lambda pages: add(store, pages), cold)
    _ticks.clear()
    taken = [known for site in list(store.sites()) for known in store.take(site, 32)]
    figures["take"] = _STEPS * len(_ticks) / len(taken)
    # ru_maxrss is not less than what the process had before it ran Python: that of the tests.
    status = Path("/proc/self/status").read_text()
    figures["MB"] = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return figures


def add(store: UrlStore, pages: list[NewUrl]) -> None:
    """Add and commit, as a crawl does."""
    store.add(pages)
    store.commit()


def each(act: Callable[[list[NewUrl]], None], numbers: Sequence[int]) -> float:
    """Steps of SQLite that a page took, a thousand at a time."""
    _ticks.clear()
    for start in range(0, len(numbers), 1000):
        act([page(number, 1000) for number in numbers[start : start + 1000]])
    return _STEPS * len(_ticks) / len(numbers)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
