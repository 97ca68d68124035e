"""Adaptive backoff for hosts that answer 429 or 503, slow down, or do not answer. No I/O, no clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

from parascrape.frontier.politeness import FetchReport, PolitenessPolicy
from parascrape.web import MAX_RETRY_AFTER

NO_ANSWER = frozenset(("connect", "dns", "reset", "timeout"))
"""Error codes of fetches without an answer; enough of them in a row open a host's circuit."""

THROTTLED = frozenset((429, 503))
"""Statuses that ask for fewer requests (RFC 6585 section 4, RFC 9110 section 15.6.4)."""

DOWN = 3600.0
"""Seconds for which a host is given up; then one fetch tries it again."""

_LEAST_SLOW = 1.0  # seconds between two starts after the first 429; each further one doubles them
_EASE = 0.7  # factor for those seconds after each good answer; below `_NOTHING` they become 0
_NOTHING = 0.02

# The recent latency is the mean of about three answers. The usual one follows within five answers when it
# falls, within a hundred when it rises. A busy machine alone does not reach three times the usual + 0.5 s.
_RECENT, _FALLING, _RISING = 0.3, 0.2, 0.01
_LEAST_ANSWERS, _TIMES, _MORE = 5, 3.0, 0.5


@dataclass(slots=True, eq=False)
class HostHealth:
    """The state of one host's backoff. Times are monotonic seconds, durations seconds.

    ``paused_until`` is set by the server's Retry-After, ``open_until`` by the circuit breaker. Until
    ``down_until`` the host is given up, because of ``why``.
    """

    paused_until: float = 0.0
    open_until: float = 0.0
    down_until: float = 0.0
    why: str = ""
    failures: int = 0  # fetches without an answer in a row
    trials: int = 0  # circuits opened in a row
    tripped_at: float = -math.inf
    slowed: int = 0  # 429s and 503s in a row, with no good answer between
    slowed_at: float = -math.inf
    slow: float = 0.0  # seconds between two starts, for its 429s and 503s
    adaptive: float = 0.0  # the same for its latency
    answers: int = 0
    usual: float = 0.0  # latencies
    recent: float = 0.0

    @property
    def until(self) -> float:
        """When the host may be asked again."""
        return max(self.paused_until, self.open_until)

    def note(self, report: FetchReport, taken: float, now: float, limits: PolitenessPolicy) -> None:
        """Update the state after a fetch that was handed out at ``taken``.

        Bad answers to fetches that were under way when the host was slowed down or its circuit opened
        do not count again.
        """
        answered = report.status > 0 or not report.code
        if report.status in THROTTLED:
            self._slow_down(report, taken, now, limits)
        elif report.code in NO_ANSWER and not answered:
            self._fail(report, taken, now, limits)
        elif answered and report.status < 500:
            self.slowed = 0
            self.slow = self.slow * _EASE if self.slow > _NOTHING else 0.0
        if answered:
            self.failures = self.trials = 0
            self.open_until = 0.0
        if report.retry_after is not None and report.code:
            self.pause(report.retry_after, now, limits)
        if limits.adaptive and report.latency is not None and (answered or report.code == "timeout"):
            self._track_latency(report.latency, limits)

    def pause(self, seconds: float, now: float, limits: PolitenessPolicy, *, why: str = "") -> None:
        """Leave the host alone for ``seconds``; give it up if they are more than ``max_backoff``.

        Negative values and NaN are ignored; the longest pause is `MAX_RETRY_AFTER`.
        """
        if not seconds > 0.0:
            return
        seconds = min(seconds, MAX_RETRY_AFTER)
        if seconds <= limits.max_backoff:
            self.paused_until = max(self.paused_until, now + seconds)
        elif now + seconds > self.down_until:
            self.give_up(why or f"it asked to be left alone for {seconds:.0f} s", now + seconds)

    def give_up(self, why: str, until: float) -> None:
        """Fetch nothing more from the host before this time."""
        self.why, self.down_until = why, until

    def _slow_down(self, report: FetchReport, taken: float, now: float, limits: PolitenessPolicy) -> None:
        if taken <= self.slowed_at:
            return
        self.slowed_at = now
        self.slowed += 1
        self.slow = min(limits.max_backoff, max(_LEAST_SLOW, 2.0 * self.slow))
        self.paused_until = max(self.paused_until, now + self.slow)
        if self.slowed >= max(1, limits.circuit_after) + limits.circuit_trials:
            self.give_up(f"{self.slowed} times in a row it answered {report.status}", now + DOWN)

    def _fail(self, report: FetchReport, taken: float, now: float, limits: PolitenessPolicy) -> None:
        if taken <= self.tripped_at or not limits.circuit_after:
            return
        self.failures += 1
        if not self.trials and self.failures < limits.circuit_after:
            return
        self.trials += 1
        self.tripped_at = now
        self.open_until = now + min(limits.max_backoff, limits.circuit_delay * 2.0 ** (self.trials - 1))
        if self.trials > limits.circuit_trials:
            why = f"{self.failures} fetches in a row got no answer, the last: {report.code}"
            self.give_up(why, now + DOWN)

    def _track_latency(self, latency: float, limits: PolitenessPolicy) -> None:
        """Slow down if the latency is well above the usual one, and recover as it falls."""
        if not 0.0 <= latency <= DOWN:
            return
        if not self.answers:
            self.usual = self.recent = latency
        self.answers += 1
        self.recent += _RECENT * (latency - self.recent)
        self.usual += (_FALLING if latency < self.usual else _RISING) * (latency - self.usual)
        if self.answers >= _LEAST_ANSWERS and self.recent > _TIMES * self.usual + _MORE:
            self.adaptive = min(limits.max_delay, (self.adaptive + self.recent) / 2.0)
        else:
            self.adaptive = self.adaptive / 2.0 if self.adaptive > _NOTHING else 0.0
