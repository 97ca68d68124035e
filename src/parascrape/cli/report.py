"""Progress line, summary and time profile of a run, on standard error."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Self

from parascrape.files import Outcome
from parascrape.harvesting import Timings
from parascrape.records import SKIPPED
from parascrape.system import printable, show_count, show_duration, show_size


class RunTotals:
    """The counts of a run so far; ``total`` is None until the number of entries is known."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.began = clock()
        self.total: int | None = None
        self.read = 0  # entries read from the list so far
        self.entries = 0
        self.records = 0
        self.before: Counter[str] = Counter()  # outcomes of earlier runs by code, "" for good ones
        self.bytes = 0
        self.fetch_seconds = 0.0
        self.scrape_seconds = 0.0
        self.failures: Counter[str] = Counter()
        self.carried: Counter[str] = Counter()  # good records of the previous output: unchanged, fresh
        self.split = Timings()

    def add(self, outcome: Outcome) -> None:
        """Count one entry's outcome."""
        self.entries += 1
        self.bytes += outcome.bytes
        self.fetch_seconds += outcome.fetch_seconds
        self.scrape_seconds += outcome.scrape_seconds
        if outcome.code:
            self.failures[outcome.code] += 1
        else:
            self.records += outcome.records
            if outcome.carried:
                self.carried[outcome.carried] += 1

    @property
    def by_code(self) -> Counter[str]:
        """Entries without a good record by error code, earlier runs included."""
        return self.failures + Counter({code: count for code, count in self.before.items() if code})

    @property
    def skipped(self) -> int:
        """Entries that are intentionally not fetched (`records.SKIPPED`)."""
        return sum(count for code, count in self.by_code.items() if code in SKIPPED)

    @property
    def failed(self) -> int:
        """Entries that should have a good record but have none."""
        return self.by_code.total() - self.skipped

    @property
    def done_before(self) -> int:
        """Entries whose outcome was written by an earlier run."""
        return self.before.total()

    @property
    def done(self) -> int:
        """Entries that have an outcome; at the end as many as were read."""
        return self.entries + self.done_before

    def expected(self) -> int | None:
        """Return how many entries this run has in all, None until the total is known."""
        return None if self.total is None else self.total - self.done_before

    @property
    def seconds(self) -> float:
        """Seconds since the run began; never 0."""
        return max(self._clock() - self.began, 1e-6)

    @property
    def rate(self) -> float:
        """Entries per second."""
        return self.entries / self.seconds

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the end at this rate; None if the total is not known."""
        if self.total is None or not self.entries:
            return None
        return max(0, self.total - self.done) / self.rate


class Progress:
    """Context manager that writes a plain line every so many seconds, from a thread; None: never.

    The line shows whether a run is stuck.
    """

    def __init__(self, totals: RunTotals, every: float | None) -> None:
        self._totals = totals
        self._every = every
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="progress", daemon=True)

    def __enter__(self) -> Self:
        if self._every is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._every is not None:
            self._thread.join()

    def say(self, line: str) -> None:
        """Write another line."""
        sys.stderr.write(line + "\n")

    def show(self) -> None:
        """Write the counts."""
        self.say(_plain_line(self._totals))

    def _tick(self) -> None:
        while not self._ended.wait(self._every):
            self.show()


class _LiveProgress(Progress):
    """One line on the terminal: a bar and the counts. Other lines are written above it."""

    def __init__(self, totals: RunTotals) -> None:
        from rich import progress
        from rich.console import Console

        super().__init__(totals, 0.25)
        self._console = Console(stderr=True, markup=False, highlight=False)
        columns = (progress.BarColumn(bar_width=24), progress.TextColumn("{task.description}", markup=False))
        self._bar = progress.Progress(*columns, console=self._console, transient=True, auto_refresh=False)
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._bar.stop()

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False)

    def show(self) -> None:
        totals, line = self._totals, _plain_line(self._totals)
        self._bar.update(
            self._task, completed=totals.done, total=totals.total, description=line, refresh=True
        )


def make_progress(totals: RunTotals, *, quiet: bool, every: float = 10.0) -> Progress:
    """Return a live line on a terminal, else a plain line every so many seconds; none if quiet."""
    if not quiet and sys.stderr.isatty():
        return _LiveProgress(totals)
    return Progress(totals, None if quiet else every)


def _plain_line(totals: RunTotals) -> str:
    """``120/400 done, 35.2 pages/s, 3 failed, 8 s left``"""
    done = f"{totals.done:,}" if totals.total is None else f"{totals.done:,}/{totals.total:,}"
    left = totals.seconds_left
    parts = [f"{done} done", f"{totals.rate:.1f} pages/s", f"{totals.failed:,} failed"]
    if left is not None:
        parts.append(f"{show_duration(left)} left")
    return ", ".join(parts)


def summarise(totals: RunTotals, *, threads: int, output: str) -> str:
    """Return three or four lines about a run: its outcomes, its speed, and where the time went."""
    good = totals.done - totals.failed - totals.skipped
    failed = {code: count for code, count in totals.by_code.most_common() if code not in SKIPPED}
    skipped = {code: count for code, count in totals.by_code.most_common() if code in SKIPPED}
    before = f", {totals.done_before:,} of them done before" if totals.done_before else ""
    carried = [
        f", {totals.carried[how]:,} of them {how}" for how in ("unchanged", "fresh") if totals.carried[how]
    ]
    lines = [
        f"{show_count(totals.entries, 'URL')} in {show_duration(totals.seconds)}, "
        f"{totals.rate:,.1f} pages/s, {show_size(totals.bytes)} received.",
        f"{show_count(totals.done, 'outcome')}{before}: {good:,} good{''.join(carried)}, "
        f"{totals.failed:,} failed{_codes(failed)}"
        + (f", {totals.skipped:,} skipped{_codes(skipped)}." if skipped else "."),
    ]
    if totals.entries:
        lines.append(_where_time_went(totals, threads))
    if output != "-":
        lines.append(f"Records: {printable(output)}")
    return "\n".join(lines)


def _codes(counts: Mapping[str, int]) -> str:
    return ": " + ", ".join(f"{code} {count:,}" for code, count in counts.items()) if counts else ""


def _where_time_went(totals: RunTotals, threads: int) -> str:
    """Return the shares of the threads' time in one sentence; ``threads`` is used if none were counted."""
    split = totals.split
    whole = split.thread_seconds or totals.seconds * threads
    threads = split.fetches or threads
    who = "The thread was" if threads == 1 else f"The {threads} threads were"
    waiting = min(1.0, (split.network if split.pages else totals.fetch_seconds) / whole)
    turn = min(1.0 - waiting, split.turn / whole)
    parsing = min(1.0 - waiting - turn, (totals.scrape_seconds + split.inflate) / whole)
    cpu = f"for the CPU {turn:.0%}, " if split.pages else ""
    return (
        f"{who} waiting for the network {waiting:.0%} of the time, {cpu}"
        f"parsing {parsing:.0%}, idle {1 - waiting - turn - parsing:.0%}."
    )


def profile_table(split: Timings) -> str:
    """Return a table of a page's time: milliseconds, share of the threads' time, and CPU time if known.

    Rows without a share occupy no thread: a page waits, or the main thread works.
    """
    if not split.pages:
        return "No profile: no page was fetched."
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
        milliseconds = f"{1000 * seconds / split.pages:,.3f}"
        lines.append(f"  {name:<22}{milliseconds:>12}{share:>12}{_cpu(used, split):>10}".rstrip())
    lines.append(f"  {'this process':<46}{_cpu(split.cpu - split.cpu_elsewhere, split):>10}")
    if split.cpu_elsewhere:
        lines.append(f"  {'worker processes':<46}{_cpu(split.cpu_elsewhere, split):>10}")
    return "\n".join(lines)


def _cpu(seconds: float | None, split: Timings) -> str:
    return "" if seconds is None else f"{1000 * seconds / split.pages:,.3f}"


def machine_load() -> float:
    """Return the load average of the last minute; 0.0 if the system has none."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows has no such function
        return 0.0
