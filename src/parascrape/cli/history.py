"""``scrape history FILE``: the runs of a job file as a table, JSON, or an HTML page with charts."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from parascrape.cli.options import TABLE, Choices, Options, command, pick
from parascrape.cli.tables import make_table, to_json, write_out
from parascrape.errors import UsageError
from parascrape.settings import Option
from parascrape.system import did_you_mean, output_errors, printable, replace_file, show_count

if TYPE_CHECKING:
    from parascrape.jobs import RunSummary

_Runs = Mapping[str, "Sequence[RunSummary]"]

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = "_.:-=+*#"

_HISTORY: Options = {
    "job_file": Option(..., "FILE", "The job file, or its history.", "History", type=str),
    "job": Option(None, "[JOB]", "One of its jobs [all].", "History", type=str),
    "last": Option(20, "--last N", "Runs of each job [{default}].", "Display", (1, 10_000)),
}
_HTML: Options = {"html": Option("", "--html FILE", "Write an HTML page with charts.", "Display")}


@command(_HISTORY, pick(TABLE, "json"), _HTML)
def history(chosen: Choices) -> int:
    """Show the last runs of a job file: when, how long, their outcomes and what changed.

    The history is beside the job file: harvest.history.sqlite3. Deleting it loses no records.
    Exit status: 0, 2 wrong usage, 74 the page could not be written.
    """
    from parascrape.jobs import make_page

    job_file, html = chosen["job_file"], chosen["html"]
    runs = _runs(job_file, chosen["job"], chosen["last"])
    if html:
        with output_errors(html), replace_file(Path(html), text=True) as file:
            file.write(make_page(Path(job_file).name, runs))
    if chosen["json"]:
        shown = {name: [run.as_dict() for run in its] for name, its in runs.items()}
        return write_out(to_json({"jobs": shown}))
    return 0 if html else write_out("\n".join(_as_text(runs)))


def _runs(job_file: str, job: str | None, last: int) -> _Runs:
    """Return the runs of each job, newest first. Raises UsageError without a file, and for a misspelt job."""
    from parascrape.jobs import History, history_path

    path = Path(job_file)
    found = path if path.suffix == ".sqlite3" else history_path(path)
    if not found.exists() and (found == path or not path.exists()):
        raise UsageError(f"{job_file}: no such file")
    kept = History(found)
    jobs = kept.jobs()
    if job is not None and job not in jobs and (hint := did_you_mean(job, jobs)):
        raise UsageError(f"{job}: no job of this name has run{hint}")
    return {name: kept.recent(name, last) for name in (jobs if job is None else [job])}


def _as_text(runs: _Runs) -> Iterator[str]:
    from parascrape.jobs import LEGEND

    if not any(runs.values()):
        yield "No runs yet."
        return
    for name, its in runs.items():
        yield from _job_as_text(name, its)
        yield ""
    yield LEGEND


def _job_as_text(name: str, runs: Sequence[RunSummary]) -> Iterator[str]:
    from parascrape.jobs import COLUMNS, cells_of, explain

    bars = bars_for(getattr(sys.stdout, "encoding", None))
    oldest_first = runs[::-1]
    records = [run.records if run.ended else None for run in oldest_first]
    failures = [run.failures if run.ended else None for run in oldest_first]
    yield f"{printable(name)}: {show_count(len(runs), 'run')}, newest first"
    yield f"records   {sparkline(records, bars)}  at most {max(filter(None, records), default=0):,}"
    yield f"failures  {sparkline(failures, bars)}  at most {max(filter(None, failures), default=0):,}"
    yield make_table(COLUMNS, map(cells_of, runs))
    yield from explain(runs)


def bars_for(encoding: str | None) -> str:
    """Return the bars that a terminal of this encoding can show.

    >>> bars_for("utf-8") == BLOCKS, bars_for("ascii") == PLAIN
    (True, True)
    """
    try:
        BLOCKS.encode(encoding or "ascii")
    except (UnicodeError, LookupError):
        return PLAIN
    return BLOCKS


def sparkline(values: Sequence[float | None], bars: str = BLOCKS) -> str:
    """Return one bar per value, from 0 to the greatest value; a question mark for None.

    Only 0 has the lowest bar, so that a single failure is seen.

    >>> sparkline([0, 1, 50, None, 100], PLAIN)
    '_.=?#'
    """
    greatest = max((value for value in values if value is not None), default=0)
    top = len(bars) - 1

    def bar(value: float | None) -> str:
        if value is None:
            return "?"
        return bars[max(1, round(value / greatest * top))] if value > 0 else bars[0]

    return "".join(map(bar, values))
