"""The estimate of a harvest: what its list holds, what hosts allow, and how long politeness makes it.

    entries -> mark_duplicates -> counted by host -> robots.txt of each host -> forbidden ones -> Estimate
                                        |                                             ^
                                        +------- URLs, in a temporary file -----------+

The list is read once, so it may be a pipe; memory grows with the hosts, not with the lines.
"""

from __future__ import annotations

import heapq
import math
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import IO, NamedTuple

from parascrape.errors import InvalidUrl, OutputError
from parascrape.executors import ThreadExecutor
from parascrape.files import mark_duplicates
from parascrape.frontier import key_of
from parascrape.records import Entry
from parascrape.settings import Settings
from parascrape.web import ALLOW_ALL, RobotsRules, host_key, prepare

_MOST_ASKED = 64
"""Hosts whose robots.txt is asked for at once."""

_AHEAD = 8
"""Requests submitted for each thread, so that one slow host holds up no thread for long."""


class HostEstimate(NamedTuple):
    """The fetches of one host (with ``per_domain``: of one domain), and how long they take."""

    host: str
    urls: int  # valid and different
    forbidden: int = 0  # of these, by what robots.txt says
    unreachable: int = 0  # of these, because robots.txt could not be had
    delay: float = 0.0  # seconds between two starts
    delay_by: str = ""  # "robots" or "settings"; empty: there is none
    seconds: float = 0.0  # that it takes at least

    @property
    def fetches(self) -> int:
        """URLs that may be fetched."""
        return self.urls - self.forbidden - self.unreachable


class TimeBound(NamedTuple):
    """The seconds that a harvest takes at least, and who sets that.

    ``by`` is "robots" (a host's Crawl-delay), "delay", "per_host", "fetches" (all threads together),
    "latency" (of a single fetch) or empty: no bound. ``host`` is the one that takes longest.
    """

    seconds: float = 0.0
    by: str = ""
    host: str = ""


class Change(NamedTuple):
    """What options would change."""

    options: str
    bound: TimeBound
    fetches: int  # possible then


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """The forecast for a harvest of the list. ``hosts`` are counted as in `HostEstimate`."""

    lines: int
    invalid: int
    duplicates: int
    forbidden: int  # URLs that robots.txt does not allow
    unreachable: int  # URLs of hosts whose robots.txt could not be had, which forbids them for now
    fetches: int  # URLs that are left
    hosts: int
    asked: bool  # whether the hosts were asked for robots.txt
    latency: float  # seconds a fetch is assumed to take
    bound: TimeBound
    top: list[HostEstimate] = field(default_factory=list)  # those with the most URLs, most first
    changes: list[Change] = field(default_factory=list)


def plan(
    entries: Iterable[Entry | None],
    settings: Settings,
    rules_of: Callable[[str], RobotsRules] | None,
    *,
    latency: float = 0.0,
    top: int = 10,
) -> Estimate:
    """Return the estimate of harvesting these entries with these settings.

    ``rules_of`` fetches the rules of an origin, in threads. Hosts are not asked if it is None, or if the
    settings ignore robots.txt. A fetch is assumed to take ``latency`` seconds; ``top`` hosts are named. The
    bound leaves out what only makes it longer: failures, jitter, the fetches of robots.txt.

    Raises:
        OutputError: the temporary file for the URLs cannot be written.
    """
    asked = rules_of is not None and settings.robots
    with tempfile.TemporaryFile("w+b") if asked else nullcontext() as kept:
        survey = _count(mark_duplicates(entries, settings), kept)
        if kept is not None and rules_of is not None:
            survey.rules = ask_hosts(survey.urls, rules_of, settings.fetches)
            kept.seek(0)
            for line in kept:
                url = line[:-1].decode("ascii")
                rules = survey.rules[host_key(url)]
                survey.forbidden[host_key(url)] += not (rules.unreachable or rules.allows(url))
    return _sum_up(survey, settings, asked, latency, top)


class _Survey:
    """The counts of a list, and by origin its URLs, the rules and what these forbid."""

    def __init__(self) -> None:
        self.lines = self.invalid = self.duplicates = 0
        self.urls: Counter[str] = Counter()
        self.forbidden: Counter[str] = Counter()
        self.rules: dict[str, RobotsRules] = {}


def _count(entries: Iterable[Entry | None], kept: IO[bytes] | None) -> _Survey:
    """Return the counts of a list; its URLs are written to ``kept``, each once."""
    survey = _Survey()
    for entry in filter(None, entries):
        survey.lines += 1
        if entry.duplicate:
            survey.duplicates += 1
            continue
        try:
            if entry.problem:
                raise InvalidUrl(entry.problem)
            url = prepare(entry.url)
        except InvalidUrl:
            survey.invalid += 1
            continue
        survey.urls[host_key(url)] += 1
        if kept is not None:
            try:
                kept.write(url.encode("ascii") + b"\n")
            except OSError as error:
                raise OutputError(f"no temporary file for the URLs: {error}", error.errno or 0) from None
    return survey


class _HostPace(NamedTuple):
    """The limits that the bound follows from."""

    delay: float  # seconds
    per_host: int
    fetches: int  # at once, over all hosts
    latency: float  # seconds

    @property
    def slots(self) -> int:
        """Fetches of one host at once."""
        return min(self.per_host or self.fetches, self.fetches)


