"""Run history of a job file: an SQLite database of its runs and of the output files they wrote."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from parascrape.jobs.summary import FINISHED, RunSummary
from parascrape.system import ReopenedFile, SqliteFile, SqliteSchema, is_alive, process_mark

_RUNS = """
CREATE TABLE runs (
    run INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, began TEXT NOT NULL, output TEXT NOT NULL,
    version TEXT NOT NULL, process TEXT NOT NULL, summary TEXT
)
"""
_FILES = """
CREATE TABLE files (
    path TEXT PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs (run),
    size INTEGER NOT NULL, modified INTEGER NOT NULL
) WITHOUT ROWID
"""
_ADD_FILE = "REPLACE INTO files VALUES (?, ?, ?, ?)"
_INDEXES = ("CREATE INDEX runs_of_job ON runs (job, run)", "CREATE INDEX files_of_run ON files (run)")

SCHEMA = SqliteSchema(0x70617261, ((_RUNS, _FILES, *_INDEXES),))  # "para"


class OutputFile(NamedTuple):
    """A file that a run wrote, with its size and time when it was written."""

    path: Path  # absolute, its folder without symbolic links
    run: int
    began: datetime  # the run's
    outcome: str  # the run's
    size: int  # bytes
    modified: int  # nanoseconds, st_mtime_ns


def history_path(job_file: str | Path) -> Path:
    """Return the path of a job file's history, beside it.

    >>> history_path("jobs/harvest.toml").as_posix()
    'jobs/harvest.history.sqlite3'
    """
    return Path(job_file).with_suffix(".history.sqlite3")


def resolve_folder(path: str | Path) -> Path:
    """Return the absolute path with symbolic links in its folder resolved, but not the file itself."""
    path = Path(os.path.abspath(path))
    return path.parent.resolve() / path.name


class History:
    """The runs of a job file, in the database at ``path``. Any number of processes may use it at once.

    Its methods do not raise for a database that is damaged or not accessible: a failed write is a warning, a
    failed read returns nothing. The file is made by the first `begin` or `finish`, and closed after a call.
    ``waiting`` is how many seconds it waits for another process, ``synchronous`` SQLite's pragma.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        waiting: float = 10.0,
        synchronous: str = "FULL",  # retention deletes files by what is written here
    ) -> None:
        self._database = ReopenedFile(Path(path), SCHEMA, waiting=waiting, synchronous=synchronous)
        self._clock = clock

    @property
    def path(self) -> Path:
        """The database's file, which may not exist."""
        return self._database.path

    def begin(self, job: str, output: str | Path, version: str) -> int:
        """Record that a run begins now; return its number, from 1, or 0 if it could not be recorded."""
        now = self._clock().astimezone(UTC).isoformat()
        row = (job, now, str(output), version, process_mark(), None)
        return self._database.write(lambda database: _insert(database, row), 0)

    def finish(self, run: int, summary: RunSummary, files: Iterable[str | Path] = ()) -> None:
        """Record the summary of a run that has ended, and the files that it wrote.

        ``files`` are other files that belong to ``summary.output``: its change feed. If the run is incomplete
        (outcome not in FINISHED), no file is recorded: the next run continues its output.
        """
        ended = summary.outcome in FINISHED and summary.output
        wrote = [resolve_folder(path) for path in (summary.output, *files)] if ended else []

        def work(database: SqliteFile) -> None:
            number = _keep(database, run, summary)
            database.executemany(_ADD_FILE, _file_rows(wrote, number))

        self._database.write(work, None)

    def recent(self, job: str, n: int) -> list[RunSummary]:
        """Return the last ``n`` runs of a job, or of all jobs for ``""``, newest first.

        A run without a summary is ``running`` if it is the last of its job and its process lives, else
        ``interrupted``.
        """
        query = (
            "SELECT *, run = (SELECT max(run) FROM runs AS others WHERE others.job = runs.job) FROM runs "
            "WHERE ? IN (job, '') ORDER BY run DESC LIMIT ?"
        )
        return [_summary(*row) for row in self._select(query, job, max(0, n))]

    def jobs(self) -> list[str]:
        """Return the names of all jobs that have run; the one that ran last is at the end."""
        query = "SELECT job FROM runs GROUP BY job ORDER BY max(run)"
        return [job for (job,) in self._select(query)]

    def outputs(self, job: str) -> list[OutputFile]:
        """Return the files that a job's runs wrote, newest run first; some may have changed or gone."""
        query = (
            "SELECT path, run, began, summary, size, modified FROM files JOIN runs USING (run) "
            "WHERE job = ? ORDER BY run DESC, path"
        )
        return [
            OutputFile(Path(path), run, _time(began), _outcome(summary), size, modified)
            for path, run, began, summary, size, modified in self._select(query, job)
        ]

    def add_output(self, run: int, path: Path, status: os.stat_result) -> bool:
        """Record a file of a run with its status; return whether that could be done."""
        row = (os.fspath(resolve_folder(path)), run, status.st_size, status.st_mtime_ns)
        return self._database.write(lambda database: bool(database.execute(_ADD_FILE, row)), False)

    def forget(self, output: str | Path) -> None:
        """Remove a file from the history, but not its run."""
        row = (os.fspath(resolve_folder(output)),)
        self._database.write(lambda database: database.execute("DELETE FROM files WHERE path = ?", row), None)

    def _select(self, query: str, *parameters: str | int) -> list[Any]:
        """Return the rows of a query; none if they cannot be read."""
        return self._database.read(lambda database: database.execute(query, parameters).fetchall(), [])


def _insert(database: SqliteFile, row: tuple[str | None, ...]) -> int:
    insert = "INSERT INTO runs (job, began, output, version, process, summary) VALUES (?, ?, ?, ?, ?, ?)"
    return database.execute(insert, row).lastrowid or 0


def _keep(database: SqliteFile, run: int, summary: RunSummary) -> int:
    """Store a summary and return its number: a new one if the history was lost since the run began."""
    update = "UPDATE runs SET summary = ?, output = ? WHERE run = ? AND job = ? AND summary IS NULL"
    text = summary.to_json()
    if database.execute(update, (text, summary.output, run, summary.job)).rowcount:
        return run
    began = summary.began.isoformat()
    return _insert(database, (summary.job, began, summary.output, summary.version, "", text))


def _file_rows(paths: Iterable[Path], run: int) -> Iterable[tuple[str, int, int, int]]:
    for path in paths:
        try:
            status = os.lstat(path)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            yield os.fspath(path), run, status.st_size, status.st_mtime_ns


def _summary(*row: *tuple[int, str, str, str, str, str, str | None, int]) -> RunSummary:
    run, job, began, output, version, process, text, is_last = row
    if text is None:
        outcome = "running" if is_last and is_alive(process) else "interrupted"
    else:
        try:
            return replace(RunSummary.from_json(text), run=run, job=job)
        except ValueError:  # not written by parascrape: use the row's other columns
            outcome = "crashed"
    return RunSummary(job, _time(began), run=run, version=version, outcome=outcome, output=output)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def _outcome(text: str | None) -> str:
    try:
        return RunSummary.from_json(text or "").outcome
    except ValueError:
        return "crashed"
