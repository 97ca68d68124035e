"""Asking hosts for robots.txt outside a harvest, and saying so."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from parascrape.harvesting.open_files import fit_threads
from parascrape.settings import Settings
from parascrape.web.robots import Rules

__all__ = ["asking_hosts"]

_EVERY = 500
"""Hosts between two lines on standard error."""


@contextmanager
def asking_hosts(settings: Settings, *, hint: str) -> Iterator[tuple[Settings, Callable[[str], Rules]]]:
    """The settings with no more threads than files may be open, and what fetches an origin's rules.

    Connections are closed at the end. ``hint`` says how to do without.
    """
    from parascrape.fetch.client import close_connections
    from parascrape.fetch.robots import fetch_robots

    fitted = fit_threads(settings)
    asked = itertools.count(1)

    def rules_of(origin: str) -> Rules:
        number = next(asked)
        if number == 1:
            sys.stderr.write(f"Asking the hosts for robots.txt ({hint}).\n")
        elif number % _EVERY == 0:
            sys.stderr.write(f"{number:,} hosts asked.\n")
        return fetch_robots(origin, fitted)

    try:
        yield fitted, rules_of
    finally:
        close_connections()
