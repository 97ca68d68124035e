"""Native: parts of libraries that are there only once the package above them is imported."""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import Any

__all__ = ["load_part"]


@lru_cache(maxsize=16)
def load_part(name: str) -> Any:
    """The module of this dotted name, once every package above it is whole.

    resiliparse's modules have no files: its packages register them as they are imported. A thread that
    asks for one while another thread is importing its package does not wait for that, as Python waits for a
    module of the same name only, and finds that there is no such module. Two of some eighty runs in
    threads have lost a page so.
    """
    for at, letter in enumerate(name):
        if letter == ".":
            importlib.import_module(name[:at])
    return importlib.import_module(name)
