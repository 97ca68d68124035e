"""What `scrape retry` keeps beside an output while it works."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["RetryFiles", "forget_retry"]


class RetryFiles(NamedTuple):
    """The three names of an output's list of what is to be run again."""

    part: Path
    new: Path
    list: Path

    @classmethod
    def of(cls, output: Path) -> RetryFiles:
        """Those beside this output."""
        return cls(*(output.with_name(output.name + end) for end in (".retry-part", ".retry-new", ".retry")))


def forget_retry(output: Path) -> None:
    """Remove the list of a retry that was ended: an output that starts anew has no use for it."""
    for path in RetryFiles.of(output):
        path.unlink(missing_ok=True)
