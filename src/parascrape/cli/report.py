"""Progress line, summary and time profile of a run, on standard error."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from parascrape.files import Outcome
from parascrape.harvesting import HarvestHooks, Timings
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
        return sum(self.before.values())

    @property
    def done(self) -> int:
        """Entries that have an outcome."""
        return self.entries + self.done_before

    @property
    def adds_up(self) -> bool:
        """Whether each entry of the list has exactly one outcome."""
        return self.read == self.done

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


class Progress(Protocol):
    """A context manager that shows the counts of a run; ``say`` shows another line."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def say(self, line: str) -> None: ...


def make_progress(tally: RunTotals, *, quiet: bool, every: float = 10.0) -> Progress:
    """Return a live line on a terminal, else a plain line every so many seconds; none if quiet."""
    if quiet:
        return _Ticking(tally, None)
    if sys.stderr.isatty():
        return _Live(tally)
    return _Ticking(tally, every)


class _Ticking:
    """Writes a plain line every so many seconds, from a thread; it shows whether a run is stuck."""

    def __init__(self, tally: RunTotals, every: float | None) -> None:
        self._tally = tally
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
        """Write a line."""
        sys.stderr.write(line + "\n")

    def _tick(self) -> None:
        while not self._ended.wait(self._every):
            self.say(_plain_line(self._tally))


class _Live:
    """One line on the terminal: bar, done/total, pages/s, failures, time left."""

    def __init__(self, tally: RunTotals) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._tally = tally
        self._console = Console(stderr=True, markup=False, highlight=False)
        columns = (BarColumn(bar_width=24), TextColumn("{task.description}", markup=False))
        self._progress = Progress(*columns, console=self._console, transient=True, auto_refresh=False)
        self._task: Any = self._progress.add_task("", total=None)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._progress.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._progress.stop()

    def say(self, line: str) -> None:
        """Write a line above the progress line."""
        self._console.print(line, markup=False, highlight=False)

    def _tick(self) -> None:
        while not self._ended.wait(0.25):
            tally = self._tally
            line = _plain_line(tally)
            self._progress.update(
                self._task, completed=tally.done, total=tally.total, description=line, refresh=True
            )


def _plain_line(tally: RunTotals) -> str:
    """``120/400 done, 35.2 pages/s, 3 failed, 8 s left``"""
    done = f"{tally.done:,}" if tally.total is None else f"{tally.done:,}/{tally.total:,}"
    left = tally.seconds_left
    parts = [f"{done} done", f"{tally.rate:.1f} pages/s", f"{tally.failed:,} failed"]
    if left is not None:
        parts.append(f"{show_duration(left)} left")
    return ", ".join(parts)


def summarise(tally: RunTotals, *, threads: int, output: str) -> str:
    """Return three or four lines about a run: its outcomes, its speed, and where the time went."""
    good = tally.done - tally.failed - tally.skipped
    failed = {code: count for code, count in tally.by_code.most_common() if code not in SKIPPED}
    skipped = {code: count for code, count in tally.by_code.most_common() if code in SKIPPED}
    before = f", {tally.done_before:,} of them done before" if tally.done_before else ""
    lines = [
        f"{show_count(tally.entries, 'URL')} in {show_duration(tally.seconds)}, {tally.rate:,.1f} pages/s, "
        f"{show_size(tally.bytes)} received.",
        f"{show_count(tally.done, 'outcome')}{before}: {good:,} good{_carried(tally)}, "
        f"{tally.failed:,} failed{_codes(failed)}"
        + (f", {tally.skipped:,} skipped{_codes(skipped)}." if skipped else "."),
    ]
    if tally.entries:
        lines.append(_where_time_went(tally, threads))
    if output != "-":
        lines.append(f"Records: {printable(output)}")
    return "\n".join(lines)


def _carried(tally: RunTotals) -> str:
    """``, 380 of them unchanged, 12 of them fresh``"""
    counts = [f"{tally.carried[how]:,} of them {how}" for how in ("unchanged", "fresh") if tally.carried[how]]
    return "".join(f", {one}" for one in counts)


def _codes(counts: Mapping[str, int]) -> str:
    return ": " + ", ".join(f"{code} {count:,}" for code, count in counts.items()) if counts else ""


def _where_time_went(tally: RunTotals, threads: int) -> str:
    """Return one sentence. The threads' time is the run's time multiplied by the number of threads, counted
    at the end if it has changed.
    """
    whole = tally.split.thread_seconds or tally.seconds * threads
    threads = tally.split.fetches or threads
    split = tally.split
    who = "The thread was" if threads == 1 else f"The {threads} threads were"
    waiting = min(1.0, (split.network if split.pages else tally.fetch_seconds) / whole)
    turn = min(1.0 - waiting, split.turn / whole)
    parsing = min(1.0 - waiting - turn, (tally.scrape_seconds + split.inflate) / whole)
    if split.pages:
        return (
            f"{who} waiting for the network {waiting:.0%} of the time, for the CPU {turn:.0%}, "
            f"parsing {parsing:.0%}, idle {1 - waiting - turn - parsing:.0%}."
        )
    return (
        f"{who} waiting for the network {waiting:.0%} of the time, "
        f"parsing {parsing:.0%}, idle {1 - waiting - parsing:.0%}."
    )


def profile_table(split: Timings) -> str:
    """Return a table of a page's time: milliseconds, share of the threads' time, and CPU time if known.

    Rows without a share occupy no thread: a page waits, or the main thread works.
    """
    if not split.pages:
        return "No profile: no page was fetched."
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
        lines.append(_profile_row(name, seconds / split.pages, share, used, split.pages))
    lines.append(_profile_row("this process", None, "", cpu, split.pages))
    if split.cpu_elsewhere:
        lines.append(_profile_row("worker processes", None, "", split.cpu_elsewhere, split.pages))
    return "\n".join(lines)


def _profile_row(name: str, seconds: float | None, share: str, cpu: float | None, pages: int) -> str:
    time = "" if seconds is None else f"{1000 * seconds:,.3f}"
    used = "" if cpu is None else f"{1000 * cpu / pages:,.3f}"
    return f"  {name:<22}{time:>12}{share:>12}{used:>10}".rstrip()


def observe(tally: RunTotals, progress: Progress, *, quiet: bool) -> HarvestHooks:
    """Return hooks that give the harvest the total, once counted, and show its messages."""

    def total() -> int | None:
        return None if tally.total is None else tally.total - tally.done_before

    if quiet:
        return HarvestHooks(total, split=tally.split)
    return HarvestHooks(total, progress.say, tally.split)


def write_profile(path: str, split: Timings) -> None:
    """Write the timings as JSON if there is a path. Raises OutputError."""
    if path:
        from parascrape.harvesting import write_split

        write_split(path, split)


def machine_load() -> float:
    """Return the load average of the last minute; 0.0 if the system has none."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows has no such function
        return 0.0


def timed(act: Callable[[], object], split: Timings) -> Callable[[], None]:
    """Return a function that calls ``act`` and counts the time as writing."""

    def timed() -> None:
        began = time.perf_counter()
        act()
        split.write += time.perf_counter() - began

    return timed
