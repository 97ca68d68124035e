"""One run of a job, with a simulated harvest: its files after every way to end."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from parascrape.errors import OutputBusy, OutputError
from parascrape.jobs import JobFile, run as job_run
from parascrape.jobs.history import History, history_path
from parascrape.jobs.paths import JobPaths
from parascrape.jobs.run import RunTools, run_job
from parascrape.jobs.summary import RunState
from parascrape.system.locks import OutputLock
from tests.helpers.jobs import NEWS, make_jobs

START = datetime(2026, 3, 1, 5, 0, tzinfo=UTC)


def record(number: int, title: str = "t", code: str = "") -> bytes:
    """Return the record of a page."""
    meta = {"status": 404 if code else 200, "bytes": 10}
    line: dict[str, object] = {"url": f"http://e.com/{number}", "title": title, "meta": meta}
    if code:
        line |= {"error": {"code": code, "message": "m"}}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


class Player:
    """A simulated harvest that appends lines and ends with a status, and a clock that moves an hour a run."""

    def __init__(self, file: JobFile) -> None:
        self.file = file
        self.calls: list[list[str]] = []
        self.said: list[str] = []
        self.now = START
        self.history = History(history_path(file.path))

    def run(self, *lines: bytes, status: int = 0, job: str = "news") -> int:
        """Run the job and return its exit status."""

        def harvest(arguments: Sequence[str], folder: Path) -> int:
            assert folder == self.file.path.parent
            self.calls.append(list(arguments))
            output = Path(arguments[0].removeprefix("--output="))
            with open(output, "ab") as target:
                target.write(b"".join(lines))
            os.utime(output, (self.now.timestamp(),) * 2)
            self.now += timedelta(seconds=10)
            return status

        tools = RunTools(harvest, self.history, lambda: self.now, self.said.append)
        try:
            return run_job(self.file, self.file.jobs[job], tools)
        finally:
            self.now += timedelta(hours=1)

    @property
    def folder(self) -> Path:
        """The folder of the outputs."""
        return self.file.path.parent / "output" / "news"

    def files(self) -> list[str]:
        """Return the files below the folder, sorted."""
        return sorted(
            str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if not path.is_dir()
        )


MakePlayer = Callable[..., Player]


@pytest.fixture
def make(tmp_path: Path) -> MakePlayer:
    """Make a player of a job with these further keys."""
    return lambda *more: Player(make_jobs(tmp_path, NEWS, 'timezone = "Europe/Berlin"', *more))


def test_a_good_run_becomes_latest(make: MakePlayer) -> None:
    """The output is named after the time when the run began, in the job's zone."""
    player = make()
    assert player.run(record(1)) == 0
    assert player.files() == ["2026-03-01/060000.jsonl", "latest.jsonl"]
    assert os.readlink(player.folder / "latest.jsonl") == "2026-03-01/060000.jsonl"
    (run,) = player.history.recent("news", 5)
    assert (run.outcome, run.good, run.seconds, run.pages_per_second) == ("good", 1, 10.0, 0.1)
    assert player.calls[0][1:] == ["--", "urls.txt"]


def test_a_second_run_compares_itself_with_the_first(make: MakePlayer) -> None:
    """The change feed is beside its output, and the history has the counts."""
    player = make()
    player.run(record(1), record(2), record(3))
    assert player.run(record(1), record(2, "new"), record(4)) == 0
    assert f"--previous={player.folder / 'latest.jsonl'}" in player.calls[1]
    feed = (player.folder / "2026-03-01/070010.changes.jsonl").read_bytes()
    assert [json.loads(line)["change"] for line in feed.splitlines()] == ["changed", "added", "removed"]
    changes = player.history.recent("news", 1)[0].changes
    assert (changes.added, changes.changed, changes.removed, changes.rewritten) == (1, 1, 1, 1)


def test_only_changed_and_max_age_need_an_earlier_output(make: MakePlayer) -> None:
    """The first run fetches everything, as does every run of a job with only_changed = false."""
    player = make('max_age = "6h"')
    player.run(record(1))
    player.run(record(1))
    assert ["--max-age=6h" in call for call in player.calls] == [False, True]
    never = make("only_changed = false")
    never.run(record(1))
    assert not any("--previous" in one for one in never.calls[0])


def test_a_rejected_run_does_not_change_latest(make: MakePlayer) -> None:
    """Its output gets another name; the exit status and the messages tell why."""
    player = make('guards.max_failed = "40%"', "guards.min_records = 1")
    player.run(record(1))
    assert player.run(record(1, code="status"), status=1) == 3
    assert player.files() == [
        "2026-03-01/060000.jsonl",
        "2026-03-01/070010.rejected.changes.jsonl",
        "2026-03-01/070010.rejected.jsonl",
        "latest.jsonl",
    ]
    assert os.readlink(player.folder / "latest.jsonl") == "2026-03-01/060000.jsonl"
    assert [line.split(": ")[2] for line in player.said if "rejected: " in line] == [
        "max_failed",
        "min_records",
    ]
    assert player.history.recent("news", 1)[0].outcome == "rejected"


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (143, 143, "interrupted"),
        (75, 75, "interrupted"),
        (74, 74, "crashed"),
        (2, 2, "crashed"),
        (-9, 70, "crashed"),
        (99, 70, "crashed"),
    ],
)
def test_an_interrupted_run_is_resumed(make: MakePlayer, status: int, code: int, outcome: str) -> None:
    """The next run completes the unfinished file, which is named after the first."""
    player = make()
    assert player.run(record(1), status=status) == code
    assert player.files() == [".news.20260301T050000Z.unfinished.jsonl"]
    assert player.history.recent("news", 1)[0].outcome == outcome
    assert player.run(record(2)) == 0
    assert player.files() == ["2026-03-01/060000.jsonl", "latest.jsonl"]
    assert (player.folder / "latest.jsonl").read_bytes() == record(1) + record(2)
    assert player.history.recent("news", 1)[0].pages_per_second == 0.1  # of what this run has fetched


