"""``scrape diff OLD NEW``: lists what changed from one output to the next."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from parascrape.cli.options import Choices, Options, command
from parascrape.cli.tables import write_out
from parascrape.settings import Option
from parascrape.system import printable

if TYPE_CHECKING:
    from parascrape.files import Change

_EXAMPLES, _FIELDS = 3, 6  # pages of each kind, and fields of a changed page, that are shown

_DIFF: Options = {
    "old": Option(..., "OLD", "The earlier output.", "Diff", type=str),
    "new": Option(..., "NEW", "The later output.", "Diff", type=str),
    "output": Option(
        "", "--output -o FILE", "Write the changes there, one JSON line for each [none].", "Diff"
    ),
    "exit_code": Option(False, "--exit-code", "Exit with status 1 if there are changes.", "Diff"),
}


@command(_DIFF)
def diff(chosen: Choices) -> int:
    """Show what changed from one output to the next: pages that were added, changed (with their fields),
    removed, are gone (404, 410), failed, or are back. Times and other metadata are ignored.

    Exit status: 0, with --exit-code 1 if there are changes, 2 wrong usage, 74 no room for the changes.
    """
    from parascrape.files import KINDS, write_changes

    examples: defaultdict[str, list[str]] = defaultdict(list)

    def note(change: Change) -> None:
        shown = examples[change["change"]]
        if len(shown) < _EXAMPLES:
            shown.append(_describe(change))

    output = Path(chosen["output"]) if chosen["output"] else None
    counts = write_changes(Path(chosen["old"]), Path(chosen["new"]), output, note=note)
    lines = []
    for kind in KINDS:
        lines += [f"{kind:9}{example}" for example in examples[kind]]
        if (more := getattr(counts, kind) - len(examples[kind])) > 0:
            lines.append(f"{'':9}and {more:,} more")
    parts = [f"{count:,} {kind}" for kind in KINDS if (count := getattr(counts, kind))]
    lines.append(f"{', '.join(parts) or 'No changes'}; {counts.same:,} as before.")
    return write_out("\n".join(lines)) or int(chosen["exit_code"] and counts.total > 0)


def _describe(change: Change) -> str:
    """Return the page, and in a few words how it changed."""
    url = printable(change["url"], 100)
    if error := change.get("error"):
        code = error.get("code") if isinstance(error, dict) else "error"
        return f"{url}  {printable(str(code), 40)}"
    names = [*change.get("fields", ())]
    names += [name for name in ("records", "status") if name in change and change["change"] == "changed"]
    shown = ", ".join(printable(name, 40) for name in names[:_FIELDS])
    more = f" and {len(names) - _FIELDS} more" if len(names) > _FIELDS else ""
    return f"{url}  {shown}{more}" if names else url
