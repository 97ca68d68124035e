"""Politeness: how a harvest treats each host, what it is told of every fetch, and what lasts between runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from parascrape.errors import UsageError

__all__ = ["HostState", "Politeness", "Report", "Rules"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Politeness:
    """What every host may expect. Times are seconds.

    A host has at most ``per_host`` fetches at once (0: no limit), and between two starts at least
    ``delay`` and at most ``delay * (1 + jitter)`` more than needed. A Crawl-delay counts up to
    ``max_delay``. Nobody waits longer than ``max_backoff`` for a host in trouble; a host that asks
    for more is not asked again in this run.

    After ``circuit_after`` fetches in a row that got no answer (0: never) a host is left alone for
    ``circuit_delay``, doubling up to ``max_backoff``; then one fetch tries it. After ``circuit_trials``
    tries that failed it is given up. An unreachable robots.txt is asked for ``robots_asks`` times, first
    again after ``robots_retry``, doubling.

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

    def __post_init__(self) -> None:
        self._check_range("per_host", 0, 10_000)
        self._check_range("delay", 0, 86_400)
        self._check_range("jitter", 0, 10)
        self._check_range("max_delay", 0, 86_400)
        self._check_range("max_backoff", 0, 86_400)
        self._check_range("circuit_after", 0, 1_000_000)
        self._check_range("circuit_delay", 0, 86_400)
        self._check_range("circuit_trials", 0, 100)
        self._check_range("robots_asks", 1, 100)
        self._check_range("robots_retry", 0, 86_400)

    def _check_range(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if not low <= value <= high:
            raise UsageError(f"{name}: {value} is not between {low} and {high}")


class Report(NamedTuple):
    """What came of one fetch, as far as its host is concerned."""

    code: str = ""  # the error's code; "" where a page came
    status: int = 0  # of the answer; 0 where none came
    retry_after: float | None = None  # seconds, the server's wish
    latency: float | None = None  # seconds from the start of the fetch to its end


class Rules(Protocol):
    """What the robots.txt of one origin says (RFC 9309)."""

    @property
    def delay(self) -> float:
        """Seconds between two requests; 0 where it says none."""

    @property
    def expires(self) -> float:
        """Seconds for which this holds."""

    @property
    def unreachable(self) -> bool:
        """Whether there was no answer, so that for now all is forbidden (RFC 9309 §2.3.1.4)."""

    @property
    def reason(self) -> str:
        """Why there was none, in a few words; empty where there was."""

    @property
    def silent(self) -> bool:
        """Whether that was because the host gave no answer of any kind."""

    def allows(self, url: str) -> bool:
        """Whether this prepared URL may be fetched."""


class HostState(NamedTuple):
    """What the next run should know of a host. Times are seconds of the wall clock, 0 for never."""

    last_start: float = 0.0
    paused_until: float = 0.0  # by Retry-After, an open circuit, or because it was given up
    slow: float = 0.0  # seconds between two starts that its 429s and 503s have come to
    trials: int = 0  # tries of an open circuit that it has had; 0: the circuit is closed
