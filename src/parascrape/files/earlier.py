"""What a harvest knows from the previous output: which pages need no fetch, and which have not changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from parascrape import records
from parascrape.errors import NotFetched
from parascrape.files.outcomes import Outcome, fail
from parascrape.files.previous import Carried, Previous
from parascrape.frontier import Visit
from parascrape.scrapers.fingerprint import fingerprint
from parascrape.settings import Settings
from parascrape.web.urls import Entry
from parascrape.web.validators import NOTHING, Known

__all__ = ["FRESH", "Earlier", "open_earlier"]

FRESH = "fetched recently enough"
"""Why a visit is refused whose page is carried forward unasked."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Earlier:
    """The previous output as the loop asks for it; ``clock`` is the wall clock's time."""

    def __init__(self, previous: Previous, max_age: float, clock: Callable[[], datetime] = _utc_now) -> None:
        self._previous = previous
        self._max_age = max_age
        self._clock = clock
        self._lost: set[int] = set()  # visits whose earlier record is gone

    def why_skip(self, entry: Entry, _: int) -> str:
        """Why the entry is not fetched: it is a duplicate, or `FRESH`; empty where it is."""
        if entry.duplicate or not self._max_age:
            return entry.duplicate
        return FRESH if self._previous.is_fresh(entry, self._max_age, self._clock()) else ""

    def known(self, visit: Visit) -> Known:
        """What the worker is told of the page."""
        return NOTHING if visit.number in self._lost else self._previous.known(visit.entry)

    def carry_fresh(self, visit: Visit) -> Outcome:
        """The outcome of a page that was not asked for."""
        carried = self._previous.carry_fresh(visit.entry)
        if carried is None:
            return fail(
                visit.entry, NotFetched("its record in the previous output is gone since this run began")
            )
        return _outcome(Outcome(b"", 0, ""), carried, "fresh")

    def carry_unchanged(self, visit: Visit, outcome: Outcome) -> Outcome | None:
        """The outcome with the page's earlier records; None where they are gone: it is to be fetched anew."""
        carried = self._previous.carry_unchanged(visit.entry, records.parse(outcome.lines)["meta"])
        if carried is None:
            self._lost.add(visit.number)
            return None
        return _outcome(outcome, carried, "unchanged")

    def close(self) -> None:
        """Close the previous output."""
        self._previous.close()


def _outcome(outcome: Outcome, carried: Carried, how: str) -> Outcome:
    return outcome._replace(lines=carried.lines, records=carried.records, carried=how)


def open_earlier(
    settings: Settings, stopped: Callable[[], bool], say: Callable[[str], None]
) -> Earlier | None:
    """What the settings' previous output holds, read to its end; None without one.

    ``say`` is told where records of it cannot be used. Raises UsageError: see `Previous`.
    """
    if not settings.previous:
        return None
    previous = Previous(settings.previous, made_by := fingerprint(settings), stopped)
    others = previous.good - len(previous)
    if others and not made_by:
        say(
            "Every page is scraped anew: the scraper is no plain function in a file, "
            "so which records it has made is not known."
        )
    elif others:
        say(f"{others:,} of {previous.good:,} earlier pages are scraped anew: something else has made them.")
    return Earlier(previous, settings.max_age)