def test_an_old_unfinished_output_is_kept_apart(make: MakePlayer) -> None:
    """Old records do not become part of a new output and are not lost."""
    player = make('resume_within = "30m"')
    player.run(record(1), status=143)
    assert player.run(record(2)) == 0
    assert player.files() == ["2026-03-01/060000.unfinished.jsonl", "2026-03-01/070010.jsonl", "latest.jsonl"]
    assert (player.folder / "latest.jsonl").read_bytes() == record(2)


STEPS = ["point_latest", "finish", "run_hooks", "sweep", "sync_folder"]


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_after_the_harvest_loses_nothing(
    make: MakePlayer, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start does the missing steps before it harvests."""

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    player = make()
    player.run(record(1))
    with monkeypatch.context() as patch:
        owner = {"point_latest": JobPaths, "finish": History}.get(step, job_run)
        patch.setattr(owner, step, die)
        with pytest.raises(KeyboardInterrupt):
            player.run(record(2))
    assert (player.folder / ".news.finished.json").exists()
    assert player.run(record(3)) == 0
    outputs = ["2026-03-01/060000.jsonl", "2026-03-01/070010.jsonl", "2026-03-01/080020.jsonl"]
    assert [name for name in player.files() if "changes" not in name] == [*outputs, "latest.jsonl"]
    runs = player.history.recent("news", 9)
    assert [(run.outcome, Path(run.output).name) for run in runs] == [
        ("good", Path(name).name) for name in reversed(outputs)
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_a_kill_in_any_phase_leaves_whole_outputs(tmp_path: Path) -> None:
    """A process is killed before each file operation of a run; after the next start all outputs are whole."""
    command = [sys.executable, "-m", "tests.helpers.killed_runs", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=80, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert int(run.stdout) > 30


@pytest.mark.parametrize("owner", [RunState, JobPaths], ids=["finished", "latest"])
def test_a_full_disk_after_the_harvest_is_reported(
    make: MakePlayer, owner: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start publishes the harvest."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "disk")

    player = make()
    with monkeypatch.context() as patch:
        patch.setattr(owner, {RunState: "write", JobPaths: "point_latest"}[owner], fail)
        with pytest.raises(OutputError, match="No space left"):
            player.run(record(1))
    assert player.run() == 0
    first = player.folder / "2026-03-01/060000.jsonl"
    assert first.read_bytes() == record(1)
    assert (player.folder / "latest.jsonl").exists()
    assert not [name for name in player.files() if name.startswith(".")]


def test_a_job_never_runs_twice_at_once(make: MakePlayer) -> None:
    """The second start names the process that runs it."""
    player = make()
    player.folder.mkdir(parents=True)
    lock = OutputLock(player.folder / ".news")
    try:
        with pytest.raises(OutputBusy, match=f"job news is being run by process {os.getpid()}"):
            player.run(record(1))
    finally:
        lock.release()
    assert player.calls == []


def test_outputs_with_the_same_name_are_numbered(make: MakePlayer, tmp_path: Path) -> None:
    """A pattern with only the day keeps every run."""
    player = Player(make_jobs(tmp_path, NEWS.replace("/{time}", "")))
    for number in range(3):
        player.run(record(number))
    assert [name for name in player.files() if "changes" not in name] == [
        "2026-03-01-2.jsonl",
        "2026-03-01-3.jsonl",
        "2026-03-01.jsonl",
        "latest.jsonl",
    ]


def test_without_links_latest_is_a_copy(make: MakePlayer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems have no symbolic links."""

    def fail(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", fail)
    player = make()
    player.run(record(1))
    assert not (player.folder / "latest.jsonl").is_symlink()
    assert (player.folder / "latest.jsonl").read_bytes() == record(1)


def test_a_folder_that_cannot_be_made_is_an_output_error(make: MakePlayer) -> None:
    """The message has the job's name."""
    player = make()
    (player.file.path.parent / "output").write_text("a file")
    with pytest.raises(OutputError, match=r"job news: .*Not a directory"):
        player.run(record(1))


def test_retention_keeps_the_last_runs(make: MakePlayer) -> None:
    """Of a week of daily runs the last three stay, with their feeds."""
    player = make("retention.keep = 3")
    for number in range(7):
        player.run(record(number))
        player.now += timedelta(hours=23)
    kept = [name[:10] for name in player.files() if name.startswith("2026-03-")]
    assert kept == ["2026-03-05", "2026-03-05", "2026-03-06", "2026-03-06", "2026-03-07", "2026-03-07"]
    assert len(player.history.recent("news", 99)) == 7
    assert (player.folder / "latest.jsonl").read_bytes() == record(6)
