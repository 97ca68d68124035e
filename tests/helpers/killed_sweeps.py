"""Sweeps that are killed: ``python -m tests.helpers.killed_sweeps FOLDER`` prints in how many places one was.

A process is forked for each file operation of a sweep, and kills itself just before it.
"""

from __future__ import annotations

import gzip
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from parascrape.jobs.history import History
from parascrape.jobs.retention import RetentionPolicy, SweepScope, sweep
from tests.helpers.histories import Clock, open_history, run_job
from tests.helpers.killing import survives

__all__ = ["main"]

_POLICY = RetentionPolicy(keep=4, compress_after=2)


def main(folder: Path) -> int:
    """Return in how many places sweeps were killed. Raises AssertionError if a kill did harm."""
    logging.disable()
    os.fsync = lambda _: None
    work, saved = folder / "work", folder / "saved"
    clock = build(work)
    shutil.copytree(work, saved)
    contents = {path.parent.name: path.read_bytes() for path in work.glob("output/*/run.jsonl")}
    run(work, clock)
    wanted = sorted(describe(work))
    killed = 0
    while True:
        shutil.rmtree(work)
        shutil.copytree(saved, work)
        if survives(partial(run, work, clock), killed + 1):
            return killed
        killed += 1
        for day in sorted(contents)[-4:]:
            assert held(work / "output" / day / "run.jsonl") == contents[day], (killed, day)
        run(work, clock)
        assert sorted(describe(work)) == wanted, killed


def build(work: Path) -> Clock:
    """Make six outputs, one a day; return the clock after them."""
    clock = Clock()
    for _ in range(6):
        run_job(history(work), work / "output" / f"{clock.now:%Y-%m-%d}" / "run.jsonl", clock, lines=100)
        clock.forward(days=1)
    return clock


def history(work: Path) -> History:
    """Beside the outputs."""
    return open_history(work / "harvest.history.sqlite3")


def run(work: Path, clock: Clock) -> None:
    """Sweep."""
    sweep(history(work), SweepScope("news", work / "output"), _POLICY, clock.now)


def held(path: Path) -> bytes:
    """Return the output's lines from its plain or compressed file; if both exist, they must agree."""
    packed = path.with_name(path.name + ".gz")
    found = [gzip.decompress(packed.read_bytes())] if packed.exists() else []
    found += [path.read_bytes()] if path.exists() else []
    assert len({*found}) == 1, path
    return found[0]


def describe(work: Path) -> Iterator[str]:
    """Yield the files, and the outputs that the history knows."""
    yield from (str(path.relative_to(work)) for path in (work / "output").rglob("*"))
    yield from (f"known: {one.path.relative_to(work.resolve())}" for one in history(work).outputs("news"))


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
