"""A run that is harvested and judged, as it is kept while its output is put in its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple, Self

from parascrape.jobs.paths import beside
from parascrape.jobs.summary import RunSummary
from parascrape.system import replace_file

__all__ = ["RunState"]


class RunState(NamedTuple):
    """The summary of a run, and the guards that it breaches, in words."""

    summary: RunSummary
    breaches: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the output is to take the place of the one before."""
        return self.summary.outcome in ("good", "some_failed")

    @property
    def feed(self) -> Path:
        """Where the change feed is to be, beside the output."""
        return beside(Path(self.summary.output), ".changes")

    @property
    def events(self) -> list[str]:
        """The hooks that are to run."""
        if not self.accepted:
            return ["on_failure"]
        changes = self.summary.changes
        counts = (changes.added, changes.changed, changes.removed, changes.gone, changes.failed, changes.back)
        return ["on_success", "on_change"] if any(counts) else ["on_success"]

    def as_dict(self) -> dict[str, Any]:
        """What hooks are told: the fields of `RunSummary`, ``breaches`` and the change feed's path."""
        feed = str(self.feed) if self.summary.output and self.feed.exists() else ""
        return {**self.summary.as_dict(), "breaches": list(self.breaches), "change_feed": feed}

    def write(self, path: Path) -> None:
        """Keep it in a file, in one step. Raises OSError."""
        with replace_file(path) as file:
            file.write(json.dumps(self.as_dict()).encode())

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What `write` has kept; None where there is nothing, or nothing of ours."""
        try:
            text = path.read_text(encoding="utf-8")
            breaches = json.loads(text)["breaches"]
            return cls(RunSummary.from_json(text), tuple(map(str, breaches)))
        except (OSError, ValueError, KeyError, TypeError):
            return None
