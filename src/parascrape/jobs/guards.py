"""Guards: what a run must be like for its output to take the place of the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any, Self

from parascrape.errors import UsageError
from parascrape.files import Change, write_changes
from parascrape.jobs.summary import ChangeTotals, RunSummary
from parascrape.system import did_you_mean, parse_share, printable, show_share

__all__ = ["FEWEST_RUNS", "Guards", "find_changes", "is_rewritten"]

FEWEST_RUNS = 3
"""Earlier good runs without which nobody knows what is usual."""

_SHOWN = 5  # fields named in one breach


@dataclass(frozen=True, slots=True)
class Guards:
    """The limits of a job; None is no limit. Shares are exact, from 0 to 1; what meets a limit is good.

    ``usual`` is of the median of records of the last good runs; ``max_empty`` of the records of this run,
    one share for every field or one for each that is named; ``max_changed`` of the pages that both this
    run and the last one had, where at least half of a page's fields changed at once.
    """

    max_failed: Fraction | None = None
    min_records: int | None = None
    usual: Fraction | None = None
    max_empty: Fraction | Mapping[str, Fraction] | None = None
    max_changed: Fraction | None = None

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Self:
        """The guards of a table with their names as keys: ``{"max_failed": "5%", "min_records": 100}``.

        Raises:
            UsageError: naming every key that is unknown or has a value that it cannot have.
        """
        known = [one.name for one in fields(cls)]
        values: dict[str, Any] = {}
        faults = []
        for key, value in table.items():
            if key not in known:
                faults.append(f"{key}: no such guard{did_you_mean(key, known)}")
                continue
            read: Callable[[Any], Any] = _READ.get(key, parse_share)
            try:
                values[key] = read(value)
            except ValueError as error:
                faults.append(f"{key}: {error}")
        if faults:
            raise UsageError(printable("; ".join(faults), 2000))
        return cls(**values)

    def judge(self, summary: RunSummary, recent: Sequence[RunSummary]) -> list[str]:
        """One sentence for each guard that the run breaches, with the figures; none: all is well.

        ``recent`` are earlier runs of the job; only those that were good, or of which some failed, count.
        """
        breaches = (
            self._judge_failed(summary),
            self._judge_records(summary),
            self._judge_usual(summary, recent),
            self._judge_empty(summary),
            self._judge_changed(summary),
        )
        return [sentence for found in breaches for sentence in found]

    def _judge_failed(self, summary: RunSummary) -> Iterator[str]:
        if self.max_failed is not None and summary.failures > self.max_failed * summary.inputs:
            share = show_share(Fraction(summary.failures, summary.inputs)) if summary.inputs else "100%"
            yield (
                f"max_failed: {summary.failures:,} of {summary.inputs:,} inputs failed ({share}), "
                f"at most {show_share(self.max_failed)} may."
            )

    def _judge_records(self, summary: RunSummary) -> Iterator[str]:
        if self.min_records is not None and summary.records < self.min_records:
            yield f"min_records: {summary.records:,} records, there must be at least {self.min_records:,}."

    def _judge_usual(self, summary: RunSummary, recent: Sequence[RunSummary]) -> Iterator[str]:
        counts = [run.records for run in recent if run.outcome in ("good", "some_failed")]
        if self.usual is None or len(counts) < FEWEST_RUNS:
            return
        usual = Fraction(median(counts))
        if summary.records < self.usual * usual:
            yield (
                f"usual: {summary.records:,} records are {show_share(summary.records / usual)} of the usual "
                f"{float(usual):,.10g} (the median of {len(counts)} runs), "
                f"at least {show_share(self.usual)} must be there."
            )

    def _judge_empty(self, summary: RunSummary) -> Iterator[str]:
        if self.max_empty is None or not summary.records:
            return
        one = self.max_empty
        limits = one if isinstance(one, Mapping) else dict.fromkeys(summary.empty, one)
        counts = {  # a named field that no record has is empty in all of them
            name: round(summary.empty.get(name, 1.0) * summary.records) for name in limits
        }
        broken = [name for name in limits if counts[name] > limits[name] * summary.records]
        broken.sort(key=lambda name: -counts[name])
        for name in broken[:_SHOWN]:
            yield (
                f"max_empty: {printable(name, 100)} is empty in {counts[name]:,} of {summary.records:,} "
                f"records ({show_share(Fraction(counts[name], summary.records))}), "
                f"at most {show_share(limits[name])} may be."
            )
        if len(broken) > _SHOWN:
            yield f"max_empty: and so are {len(broken) - _SHOWN:,} other fields."

    def _judge_changed(self, summary: RunSummary) -> Iterator[str]:
        changes = summary.changes
        compared = max(summary.good - changes.added - changes.back, changes.rewritten)
        if self.max_changed is not None and changes.rewritten > self.max_changed * compared:
            yield (
                f"max_changed: in {changes.rewritten:,} of {compared:,} pages "
                f"({show_share(Fraction(changes.rewritten, compared))}) at least half of the fields changed, "
                f"in at most {show_share(self.max_changed)} they may: was the site redesigned?"
            )


def _read_count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no whole number from 0")
    return value


def _read_empty(value: Any) -> Fraction | dict[str, Fraction]:
    if not isinstance(value, Mapping):
        return parse_share(value)
    if not value:
        raise ValueError("no field is named")
    shares = {}
    for name, share in value.items():
        try:
            shares[str(name)] = parse_share(share)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return shares


_READ: dict[str, Callable[[Any], Any]] = {"min_records": _read_count, "max_empty": _read_empty}


def find_changes(old: Path, new: Path, feed: Path, *, fields: int) -> ChangeTotals:
    """The number of changes of each kind, which are written to the feed; records have so many fields.

    Raises:
        UsageError: an output is none.
        OutputError: the feed cannot be written.
    """
    rewritten = 0

    def note(change: Change) -> None:
        nonlocal rewritten
        rewritten += is_rewritten(change, fields)

    counts = write_changes(old, new, feed, note=note)
    return ChangeTotals(
        added=counts.added,
        changed=counts.changed,
        removed=counts.removed,
        gone=counts.gone,
        failed=counts.failed,
        back=counts.back,
        rewritten=rewritten,
    )


def is_rewritten(change: Change, fields: int) -> bool:
    """Whether a changed page is hardly the one that it was: at least half of its fields are different, or
    of its several records at least half are gone.
    """
    if change["change"] != "changed":
        return False
    if "records" in change:
        return 2 * len(change["records"]["after"]) <= len(change["records"]["before"])
    return 2 * len(change.get("fields", ())) >= max(1, fields)
