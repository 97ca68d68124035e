"""Guards: limits that a run must meet for its output to replace the latest one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any

from parascrape.files import Change, write_changes
from parascrape.jobs.schema import mapping, whole
from parascrape.jobs.summary import ChangeTotals, RunSummary
from parascrape.system import parse_share, printable, show_share

FEWEST_RUNS = 3
"""Earlier good runs that the guard ``usual`` needs before it judges."""

_SHOWN = 5  # fields named in one breach


def _read_empty(value: Any) -> Fraction | Mapping[str, Fraction]:
    """Return one share for every field, or a share for each field that is named."""
    if not isinstance(value, Mapping):
        return parse_share(value)
    if not value:
        raise ValueError("no field is named")
    shares: Mapping[str, Fraction] = mapping(parse_share)(value)
    return shares


@dataclass(frozen=True, slots=True)
class Guards:
    """The limits of a job's runs; None sets no limit. A value at the limit is good.

    Shares are exact, from 0 to 1. ``usual`` is a share of the median number of records of the last good runs.
    ``max_empty`` is a share of this run's records, one for all fields or one for each named field.
    ``max_changed`` is a share of the pages that both this run and the last one have: those with at least half
    of their fields changed.
    """

    max_failed: Annotated[Fraction | None, parse_share] = None
    min_records: Annotated[int | None, partial(whole, low=0)] = None
    usual: Annotated[Fraction | None, parse_share] = None
    max_empty: Annotated[Fraction | Mapping[str, Fraction] | None, _read_empty] = None
    max_changed: Annotated[Fraction | None, parse_share] = None

    def judge(self, summary: RunSummary, recent: Sequence[RunSummary]) -> list[str]:
        """Return one sentence with the figures for each guard that the run breaches.

        ``recent`` holds earlier runs of the job; only accepted ones count.
        """
        counts = self._judge_counts(summary, recent)
        return [*counts, *self._judge_empty(summary), *self._judge_changed(summary)]

    def _judge_counts(self, summary: RunSummary, recent: Sequence[RunSummary]) -> Iterator[str]:
        if self.max_failed is not None and summary.failures > self.max_failed * summary.inputs:
            share = show_share(Fraction(summary.failures, summary.inputs)) if summary.inputs else "100%"
            yield (
                f"max_failed: {summary.failures:,} of {summary.inputs:,} inputs failed ({share}); "
                f"the limit is {show_share(self.max_failed)}."
            )
        if self.min_records is not None and summary.records < self.min_records:
            yield f"min_records: {summary.records:,} records; the minimum is {self.min_records:,}."
        counts = [run.records for run in recent if run.accepted]
        usual = Fraction(median(counts)) if len(counts) >= FEWEST_RUNS else Fraction(0)
        if self.usual is not None and summary.records < self.usual * usual:
            yield (
                f"usual: {summary.records:,} records are {show_share(summary.records / usual)} of the usual "
                f"{float(usual):,.10g} (the median of {len(counts)} runs); "
                f"the minimum is {show_share(self.usual)}."
            )

    def _judge_empty(self, summary: RunSummary) -> Iterator[str]:
        if self.max_empty is None or not summary.records:
            return
        limits = self.max_empty
        if not isinstance(limits, Mapping):
            limits = dict.fromkeys(summary.empty, limits)
        # A named field that no record has is empty in all of them.
        counts = {name: round(summary.empty.get(name, 1.0) * summary.records) for name in limits}
        broken = [name for name in limits if counts[name] > limits[name] * summary.records]
        broken.sort(key=counts.__getitem__, reverse=True)
        for name in broken[:_SHOWN]:
            yield (
                f"max_empty: {printable(name, 100)} is empty in {counts[name]:,} of {summary.records:,} "
                f"records ({show_share(Fraction(counts[name], summary.records))}); "
                f"the limit is {show_share(limits[name])}."
            )
        if len(broken) > _SHOWN:
            yield f"max_empty: {len(broken) - _SHOWN:,} other fields are over the limit too."

    def _judge_changed(self, summary: RunSummary) -> Iterator[str]:
        changes = summary.changes
        compared = max(summary.good - changes.added - changes.back, changes.rewritten)
        if self.max_changed is not None and changes.rewritten > self.max_changed * compared:
            yield (
                f"max_changed: in {changes.rewritten:,} of {compared:,} pages "
                f"({show_share(Fraction(changes.rewritten, compared))}) at least half of the fields changed; "
                f"the limit is {show_share(self.max_changed)}. Was the site redesigned?"
            )


def find_changes(old: Path, new: Path, feed: Path, *, fields: int) -> ChangeTotals:
    """Write the changes between two outputs to a feed, and return how many there are of each kind.

    ``fields`` is the number of fields of a record.

    Raises:
        UsageError: a file is not an output.
        OutputError: the feed cannot be written.
    """
    rewritten = 0

    def note(change: Change) -> None:
        nonlocal rewritten
        rewritten += _is_rewritten(change, fields)

    counts = write_changes(old, new, feed, note=note)
    kinds = ("added", "changed", "removed", "gone", "failed", "back")
    return ChangeTotals(**{kind: getattr(counts, kind) for kind in kinds}, rewritten=rewritten)


def _is_rewritten(change: Change, fields: int) -> bool:
    """Return whether at least half of a page's fields changed, or at least half of its records are gone."""
    if change["change"] != "changed":
        return False
    if "records" in change:
        return 2 * len(change["records"]["after"]) <= len(change["records"]["before"])
    return 2 * len(change.get("fields", ())) >= max(1, fields)
