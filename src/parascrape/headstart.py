"""A head start: what can begin before the command has been imported and its options read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

__all__ = ["start_early"]

_FOR_EVERY_PAGE = (
    "parascrape.harvesting.worker",
    "parascrape.fetch.client",
    "parascrape.scrapers.select",
    "selectolax.lexbor",
)
"""Modules of which a worker needs all, or all but 10 ms."""


def start_early(arguments: Sequence[str]) -> None:
    """Start the fork server where the arguments ask for process mode, as far as one can tell by now."""
    if asks_for_processes(arguments):
        from parascrape.executors.forkserver import start_forkserver  # what most commands do without

        start_forkserver(_FOR_EVERY_PAGE)


def asks_for_processes(arguments: Sequence[str]) -> bool:
    """Whether ``--mode process``, however it is spelt, is among them, and no ``--help``.

    >>> asks_for_processes(["urls.txt", "--mode", "process"]), asks_for_processes(["process"])
    (True, False)
    """
    if not {"-h", "--help"}.isdisjoint(arguments):
        return False
    if not {"--mode=process", "-mprocess"}.isdisjoint(arguments):
        return True
    return any(name in ("-m", "--mode") and value == "process" for name, value in pairwise(arguments))
