"""When a job is due: cron expressions and intervals, time zones and their changes of clock, jitter."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from parascrape.errors import UsageError
from parascrape.system import parse_duration, show_interval

__all__ = ["Timing", "local_zone", "make_timing", "parse_seconds", "zone_of"]

_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_LONGEST = 366 * 86_400.0


def parse_seconds(text: object) -> float:
    """Return the seconds of ``4h``, ``1.5h`` or ``90d``. Raises UsageError for anything else."""
    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise UsageError(str(error)) from None


def zone_of(name: str) -> tzinfo:
    """The time zone of an IANA name; of an empty name that of this machine. Raises UsageError."""
    if not name:
        return local_zone()
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not there, not to be a path, a folder
        raise UsageError(
            f"timezone: {name!r} is none; write an IANA name such as Europe/Berlin or UTC"
        ) from None


def local_zone() -> tzinfo:
    """This machine's time zone with its rules, not only the offset of now; UTC where it has none."""
    import tzlocal

    return tzlocal.get_localzone()


class Timing(NamedTuple):
    """A cron expression of five fields or seconds between runs, in a zone, up to ``jitter`` seconds late.

    Cron's usual rules hold (those of Debian's cron, by cronsim): days of month and of week are
    alternatives where both are restricted; a fixed time that a change of clock skips is due as soon as the
    clock goes on, one that comes twice is due once, while hourly and minutely jobs go by elapsed time.
    Intervals count from the epoch, so that restarts shift nothing.
    """

    cron: str = ""
    every: float = 0.0
    zone: str = ""
    jitter: float = 0.0

    def next_after(self, moment: datetime, name: str = "") -> datetime:
        """The first time after this one at which the job of that name is due, in UTC.

        The jitter of each time is drawn from the name and the time, so a restart draws the same again.
        """
        at = moment - timedelta(seconds=self.jitter)
        while True:
            at = self._regular_after(at)
            due = at + timedelta(seconds=self._late(at, name))
            if due > moment:
                return due

    def _regular_after(self, moment: datetime) -> datetime:
        if self.every:
            count = math.floor(moment.timestamp() / self.every) + 1
            return datetime.fromtimestamp(count * self.every, UTC)
        for found in CronSim(self.cron, moment.astimezone(zone_of(self.zone))):
            at = found.astimezone(UTC)
            if at > moment:  # in the hour that comes twice, what it finds may have been
                return at
        raise UsageError(f"schedule: {self.cron!r} is never due")

    def _late(self, at: datetime, name: str) -> float:
        draw = random.Random(f"{name} {at.timestamp()}")  # noqa: S311 (spreads load, hides nothing)
        return draw.uniform(0, self.jitter)

    @property
    def shown(self) -> str:
        """``every 4h`` or the expression, with the zone where one is named."""
        when = f"every {show_interval(self.every)}" if self.every else self.cron
        return f"{when} ({self.zone})" if self.zone and self.cron else when


def make_timing(*, cron: str = "", every: str = "", zone: str = "", jitter: str = "") -> Timing | None:
    """The timing of a job, None where it has neither ``cron`` nor ``every``.

    Raises:
        UsageError: one is not written as it should be, they contradict each other, or it is never due.
    """
    zone_of(zone)
    late = parse_seconds(jitter) if jitter else 0.0
    if not cron and not every:
        return None
    if cron and every:
        raise UsageError("schedule and every exclude each other")
    timing = Timing(_check_cron(cron), _check_every(every), zone, late)
    _check_jitter(timing)
    return timing


def _check_cron(text: str) -> str:
    if not text:
        return ""
    expression = _NAMED.get(text.strip().lower(), " ".join(text.split()))
    if len(expression.split()) != 5:
        raise UsageError(
            f"schedule: {text!r} has not the five fields minute, hour, day, month, weekday of cron"
        )
    try:
        next(CronSim(expression, datetime(2024, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise UsageError(f"schedule: {text!r}: {str(error).lower()}") from None
    except StopIteration:
        raise UsageError(f"schedule: {text!r} is never due") from None
    return expression


def _check_every(text: str) -> float:
    if not text:
        return 0.0
    seconds = parse_seconds(text)
    if not 1 <= seconds <= _LONGEST:
        raise UsageError(f"every: {text!r} is not between 1s and 366d")
    return seconds


def _check_jitter(timing: Timing) -> None:
    """Refuse a jitter after which two times of the job could come in the wrong order."""
    if not timing.jitter:
        return
    at = datetime(2024, 1, 1, tzinfo=UTC)
    regular = timing._replace(jitter=0.0)
    gaps = []
    for _ in range(100):
        following = regular.next_after(at)
        gaps.append((following - at).total_seconds())
        at = following
    if timing.jitter > min(gaps[1:]):
        raise UsageError(f"jitter: {show_interval(timing.jitter)} is longer than from one run to the next")
