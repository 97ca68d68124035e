"""What a run tells of its time: who fills the time split, and ``--profile``, which shows it as a table."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from parascrape.cli.options import Display
from parascrape.cli.report import Progress, RunTotals
from parascrape.harvesting import HarvestHooks, Timings

__all__ = ["machine_load", "observe", "profile_table", "timed", "write_profile"]


def profile_table(split: Timings) -> str:
    """Where a page's time went: milliseconds a page, the share of the threads' time, CPU where it is known.

    What has no share takes no thread: it is time in which a page waits, or the run's main thread works.
    """
    if not split.pages:
        return "No page was fetched: there is no profile."
    cpu = split.cpu - split.cpu_elsewhere
    rows = [
        ("waiting for its host", split.politeness, True, None),
        ("waiting for the list", split.list_wait, True, None),
        ("queue", split.queue, False, None),
        ("connect", split.connect, True, None),
        ("first byte", split.first_byte, True, None),
        ("transfer", split.transfer, True, None),
        ("its turn, sending", split.turn, True, None),
        ("inflate", split.inflate, True, None),
        ("decode, parse, scrape", split.scrape, True, split.scrape_cpu),
        ("pipe", split.pipe, False, None),
        ("write", split.write, False, None),
        ("idle", split.idle, True, None),
    ]
    lines = [f"{'Where the time went':<24}{'ms a page':>12}{'of threads':>12}{'CPU ms':>10}"]
    for name, seconds, occupies, used in rows:
        share = f"{seconds / split.thread_seconds:.1%}" if occupies and split.thread_seconds else ""
        lines.append(_row(name, seconds / split.pages, share, used, split.pages))
    lines.append(_row("this process", None, "", cpu, split.pages))
    if split.cpu_elsewhere:
        lines.append(_row("worker processes", None, "", split.cpu_elsewhere, split.pages))
    return "\n".join(lines)


def _row(name: str, seconds: float | None, share: str, cpu: float | None, pages: int) -> str:
    time = "" if seconds is None else f"{1000 * seconds:,.3f}"
    used = "" if cpu is None else f"{1000 * cpu / pages:,.3f}"
    return f"  {name:<22}{time:>12}{share:>12}{used:>10}".rstrip()


def observe(tally: RunTotals, progress: Progress, display: Display) -> HarvestHooks:
    """The harvest's observer: it knows the total once that is counted, and says what the harvest says."""

    def total() -> int | None:
        return None if tally.total is None else tally.total - tally.done_before

    if display.quiet:
        return HarvestHooks(total, split=tally.split)
    return HarvestHooks(total, progress.say, tally.split)


def write_profile(path: str, split: Timings) -> None:
    """Write the split as JSON, where there is a path. Raises OutputError."""
    if path:
        from parascrape.harvesting import write_split

        write_split(path, split)


def machine_load() -> float:
    """The load average of the last minute; 0.0 where the system has none."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows has no such function
        return 0.0


def timed(act: Callable[[], object], split: Timings) -> Callable[[], None]:
    """The act, whose time counts as writing."""

    def timed() -> None:
        began = time.perf_counter()
        act()
        split.write += time.perf_counter() - began

    return timed
