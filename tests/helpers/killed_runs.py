"""Kill runs of a job: ``python -m tests.helpers.killed_runs FOLDER`` prints in how many places one was.

A process is forked for each file operation of a run, and kills itself just before it; the next start must
leave whole outputs only.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import orjson

from parascrape.jobs.history import history_path
from parascrape.jobs.run import RunTools, run_job
from tests.helpers.histories import open_history
from tests.helpers.jobs import NEWS, make_jobs
from tests.helpers.killing import survives

__all__ = ["main"]

_START = datetime(2026, 3, 1, 5, tzinfo=UTC)
_PAGES = 3


def main(folder: Path) -> int:
    """Return in how many places runs were killed. Raises AssertionError if a kill did harm."""
    logging.disable()
    os.fsync = lambda _: None
    work, saved = folder / "work", folder / "saved"
    work.mkdir(parents=True)
    make_jobs(work, NEWS, "[jobs.news.retention]", "keep = 10")
    run(work, 1)
    shutil.copytree(work, saved, symlinks=True)
    killed = 0
    while True:
        shutil.rmtree(work)
        shutil.copytree(saved, work, symlinks=True)
        if survives(partial(run, work, 2), killed + 1):
            return killed
        killed += 1
        check(work, killed, unfinished=True)
        run(work, 3)
        check(work, killed, unfinished=False)


def run(work: Path, hour: int) -> None:
    """Run the job at an hour; the harvest continues where the output ends, as the command does."""
    now = _START + timedelta(hours=hour)

    def harvest(arguments: Sequence[str], _: Path) -> int:
        output = Path(arguments[0].removeprefix("--output="))
        held = output.read_bytes().count(b"\n") if output.exists() else 0
        for number in range(held, _PAGES):
            with open(output, "ab") as file:
                file.write(line(output, number))
        os.utime(output, (now.timestamp(),) * 2)
        return 0

    file = make_jobs(work, NEWS, "[jobs.news.retention]", "keep = 10")
    tools = RunTools(harvest, open_history(history_path(file.path)), lambda: now)
    assert run_job(file, file.jobs["news"], tools) == 0


def line(output: Path, number: int) -> bytes:
    """Return a record that names the run that made it."""
    record = {"url": f"http://e.com/{number}", "run": output.name, "meta": {"status": 200, "bytes": 10}}
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def check(work: Path, killed: int, *, unfinished: bool) -> None:
    """Check that every output is whole and from one run, latest is one of them, and no other file is left."""
    folder = work / "output" / "news"
    whole = [path for path in folder.rglob("*.jsonl") if not path.name.startswith((".", "latest"))]
    for path in whole:
        if not path.name.endswith(".changes.jsonl"):
            records = list(map(orjson.loads, path.read_bytes().splitlines()))
            assert [one["url"] for one in records] == [f"http://e.com/{n}" for n in range(_PAGES)], killed
            assert len({one["run"] for one in records}) == 1, killed
    latest = folder / "latest.jsonl"
    assert latest.resolve() in [path.resolve() for path in whole], killed
    if not unfinished:
        assert set(left(folder)) <= {".news.lock"}, (killed, sorted(left(folder)))
        assert latest.resolve() == max(path for path in whole if ".changes" not in path.name).resolve()


def left(folder: Path) -> Iterator[str]:
    """Yield the names of hidden files."""
    return (path.name for path in folder.iterdir() if path.name.startswith("."))


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
