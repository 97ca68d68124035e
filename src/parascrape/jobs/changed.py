"""What is different from the output before, as a feed and in numbers."""

from __future__ import annotations

from pathlib import Path

from parascrape.files.diff import write_changes
from parascrape.files.page_diff import Change
from parascrape.jobs.summary import Changes

__all__ = ["find_changes", "is_rewritten"]


def find_changes(old: Path, new: Path, feed: Path, *, fields: int) -> Changes:
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
    return Changes(
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
