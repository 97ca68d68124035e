"""Killing a process just before each of the file operations of what it does."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

__all__ = ["survives"]

_EVENTS = {"open", "os.chmod", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.utime"}
_EVENTS |= {"sqlite3.connect"}


def survives(act: Callable[[], object], limit: int) -> bool:
    """Whether ``act`` has fewer file operations than ``limit``; else the forked process that does it was
    killed before the last of them.
    """
    child = os.fork()
    if not child:
        seen = 0

        def count(event: str, _: object) -> None:
            nonlocal seen
            if event in _EVENTS:
                seen += 1
                if seen == limit:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        act()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    return status == 0
