"""Thread-safe import of modules that only exist once their package is imported."""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=16)
def load_part(name: str) -> Any:
    """Return the module of this dotted name, after importing every package above it.

    resiliparse's modules have no files: its packages register them while they are imported. Python waits only
    for an import of the same name in another thread, so a thread that asks for such a module while another
    thread imports its package is told that there is none. That lost a page in two of eighty threaded runs.
    """
    for at, letter in enumerate(name):
        if letter == ".":
            importlib.import_module(name[:at])
    return importlib.import_module(name)
