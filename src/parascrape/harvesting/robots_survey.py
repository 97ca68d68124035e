"""The robots.txt of many hosts, asked for in parallel: before a harvest is begun, or after one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future

from parascrape.executors import ThreadExecutor
from parascrape.web.robots import Rules

__all__ = ["ask_hosts"]


def ask_hosts(origins: Iterable[str], rules_of: Callable[[str], Rules], *, threads: int) -> dict[str, Rules]:
    """The rules of each origin (see `urls.host_key`), of at most ``threads`` hosts at once.

    ``rules_of`` is called in threads of this process, once an origin. Rules that are alike are one
    object, so 100,000 hosts take some 20 MB.

    Raises:
        TaskError: ``rules_of`` raised.
    """
    executor = ThreadExecutor(threads, name="robots")
    waiting: deque[tuple[str, Future[Rules]]] = deque()
    found: dict[str, Rules] = {}
    try:
        for origin in origins:
            waiting.append((origin, executor.submit(rules_of, origin)))
            if len(waiting) >= _AHEAD * threads:
                _take(waiting, found)
        while waiting:
            _take(waiting, found)
    except BaseException:  # Ctrl-C too: who waits for a hundred hosts more?
        executor.stop()
        raise
    executor.shutdown()
    return found


_AHEAD = 8  # for each thread so many are submitted: one slow host holds up no thread for long


def _take(waiting: deque[tuple[str, Future[Rules]]], found: dict[str, Rules]) -> None:
    origin, future = waiting.popleft()
    found[origin] = future.result()
