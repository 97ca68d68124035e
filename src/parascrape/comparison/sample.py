"""Sample of a list: the URLs that a comparison harvests, and the recording of their pages."""

from __future__ import annotations

import hashlib
import heapq
import os
from collections import Counter
from collections.abc import Callable, Container, Iterable
from pathlib import Path
from typing import NamedTuple

import orjson

from parascrape.errors import UsageError
from parascrape.loopback import ExchangeTimes, Recording, read_recording, record
from parascrape.records import Entry
from parascrape.settings import Settings
from parascrape.system import printable, show_count, show_duration
from parascrape.web import host_key, prepare, redact

URL_COLUMN = "parascrape:url"
"""The column of URLs in the lists that are written here. A user's list hardly has a column of this name."""


class ListSample(NamedTuple):
    """The sampled entries in the list's order, and how many lines of the list have a URL, and have none."""

    entries: tuple[Entry, ...]
    total: int
    invalid: int

    @property
    def hosts(self) -> int:
        """The number of hosts in the sample."""
        return len({host_of(entry.url) for entry in self.entries})


class RecordedList(NamedTuple):
    """The sample, and the seconds that the sites took for its pages when they were recorded (means)."""

    sample: ListSample
    seconds: ExchangeTimes


def host_of(url: str) -> str:
    """Return scheme, host and port of a URL that can be prepared."""
    return host_key(prepare(url))


def sample_entries(entries: Iterable[Entry], most: int, only: Container[str] | None = None) -> ListSample:
    """Return at most ``most`` entries (0: all) that have a URL, and one in ``only`` if that is given.

    The entries with the smallest hash of the URL are taken: the sample is the same every time, in whatever
    order the list is, and a host's share of the sample is its share of the list. A URL is taken once,
    however often it is listed. Memory grows with the sample, not with the list.

    Raises:
        UsageError: ``most`` is less than 0, or no entry can be taken.
    """
    if most < 0:
        raise UsageError(f"--sample: {most} is less than 0")
    taken: list[tuple[int, int, Entry]] = []  # a heap: the largest hash, negated, is first
    hashes: set[int] = set()
    total = invalid = 0
    for place, entry in enumerate(entries):
        if entry.problem:
            invalid += 1
            continue
        total += 1
        url = redact(prepare(entry.url))
        if only is not None and url not in only:
            continue
        digest = hashlib.blake2b(url.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        item = (-int.from_bytes(digest, "big"), -place, entry)
        full = bool(most) and len(taken) == most
        if item[0] in hashes or (full and item[0] <= taken[0][0]):
            continue
        hashes.add(item[0])
        if full:
            hashes.discard(heapq.heapreplace(taken, item)[0])
        else:
            heapq.heappush(taken, item)
    if not taken:
        none = "the list holds no URL" if not total else "the recording holds none of the list's URLs"
        raise UsageError(f"{none}: there is nothing to compare")
    chosen = sorted(taken, key=lambda item: -item[1])
    return ListSample(tuple(entry for _, _, entry in chosen), total, invalid)


def write_list(path: Path, entries: Iterable[Entry]) -> None:
    """Write the entries as a list that only its owner may read: URLs may hold passwords."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        for entry in entries:
            row = {**(entry.columns or {}), URL_COLUMN: entry.url}
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))


def open_recording(
    entries: Iterable[Entry], most: int, path: Path, settings: Settings, tell: Callable[[str], object]
) -> RecordedList:
    """Return a sample of the entries that the recording at ``path`` answers; it is made if there is none.

    Raises:
        UsageError: the file is not a recording, or it has no URL of the list.
        OutputError: the recording cannot be written.
    """
    if path.exists():
        recording = read_recording(path)
        known = set(recording.entries) or set(recording)  # other tools' recordings have no entries
        sample = sample_entries(entries, most, known)
        tell(f"{show_count(len(sample.entries), 'URL')} answered by the recording {path}; no site is asked.")
        return RecordedList(sample, _mean_seconds(recording))
    sample = sample_entries(entries, most)
    tell(f"Fetching {show_count(len(sample.entries), 'URL')} once, to record what the sites answer.")
    made = record(sample.entries, path, settings)
    failed = _counts("failed", made.failed) + _counts("not fetched", made.skipped)
    tell(printable(f"Recorded {show_count(made.entries, 'page')} in {show_duration(made.seconds)}{failed}."))
    if not made.entries:
        raise UsageError(f"no page could be fetched{failed}: there is nothing to compare")
    return RecordedList(sample, _mean_seconds(read_recording(path)))


def _counts(what: str, codes: Counter[str]) -> str:
    """Return ``; 3 failed: dns 2, reset 1``; empty without any."""
    each = ", ".join(f"{code} {count}" for code, count in codes.most_common())
    return f"; {codes.total():,} {what}: {each}" if codes else ""


def _mean_seconds(recording: Recording) -> ExchangeTimes:
    """Return the mean seconds of each part of a page's exchanges, redirects included."""
    pages = len(recording.entries)
    rows = [exchange.seconds for exchange in recording.exchanges if exchange.entry]
    if not pages or not rows:
        return ExchangeTimes()
    return ExchangeTimes(*(sum(column) / pages for column in zip(*rows, strict=True)))
