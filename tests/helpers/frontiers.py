"""Helpers for tests of the frontier: a fake clock, lists, a simulated harvest."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from parascrape.frontier import Frontier, PoliteFrontier, Visit, VisitSource
from parascrape.frontier.politeness import FetchReport, PolitenessPolicy
from parascrape.records import Entry

GOOD = FetchReport("", 200, None, 0.05)
REFUSED = FetchReport("connect")


class Clock:
    """Monotonic seconds that pass when told to; powers of two add up exactly."""

    def __init__(self) -> None:
        self.now = 1024.0

    def __call__(self) -> float:
        return self.now


class Source:
    """A list that can be fed meanwhile, as a pipe is: None while it is empty, its end once ended."""

    def __init__(self, entries: list[Entry | None] | None = None) -> None:
        self.waiting = list(entries or [])
        self.ended = entries is not None
        self.asked = 0

    def __iter__(self) -> Iterator[Entry | None]:
        while self.waiting or not self.ended:
            self.asked += 1
            yield self.waiting.pop(0) if self.waiting else None


class Robots(NamedTuple):
    """The rules of a robots.txt: what is forbidden is a part of the URL."""

    forbidden: str = "/private"
    delay: float = 0.0
    expires: float = 86_400.0
    unreachable: bool = False
    silent: bool = False
    reason: str = ""

    def allows(self, url: str) -> bool:
        return not self.unreachable and self.forbidden not in url


def plain(listed: Iterable[Entry | None], clock: Clock, **options: Any) -> Frontier:
    """A frontier without politeness."""
    return Frontier(VisitSource(listed, clock=clock), **options)


def polite(
    listed: Iterable[Entry | None], clock: Clock, policy: PolitenessPolicy | None = None, **limits: Any
) -> PoliteFrontier:
    """A frontier with this policy, or with these limits and without jitter."""
    policy = policy or PolitenessPolicy(**{"jitter": 0, **limits})
    return PoliteFrontier(VisitSource(listed, clock=clock), policy)


def entries(count: int, host: str = "h") -> list[Entry | None]:
    """So many entries of one host, numbered."""
    return [Entry(f"http://{host}/{number}", number) for number in range(count)]


def drain(frontier: Frontier) -> list[Visit]:
    """Every visit that may be made now."""
    return list(iter(frontier.take, None))


def must(visit: Visit | None) -> Visit:
    """The visit, which must be one."""
    assert visit is not None
    return visit


def hosts_of(visits: list[Visit]) -> str:
    """The first letters of the visits' hosts, in their order."""
    return "".join(visit.entry.url.split("/")[2][0] for visit in visits)


class Start(NamedTuple):
    """One fetch of a simulated harvest."""

    time: float
    visit: Visit


def simulate(
    frontier: Frontier,
    clock: Clock,
    *,
    answer: Callable[[Visit], FetchReport] = lambda _visit: GOOD,
    seconds: float = 0.125,
    robots: Callable[[str], Robots | None] = lambda _origin: Robots(),
) -> tuple[list[Start], list[Visit]]:
    """The fetches of a harvest with endless workers whose fetches take so long, and the visits refused.

    Nothing is tried twice. Fails where the frontier waits for nothing, or for more than a day in all.
    """
    flying: deque[tuple[float, Visit]] = deque()
    starts: list[Start] = []
    refused: list[Visit] = []
    end = clock.now + 86_400
    while clock.now < end:
        while (visit := frontier.take()) is not None:
            if visit.refused_code:
                refused.append(visit)
                continue
            frontier.mark_started(visit, clock.now)
            starts.append(Start(clock.now, visit))
            flying.append((clock.now + seconds, visit))
        if not flying and frontier.drained:
            return starts, refused
        wait = frontier.wait()
        times = [flying[0][0]] if flying else []
        times += [clock.now + wait] if wait is not None else []
        assert times, "nothing under way, nothing to wait for, and not finished"
        clock.now = max(clock.now, min(times))
        while flying and flying[0][0] <= clock.now:
            land(frontier, flying.popleft()[1], answer, robots)
    raise AssertionError("a day has passed")


def land(
    frontier: Frontier,
    visit: Visit,
    answer: Callable[[Visit], FetchReport],
    robots: Callable[[str], Robots | None],
) -> None:
    """The visit is back."""
    if visit.robots:
        frontier.set_robots(visit.robots, robots(visit.robots))
    frontier.finish(visit, answer(visit))


def listed(urls: int, hosts: int) -> Iterator[Entry]:
    """So many entries, spread over so many hosts."""
    for number in range(urls):
        yield Entry(f"https://host{number * 7919 % hosts}.example.org/path/{number}.html", number)


def run_through(frontier: Frontier) -> int:
    """Take and finish every visit with all calls that there are, 64 in flight; how many there were."""
    flying: deque[Visit] = deque()
    count = 0
    while flying or not frontier.drained:
        visit = frontier.take()
        if visit is not None:
            count += 1
            flying.append(visit)
            frontier.mark_started(visit, time.monotonic())
        if len(flying) >= 64 or (visit is None and flying):
            visit = flying.popleft()
            frontier.mark_fetched(visit)
            frontier.finish(visit, GOOD)
    return count
