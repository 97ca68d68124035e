"""The politeness policy of a harvest, reports of fetches, and the host state that lasts between runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from parascrape.errors import UsageError
from parascrape.settings import Settings
from parascrape.web import domain_key, host_key


@dataclass(frozen=True, kw_only=True, slots=True)
class PolitenessPolicy:
    """The limits for each host. Times are seconds.

    A host has at most ``per_host`` fetches at once (0: no limit). Between two starts pass ``delay``
    seconds plus up to ``jitter`` of them. A Crawl-delay is obeyed up to ``max_delay``. No pause for a
    host in trouble is longer than ``max_backoff``; a host that asks for more is given up.

    After ``circuit_after`` fetches in a row without an answer (0: never) a host is left alone for
    ``circuit_delay``, doubling up to ``max_backoff``; then one fetch tries it. After ``circuit_trials``
    failed tries it is given up. An unreachable robots.txt is asked for ``robots_asks`` times, the second
    time after ``robots_retry``, doubling. With ``per_domain`` all hosts of a domain count as one host.

    Raises:
        UsageError: a value is out of its range; the message names the field.
    """

    per_host: int = 4
    delay: float = 0.0
    jitter: float = 0.2
    max_delay: float = 60.0
    max_backoff: float = 120.0
    adaptive: bool = True
    circuit_after: int = 5
    circuit_delay: float = 30.0
    circuit_trials: int = 3
    robots: bool = False
    robots_asks: int = 3
    robots_retry: float = 5.0
    per_domain: bool = False

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name}: {value} is not between {low} and {high}")


_RANGES: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("delay", "max_delay", "max_backoff", "circuit_delay", "robots_retry"), (0, 86_400)),
    "per_host": (0, 10_000),
    "jitter": (0, 10),
    "circuit_after": (0, 1_000_000),
    "circuit_trials": (0, 100),
    "robots_asks": (1, 100),
}


class FetchReport(NamedTuple):
    """The result of one fetch, as far as its host is concerned."""

    code: str = ""  # the error's code; "" for a page
    status: int = 0  # of the answer; 0 without one
    retry_after: float | None = None  # seconds
    latency: float | None = None  # seconds from the start of the fetch to its end


class HostState(NamedTuple):
    """The state of a host that is kept for the next run. Times are seconds of the wall clock, 0 for never."""

    last_start: float = 0.0
    paused_until: float = 0.0  # by Retry-After, an open circuit, or because it was given up
    slow: float = 0.0  # seconds between two starts, because of its 429s and 503s
    trials: int = 0  # tries since its circuit opened; 0: it is closed


def politeness_policy(settings: Settings) -> PolitenessPolicy | None:
    """Return the policy of the settings, None if they lift all limits."""
    if not (settings.per_host or settings.delay or settings.robots):
        return None
    return PolitenessPolicy(
        per_host=settings.per_host,
        delay=settings.delay,
        max_backoff=settings.max_backoff,
        circuit_delay=5.0,  # doubling: a dead host is given up after 35 s and eight time-outs
        robots=settings.robots,
        robots_retry=2.0,  # doubling: three attempts at robots.txt within six seconds
        per_domain=settings.per_domain,
    )


def key_of(settings: Settings) -> Callable[[str], str]:
    """Return the function from a prepared URL to its host: scheme, name and port, or its domain."""
    return domain_key if settings.per_domain else host_key


WaitReason = tuple[str, str]
"""Why a visit was delayed (limit, delay, crawl_delay, rest, retry), and its host."""
