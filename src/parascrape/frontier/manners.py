"""What a harvest owes to hosts, from its settings: limits, whose limits they are, and what is not fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from parascrape.errors import Duplicate, HostDown, InvalidUrl, NotFetched, RobotsForbidden
from parascrape.files.duplicates import Seen
from parascrape.frontier import Visit
from parascrape.frontier.politeness import Politeness
from parascrape.harvesting.timings import Blame
from parascrape.settings import Settings
from parascrape.web.canonical import Identity, canonical
from parascrape.web.domains import domain_key
from parascrape.web.urls import Entry, host_key

__all__ = ["blame_of", "domain_key", "key_of", "mark_duplicates", "politeness_of", "refusal"]

_CIRCUIT_DELAY = 5.0
"""Seconds, doubling: a dead host is given up 35 s and eight time-outs after its first failure."""

_ROBOTS_RETRY = 2.0
"""Seconds, doubling: a robots.txt that cannot be had is asked for three times within six seconds."""

_REFUSALS: dict[str, type[NotFetched]] = {kind.code: kind for kind in (Duplicate, HostDown, RobotsForbidden)}


def politeness_of(settings: Settings) -> Politeness | None:
    """The limits that the settings ask for; None where they lift all of them."""
    if not (settings.per_host or settings.delay or settings.robots):
        return None
    return Politeness(
        per_host=settings.per_host,
        delay=settings.delay,
        max_backoff=settings.max_backoff,
        circuit_delay=_CIRCUIT_DELAY,
        robots=settings.robots,
        robots_retry=_ROBOTS_RETRY,
    )


def key_of(settings: Settings) -> Callable[[str], str]:
    """What the limits of a prepared URL are kept for: its scheme, host and port, or its domain."""
    return domain_key if settings.per_domain else host_key


def blame_of(visit: Visit, limits: Politeness | None) -> Blame:
    """What a visit that could not be made before now has waited for, and whose limit that is."""
    host = visit.host
    if host is None or limits is None or visit.attempts:
        return "retry", ""
    shown = host.key.partition("://")[2].removesuffix(":443").removesuffix(":80") or host.key
    gap = host.gap(limits)
    if not gap:
        return "limit", shown
    if gap > max(limits.delay, host.crawl_delay):
        return "rest", shown
    return ("crawl_delay" if host.crawl_delay > limits.delay else "delay"), shown


def refusal(visit: Visit) -> NotFetched:
    """The error of a visit that is to be recorded without a fetch."""
    return _REFUSALS[visit.refused_code](visit.refused_why)


def mark_duplicates(entries: Iterable[Entry | None], settings: Settings) -> Iterator[Entry | None]:
    """The entries; each whose URL (`identity.canonical`) stands before it is told where."""
    if settings.fetch_duplicates:
        yield from entries
        return
    identity = Identity(settings.drop_tracking, settings.sort_query)
    lists: dict[str, int] = {}
    with Seen() as seen:
        for entry in entries:
            if entry is None or entry.problem:
                yield entry
                continue
            place = _number(entry.source, lists) * _LINES + min(entry.line, _LINES - 1)
            first = seen.add(_key(entry.url, identity), place)
            why = "" if first is None else _describe(first, entry.source, lists)
            yield entry._replace(duplicate=why) if why else entry


def _number(source: str, lists: dict[str, int]) -> int:
    """The list's number; those after the first 254 share one, for `Seen` keeps 40 bits with a key."""
    if source not in lists and len(lists) < _MAX_LISTS:
        lists[source] = len(lists)
    return lists.get(source, _MAX_LISTS)


_LINES = 1 << 32
_MAX_LISTS = 254


def _key(url: str, identity: Identity) -> str:
    try:
        return canonical(url, identity)
    except InvalidUrl:  # the worker will say so
        return url


def _describe(place: int, source: str, lists: dict[str, int]) -> str:
    number, line = divmod(place, _LINES)
    name = "a later list" if number == _MAX_LISTS else list(lists)[number]
    return f"the same URL as in line {line}" + (f" of {name}" if name not in ("", source) else "")
