"""Faults of a history's file: damaged, foreign, old, new, locked, full, or with no place to be."""

from __future__ import annotations

import logging
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from parascrape.jobs.history import SCHEMA
from parascrape.system import ReopenedFile, sqlite as module
from tests.helpers.histories import Clock, open_history, run_job, summary


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where there is no history yet."""
    return tmp_path / "harvest.history.sqlite3"


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said, once each."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


# --- damaged and foreign ----------------------------------------------------------------------------


def write_foreign(path: Path) -> None:
    """Another program's database."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE bookmarks (url TEXT)")
        database.commit()


def write_marked(path: Path) -> None:
    """The same, with a mark."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA application_id = 7")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"no database at all" * 500),
        lambda path: path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000),
        lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 20_000),
        lambda path: (path.unlink(), write_foreign(path)),
        lambda path: (path.unlink(), write_marked(path)),
    ],
    ids=["text", "header", "pages", "foreign", "marked"],
)
@pytest.mark.parametrize("work", ["begin", "recent", "finish"])
def test_a_damaged_file_is_renamed(
    path: Path, caplog: pytest.LogCaptureFixture, damage: object, work: str
) -> None:
    """Any call renames it unchanged, warns once and starts a new history."""
    clock = Clock()
    history = open_history(path, clock=clock)
    for number in range(5):
        run_job(history, path.with_name(f"{number}.jsonl"), clock)
    damage(path)  # type: ignore[operator]
    content = path.read_bytes()
    if work == "recent":
        assert history.recent("news", 9) == []
    elif work == "finish":
        history.finish(3, summary())
    else:
        assert history.begin("news", path.with_name("a"), "1.0") == 1
    aside = path.with_name(path.name + ".damaged-1")
    assert aside.read_bytes() == content
    (said,) = warnings(caplog)
    assert "a new one is made" in said
    assert aside.name in said
    assert run_job(history, path.with_name("b"), clock) == (1 if work == "recent" else 2)
    assert len(warnings(caplog)) == 1


def test_a_second_damaged_file_does_not_replace_the_first(path: Path) -> None:
    """Each gets its own number."""
    for number in (1, 2):
        path.write_bytes(b"damaged" * 1000 * number)
        assert open_history(path).begin("news", "a", "1.0") == 1
    sizes = {
        one.name.partition(".damaged-")[2]: one.stat().st_size for one in path.parent.glob("*.damaged-*")
    }
    assert sizes == {"1": 7000, "2": 14000}


def test_a_new_file_of_another_process_is_not_renamed(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If another process was faster, its new file is used."""
    path.write_bytes(b"damaged" * 1000)
    real = module.OutputLock

    def quicker(locked: Path) -> object:
        monkeypatch.setattr(module, "OutputLock", real)
        assert open_history(locked).begin("shop", "a", "1.0") == 1
        return real(locked)

    monkeypatch.setattr(module, "OutputLock", quicker)
    assert open_history(path).begin("news", "b", "1.0") == 2
    assert open_history(path).jobs() == ["shop", "news"]
    assert len(warnings(caplog)) == 1


# --- versions ---------------------------------------------------------------------------------------


def version_of(path: Path) -> tuple[int, int]:
    """What the file says of itself."""
    with closing(sqlite3.connect(path)) as database:
        ours = database.execute("PRAGMA application_id").fetchone()[0]
        return ours, database.execute("PRAGMA user_version").fetchone()[0]


@pytest.mark.parametrize("content", [b"", None], ids=["empty file", "empty database"])
def test_version_0_is_migrated(path: Path, content: bytes | None) -> None:
    """It remains if a process was killed before its first migration."""
    if content is None:
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("VACUUM")
    else:
        path.write_bytes(content)
    assert open_history(path).begin("news", "a", "1.0") == 1
    assert version_of(path) == (SCHEMA.application, len(SCHEMA.versions))


