"""Export of a job's schedule: a crontab line, or a systemd service with its timer."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from cronsim import CronSim

from parascrape.errors import UsageError
from parascrape.jobs.jobfile import Job
from parascrape.jobs.timing import Timing
from parascrape.system import show_interval

_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


def unit_name(path: Path, job: Job) -> str:
    """Return the name of a job's units without the suffix: ``parascrape-harvest-news``."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", f"parascrape-{path.stem}-{job.name}")


def crontab_lines(path: Path, job: Job, command: str) -> list[str]:
    """Return the crontab line that runs a job, with comments on what cron cannot express."""
    timing = _timing_of(job)
    lines = [f"# {job.name}: {timing.shown}".replace("\n", " ")]
    if timing.zone and timing.cron:
        lines.append(f"CRON_TZ={timing.zone}")
        lines.append("# (cronie reads CRON_TZ; Debian's cron does not: it takes the machine's time zone)")
    if timing.jitter:
        lines.append(f"# cron has no jitter: {show_interval(timing.jitter)} is left out")
    call = f"{command} run {shlex.quote(str(path))} {job.name}".replace("%", r"\%")
    return [*lines, f"{_crontab_time(timing)} {call}"]


def _timing_of(job: Job) -> Timing:
    if job.timing is None:
        raise UsageError(f"job {job.name} has no schedule")
    return job.timing


def _crontab_time(timing: Timing) -> str:
    if timing.cron:
        _parse(timing.cron)
        return timing.cron
    minutes, rest = divmod(round(timing.every), 60)
    if rest == 0 and minutes and 60 % minutes == 0:
        return "0 * * * *" if minutes == 60 else "* * * * *" if minutes == 1 else f"*/{minutes} * * * *"
    hours, rest = divmod(round(timing.every), 3_600)
    if rest == 0 and hours and 24 % hours == 0:
        return "0 0 * * *" if hours == 24 else f"0 */{hours} * * *"
    raise UsageError(
        f"every {show_interval(timing.every)}: no crontab can express this; divide an hour or a day"
    )


def on_calendar(cron: str, zone: str) -> list[str]:
    """Return ``OnCalendar=`` values that are due when a cron expression is.

    If days of month and days of week are both restricted, cron needs one of them to match and systemd.time(7)
    needs both, so two values are returned.

    Raises:
        UsageError: the expression has a day that systemd cannot express (``L``, ``#``).
    """
    sets = _parse(cron)
    time = f"{_join(sets.hours, 24)}:{_join(sets.minutes, 60)}:00"
    months = _join(sets.months, 12)
    days = _join(sets.days, 31)
    weekday_numbers = sorted({int(day) % 7 for day in sets.weekdays})  # type: ignore[arg-type]
    weekdays = "" if len(weekday_numbers) == 7 else ",".join(_WEEKDAYS[day] for day in weekday_numbers) + " "
    end = f" {zone}" if zone else ""
    if sets.day_and or not weekdays or days == "*":
        return [f"{weekdays}*-{months}-{days} {time}{end}"]
    return [f"*-{months}-{days} {time}{end}", f"{weekdays}*-{months}-* {time}{end}"]


def _parse(cron: str) -> CronSim:
    found = CronSim(cron, datetime(2024, 1, 1, tzinfo=UTC))
    if min(found.days) <= 0 or not all(isinstance(day, int) for day in found.weekdays):
        raise UsageError(
            f"schedule: {cron!r}: neither cron nor systemd supports L or #; scrape schedule does"
        )
    return found


def _join(values: Collection[int], whole: int) -> str:
    """Return ``*`` for all values, else ``00,15,30,45``."""
    return "*" if len(values) >= whole else ",".join(f"{value:02}" for value in sorted(values))


def service(path: Path, job: Job, command: list[str]) -> str:
    """Return the unit that runs a job once. Failed URLs (status 1) do not fail the unit."""
    call = " ".join(map(_quoted, [*command, "run", str(path), job.name]))
    return f"""[Unit]
Description=Harvest {job.name} of {_specifier_free(path.name)}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
WorkingDirectory={_specifier_free(str(path.parent))}
ExecStart={call}
SuccessExitStatus=1
KillMode=mixed
TimeoutStopSec=60
"""


def timer(path: Path, job: Job) -> str:
    """Return the unit that starts a job's service."""
    timing = _timing_of(job)
    if timing.cron:
        when = [f"OnCalendar={value}" for value in on_calendar(timing.cron, timing.zone)]
        when.append("Persistent=true")
    else:
        when = ["OnActiveSec=1min", f"OnUnitActiveSec={timing.every:g}s"]
    if timing.jitter:
        when.append(f"RandomizedDelaySec={timing.jitter:g}s")
    lines = "\n".join(["AccuracySec=1s", *when])
    return f"""[Unit]
Description=Harvest {job.name} of {_specifier_free(path.name)}: {timing.shown}

[Timer]
{lines}

[Install]
WantedBy=timers.target
"""


def _quoted(word: str) -> str:
    """Return a word quoted for ExecStart (systemd.service(5)), with specifiers and variables escaped."""
    escaped = _specifier_free(word).replace("\\", "\\\\").replace('"', r"\"").replace("$", "$$")
    return escaped if re.fullmatch(r"[A-Za-z0-9_./:=+,@%-]+", escaped) else f'"{escaped}"'


def _specifier_free(text: str) -> str:
    return text.replace("%", "%%")
