"""Temporary folders that are gone at the end, whenever a signal comes."""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from parascrape.system.signals import SignalTaker

__all__ = ["temporary_folder"]


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A folder that is there until the context ends.

    Python makes a folder first and then sees to it that it is removed: a Ctrl-C between the two would leave
    it. So SIGINT and SIGTERM wait until both are done.
    """
    with _signals_later():
        folder = tempfile.TemporaryDirectory(prefix=prefix)
    with folder as name:
        yield Path(name)


@contextmanager
def _signals_later() -> Iterator[None]:
    """SIGINT and SIGTERM are heard when the context ends; in other threads than the main one they are not.

    A blocked signal would not do: the system may give it to another thread, and Python to this one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held = SignalTaker()
    try:
        with held:
            yield
    finally:
        for number in held.numbers:
            signal.raise_signal(number)
