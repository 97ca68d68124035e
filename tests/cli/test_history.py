"""``scrape history``: the table, its small bars, JSON, and the page."""

from __future__ import annotations

import io
import json
import re
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from parascrape.cli import run
from parascrape.cli.history import BLOCKS, PLAIN, bars_for, sparkline
from parascrape.jobs.history import SCHEMA, history_path
from parascrape.jobs.history_page import COLOURS, COLUMNS, cells_of, draw_charts, make_page
from parascrape.jobs.summary import OUTCOMES, ChangeTotals
from parascrape.system import ReopenedFile
from tests.helpers.histories import NOON, Clock, open_history, summary
from tests.helpers.html_elements import Elements

HOSTILE = '<script>\x1b[2J\u202e&"'


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def job_file(tmp_path: Path) -> Path:
    """A job file that has not run."""
    path = tmp_path / "harvest.toml"
    path.write_text("")
    return path


def fill(job_file: Path, *jobs: str) -> None:
    """Five runs of each job: a good one a day, then one with failures, and one that was killed."""
    clock = Clock()
    history = open_history(history_path(job_file), clock=clock)
    for job in jobs:
        for number in range(4):
            values = {"records": 100 * number, "good": 100, "inputs": 100, "seconds": 75.0}
            if number == 3:
                failed = {"timeout": 1200, "dns": 3}
                values |= {"outcome": "some_failed", "exit_status": 1, "failed": failed}
                values |= {
                    "failing_hosts": {f"http://{HOSTILE}": 1203},
                    "changes": ChangeTotals(2, 40, 1, 1, 3, 1),
                }
            made = summary(job=job, began=clock.now, **{"exit_status": 0, **values})
            history.finish(history.begin(job, "", "1"), made)
            clock.forward(days=1)
        ReopenedFile(history.path, SCHEMA).write(
            lambda database, job=job: database.execute(
                "INSERT INTO runs (job, began, output, version, process) VALUES (?, ?, '', '', '')",
                (job, clock.now.isoformat()),
            ),
            None,
        )


