"""Where the time of this thread's page goes, added up on the way by those who spend it."""

from __future__ import annotations

import threading
import time

__all__ = ["add_inflating", "add_transfer", "begin", "take"]


class _Spent(threading.local):
    """Seconds of this thread's page, and the thread's CPU time when the page before it was done."""

    began = connect = first_byte = transfer = inflate = cpu = 0.0


_spent = _Spent()


def begin() -> None:
    """A page begins."""
    _spent.began = time.monotonic()
    _spent.connect = _spent.first_byte = _spent.transfer = _spent.inflate = 0.0


def add_transfer(connected: float, answered: float, ended: float) -> None:
    """A transfer has ended: seconds from its start to when its request could be sent, to the first byte of
    the answer and to the end; 0.0 for what was not reached, all as libcurl counts them.
    """
    connected = connected or ended
    answered = max(answered or ended, connected)
    _spent.connect += connected
    _spent.first_byte += answered - connected
    _spent.transfer += max(0.0, ended - answered)


def add_inflating(seconds: float) -> None:
    """A body's content codings were undone."""
    _spent.inflate += seconds


def take(submitted: float, fetched_cpu: float) -> tuple[float, ...]:
    """The page's times, in the order of `timesplit.TIMES`, now that it is done.

    ``submitted`` is when it was handed out (monotonic), ``fetched_cpu`` the thread's CPU time when it was
    fetched, 0.0 where it was not. The CPU time counts from the end of the thread's page before, so that
    nothing is left out.
    """
    cpu, before = time.thread_time(), _spent.cpu
    _spent.cpu = cpu
    return (
        max(0.0, _spent.began - submitted) if submitted else 0.0,
        _spent.connect,
        _spent.first_byte,
        _spent.transfer,
        _spent.inflate,
        cpu - fetched_cpu if fetched_cpu else 0.0,
        cpu - before,
        time.monotonic(),
    )
