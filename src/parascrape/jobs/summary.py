"""The summary of a run, counted from its output: kept as JSON, judged by guards, passed to hooks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

from parascrape import records
from parascrape.errors import InvalidUrl, UsageError
from parascrape.jobs.paths import beside
from parascrape.jobs.schema import mapping, number, optional, read_table, text, whole
from parascrape.records import RESERVED, SKIPPED
from parascrape.system import printable, replace_file
from parascrape.web import host_key, prepare

ACCEPTED = frozenset(("good", "some_failed"))
"""Outcomes of runs whose output replaced the latest one."""

FINISHED = ACCEPTED | {"rejected"}
"""Outcomes of runs that reached the end of their list."""

OUTCOMES = FINISHED | {"interrupted", "crashed", "running"}
"""``running`` is never stored: an unfinished run has this outcome while its process lives."""


def _time(value: object) -> datetime:
    return datetime.fromisoformat(text(value))


_Text = Annotated[str, text]
_Whole = Annotated[int, whole]
_Number = Annotated[float, number]
_Counts = Annotated[Mapping[str, int], mapping(whole)]


@dataclass(frozen=True, slots=True)
class ChangeTotals:
    """How many pages differ from the run before, each counted once.

    ``rewritten`` pages are those ``changed`` pages with at least half of their fields changed.
    """

    added: _Whole = 0
    changed: _Whole = 0
    removed: _Whole = 0
    gone: _Whole = 0
    failed: _Whole = 0
    back: _Whole = 0
    rewritten: _Whole = 0


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run. Counts are of inputs (lines of the list), except ``records`` and ``bytes``.

    ``inputs`` = ``good`` + all ``failed`` + all ``skipped``; ``unchanged`` inputs are counted as good too.
    """

    job: _Text
    began: Annotated[datetime, _time]
    ended: Annotated[datetime | None, optional(_time)] = None
    run: _Whole = 0  # its number in the history; 0: it has none
    version: _Text = ""
    outcome: _Text = "good"  # one of OUTCOMES
    exit_status: Annotated[int | None, optional(whole)] = None
    inputs: _Whole = 0
    good: _Whole = 0
    unchanged: _Whole = 0
    records: _Whole = 0
    failed: _Counts = field(default_factory=dict)  # by error code
    skipped: _Counts = field(default_factory=dict)  # by error code
    failing_hosts: _Counts = field(default_factory=dict)  # the 20 hosts with most failures
    seconds: _Number = 0.0
    pages_per_second: _Number = 0.0
    bytes: _Whole = 0  # received
    changes: Annotated[ChangeTotals, partial(read_table, ChangeTotals, ignore_unknown=True)] = ChangeTotals()
    empty: Annotated[Mapping[str, float], mapping(number)] = field(default_factory=dict)  # share, by field
    output: _Text = ""
    size: _Whole = 0  # bytes of the output

    def __post_init__(self) -> None:
        for name in ("began", "ended"):
            if (when := getattr(self, name)) is not None:
                if when.tzinfo is None:
                    raise ValueError(f"{name}: the time has no zone")
                object.__setattr__(self, name, when.astimezone(UTC))
        if self.outcome not in OUTCOMES:
            raise ValueError(f"outcome: {self.outcome!r}")

    @property
    def failures(self) -> int:
        """The number of inputs that failed, with any code."""
        return sum(self.failed.values())

    @property
    def accepted(self) -> bool:
        """Whether the output replaced the latest one."""
        return self.outcome in ACCEPTED

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values; times are RFC 3339 in UTC."""
        values = asdict(self)
        for name in ("began", "ended"):
            when = values[name]
            values[name] = when and when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return values

    def to_json(self) -> str:
        """Return one line of JSON, for `from_json`."""
        return json.dumps(self.as_dict(), allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Return the summary that `to_json` wrote. Ignores keys of later versions; raises ValueError."""
        return read_table(cls, json.loads(line), ignore_unknown=True)


