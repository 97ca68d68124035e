"""Results in the order of their tasks, and as they are completed: the same executors, two of their ways.

    python examples/in_order.py [thread|process]

``map`` holds back what is finished early; ``as_completed`` gives what is there.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import as_completed

from parascrape.executors import open_executor

__all__ = ["main", "wait"]

MODES = {"thread": (0, 3), "process": (1, 3)}


def wait(seconds: float) -> float:
    """The seconds, once they are over."""
    time.sleep(seconds)
    return seconds


def main(mode: str = "thread") -> None:
    """Print the results of three tasks, of which the first takes longest, both ways."""
    tasks = [0.6, 0.3, 0.0]
    with open_executor(*MODES[mode], deadline=60) as executor:
        print("in order:", *executor.map(wait, tasks))
        futures = [executor.submit(wait, seconds) for seconds in tasks]
        print("as completed:", *(future.result() for future in as_completed(futures)))


if __name__ == "__main__":
    main(*sys.argv[1:2])
