"""Imported by a fork server, it has every fork fail as where the system allows no more processes."""

from __future__ import annotations

import errno
import os


def refuse() -> int:
    """In place of os.fork."""
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


os.fork = refuse
