"""The time split of a run as a file: written by the run (``--profile-json``), read by who compares."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from parascrape.errors import OutputError
from parascrape.harvesting.timings import TimeSplit

__all__ = ["STAGES", "as_data", "from_data", "read_split", "write_split"]

STAGES = {
    "politeness": "waiting for hosts",
    "list_wait": "waiting for the list",
    "queue": "queue",
    "connect": "connect",
    "first_byte": "first byte",
    "transfer": "transfer",
    "turn": "its turn, sending",
    "inflate": "inflate",
    "scrape": "decode, parse, scrape",
    "pipe": "pipe",
    "write": "write",
    "idle": "idle",
}
"""The parts of a page's time in the order in which they come, and what people call them."""

_STORED = [
    each.name for each in dataclasses.fields(TimeSplit) if each.name[0] != "_" and each.name != "blame"
]


def as_data(split: TimeSplit) -> dict[str, Any]:
    """The split as plain data: seconds and counts by name, ``blame`` as rows of kind, host and seconds."""
    blame = [[kind, host, seconds] for (kind, host), seconds in split.blame.items()]
    return {**{name: getattr(split, name) for name in _STORED}, "blame": blame}


def from_data(data: dict[str, Any]) -> TimeSplit:
    """The split that `as_data` has told of. Raises KeyError, TypeError, ValueError."""
    blame = {(str(kind), str(host)): float(seconds) for kind, host, seconds in data["blame"]}
    return TimeSplit(**{name: data[name] for name in _STORED}, blame=blame)


def write_split(path: str | Path, split: TimeSplit) -> None:
    """Write the split as a file of one JSON object. Raises OutputError."""
    try:
        Path(path).write_text(json.dumps(as_data(split)))
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}", error.errno or 0) from None


def read_split(path: Path) -> TimeSplit:
    """The split in a file; an empty one where the run was ended before it wrote it."""
    try:
        return from_data(json.loads(path.read_bytes()))
    except (OSError, KeyError, TypeError, ValueError):
        return TimeSplit()
