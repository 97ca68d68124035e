"""A task that raises: its own future fails, with the stack and the worker's name; the others go on.

    python examples/worker_errors.py [sequential|thread|process]

What tasks log comes with the name of their worker too, from worker processes as from threads.
"""

from __future__ import annotations

import logging
import sys
from concurrent.futures import as_completed

from parascrape.errors import TaskError
from parascrape.executors import open_executor

__all__ = ["main", "price_of"]

MODES = {"sequential": (0, 1), "thread": (0, 4), "process": (2, 2)}
log = logging.getLogger("shop")


def price_of(text: str) -> float:
    """The price in a text such as ``bread 2.50``. Raises ValueError where there is none."""
    log.info("reading %r", text)
    return float(text.split()[-1])


def main(mode: str = "process") -> None:
    """Print a price or a stack trace for each text, every line with its worker's name."""
    logging.basicConfig(level=logging.INFO, format="%(threadName)s: %(message)s")  # on standard error
    texts = ["bread 2.50", "milk free", "salt 0.80"]
    with open_executor(*MODES[mode], deadline=60) as executor:
        futures = {executor.submit(price_of, text): text for text in texts}
        for future in as_completed(futures):
            error = future.exception()
            if isinstance(error, TaskError):
                for line in error.trace.splitlines():
                    print(f"{error.worker}: {line}")
            else:
                print(f"{futures[future]!r} costs {future.result():.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
