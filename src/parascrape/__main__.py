"""``python -m parascrape``, and the console script ``scrape``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from itertools import pairwise

_FOR_EVERY_PAGE = (
    "parascrape.harvesting.worker",
    "parascrape.fetch.client",
    "parascrape.scrapers.select",
    "selectolax.lexbor",
)
"""Modules that a worker needs; they import all that it uses, but for 10 ms."""


def main() -> None:
    """Run the command and exit with its status."""
    try:
        _open_standard_streams()
        _start_workers_early(sys.argv[1:])
        from parascrape.cli import run  # 0.2 s

        status = run(sys.argv[1:])
    except KeyboardInterrupt:  # before the command began, or after it ended
        status = 130
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # while Python ends
    sys.exit(status)


def _open_standard_streams() -> None:
    """Open standard streams that the caller closed, so that no file or socket gets their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _start_workers_early(arguments: Sequence[str]) -> None:
    """Start the fork server if the arguments seem to ask for process mode."""
    if asks_for_processes(arguments):
        from parascrape.executors.forkserver import start_forkserver  # most commands do not need it

        start_forkserver(_FOR_EVERY_PAGE)


def asks_for_processes(arguments: Sequence[str]) -> bool:
    """Return whether the arguments have ``--mode process`` in any spelling, and no ``--help``.

    >>> asks_for_processes(["urls.txt", "--mode", "process"]), asks_for_processes(["process"])
    (True, False)
    """
    if not {"-h", "--help"}.isdisjoint(arguments):
        return False
    if not {"--mode=process", "-mprocess"}.isdisjoint(arguments):
        return True
    return any(name in ("-m", "--mode") and value == "process" for name, value in pairwise(arguments))


if __name__ == "__main__":
    main()