@pytest.mark.parametrize("earlier", range(1, len(SCHEMA.versions) + 1))
def test_every_earlier_version_is_migrated(path: Path, earlier: int) -> None:
    """Rows stay; here two made-up versions follow the current one in one migration."""
    later = [*SCHEMA.versions, ["ALTER TABLE runs ADD COLUMN note TEXT"], ["UPDATE runs SET note = 'kept'"]]
    ReopenedFile(path, SCHEMA._replace(versions=SCHEMA.versions[:earlier])).write(
        lambda database: database.execute(
            "INSERT INTO runs (job, began, output, version, process) VALUES ('news', '', '', '', '')"
        ),
        None,
    )
    read = ReopenedFile(path, SCHEMA._replace(versions=later)).read(
        lambda found: found.execute("SELECT job, note FROM runs").fetchall(), []
    )
    assert read == [("news", "kept")]
    assert version_of(path) == (SCHEMA.application, len(later))


def test_a_failed_migration_changes_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The file keeps its runs and its version."""
    run_job(open_history(path), path.with_name("a"), Clock())
    later = [*SCHEMA.versions, ["DROP TABLE runs", "SELECT nonsense"]]
    assert ReopenedFile(path, SCHEMA._replace(versions=later)).write(lambda database: 1, 0) == 0
    assert version_of(path) == (SCHEMA.application, len(SCHEMA.versions))
    assert len(open_history(path).recent("news", 9)) == 1
    assert len(warnings(caplog)) == 1


def test_a_file_of_a_later_version_is_not_touched(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is not read, written or renamed."""
    run_job(open_history(path), path.with_name("a"), Clock())
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {len(SCHEMA.versions) + 1}")
    before = path.read_bytes()
    history = open_history(path)
    assert (history.begin("news", "b", "1.0"), history.recent("news", 9)) == (0, [])
    history.finish(0, summary())
    assert path.read_bytes() == before
    assert all("a later version of parascrape" in said for said in warnings(caplog))
    assert not list(path.parent.glob("*.damaged*"))


# --- no place, no room, no turn ---------------------------------------------------------------------


def test_without_a_folder_there_is_no_history(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Here the folder is a file: calls warn or return nothing, and none raises."""
    (tmp_path / "file").write_bytes(b"")
    history = open_history(tmp_path / "file" / "harvest.history.sqlite3")
    assert history.begin("news", "a", "1.0") == 0
    history.finish(0, summary())
    history.forget("a")
    assert (history.recent("news", 9), history.jobs(), history.outputs("news")) == ([], [], [])
    assert len(warnings(caplog)) == 3


@pytest.fixture
def full_disk() -> Iterator[int]:
    """No file may grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
    yield 60_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_loses_only_the_newest_runs(
    path: Path, full_disk: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Stored runs stay readable; each lost one is a warning."""
    history = open_history(path)
    numbers = [history.begin("news" * 500, "a", "1.0") for _ in range(60)]
    fitted = [number for number in numbers if number]
    assert 5 < len(fitted) < 60
    assert len(history.recent("", 99)) == len(fitted)
    assert len(warnings(caplog)) == 60 - len(fitted)


def test_a_locked_file_is_not_written(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After a while there is a warning; stored runs can still be read."""
    history = open_history(path, waiting=0.05)
    run_job(history, path.with_name("a"), Clock())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert history.begin("news", "b", "1.0") == 0
        assert len(history.recent("news", 9)) == 1
    assert len(warnings(caplog)) == 1


def test_a_read_only_history_can_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder does not allow a log file beside it."""
    run_job(open_history(path), path.with_name("a"), Clock())
    real = sqlite3.connect

    def connect(name: str, **options: object) -> sqlite3.Connection:
        if "immutable" not in name:
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error
        return real(name, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", connect)
    assert len(open_history(path).recent("news", 9)) == 1
    assert open_history(path).begin("news", "b", "1.0") == 0


def test_special_characters_in_paths_are_safe(tmp_path: Path) -> None:
    """A question mark or a hash in a folder's name is not a parameter of SQLite."""
    path = tmp_path / "a?mode=ro#b" / "100%41.sqlite3"
    assert open_history(path).begin("news", "a", "1.0") == 1
    assert path.exists()
