"""What the robots.txt of each origin allows, as far as it is known, and which visits wait for it. Pure."""

from __future__ import annotations

import math
from collections import OrderedDict

from parascrape.frontier.host import Visit
from parascrape.frontier.politeness import PolitenessPolicy
from parascrape.records import Entry
from parascrape.web import RobotsRules

__all__ = ["MAX_ORIGINS", "VALID", "RobotsGate", "RobotsOrigin"]

MAX_ORIGINS = 100_000
"""Origins whose rules are kept; of more, the oldest are asked for again when they come up."""

VALID = 86_400.0
"""Seconds for which rules are kept at the most (RFC 9309 §2.4)."""

_LEAST_VALID = 60.0
_UNKNOWN_VALID = 600.0  # where the answer never came


class RobotsOrigin:
    """One origin's rules, or the visits that wait for them. Times are monotonic seconds.

    ``asking`` is the visit that asks for robots.txt, or will when its time comes; the answer to another
    one is an old one's.
    """

    __slots__ = ("asking", "asks", "held", "key", "rules", "until", "why")

    def __init__(self, key: str) -> None:
        self.key = key
        self.rules: RobotsRules | None = None
        self.until = -math.inf
        self.asks = 0  # so often in a row without an answer
        self.asking: Visit | None = None
        self.held: list[Visit] = []
        self.why = ""  # the code of the last fetch of robots.txt that failed

    def is_known(self, now: float) -> bool:
        """Whether it is known what is allowed: nothing, where robots.txt was asked for in vain."""
        return now < self.until and self.asking is None

    def objection(self, url: str) -> tuple[str, str]:
        """The code and the reason why this prepared URL may not be fetched; empty where it may."""
        if self.rules is not None and not self.rules.unreachable:
            return ("", "") if self.rules.allows(url) else ("robots", "the host's robots.txt forbids it")
        why = self.rules.reason if self.rules and self.rules.reason else self.why
        code = "host_down" if self.rules is None or self.rules.silent else "robots"
        return (
            code,
            f"the host's robots.txt cannot be had{f' ({why})' if why else ''}, which forbids everything",
        )

    def ask(self) -> Visit:
        """A visit that asks for robots.txt, in place of the one before."""
        visit = Visit(-1, Entry(f"{self.key}/robots.txt"))
        visit.robots = self.key
        self.asking = visit
        return visit

    def answer(self, rules: RobotsRules | None, now: float, limits: PolitenessPolicy) -> float | None:
        """Seconds after which robots.txt is to be asked for again; None where it is known what holds.

        None for ``rules`` is an answer that never came.
        """
        if (rules is None or rules.unreachable) and self.asks < limits.robots_asks:
            return min(limits.max_backoff, limits.robots_retry * 2.0 ** max(0, self.asks - 1))
        self.rules = rules
        self.asking = None
        self.asks = 0
        expires = _UNKNOWN_VALID if rules is None else rules.expires
        self.until = now + (max(expires, _LEAST_VALID) if expires < VALID else VALID)
        return None

    def release(self) -> list[Visit]:
        """The visits that have waited, in their order; they wait no longer."""
        held, self.held = self.held, []
        return held


class RobotsGate(OrderedDict[str, RobotsOrigin]):
    """The origins by their key, at most about `MAX_ORIGINS`."""

    def __missing__(self, key: str) -> RobotsOrigin:
        if len(self) >= MAX_ORIGINS:
            self._forget_one()
        origin = self[key] = RobotsOrigin(key)
        return origin

    def _forget_one(self) -> None:
        """Drop the oldest; one that is being asked for becomes the youngest instead."""
        key, origin = self.popitem(last=False)
        if origin.asking is not None or origin.held:
            self[key] = origin
