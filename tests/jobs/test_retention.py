"""Retention: deleted outputs, compressed outputs, and files that are never touched."""

from __future__ import annotations

import gzip
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from parascrape.jobs.history import History
from parascrape.jobs.retention import RetentionPolicy, SweepResult, SweepScope, sweep
from parascrape.jobs.schema import read_table
from parascrape.system.locks import OutputLock
from tests.helpers.histories import Clock, open_history, run_job

DAY = timedelta(days=1)


class Outputs:
    """A job's outputs, one a day, in ``output/DATE/run.jsonl``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "output"
        self.clock = Clock()
        self.history = open_history(folder / "harvest.history.sqlite3", clock=self.clock)

    def add(self, count: int = 1, **values: Any) -> list[Path]:
        """The outputs of so many more days, oldest first, each with a change feed."""
        paths = []
        for _ in range(count):
            path = self.folder / f"{self.clock.now:%Y-%m-%d}" / "run.jsonl"
            feed = path.with_name("run.changes.jsonl")
            path.parent.mkdir(parents=True, exist_ok=True)
            feed.write_bytes(b"{}\n")
            run_job(self.history, path, self.clock, files=[feed], **values)
            self.clock.forward(days=1)
            paths.append(path)
        return paths

    def sweep(self, **rules: Any) -> SweepResult:
        """What a sweep does now."""
        scope = SweepScope("news", self.folder)
        return sweep(self.history, scope, RetentionPolicy(**rules), self.clock.now)

    def there(self) -> list[str]:
        """The days whose output is there, oldest first; packed ones with their suffix."""
        found = sorted(self.folder.glob("*/run.jsonl*"))
        return [path.parent.name[-2:] + path.name.removeprefix("run.jsonl") for path in found]


@pytest.fixture(autouse=True)
def _without_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    """None yet."""
    return Outputs(tmp_path)


# --- deleted and compressed ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ({}, "01 02 03 04 05 06"),
        ({"keep": 9}, "01 02 03 04 05 06"),
        ({"keep": 2}, "05 06"),
        ({"keep": 1}, "06"),
        ({"max_age": 2.5 * DAY}, "05 06"),
        ({"max_age": 0.5 * DAY}, "06"),  # the last good one, however old it is
        ({"max_size": 10**6}, "01 02 03 04 05 06"),
        ({"max_size": 3 * 283}, "04 05 06"),
        ({"max_size": 3 * 283 - 1}, "05 06"),
        ({"max_size": 0}, "06"),
        ({"keep": 4, "max_age": 3.5 * DAY}, "04 05 06"),
        ({"compress_after": 2}, "01.gz 02.gz 03.gz 04.gz 05 06"),
        ({"compress_after": 1, "keep": 3}, "04.gz 05.gz 06"),
        ({"compress_after": 9}, "01 02 03 04 05 06"),
    ],
)
def test_a_policy_holds_after_a_sweep(outputs: Outputs, rules: dict[str, Any], left: str) -> None:
    """An output is deleted together with its change feed and the folder of its date."""
    outputs.add(6, lines=10)
    swept = outputs.sweep(**rules)
    assert outputs.there() == left.split()
    assert swept.kept == []
    assert len(list(outputs.folder.iterdir())) == len(left.split())
    known = {one.path for one in outputs.history.outputs("news")}
    assert known == {path for path in outputs.folder.rglob("*") if path.is_file()}
    again = outputs.sweep(**rules)
    assert (again.deleted, again.compressed, again.kept, again.freed) == ([], [], [], 0)


def test_compressed_outputs_count_with_their_new_size(outputs: Outputs) -> None:
    """Outputs are compressed before the total size is checked, which may be enough."""
    outputs.add(4, lines=1000)
    outputs.sweep(compress_after=1, max_size=30_000)
    assert outputs.there() == ["01.gz", "02.gz", "03.gz", "04"]


def test_a_compressed_output_has_the_same_lines(outputs: Outputs) -> None:
    """Its time and permissions stay, and the freed bytes are reported."""
    old, _ = outputs.add(2, lines=1000)
    old.chmod(0o640)
    before, status = old.read_bytes(), old.stat()
    swept = outputs.sweep(compress_after=1)
    packed = old.with_name("run.jsonl.gz")
    assert gzip.decompress(packed.read_bytes()) == before
    assert (packed.stat().st_mtime_ns, packed.stat().st_mode) == (status.st_mtime_ns, status.st_mode)
    assert sorted(path.name for path in swept.compressed) == ["run.changes.jsonl.gz", "run.jsonl.gz"]
    assert swept.freed > 0.9 * status.st_size


def test_rejected_outputs_do_not_push_out_good_ones(outputs: Outputs) -> None:
    """As many rejected outputs are kept in addition."""
    outputs.add(2)
    outputs.add(5, outcome="rejected")
    outputs.sweep(keep=2)
    assert outputs.there() == ["01", "02", "06", "07"]


def test_outputs_of_other_jobs_are_not_touched(outputs: Outputs) -> None:
    """They are not counted either."""
    outputs.add(2, job="shop")
    outputs.add(2)
    outputs.sweep(keep=1)
    assert outputs.there() == ["01", "02", "04"]


# --- never touched ----------------------------------------------------------------

ALL = {"keep": 1, "max_age": DAY / 24, "max_size": 0, "compress_after": 1}


def replace_by_link(path: Path) -> None:
    """A symbolic link to a copy stands in its place."""
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(path.read_bytes() + b"more\n"),
        lambda path: os.utime(path, ns=(1, 1)),
        replace_by_link,
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["grown", "touched", "linked", "folder"],
)
def test_a_changed_file_stays(outputs: Outputs, change: Callable[[Path], object]) -> None:
    """It is reported once and then forgotten."""
    old, _ = outputs.add(2)
    change(old)
    swept = outputs.sweep(**ALL)
    assert old.exists()
    assert [line for line in swept.kept if "has changed" in line] == swept.kept
    assert len(swept.kept) == 1
    assert outputs.sweep(**ALL).kept == []


def test_an_unknown_file_stays(outputs: Outputs) -> None:
    """Its name and age do not matter."""
    old, _ = outputs.add(2)
    strangers = [old.with_name("other.jsonl"), outputs.folder / "2020-01-01" / "run.jsonl"]
    for stranger in strangers:
        stranger.parent.mkdir(exist_ok=True)
        stranger.write_bytes(b"")
    outputs.sweep(**ALL)
    assert [stranger.exists() for stranger in strangers] == [True, True]
    assert not old.exists()


def test_a_file_outside_of_the_patterns_folder_stays(outputs: Outputs, tmp_path: Path) -> None:
    """The history does not forget it, since the pattern may be changed back."""
    run_job(outputs.history, tmp_path / "out.jsonl", outputs.clock)
    outputs.clock.forward(days=1)
    outputs.add(2)
    assert outputs.sweep(**ALL).kept == []
    assert (tmp_path / "out.jsonl").exists()
    assert (tmp_path / "out.jsonl") in [one.path for one in outputs.history.outputs("news")]


def test_a_folder_that_became_a_link_is_not_followed(outputs: Outputs, tmp_path: Path) -> None:
    """Its files may belong to somebody else."""
    old, _ = outputs.add(2)
    old.parent.rename(tmp_path / "moved")
    old.parent.symlink_to(tmp_path / "moved")
    outputs.sweep(**ALL)
    assert old.exists()


@pytest.mark.parametrize("place", ["latest.jsonl", "01/latest.jsonl", "latest"])
def test_the_target_of_latest_stays(outputs: Outputs, place: str) -> None:
    """This holds for each place of the link, even after a later good run."""
    old, middle, _ = outputs.add(3)
    link = outputs.folder / place.replace("01", old.parent.name)
    link.symlink_to(os.path.relpath(old, link.parent))
    outputs.sweep(**ALL)
    assert outputs.there() == ["01", "03"]
    assert not middle.exists()


def test_a_protected_file_stays(outputs: Outputs) -> None:
    """It may be named through a link."""
    old, *_ = outputs.add(3)
    (outputs.folder / "mine").symlink_to(old)
    policy, now = RetentionPolicy(keep=1), outputs.clock.now
    sweep(outputs.history, SweepScope("news", protect=[outputs.folder / "mine"]), policy, now)
    assert outputs.there() == ["01", "03"]


def test_an_output_that_is_being_written_stays(outputs: Outputs) -> None:
    """The next sweep deletes it."""
    old, _ = outputs.add(2)
    lock = OutputLock(old)
    swept = outputs.sweep(keep=1)
    lock.release()
    assert "being written" in swept.kept[0]
    assert outputs.there() == ["01", "02"]
    outputs.sweep(keep=1)
    assert outputs.there() == ["02"]


def test_an_unfinished_output_is_never_deleted(outputs: Outputs) -> None:
    """The history does not know it as an output."""
    outputs.add(1, outcome="interrupted")
    outputs.add(2)
    outputs.sweep(**ALL)
    assert outputs.there() == ["01", "03"]


def test_a_foreign_compressed_file_is_not_replaced(outputs: Outputs) -> None:
    """The output stays beside it."""
    old, _ = outputs.add(2)
    stranger = old.with_name("run.jsonl.gz")
    stranger.write_bytes(b"mine")
    swept = outputs.sweep(compress_after=1)
    assert stranger.read_bytes() == b"mine"
    assert old.exists()
    assert len(swept.kept) == 1


# --- missing files, full disks, kills ----------------------------------------------------------------


def test_a_missing_file_is_forgotten(outputs: Outputs) -> None:
    """But not while the pattern's folder is empty or missing: its disk may be unmounted."""
    old, *_ = outputs.add(3)
    outputs.folder.rename(away := outputs.folder.with_name("away"))
    assert outputs.sweep(keep=9).kept == []
    outputs.folder.mkdir()
    outputs.sweep(keep=9)
    assert len(outputs.history.outputs("news")) == 6
    outputs.folder.rmdir()
    away.rename(outputs.folder)
    old.unlink()
    outputs.sweep(keep=9)
    known = [one.path for one in outputs.history.outputs("news")]
    assert (len(known), old in known) == (5, False)


