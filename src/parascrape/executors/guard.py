"""The guard against scripts that start a harvest while a worker process imports them."""

from __future__ import annotations

import multiprocessing
import os

__all__ = ["EXIT_MAIN_GUARD", "MAIN_GUARD", "refuse_during_import"]

EXIT_MAIN_GUARD = 117
"""Exit status by which a worker tells its parent that importing the main script started a harvest."""

MAIN_GUARD = (
    "the script starts a harvest when it is imported, as worker processes do: "
    'put the code that starts it under  if __name__ == "__main__":'
)


def refuse_during_import() -> None:
    """End this process if it is a worker that is still importing its parent's main script.

    Going on would start workers that start workers. Quietly: the parent reports it, once.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(EXIT_MAIN_GUARD)
