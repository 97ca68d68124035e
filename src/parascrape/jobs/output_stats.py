"""What only the records of an output can tell of a run, read once from its beginning to its end."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from parascrape import records
from parascrape.errors import InvalidUrl, UsageError
from parascrape.records import RESERVED, SKIPPED
from parascrape.system import printable
from parascrape.web import host_key, prepare

__all__ = ["MAX_FIELDS", "TOP_HOSTS", "OutputStats", "summarise_output"]

MAX_FIELDS = 1_000
"""Names of fields that are looked at, the first ones; a scraper may make up a name for each page."""

TOP_HOSTS = 20
"""Hosts with failures that are named, those with most."""

_MAX_HOSTS = 20_000  # that are counted at once: beyond, those with fewest failures are forgotten
_MAX_LINE = 1 << 26  # bytes, as in an audit


class OutputStats(NamedTuple):
    """Values of `Summary`, under its names: ``Summary(job, began, **facts._asdict())``."""

    inputs: int
    good: int
    unchanged: int
    records: int
    failed: dict[str, int]
    skipped: dict[str, int]
    failing_hosts: dict[str, int]
    bytes: int
    empty: dict[str, float]


def summarise_output(path: str | Path) -> OutputStats:
    """What the records of an output say; gzipped ones too. Memory does not grow with it.

    A value is empty that is null, blank, an empty list or object, or not there at all. Lines that are
    no record are passed over: an output may end with a torn one.

    Raises:
        UsageError: the file cannot be read.
    """
    counting = _Counting()
    try:
        with open(path, "rb") as raw:
            for line in _lines(raw):
                counting.add(line)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{printable(str(path))}: {reason}") from None
    return counting.facts()


def _lines(raw: IO[bytes]) -> Iterator[bytes]:
    gzipped = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    file = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if gzipped else raw
    return iter(lambda: file.readline(_MAX_LINE), b"")


class _Counting:
    """The counts so far."""

    def __init__(self) -> None:
        self._inputs = self._unchanged = self._records = self._bytes = 0
        self._codes: Counter[str] = Counter()
        self._hosts: Counter[str] = Counter()
        self._filled: dict[str, int] = {}

    def add(self, line: bytes) -> None:
        """Count a line."""
        try:
            record = records.parse(line)
        except ValueError:
            return
        meta, url = record.get("meta"), record.get("url")
        if not isinstance(meta, dict) or not isinstance(url, str):
            return
        error = record.get("error")
        if meta.get("item", 1) == 1:
            self._inputs += 1
            self._unchanged += meta.get("unchanged") is True and error is None
            size = meta.get("bytes")
            self._bytes += size if isinstance(size, int) else 0
        if isinstance(error, dict):
            self._add_failure(str(error.get("code") or "error"), url)
        elif meta.get("items") != 0:  # else it stands for a page without any
            self._records += 1
            self._add_fields(record)

    def _add_failure(self, code: str, url: str) -> None:
        if code not in self._codes and len(self._codes) >= MAX_FIELDS:
            code = "error"
        self._codes[code] += 1
        if code in SKIPPED:
            return
        try:
            self._hosts[host_key(prepare(url))] += 1
        except InvalidUrl:
            return
        if len(self._hosts) > _MAX_HOSTS:
            self._hosts = Counter(dict(self._hosts.most_common(_MAX_HOSTS // 2)))

    def _add_fields(self, record: dict[str, Any]) -> None:
        filled = self._filled
        for name, value in record.items():
            if name not in RESERVED and (name in filled or len(filled) < MAX_FIELDS):
                filled[name] = filled.get(name, 0) + (not _is_empty(value))

    def facts(self) -> OutputStats:
        """All that was counted."""
        failed = {code: count for code, count in self._codes.items() if code not in SKIPPED}
        return OutputStats(
            inputs=self._inputs,
            good=self._inputs - self._codes.total(),
            unchanged=self._unchanged,
            records=self._records,
            failed=failed,
            skipped={code: count for code, count in self._codes.items() if code in SKIPPED},
            failing_hosts=dict(self._hosts.most_common(TOP_HOSTS)),
            bytes=self._bytes,
            empty={
                name: (self._records - count) / self._records for name, count in sorted(self._filled.items())
            },
        )


def _is_empty(value: Any) -> bool:
    """Whether there is nothing in it; 0 and false are values."""
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], {})