class RunState(NamedTuple):
    """A judged run, kept in a file while its output is published: its summary and the breached guards."""

    summary: RunSummary
    breaches: tuple[str, ...] = ()

    @property
    def feed(self) -> Path:
        """The path of the change feed, beside the output."""
        return beside(Path(self.summary.output), ".changes")

    @property
    def events(self) -> list[str]:
        """The events of the run, named like the hooks."""
        if not self.summary.accepted:
            return ["on_failure"]
        changes = asdict(self.summary.changes)
        return ["on_success", "on_change"] if any(changes.values()) else ["on_success"]

    def as_dict(self) -> dict[str, Any]:
        """Return what hooks get: the fields of `RunSummary`, ``breaches``, and the change feed's path."""
        feed = str(self.feed) if self.summary.output and self.feed.exists() else ""
        return {**self.summary.as_dict(), "breaches": list(self.breaches), "change_feed": feed}

    def write(self, path: Path) -> None:
        """Write it to a file atomically. Raises OSError."""
        with replace_file(path) as file:
            file.write(json.dumps(self.as_dict()).encode())

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return what `write` wrote; None if the file is missing or damaged."""
        try:
            line = path.read_text(encoding="utf-8")
            return cls(RunSummary.from_json(line), tuple(map(str, json.loads(line)["breaches"])))
        except (OSError, ValueError, KeyError, TypeError):
            return None


def count_records(
    path: str | Path, summary: RunSummary, *, max_names: int = 1000, max_hosts: int = 20_000
) -> RunSummary:
    """Return the summary with the counts of an output's records, in bounded memory.

    Lines that are not records are skipped. Only the first ``max_names`` fields and error codes are counted,
    since a scraper may invent a field for each page. Of more than ``max_hosts`` hosts with failures, those
    with the fewest are forgotten.

    Raises:
        UsageError: the file cannot be read.
    """
    counter = _RecordCounter(max_names, max_hosts)
    try:
        with open(path, "rb") as file:
            while line := file.readline(1 << 26):  # bytes
                counter.add(line)
    except OSError as error:
        raise UsageError(f"{printable(str(path))}: {error.strerror}") from None
    return replace(summary, **counter.counts())


class _RecordCounter:
    """The counts of the records so far."""

    def __init__(self, max_names: int, max_hosts: int) -> None:
        self.inputs = self.unchanged = self.records = self.bytes = 0
        self._max_names, self._max_hosts = max_names, max_hosts
        self._codes: Counter[str] = Counter()
        self._hosts: Counter[str] = Counter()
        self._filled: Counter[str] = Counter()

    def add(self, line: bytes) -> None:
        """Count a line, if it is a record."""
        record = records.parse_record(line)
        if record is None:
            return
        meta, url, error = record["meta"], record["url"], record.get("error")
        if meta.get("item", 1) == 1:
            self.inputs += 1
            self.unchanged += meta.get("unchanged") is True and error is None
            size = meta.get("bytes")
            self.bytes += size if isinstance(size, int) else 0
        if isinstance(error, dict):
            self._add_failure(str(error.get("code") or "error"), url)
        elif meta.get("items") != 0:  # 0: the line stands for a page without records
            self.records += 1
            for name, value in record.items():
                if name not in RESERVED and (name in self._filled or len(self._filled) < self._max_names):
                    self._filled[name] += not _is_empty(value)

    def _add_failure(self, code: str, url: str) -> None:
        if code not in self._codes and len(self._codes) >= self._max_names:
            code = "error"
        self._codes[code] += 1
        if code in SKIPPED:
            return
        with suppress(InvalidUrl):
            self._hosts[host_key(prepare(url))] += 1
        if len(self._hosts) > self._max_hosts:
            self._hosts = Counter(dict(self._hosts.most_common(self._max_hosts // 2)))

    def counts(self) -> dict[str, Any]:
        """Return the counts by the names of `RunSummary`."""
        count = self.records
        return {
            "inputs": self.inputs,
            "good": self.inputs - self._codes.total(),
            "unchanged": self.unchanged,
            "records": count,
            "failed": {code: number for code, number in self._codes.items() if code not in SKIPPED},
            "skipped": {code: number for code, number in self._codes.items() if code in SKIPPED},
            "failing_hosts": dict(self._hosts.most_common(20)),
            "bytes": self.bytes,
            "empty": {name: (count - full) / count for name, full in sorted(self._filled.items())},
        }


def _is_empty(value: Any) -> bool:
    """Return whether a field has no content: null, blank, an empty list or object, but not 0 or false."""
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], {})
