"""A file that may be lost at any time: damaged, locked, read-only, or with no place to be."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from parascrape.system.shared_file import SharedFile

SCHEMA = "CREATE TABLE IF NOT EXISTS things (name TEXT)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "things.sqlite3"


def add(file: SharedFile, name: str) -> bool:
    return (
        file.transact(lambda database: bool(database.execute("INSERT INTO things VALUES (?)", (name,))))
        or False
    )


def names(file: SharedFile) -> list[str] | None:
    return file.transact(lambda database: [name for (name,) in database.execute("SELECT name FROM things")])


def test_what_one_writes_another_reads(path: Path) -> None:
    """Also after both were closed; the directory is made, for its owner only."""
    one, other = SharedFile(lambda: path, SCHEMA), SharedFile(lambda: path, SCHEMA)
    assert add(one, "a")
    assert add(other, "b")
    assert names(one) == names(other) == ["a", "b"]
    one.close()
    other.close()
    assert (one.usable, names(one)) == (False, None)
    assert names(SharedFile(lambda: path, SCHEMA)) == ["a", "b"]


def test_a_transaction_is_done_whole_or_not_at_all(path: Path) -> None:
    """What raises leaves nothing behind, and the file stays usable."""
    file = SharedFile(lambda: path, SCHEMA)

    def fail(database: sqlite3.Connection) -> None:
        database.execute("INSERT INTO things VALUES ('half')")
        raise KeyError

    with pytest.raises(KeyError):
        file.transact(fail)
    assert names(file) == []


@pytest.mark.parametrize("junk", [b"no database at all" * 500, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_made_anew(path: Path, junk: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is told: what it knew is no loss."""
    path.parent.mkdir()
    path.write_bytes(junk)
    file = SharedFile(lambda: path, SCHEMA)
    assert add(file, "a")
    assert names(file) == ["a"]
    assert caplog.records == []


def test_damage_while_the_file_is_open_is_mended_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The work is done on the new file; a second time the file is given up."""
    file = SharedFile(lambda: path, SCHEMA)
    assert add(file, "lost")
    for left in (["a"], None):
        with path.open("r+b") as raw:
            raw.write(b"\xff" * path.stat().st_size)
        add(file, "a")
        assert names(file) == left
    assert not file.usable
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "place", ["a file in place of the directory", "a directory in place of the file", "no home"]
)
def test_without_a_place_the_file_is_given_up(
    path: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With one warning, and nothing raises."""

    def find() -> Path:
        raise RuntimeError("Could not determine home directory.")

    if place.startswith("a file"):
        path.parent.write_text("")
    elif place.startswith("a directory"):
        path.mkdir(parents=True)
    file = SharedFile(find if place == "no home" else lambda: path, SCHEMA)
    assert (file.usable, add(file, "a"), names(file)) == (False, False, None)
    file.close()
    assert len(caplog.records) == 1


def test_a_locked_file_is_waited_for_and_then_given_up(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped process that holds the lock stops nobody for ever."""
    monkeypatch.setattr("parascrape.system.shared_file._WAITING_MS", 1)
    file = SharedFile(lambda: path, SCHEMA)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert not add(file, "refused")
    assert file.usable
    holder.execute("ROLLBACK")
    assert add(file, "taken")
    holder.execute("BEGIN EXCLUSIVE")
    for _ in range(30):
        add(file, "refused")
    holder.close()
    assert not file.usable
    assert len(caplog.records) == 1
