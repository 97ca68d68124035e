"""SQLite files: temporary tables, and a shared file that is damaged, locked, read-only, or has no place."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from parascrape.system import SharedFile, SqliteFault, SqliteFile, SqliteSchema

SCHEMA = SqliteSchema(0, [["CREATE TABLE things (name TEXT)"]])


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


def test_two_connections_share_a_file(path: Path) -> None:
    """The rows survive after both are closed; the folder is made."""
    one, other = SharedFile(lambda: path, SCHEMA), SharedFile(lambda: path, SCHEMA)
    assert add(one, "a")
    assert add(other, "b")
    assert names(one) == names(other) == ["a", "b"]
    one.close()
    other.close()
    assert (one.usable, names(one)) == (False, None)
    assert names(SharedFile(lambda: path, SCHEMA)) == ["a", "b"]


def test_a_transaction_is_done_whole_or_not_at_all(path: Path) -> None:
    """An exception rolls everything back, and the file stays usable."""
    file = SharedFile(lambda: path, SCHEMA)

    def fail(database: SqliteFile) -> None:
        database.execute("INSERT INTO things VALUES ('half')")
        raise KeyError

    with pytest.raises(KeyError):
        file.transact(fail)
    assert names(file) == []


@pytest.mark.parametrize("junk", [b"no database at all" * 500, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_made_anew(path: Path, junk: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """There is no warning, because the file may be lost."""
    path.parent.mkdir()
    path.write_bytes(junk)
    file = SharedFile(lambda: path, SCHEMA)
    assert add(file, "a")
    assert names(file) == ["a"]
    assert caplog.records == []


def test_damage_while_the_file_is_open_is_mended_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The work is repeated on a new file; after a second damage the file is given up."""
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
def test_a_file_that_cannot_be_made_is_given_up(
    path: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    """There is one warning and no exception."""

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


def test_a_locked_file_is_waited_for_and_then_given_up(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A stopped process that holds the lock does not block others for ever."""
    file = SharedFile(lambda: path, SCHEMA, waiting=0.001)
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


# --- connections ------------------------------------------------------------------------------------


def test_temporary_tables_are_gone_when_closed() -> None:
    """They have no file name; statements may call a Python function."""
    with SqliteFile.temporary("CREATE TABLE words (word TEXT)") as file:
        file.executemany("INSERT INTO words VALUES (?)", [("a",), ("b",)])
        file.create_function("twice", lambda word: word * 2)
        assert list(file.rows("SELECT twice(word) FROM words")) == [("aa",), ("bb",)]
        assert file.execute("UPDATE words SET word = 'c'").rowcount == 2
    with pytest.raises(SqliteFault, match="temporary tables"):
        file.execute("SELECT 1")


@pytest.mark.parametrize(
    ("statement", "kind"),
    [("PRAGMA application_id = 7", "foreign"), ("PRAGMA user_version = 2", "later"), ("", "damaged")],
)
def test_a_fault_says_what_is_wrong_with_the_file(tmp_path: Path, statement: str, kind: str) -> None:
    """The message names the file, and nothing is written to it."""
    path = tmp_path / "a#b?.sqlite3"
    path.write_bytes(b"" if statement else b"no database" * 500)
    if statement:
        raw = sqlite3.connect(path)
        raw.execute(statement)
        raw.close()
    before = path.read_bytes()
    with pytest.raises(SqliteFault, match=r"a#b\?\.sqlite3") as caught:
        SqliteFile(path, SCHEMA)
    assert (caught.value.kind, path.read_bytes()) == (kind, before)


def test_a_full_disk_has_its_own_kind_of_fault() -> None:
    """It has the error number of a full disk, which decides the exit status."""
    with SqliteFile.temporary("CREATE TABLE big (data BLOB)") as file:
        file.execute("PRAGMA max_page_count = 4")
        with pytest.raises(SqliteFault) as caught:
            file.execute("INSERT INTO big VALUES (zeroblob(100000))")
    assert (caught.value.kind, caught.value.errno) == ("full", errno.ENOSPC)


def insert_twice(file: SqliteFile) -> None:
    """The second statement fails."""
    with file.transaction():
        file.execute("INSERT INTO things VALUES ('half')")
        file.execute("INSERT INTO nothing VALUES (1)")


def test_a_transaction_that_raises_is_rolled_back(path: Path) -> None:
    """Another one may follow."""
    path.parent.mkdir()
    with SqliteFile(path, SCHEMA) as file:
        with pytest.raises(SqliteFault):
            insert_twice(file)
        assert not file.in_transaction
        with file.transaction():
            file.execute("INSERT INTO things VALUES ('whole')")
        assert list(file.rows("SELECT name FROM things")) == [("whole",)]
