"""The network of a comparison: every page fetched once, politely, and from then on answered for by a twin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

from parascrape.comparison.sample import ListSample, sample_entries
from parascrape.errors import UsageError
from parascrape.loopback import ExchangeTimes, LoadStats, Recording, read_recording, record
from parascrape.records import Entry
from parascrape.settings import Settings
from parascrape.system import printable

__all__ = ["Network", "RecordedList", "count_of", "mean_seconds", "open_recording"]


class Network(Protocol):
    """Who answers the runs, as `parascrape.loopback.Twin` does; ``pid`` is its process on this machine."""

    pid: int
    connect_to: str
    ca_file: str

    def stats(self) -> LoadStats:
        """What it did since the last `reset`."""

    def reset(self) -> None:
        """Have it count anew."""


class RecordedList(NamedTuple):
    """What was drawn from the list, and the mean seconds a page that the sites took at the time."""

    sample: ListSample
    seconds: ExchangeTimes


def open_recording(
    entries: Iterable[Entry], most: int, path: Path, settings: Settings, tell: Callable[[str], object]
) -> RecordedList:
    """A sample of the entries whose answers the file at ``path`` holds; it is recorded where there is none.

    Raises:
        UsageError: the file is no recording, or of no URL of the list.
        OutputError: the recording cannot be written.
    """
    if path.exists():
        recording = read_recording(path)
        known = set(recording.entries) or set(recording)  # another tool's file knows no entries
        sample = sample_entries(entries, most, known)
        tell(f"{count_of(len(sample.entries), 'URL')} answered by the recording {path}; no site is asked.")
        return RecordedList(sample, mean_seconds(recording))
    sample = sample_entries(entries, most)
    tell(f"Fetching {count_of(len(sample.entries), 'URL')} once, to record what the sites answer.")
    made = record(sample.entries, path, settings)
    failed = _counts("failed", made.failed) + _counts("not fetched", made.skipped)
    tell(printable(f"Recorded {count_of(made.entries, 'page')} in {made.seconds:.1f} s{failed}."))
    if not made.entries:
        raise UsageError(f"no page could be fetched{failed}: there is nothing to compare")
    return RecordedList(sample, mean_seconds(read_recording(path)))


def count_of(number: int, noun: str) -> str:
    """The number with its noun.

    >>> count_of(1, "host"), count_of(1200, "page")
    ('1 host', '1,200 pages')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _counts(what: str, codes: Counter[str]) -> str:
    """``; 3 failed: dns 2, reset 1``; empty without any."""
    if not codes:
        return ""
    each = ", ".join(f"{code} {count}" for code, count in codes.most_common())
    return f"; {codes.total():,} {what}: {each}"


def mean_seconds(recording: Recording) -> ExchangeTimes:
    """The seconds of each part, the mean over the pages (a redirect's are its page's); zeros without any."""
    pages = len(recording.entries)
    rows = [exchange.seconds for exchange in recording.exchanges if exchange.entry]
    if not pages or not rows:
        return ExchangeTimes()
    return ExchangeTimes(*(sum(column) / pages for column in zip(*rows, strict=True)))
