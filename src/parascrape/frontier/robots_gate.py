"""The robots.txt gate: what each origin allows, as far as it is known, and the visits that wait for it."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from parascrape.frontier.host import Host, Visit
from parascrape.frontier.politeness import PolitenessPolicy
from parascrape.records import Entry
from parascrape.web import RobotsRules

MAX_ORIGINS = 100_000
"""Origins whose rules are kept; beyond that the oldest are asked for again when they come up."""

VALID = 86_400.0
"""Seconds for which rules are kept at most (RFC 9309 section 2.4)."""

_LEAST_VALID = 60.0
_UNKNOWN_VALID = 600.0  # where the answer never came


@dataclass(slots=True, eq=False)
class RobotsOrigin:
    """One origin's rules, or the visits that wait for them. Times are monotonic seconds.

    ``asking`` is the visit that fetches robots.txt now or later; answers to earlier ones are outdated.
    """

    key: str
    rules: RobotsRules | None = None
    until: float = -math.inf
    asks: int = 0  # fetches in a row without an answer
    asking: Visit | None = None
    held: list[Visit] = field(default_factory=list)
    why: str = ""  # the error code of the last fetch of robots.txt

    def is_known(self, now: float) -> bool:
        """Return whether the rules are known, or robots.txt was asked for in vain."""
        return now < self.until and self.asking is None

    def objection(self, url: str) -> tuple[str, str]:
        """Return the error code and the reason why a prepared URL may not be fetched, else empty ones."""
        if self.rules is not None and not self.rules.unreachable:
            return ("", "") if self.rules.allows(url) else ("robots", "the host's robots.txt forbids it")
        why = self.rules.reason if self.rules and self.rules.reason else self.why
        code = "host_down" if self.rules is None or self.rules.silent else "robots"
        shown = f" ({why})" if why else ""
        return code, f"the host's robots.txt cannot be had{shown}, which forbids everything"

    def hold(self, visit: Visit) -> Visit | None:
        """Keep a visit until the rules are known; return a visit to robots.txt if none is under way."""
        self.held.append(visit)
        if visit.host is None:
            return None
        visit.host.held += 1
        return self.ask(visit.host) if self.asking is None else None

    def ask(self, host: Host) -> Visit:
        """Return a new visit to robots.txt, which replaces the one before."""
        self.asking = visit = Visit(-1, Entry(f"{self.key}/robots.txt"))
        visit.robots, visit.host = self.key, host
        return visit

    def answer(self, rules: RobotsRules | None, now: float, policy: PolitenessPolicy) -> float | None:
        """Set the rules (None: no answer); return the seconds after which to ask again, if at all."""
        if (rules is None or rules.unreachable) and self.asks < policy.robots_asks:
            return min(policy.max_backoff, policy.robots_retry * 2.0 ** max(0, self.asks - 1))
        self.rules = rules
        self.asking = None
        self.asks = 0
        expires = _UNKNOWN_VALID if rules is None else rules.expires
        self.until = now + (max(expires, _LEAST_VALID) if expires < VALID else VALID)
        return None

    def release(self, asked: Host | None, policy: PolitenessPolicy) -> Iterable[Host]:
        """Return held visits to their hosts, in order, and set the Crawl-delay; return the hosts."""
        wanted = self.rules.delay if self.rules is not None else 0.0
        delay = min(wanted, policy.max_delay) if wanted > 0.0 else 0.0
        hosts: dict[Host, None] = {} if asked is None else {asked: None}
        held, self.held = self.held, []
        for visit in reversed(held):
            if visit.host is not None:
                visit.host.push_front(visit)
                visit.host.held -= 1
                hosts[visit.host] = None
        for host in hosts:
            host.crawl_delay = delay if host.key == self.key else max(host.crawl_delay, delay)
        return hosts


class RobotsGate(OrderedDict[str, RobotsOrigin]):
    """The origins by their key, about ``most`` of them."""

    def __init__(self, most: int = MAX_ORIGINS) -> None:
        super().__init__()
        self._most = most

    def __missing__(self, key: str) -> RobotsOrigin:
        if len(self) >= self._most:  # drop the oldest; if it is in use, it becomes the youngest instead
            oldest, origin = self.popitem(last=False)
            if origin.asking is not None or origin.held:
                self[oldest] = origin
        origin = self[key] = RobotsOrigin(key)
        return origin
