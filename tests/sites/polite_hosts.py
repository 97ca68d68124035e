"""Loopback hosts that note when each request begins and ends: what a harvest's manners are judged by."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from typing import Any, NamedTuple

from parascrape.web.page import Page
from tests.sites.site import HTML, Route, Site, Visitor

MOMENT = 0.005
"""Seconds by which two clocks may differ, or one that is rounded."""


class Request(NamedTuple):
    """One request as its host saw it: from when its head was there until its answer's first byte."""

    path: str
    begin: float  # monotonic seconds
    end: float
    wall: float  # the beginning, by the wall clock


class Host(Site):
    """A host on an address of its own; every page is answered after so many ``seconds``.

    ``robots`` is its robots.txt, 404 where that is empty. ``refuse`` gives the status and Retry-After of a
    path, by the number of requests there were for it, or None where it is good. One that is ``dead``
    closes every connection without an answer. With a ``meeting`` the first page is answered when each
    host of the meeting was asked for a page.
    """

    def __init__(
        self,
        address: str,
        *,
        seconds: float = 0.0,
        robots: str = "",
        refuse: Callable[[str, int], tuple[str, str] | None] = lambda path, count: None,
        dead: bool = False,
        meeting: threading.Barrier | None = None,
    ) -> None:
        super().__init__(address)
        self.requests: list[Request] = []
        self._seconds = seconds
        self._robots = robots
        self._refuse = refuse
        self._dead = dead
        self._meeting = meeting
        self._pages = itertools.count()

    def route(self, name: str) -> Route:
        """The same for every path."""
        return self._hang_up if self._dead else self._reply

    def _hang_up(self, visitor: Visitor) -> Any:
        self._note(visitor, time.monotonic(), time.time())
        return False

    def _reply(self, visitor: Visitor) -> None:
        begin, wall = time.monotonic(), time.time()
        refused = self._refuse(visitor.path, self.seen[visitor.path])
        is_robots = visitor.path == "/robots.txt"
        if not is_robots:
            if next(self._pages) == 0 and self._meeting is not None:
                with suppress(threading.BrokenBarrierError):
                    self._meeting.wait(20)
            visitor.stall(self._seconds)
        self._note(visitor, begin, wall)
        if refused:
            visitor.answer(b"later", refused[0], retry_after=refused[1])
        elif is_robots:
            status = "200 OK" if self._robots else "404 Not Found"
            visitor.answer(self._robots.encode(), status, content_type="text/plain")
        else:
            visitor.answer(HTML)

    def _note(self, visitor: Visitor, begin: float, wall: float) -> None:
        """Before the answer goes out: whoever has it may ask again before this thread runs on."""
        self.requests.append(Request(visitor.target, begin, time.monotonic(), wall))

    @property
    def pages(self) -> list[Request]:
        """The requests for pages, in the order in which they began."""
        return sorted((one for one in self.requests if one.path != "/robots.txt"), key=lambda one: one.begin)

    def urls(self, count: int) -> list[str]:
        """So many pages of it."""
        return [self(f"/page/{number}") for number in range(count)]


@contextmanager
def serving(*hosts: Host) -> Iterator[list[Host]]:
    """The hosts, as long as they serve."""
    with ExitStack() as stack:
        yield [stack.enter_context(host) for host in hosts]


def most_at_once(requests: list[Request]) -> int:
    """How many requests were under way at the same time, at the most."""
    changes = sorted([(one.begin, 1) for one in requests] + [(one.end, -1) for one in requests])
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def gaps(requests: list[Request]) -> list[float]:
    """Seconds from each beginning to the next."""
    return [later - earlier for earlier, later in pairwise(sorted(one.begin for one in requests))]


def counted(hosts: list[Host]) -> Counter[str]:
    """How often each URL was asked for."""
    return Counter(host(one.path) for host in hosts for one in host.requests)


def size(page: Page) -> dict[str, Any]:
    """A scraper that costs nothing."""
    return {"size": len(page.body)}
