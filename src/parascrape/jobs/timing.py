"""Job schedules: cron expressions and intervals, time zones with daylight saving time, jitter."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from parascrape.system import parse_duration, show_interval

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


def zone_of(name: str) -> tzinfo:
    """Return the time zone with an IANA name; for "" the machine's, or UTC. Raises ValueError."""
    if not name:
        import tzlocal

        return tzlocal.get_localzone()  # with its rules, not only today's offset
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, a path, a folder
        raise ValueError(
            f"timezone: {name!r} is unknown; write an IANA name such as Europe/Berlin or UTC"
        ) from None


class Timing(NamedTuple):
    """A cron expression or an interval in seconds, in a zone; runs start up to ``jitter`` seconds late.

    The rules are those of Debian's cron (by cronsim): if days of month and days of week are both restricted,
    either is enough. When clocks change, a skipped fixed time is due right after the change, a repeated one
    is due once, and hourly and minutely jobs follow elapsed time. Intervals count from the epoch, so a
    restart does not shift them.
    """

    cron: str = ""
    every: float = 0.0
    zone: str = ""
    jitter: float = 0.0

    def next_after(self, moment: datetime, name: str = "") -> datetime:
        """Return the first time after ``moment`` when the job ``name`` is due, in UTC.

        The jitter is drawn from the name and the time, so a restart draws the same.
        """
        at = moment - timedelta(seconds=self.jitter)
        while True:
            at = self._regular_after(at)
            draw = random.Random(f"{name} {at.timestamp()}")  # noqa: S311 (spreads load, not a secret)
            due = at + timedelta(seconds=draw.uniform(0, self.jitter))
            if due > moment:
                return due

    def _regular_after(self, moment: datetime) -> datetime:
        if self.every:
            count = math.floor(moment.timestamp() / self.every) + 1
            return datetime.fromtimestamp(count * self.every, UTC)
        for found in CronSim(self.cron, moment.astimezone(zone_of(self.zone))):
            at = found.astimezone(UTC)
            if at > moment:  # in the repeated hour, cronsim may return a time that has passed
                return at
        raise ValueError(f"schedule: {self.cron!r} is never due")

    @property
    def shown(self) -> str:
        """``every 4h``, or the cron expression with its zone if it has one."""
        when = f"every {show_interval(self.every)}" if self.every else self.cron
        return f"{when} ({self.zone})" if self.zone and self.cron else when


def make_timing(*, cron: str = "", every: str = "", zone: str = "", jitter: str = "") -> Timing | None:
    """Return the timing of a job; None if it has neither ``cron`` nor ``every``.

    Raises:
        ValueError: a value is malformed, the values contradict each other, or the job is never due.
    """
    zone_of(zone)
    late = parse_duration(jitter).total_seconds() if jitter else 0.0
    if not cron and not every:
        return None
    if cron and every:
        raise ValueError("schedule and every exclude each other")
    timing = Timing(_check_cron(cron) if cron else "", _check_every(every) if every else 0.0, zone, late)
    _check_jitter(timing)
    return timing


def _check_cron(text: str) -> str:
    expression = _NAMED.get(text.strip().lower(), " ".join(text.split()))
    if len(expression.split()) != 5:
        raise ValueError(f"schedule: {text!r} needs five fields: minute, hour, day, month, weekday")
    try:
        next(CronSim(expression, datetime(2024, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise ValueError(f"schedule: {text!r}: {str(error).lower()}") from None
    except StopIteration:
        raise ValueError(f"schedule: {text!r} is never due") from None
    return expression


def _check_every(text: str) -> float:
    seconds = parse_duration(text).total_seconds()
    if not 1 <= seconds <= _LONGEST:
        raise ValueError(f"every: {text!r} is not between 1s and 366d")
    return seconds


def _check_jitter(timing: Timing) -> None:
    """Raise ValueError for a jitter that could reorder two runs of the job."""
    if not timing.jitter:
        return
    regular = timing._replace(jitter=0.0)
    times = [regular.next_after(datetime(2024, 1, 1, tzinfo=UTC))]
    for _ in range(99):
        times.append(regular.next_after(times[-1]))
    if timing.jitter > min((later - earlier).total_seconds() for earlier, later in pairwise(times)):
        raise ValueError(f"jitter: {show_interval(timing.jitter)} is longer than the time between two runs")