def _sum_up(survey: _Survey, settings: Settings, asked: bool, latency: float, top: int) -> Estimate:
    pace = _HostPace(settings.delay, settings.per_host, settings.fetches, latency)
    groups = _group(survey, settings)
    hosts = partial(_hosts, groups)
    bound = _bound(hosts(pace), pace)
    unreachable = sum(survey.urls[origin] for origin, rules in survey.rules.items() if rules.unreachable)
    forbidden = survey.forbidden.total()
    return Estimate(
        lines=survey.lines,
        invalid=survey.invalid,
        duplicates=survey.duplicates,
        forbidden=forbidden,
        unreachable=unreachable,
        fetches=survey.urls.total() - forbidden - unreachable,
        hosts=len(groups),
        asked=asked,
        latency=latency,
        bound=bound,
        top=heapq.nlargest(top, hosts(pace), key=lambda one: (one.urls, one.seconds)),
        changes=list(_changes(hosts, pace, bound, settings)),
    )


def _group(survey: _Survey, settings: Settings) -> list[HostEstimate]:
    """Return the hosts (or domains) with the delay that their robots.txt asks for."""
    key, groups = key_of(settings), dict[str, HostEstimate]()
    for origin, urls in survey.urls.items():
        rules = survey.rules.get(origin, ALLOW_ALL)
        name = key(f"{origin}/")
        before = groups.get(name, HostEstimate(name, 0))
        groups[name] = before._replace(
            urls=before.urls + urls,
            forbidden=before.forbidden + survey.forbidden[origin],
            unreachable=before.unreachable + (urls if rules.unreachable else 0),
            delay=max(before.delay, rules.delay),
        )
    return list(groups.values())


def _hosts(groups: list[HostEstimate], pace: _HostPace, *, heed: bool = True) -> Iterator[HostEstimate]:
    """Yield the hosts with how long each takes; without ``heed``, as if there were no robots.txt."""
    for host in groups:
        if not heed:
            host = HostEstimate(host.host, host.urls)
        by = "robots" if host.delay > pace.delay else "settings" if pace.delay else ""
        delay = max(host.delay, pace.delay)
        by_delay = (host.fetches - 1) * delay + pace.latency
        seconds = max(by_delay, math.ceil(host.fetches / pace.slots) * pace.latency) if host.fetches else 0.0
        yield host._replace(delay=delay, delay_by=by, seconds=seconds)


def _bound(hosts: Iterable[HostEstimate], pace: _HostPace) -> TimeBound:
    """Return the time of the host that takes longest, or of all fetches together if that is more."""
    longest, fetches = HostEstimate("", 0), 0
    for host in hosts:
        fetches += host.fetches
        longest = max(longest, host, key=lambda one: one.seconds)
    together = math.ceil(fetches / pace.fetches) * pace.latency
    if together > longest.seconds:
        return TimeBound(together, "fetches")
    if not longest.seconds:
        return TimeBound()
    return TimeBound(longest.seconds, _reason(longest, pace), longest.host)


def _reason(host: HostEstimate, pace: _HostPace) -> str:
    if host.seconds > (host.fetches - 1) * host.delay + pace.latency:
        return "per_host" if pace.slots == pace.per_host else "fetches"
    if host.fetches == 1 or not host.delay:
        return "latency"
    return "robots" if host.delay_by == "robots" else "delay"


def _changes(
    hosts: Callable[..., Iterator[HostEstimate]], pace: _HostPace, bound: TimeBound, settings: Settings
) -> Iterator[Change]:
    """Yield what would make it shorter, or fetch more: one option at a time."""
    more = "--mode thread" if settings.mode == "sequential" else f"--threads {2 * settings.thread_count}"
    options = {
        f"--delay {pace.delay / 2:g}": pace._replace(delay=pace.delay / 2),
        f"--per-host {2 * pace.per_host}": pace._replace(per_host=2 * pace.per_host),
        more: pace._replace(fetches=32 if settings.mode == "sequential" else 2 * pace.fetches),
    }
    fetches = sum(host.fetches for host in hosts(pace))
    for option, changed in options.items():
        other = _bound(hosts(changed), changed)
        if other.seconds < bound.seconds:
            yield Change(option, other, fetches)
    free = sum(host.urls for host in hosts(pace))
    other = _bound(hosts(pace, heed=False), pace)
    if free > fetches or other.seconds < bound.seconds:
        yield Change("--ignore-robots", other, free)


def ask_hosts(
    origins: Iterable[str], rules_of: Callable[[str], RobotsRules], fetches: int
) -> dict[str, RobotsRules]:
    """Return the rules of each origin (`web.host_key`), asking ``fetches`` hosts at once, but at most 64.

    ``rules_of`` is called in threads of this process, once an origin. Rules that are alike are one
    object, so 100,000 hosts take some 20 MB.

    Raises:
        TaskError: ``rules_of`` raised.
    """
    threads = max(1, min(fetches, _MOST_ASKED))
    executor = ThreadExecutor(threads, name="robots")
    waiting: deque[tuple[str, Future[RobotsRules]]] = deque()
    found: dict[str, RobotsRules] = {}
    try:
        for origin in origins:
            waiting.append((origin, executor.submit(rules_of, origin)))
            if len(waiting) >= _AHEAD * threads:
                first, future = waiting.popleft()
                found[first] = future.result()
        found |= {origin: future.result() for origin, future in waiting}
    except BaseException:  # Ctrl-C too: who waits for a hundred hosts more?
        executor.stop()
        raise
    executor.shutdown()
    return found
