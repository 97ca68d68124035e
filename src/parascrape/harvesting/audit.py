"""The audit of outputs: whether the fetches in their records kept each host's limits.

    records -> fetches -> a temporary table, sorted by host and time -> one sweep a host -> Audit

A page has one fetch for each attempt (``meta.earlier`` and the last). Records may stand in any order;
memory only holds the fetches that are under way at one time.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from parascrape import records
from parascrape.errors import InvalidUrl, RobotsForbidden, UsageError
from parascrape.frontier import key_of
from parascrape.harvesting.estimate import ask_hosts
from parascrape.settings import Settings
from parascrape.system import SqliteFile
from parascrape.web import ALLOW_ALL, RobotsRules, host_key, prepare

TOLERANCE = 0.002
"""Seconds: records cut the start to the millisecond, and the wall clock is steered a little."""

UNDER_WAY = 0.1
"""Seconds after an answer with Retry-After in which a fetch may start that was on its way already."""

_STEERED = 0.001  # of a delay: as much again as the 500 ppm by which an NTP client may slew the clock
_LONGEST = 1e6  # seconds that a record may name
_MAX_LINE = 1 << 26


class HostAudit(NamedTuple):
    """The fetches of one host (or domain). The last four count fetches that broke a limit."""

    host: str
    fetches: int
    least_gap: float | None  # seconds between two starts; None where there was one fetch
    most_at_once: int
    too_soon: int = 0  # started less than the delay after the one before
    too_many: int = 0  # started while as many as are allowed were under way
    in_retry_after: int = 0
    forbidden: int = 0  # by robots.txt

    @property
    def broken(self) -> int:
        """Limits broken; a fetch may have broken several."""
        return self.too_soon + self.too_many + self.in_retry_after + self.forbidden


@dataclass(kw_only=True, slots=True)
class Audit:
    """The findings of an audit. ``hosts`` starts with those that had the most broken limits."""

    pages: int = 0  # outcomes, fetched or not
    fetches: int = 0
    refused: int = 0  # pages that were not fetched, for robots.txt forbids them
    unseen: int = 0  # attempts without a time in the records
    unmeasured: int = 0  # fetches without a duration: nothing seems to run beside them
    foreign: int = 0  # lines that are not records
    unreachable: int = 0  # hosts whose robots.txt could not be fetched now, so it is not checked
    hosts: list[HostAudit] = field(default_factory=list)

    @property
    def broken(self) -> int:
        """Limits broken, over all hosts."""
        return sum(host.broken for host in self.hosts)


def audit(
    paths: Sequence[str | Path], settings: Settings, rules_of: Callable[[str], RobotsRules] | None = None
) -> Audit:
    """Return the audit of these outputs together against the limits of the settings.

    Limits are ``per_host``, ``delay`` and ``per_domain``; ``rules_of`` fetches an origin's robots.txt,
    whose Crawl-delay and rules then count as they are today. An overlap, or a delay that is too short,
    only counts if it is off by more than `TOLERANCE` (and a thousandth of the delay).

    Raises:
        UsageError: a file cannot be read.
        OutputError: the temporary table cannot be written.
    """
    found = Audit()
    with SqliteFile.temporary(_TABLE) as table:
        rows = _rows(paths, settings, found)
        table.executemany("INSERT INTO fetch VALUES (?, ?, ?, ?, ?, ?)", rows)
        rules: dict[str, RobotsRules] = {}
        if rules_of is not None:
            table.create_function("origin", host_key)
            origins = [origin for (origin,) in table.rows("SELECT DISTINCT origin(url) FROM fetch")]
            rules = ask_hosts(origins, rules_of, settings.fetches)
        found.unreachable = sum(one.unreachable for one in rules.values())
        ordered = table.rows("SELECT * FROM fetch ORDER BY host, start, length DESC")
        for host, fetches in groupby(map(_AuditedFetch._make, ordered), itemgetter(0)):
            found.hosts.append(_IntervalSweep(settings, rules).run(host, fetches))
    found.hosts.sort(key=lambda one: (-one.broken, -one.fetches, one.host))
    found.fetches = sum(host.fetches for host in found.hosts)
    return found


_TABLE = "CREATE TABLE fetch (host, start REAL, length REAL, retry REAL, url, refused INTEGER)"


class _AuditedFetch(NamedTuple):
    """One attempt. Times are seconds; ``start`` is of the wall clock, since 1970."""

    host: str
    start: float
    length: float
    retry_after: float
    url: str  # prepared
    refused: bool  # the record says that robots.txt forbids it


def _rows(paths: Iterable[str | Path], settings: Settings, found: Audit) -> Iterator[_AuditedFetch]:
    """Yield the fetches of all outputs in their order, and count the other lines."""
    key = key_of(settings)
    for path in paths:
        try:
            with open(path, "rb") as file:
                for line in iter(lambda: file.readline(_MAX_LINE), b""):
                    yield from _fetches(line, key, found)
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None


def _fetches(line: bytes, key: Callable[[str], str], found: Audit) -> Iterator[_AuditedFetch]:
    """Yield the fetches of one page, from the first of its records."""
    record = records.parse_record(line)
    if record is None:
        found.foreign += bool(line.strip(b"\0\r\n "))
        return
    meta, error = record["meta"], record.get("error")
    if _whole(meta.get("item")) > 1:
        return
    found.pages += 1
    refused = isinstance(error, dict) and error.get("code") == RobotsForbidden.code
    try:
        url = prepare(record["url"])
    except InvalidUrl:  # so nothing was fetched
        return
    times = list(_attempts(meta))
    if meta.get("fresh") is not True:
        found.unseen += max(0, _whole(meta.get("attempts")) - len(times))
    found.refused += refused and not times
    for start, length, retry_after in times:
        found.unmeasured += length is None
        yield _AuditedFetch(key(url), start, length or 0.0, retry_after, url, refused)


def _attempts(meta: dict[str, Any]) -> Iterator[tuple[float, float | None, float]]:
    """Yield the attempts with a time: the start, the length if known, and how long the host asked to wait.

    A page that was not fetched had its attempts in an earlier run.
    """
    if meta.get("fresh") is True:
        return
    earlier = meta.get("earlier")
    for attempt in [*(earlier if isinstance(earlier, list) else ()), meta]:
        with suppress(KeyError, TypeError, ValueError, OverflowError):
            start = datetime.fromisoformat(attempt["fetched_at"]).timestamp()
            yield start, _seconds(attempt.get("fetch_seconds")), _seconds(attempt.get("retry_after")) or 0.0


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value < _LONGEST else None


class _IntervalSweep:
    """The fetches of one host, in the order of their starts."""

    def __init__(self, settings: Settings, rules: dict[str, RobotsRules]) -> None:
        self._settings = settings
        self._rules = rules
        self._counts: Counter[str] = Counter()
        self._least_gap = math.inf
        self._most = 0
        self._last_start = -math.inf
        self._last_delay = 0.0
        self._ends: list[float] = []  # a heap, of the fetches under way
        self._wishes: list[tuple[float, float]] = []  # a heap: when they were made, and until when they hold
        self._quiet_until = -math.inf

    def run(self, host: str, fetches: Iterable[_AuditedFetch]) -> HostAudit:
        """Return the audit of the host."""
        for fetch in fetches:
            rules = self._rules.get(host_key(fetch.url), ALLOW_ALL) if self._rules else ALLOW_ALL
            self._counts["fetches"] += 1
            self._check_gap(fetch, max(self._settings.delay, rules.delay))
            self._check_slots(fetch)
            self._check_wish(fetch)
            forbidden = fetch.refused or not (rules.unreachable or rules.allows(fetch.url))
            self._counts["forbidden"] += forbidden
        least = self._least_gap if self._least_gap < math.inf else None
        return HostAudit(host=host, least_gap=least, most_at_once=self._most, **self._counts)

    def _check_gap(self, fetch: _AuditedFetch, delay: float) -> None:
        """A delay holds before its origin's fetches and after them: a domain may have several origins."""
        gap = round(fetch.start - self._last_start, 6) if self._counts["fetches"] > 1 else math.inf
        self._least_gap = min(self._least_gap, gap)
        wanted = max(delay, self._last_delay)
        self._counts["too_soon"] += gap + TOLERANCE + _STEERED * wanted < wanted
        self._last_start, self._last_delay = fetch.start, delay

    def _check_slots(self, fetch: _AuditedFetch) -> None:
        while self._ends and self._ends[0] <= fetch.start:
            heapq.heappop(self._ends)
        heapq.heappush(self._ends, max(fetch.start, fetch.start + fetch.length - TOLERANCE))
        at_once = len(self._ends)
        self._most = max(self._most, at_once)
        self._counts["too_many"] += bool(self._settings.per_host) and at_once > self._settings.per_host

    def _check_wish(self, fetch: _AuditedFetch) -> None:
        while self._wishes and self._wishes[0][0] + UNDER_WAY < fetch.start:
            self._quiet_until = max(self._quiet_until, heapq.heappop(self._wishes)[1])
        self._counts["in_retry_after"] += fetch.start + TOLERANCE < self._quiet_until
        if fetch.retry_after:
            answered = fetch.start + fetch.length
            heapq.heappush(self._wishes, (answered, answered + fetch.retry_after))
