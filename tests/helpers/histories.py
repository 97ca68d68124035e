"""Runs and histories, made up for the tests of history, guards and retention."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from parascrape.jobs.history import History
from parascrape.jobs.summary import RunSummary

__all__ = ["NOON", "Clock", "open_history", "run_job", "summary"]

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that stands until it is put forward."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        """Put it forward by that much, as `timedelta` takes it."""
        self.now += timedelta(**span)


def open_history(path: str | Path, **options: Any) -> History:
    """A history that does not wait for the disk: what a killed process has written is there all the same."""
    return History(path, synchronous="OFF", **options)


def summary(**values: Any) -> RunSummary:
    """A run of the job ``news`` at noon that took a minute, with these values."""
    began = values.pop("began", NOON)
    usual: dict[str, Any] = {"job": "news", "began": began, "ended": began + timedelta(minutes=1)}
    return RunSummary(**{**usual, **values})


def run_job(history: History, output: Path, clock: Clock, content: bytes = b"", **values: Any) -> int:
    """The number of a run that wrote this, or else so many ``lines``, and ended at once."""
    job, files = values.get("job", "news"), values.pop("files", ())
    number = history.begin(job, output, "1.0")
    output.parent.mkdir(parents=True, exist_ok=True)
    lines = values.pop("lines", 1)
    output.write_bytes(content or b'{"url":"http://a.example/"}\n' * lines)
    size = output.stat().st_size
    history.finish(number, summary(began=clock.now, output=str(output), size=size, **values), files)
    return number