def test_a_full_disk_changes_nothing(outputs: Outputs) -> None:
    """With files limited to 50 kB nothing is compressed, and no temporary file stays."""
    old, _ = outputs.add(2, content=os.urandom(100_000))
    before = old.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        swept = outputs.sweep(compress_after=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert old.read_bytes() == before
    assert "File too large" in "".join(swept.kept)
    assert outputs.there() == ["01", "02"]
    assert not list(outputs.folder.rglob("*.part"))
    outputs.sweep(compress_after=1)
    assert outputs.there() == ["01.gz", "02"]


def test_without_a_history_nothing_is_compressed(outputs: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unrecorded file could never be deleted."""
    outputs.add(2)
    monkeypatch.setattr(History, "add_output", lambda *_: False)
    assert "history cannot be written" in outputs.sweep(compress_after=1).kept[0]
    assert outputs.there() == ["01", "02"]
    assert not list(outputs.folder.rglob("*.part"))


def test_a_kill_in_any_phase_loses_nothing(tmp_path: Path) -> None:
    """Before each file operation of a sweep a process is killed; what is to stay is there, and the next
    sweep brings the rest to its end.
    """
    command = [sys.executable, "-m", "tests.helpers.killed_sweeps", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=80, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert int(run.stdout) > 20


# --- policies ----------------------------------------------------------------


def test_a_policy_is_read_from_a_table() -> None:
    """An empty table keeps everything."""
    table = {"keep": 30, "max_age": "90d", "max_size": "2GB", "compress_after": 3}
    assert read_table(RetentionPolicy, table) == RetentionPolicy(30, 90 * DAY, 2 * 10**9, 3)
    assert read_table(RetentionPolicy, {}) == RetentionPolicy()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"keeps": 1}, r"keeps: no such rule; did you mean 'keep'\?"),
        ({"keep": 0}, "keep: write a whole number of at least 1, not 0"),
        ({"keep": "30"}, "keep: write a whole number of at least 1, not '30'"),
        ({"keep": True}, "keep: write a whole number of at least 1, not True"),
        ({"max_age": 90}, "max_age: 90 is not a duration"),
        ({"max_size": "2"}, "max_size: '2' is not a size"),
        ({"compress_after": -1, "max_age": "x"}, "compress_after: .* not -1; max_age: 'x'"),
    ],
)
def test_mistakes_are_named(table: dict[str, Any], message: str) -> None:
    """All mistakes of a table are reported at once, each with its key."""
    with pytest.raises(ValueError, match=message):
        read_table(RetentionPolicy, table, "rule")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    outcomes=st.lists(st.sampled_from(["good", "some_failed", "rejected"]), min_size=1, max_size=5),
    keep=st.none() | st.integers(1, 4),
    days=st.none() | st.integers(1, 4),
    size=st.none() | st.integers(0, 200),
    compress=st.none() | st.integers(1, 3),
)
def test_the_last_good_output_always_stays(
    tmp_path_factory: pytest.TempPathFactory,
    outcomes: list[str],
    keep: int | None,
    days: int | None,
    size: int | None,
    compress: int | None,
) -> None:
    """Plain, whatever the policy; and no other run is both gone and within all of its limits."""
    outputs = Outputs(tmp_path_factory.mktemp("outputs"))
    paths = [outputs.add(1, outcome=outcome)[0] for outcome in outcomes]
    outputs.sweep(keep=keep, max_age=days and days * DAY, max_size=size, compress_after=compress)
    good = [path for path, outcome in zip(paths, outcomes, strict=True) if outcome != "rejected"]
    assert all(path.exists() for path in good[-1:])
    if size is None:
        within = min(keep or 9, days or 9)
        assert len(outputs.there()) >= min(len(paths), within)