def test_the_table_shows_the_last_runs(job_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are newest first, with a bar for each run, oldest first, and the last failures."""
    fill(job_file, "news")
    assert run(["history", str(job_file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "news: 5 runs, newest first"
    assert lines[1] == "records   ▁▃▆█?  at most 300"
    assert lines[2] == "failures  ▁▁▁█?  at most 1,203"
    assert lines[3].split() == list(COLUMNS)
    assert lines[4].split()[2:] == ["interrupted"]
    assert " ".join(lines[5].split()[2:]) == "1 min 15 s 100 0 1,203 0 0.0 some failed 1 +3 ~40 -2 !3"
    assert "Last run, failed by code: timeout 1,200, dns 3." in lines
    assert "\\x1b[2J\\u202e" in lines[10]
    assert lines[-1].startswith("changes: +")
    assert len(lines) == 13


def test_job_and_number_of_runs_can_be_chosen(job_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The history's own file can be named too."""
    fill(job_file, "news", "shop")
    assert run(["history", str(history_path(job_file)), "shop", "--last", "2"]) == 0
    out = capsys.readouterr().out
    assert "shop: 2 runs" in out
    assert "news" not in out


def test_a_terminal_without_blocks_gets_plain_bars(job_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every character can be shown."""
    fill(job_file, "news")
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert run(["history", str(job_file)]) == 0
    assert b"records   _:+#?  at most 300" in raw.getvalue()


def test_json_has_whole_summaries(job_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are grouped by job, newest first."""
    fill(job_file, "news", "shop")
    assert run(["history", str(job_file), "--json", "--last", "3"]) == 0
    jobs = json.loads(capsys.readouterr().out)["jobs"]
    assert {name: [one["run"] for one in runs] for name, runs in jobs.items()} == {
        "news": [5, 4, 3],
        "shop": [10, 9, 8],
    }
    assert jobs["news"][1]["failed"] == {"timeout": 1200, "dns": 3}
    assert jobs["news"][1]["began"] == "2026-03-04T12:00:00.000Z"


@pytest.mark.parametrize("arguments", [[], ["news"], ["--json"]])
def test_a_job_file_that_never_ran_has_no_runs(
    job_file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """And looking makes no history."""
    assert run(["history", str(job_file), *arguments]) == 0
    out = capsys.readouterr().out
    assert out == ('{"jobs":{}}\n' if arguments == ["--json"] else "No runs yet.\n")
    assert not history_path(job_file).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.toml"], "missing.toml: no such file"),
        (["missing.sqlite3"], "missing.sqlite3: no such file"),
        (["FILE", "new"], "new: no job of this name has run; did you mean 'news'?"),
        (["FILE", "--last", "0"], "--last: 0 is not between 1"),
        (["FILE", "--last", "10001"], "--last: 10001 is not between 1"),
    ],
)
def test_wrong_usage_is_reported(
    job_file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """In one line, with exit status 2."""
    fill(job_file, "news")
    named = [str(job_file) if one == "FILE" else one for one in arguments]
    assert run(["history", *named]) == 2
    assert message in capsys.readouterr().err


# --- the page ---------------------------------------------------------------------------------------


def test_the_page_is_self_contained(job_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It refers to no other file, has only the charts' script, and standard output stays empty."""
    fill(job_file, "news", HOSTILE)
    page = job_file.with_name("pages") / "history.html"
    assert run(["history", str(job_file), "--html", str(page)]) == 0
    assert capsys.readouterr().out == ""
    text = page.read_text(encoding="utf-8")
    elements = Elements(text)
    names = {name for name, _ in elements.found}
    assert names.isdisjoint({"link", "img", "iframe", "a", "foreignobject", "use"})
    assert len(elements.scripts()) == 2
    assert {key for _, attributes in elements.found for key in attributes}.isdisjoint({"src", "href"})
    assert "url(" not in text
    assert '<script>\\x1b[2J\\u202e&"' in elements.text
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", text)
    assert [path.name for path in page.parent.iterdir()] == ["history.html"]


def test_the_page_draws_every_run() -> None:
    """A job has four charts with a bar for each run, oldest first, and the numbers as text."""
    runs = [summary(records=count, began=NOON + timedelta(days=count)) for count in (1, 2, 3)]
    charts = list(draw_charts(runs))
    assert [chart.title for chart in charts] == ["Records", "Failures", "Pages a second", "Seconds"]
    assert all(len(chart.labels) == len(chart.series[0].values) == 3 for chart in charts)
    assert charts[0].rows_of_numbers() == [[f"2026-03-0{day} 12:00", str(day - 1)] for day in (2, 3, 4)]
    elements = Elements(make_page("harvest.toml", {"news": runs[::-1]}))
    assert [name for name, _ in elements.found].count("canvas") == 4


def test_a_run_has_the_colour_of_its_outcome() -> None:
    """A run that has not ended has no bar."""
    runs = [summary(), summary(outcome="crashed"), summary(outcome="running", ended=None)]
    series = next(iter(draw_charts(runs))).series
    assert [(one.name, list(one.colours)) for one in series] == [
        (outcome, [COLOURS[outcome]]) for outcome in ("good", "crashed", "running")
    ]
    assert [list(one.values) for one in series] == [[0, None, None], [None, 0, None], [None] * 3]


def test_a_failed_write_keeps_the_old_page(job_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 74."""
    assert run(["history", str(job_file), "--html", str(job_file / "x.html")]) == 74
    assert "x.html" in capsys.readouterr().err


@given(st.text(), st.text())
def test_names_are_escaped(job: str, title: str) -> None:
    """The page has the same elements for any names of jobs and files."""
    plain = Elements(make_page("a", {"b": [summary(outcome="some_failed", failed={"c": 1})]})).found
    page = make_page(title, {job: [summary(outcome="some_failed", failed={job: 1})]})
    assert [name for name, _ in Elements(page).found] == [name for name, _ in plain]


def contrast_to_white(colour: str) -> float:
    """By WCAG 2.2, relative luminance."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)


def test_every_outcome_has_a_visible_colour() -> None:
    """It is visible on white, and no two are equal."""
    assert set(COLOURS) == OUTCOMES
    assert len(set(COLOURS.values())) == len(COLOURS)
    assert min(map(contrast_to_white, COLOURS.values())) >= 2.6


# --- cells and bars ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.04 s"), (59.4, "59.4 s"), (60, "1 min 00 s"), (3600, "1 h 00 min")]
)
def test_a_row_has_the_duration_of_its_run(seconds: float, text: str) -> None:
    """It is rounded to its unit."""
    cells = cells_of(summary(seconds=seconds), NOON.tzinfo)
    assert cells[:2] == ["2026-03-01 12:00", text]
    assert len(cells) == len(COLUMNS)


@given(st.lists(st.none() | st.floats(0, 1e12)), st.sampled_from([BLOCKS, PLAIN]))
def test_bars_are_ordered_as_their_values(values: list[float | None], bars: str) -> None:
    """Each value has one bar; only zero has the lowest, and the greatest has the highest."""
    line = sparkline(values, bars)
    assert len(line) == len(values)
    known = sorted(
        (value, bars.index(bar)) for value, bar in zip(values, line, strict=True) if value is not None
    )
    assert [height for _, height in known] == sorted(height for _, height in known)
    assert all((height == 0) == (value == 0) for value, height in known)
    assert not known or known[-1][0] == 0 or known[-1][1] == len(bars) - 1


@pytest.mark.parametrize("encoding", [None, "", "ascii", "latin-1", "no such encoding", "cp1252"])
def test_bars_fit_the_encoding(encoding: str | None) -> None:
    """The plain ones are ASCII."""
    assert bars_for(encoding) == PLAIN
    assert PLAIN.isascii()
