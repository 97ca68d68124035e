"""Crontab lines and systemd units: their text, and that systemd accepts them."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from parascrape.cli import run
from parascrape.errors import UsageError
from parascrape.jobs import Job
from parascrape.jobs.systemd import crontab_lines, on_calendar, service, timer, unit_name
from parascrape.jobs.timing import make_timing
from tests.helpers.jobs import NEWS, write_jobs

FILE = Path("/srv/my files/harvest.toml")
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")

CRONS = [
    ("30 2 * * *", ["*-*-* 02:30:00"]),
    ("*/15 * * * *", ["*-*-* *:00,15,30,45:00"]),
    ("0 */6 * * *", ["*-*-* 00,06,12,18:00:00"]),
    ("0 6 * * mon-fri", ["Mon,Tue,Wed,Thu,Fri *-*-* 06:00:00"]),
    ("0 6 * * 7", ["Sun *-*-* 06:00:00"]),
    ("0 6 1,15 jan *", ["*-01-01,15 06:00:00"]),
    ("0 6 13 * fri", ["*-*-13 06:00:00", "Fri *-*-* 06:00:00"]),
    ("0 6 */2 * fri", ["Fri *-*-01,03,05,07,09,11,13,15,17,19,21,23,25,27,29,31 06:00:00"]),
]


def make_job(**keys: str) -> Job:
    """Return a job with this timing."""
    return Job(name="news", arguments=(), output="", timing=make_timing(**keys))


@pytest.mark.parametrize(("cron", "expected"), CRONS)
def test_a_cron_expression_becomes_calendar_events(cron: str, expected: list[str]) -> None:
    """There are two if cron takes days of month and days of week as alternatives."""
    assert on_calendar(cron, "") == expected
    assert on_calendar(cron, "Europe/Berlin") == [f"{value} Europe/Berlin" for value in expected]


@needs_systemd
@pytest.mark.parametrize("cron", [cron for cron, _ in CRONS])
def test_systemd_is_due_when_cron_is(cron: str) -> None:
    """The next times that systemd computes are those of the cron expression."""
    timing = make_timing(cron=cron, zone="UTC")
    assert timing is not None
    base = ["--base-time=2026-03-01 00:00:00 UTC", "--iterations=5"]
    shown = subprocess.run(
        ["systemd-analyze", "calendar", *base, *on_calendar(cron, "UTC")],
        capture_output=True,
        text=True,
        check=True,
        env={"TZ": "UTC", "PATH": "/bin:/usr/bin"},
    )
    stamps = set(re.findall(r"(?:elapse|Iter.*): \w+ ([0-9-]+ [0-9:]+) UTC", shown.stdout))
    at, expected = datetime(2026, 3, 1, tzinfo=UTC), []
    for _ in range(5):
        at = timing.next_after(at)
        expected.append(f"{at:%Y-%m-%d %H:%M:%S}")
    assert set(expected) <= stamps


@pytest.mark.parametrize(
    ("every", "line"),
    [
        ("1m", "* * * * *"),
        ("15m", "*/15 * * * *"),
        ("1h", "0 * * * *"),
        ("4h", "0 */4 * * *"),
        ("1d", "0 0 * * *"),
    ],
)
def test_an_interval_becomes_a_crontab_time(every: str, line: str) -> None:
    """It must divide an hour or a day."""
    assert crontab_lines(FILE, make_job(every=every), "scrape")[-1].startswith(f"{line} scrape run ")


@pytest.mark.parametrize("every", ["7m", "5h", "90s", "2d"])
def test_an_interval_that_crontab_cannot_express_is_refused(every: str) -> None:
    """For example, */7 does not mean every seven minutes."""
    with pytest.raises(UsageError, match="no crontab can express this"):
        crontab_lines(FILE, make_job(every=every), "scrape")


@pytest.mark.parametrize("cron", ["0 6 L * *", "0 6 * * 5#2", "0 6 * * 5L"])
def test_days_that_systemd_cannot_express_are_refused(cron: str) -> None:
    """Otherwise the job would run on other days."""
    with pytest.raises(UsageError, match="neither cron nor systemd"):
        on_calendar(cron, "")


def test_a_crontab_line_comments_on_what_cron_cannot_express(tmp_path: Path) -> None:
    """It mentions the zone and the jitter, and escapes per cent signs."""
    job = make_job(cron="0 6 * * *", zone="Europe/Berlin", jitter="5m")
    lines = crontab_lines(Path("/srv/50%/h.toml"), job, "scrape")
    assert "CRON_TZ=Europe/Berlin" in lines
    assert any("jitter" in line for line in lines)
    assert lines[-1] == r"0 6 * * * scrape run /srv/50\%/h.toml news"


@needs_systemd
@pytest.mark.parametrize(
    "keys", [{"cron": "30 2 13 * fri", "zone": "Europe/Berlin", "jitter": "5m"}, {"every": "4h"}]
)
def test_systemd_accepts_the_units(tmp_path: Path, keys: dict[str, str]) -> None:
    """The path has spaces, quotes, per cent and dollar signs."""
    folder = tmp_path / "a b%c $d \"e'"
    folder.mkdir()
    job, path = make_job(**keys), folder / "harvest.toml"
    name = unit_name(path, job)
    (tmp_path / f"{name}.service").write_text(service(path, job, ["/bin/true", "-m", "parascrape"]))
    (tmp_path / f"{name}.timer").write_text(timer(path, job))
    command = [
        "systemd-analyze",
        "verify",
        str(tmp_path / f"{name}.service"),
        str(tmp_path / f"{name}.timer"),
    ]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=30)
    ours = [line for line in shown.stderr.splitlines() if "parascrape" in line]
    assert (shown.returncode, ours) == (0, []), shown.stderr


def test_the_command_prints_or_writes_units(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints a crontab and units, or writes the units to files."""
    path = write_jobs(tmp_path, NEWS, 'schedule = "0 6 * * *"')
    assert run(["units", str(path)]) == 0
    shown = capsys.readouterr().out
    assert f"run {path} news" in shown
    assert "OnCalendar=*-*-* 06:00:00" in shown
    assert run(["units", str(path), "--write", str(tmp_path / "units")]) == 0
    names = sorted(one.name for one in (tmp_path / "units").iterdir())
    assert names == ["parascrape-harvest-news.service", "parascrape-harvest-news.timer"]


def test_a_file_without_schedules_has_no_units(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is a usage error."""
    assert run(["units", str(write_jobs(tmp_path, NEWS))]) == 2
    assert "no job has a schedule" in capsys.readouterr().err
