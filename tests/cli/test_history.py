"""``scrape history``: the table, its small bars, JSON, and the page."""

from __future__ import annotations

import io
import json
import re
import sys
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from parascrape.cli import run
from parascrape.cli.sparkline import BLOCKS, PLAIN, bars_for, sparkline
from parascrape.jobs.history import History, history_path
from parascrape.jobs.history_page import COLOURS, COLUMNS, cells_of, make_page
from parascrape.jobs.summary import OUTCOMES, ChangeTotals
from tests.helpers.histories import NOON, Clock, summary

HOSTILE = '<script>\x1b[2J\u202e&"'


@pytest.fixture(autouse=True)
def _without_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parascrape.system.sqlite._SYNCHRONOUS", "OFF")
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
    history = History(history_path(job_file), clock=clock)
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
        history._database.write(
            lambda database, job=job: database.execute(
                "INSERT INTO runs (job, began, output, version, process) VALUES (?, ?, '', '', '')",
                (job, clock.now.isoformat()),
            ),
            None,
        )


def test_the_table_shows_the_last_runs(job_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Newest first, with bars of all that are shown from left to right, and what failed last."""
    fill(job_file, "news")
    assert run(["history", str(job_file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "news: 5 runs, newest first"
    assert lines[1] == "records   ▁▃▆█?  at most 300"
    assert lines[2] == "failures  ▁▁▁█?  at most 1,203"
    assert lines[3].split() == list(COLUMNS)
    assert lines[4].split()[2:] == ["interrupted"]
    assert " ".join(lines[5].split()[2:]) == "1:15 100 0 1,203 0 0.0 some failed 1 +3 ~40 -2 !3"
    assert "Last run, failed by code: timeout 1,200, dns 3." in lines
    assert "\\x1b[2J\\u202e" in lines[10]
    assert lines[-1].startswith("changes: +")
    assert len(lines) == 13


def test_one_job_and_fewer_runs_can_be_asked_for(job_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the history's own file as well."""
    fill(job_file, "news", "shop")
    assert run(["history", str(history_path(job_file)), "shop", "--last", "2"]) == 0
    out = capsys.readouterr().out
    assert "shop: 2 runs" in out
    assert "news" not in out


def test_a_terminal_without_blocks_gets_plain_bars(job_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No character is printed that it cannot show."""
    fill(job_file, "news")
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert run(["history", str(job_file)]) == 0
    assert b"records   _:+#?  at most 300" in raw.getvalue()


def test_json_holds_whole_summaries(job_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By job, newest first."""
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
        (["missing.toml"], "missing.toml: there is no such file"),
        (["missing.sqlite3"], "missing.sqlite3: there is no such file"),
        (["FILE", "new"], "new: no run of such a job; did you mean news?"),
        (["FILE", "--last", "0"], "--last: 0 is not from 1"),
        (["FILE", "--last", "10001"], "--last: 10001 is not from 1"),
    ],
)
def test_wrong_usage_is_said(
    job_file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """In one line, with exit status 2."""
    fill(job_file, "news")
    named = [str(job_file) if one == "FILE" else one for one in arguments]
    assert run(["history", *named]) == 2
    assert message in capsys.readouterr().err


# --- the page ---------------------------------------------------------------------------------------


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += data


def test_the_page_needs_nothing_beside_it(job_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No script, link, image or address of another file; and standard output stays empty."""
    fill(job_file, "news", HOSTILE)
    page = job_file.with_name("pages") / "history.html"
    assert run(["history", str(job_file), "--html", str(page)]) == 0
    assert capsys.readouterr().out == ""
    text = page.read_text(encoding="utf-8")
    elements = Elements(text)
    names = {name for name, _ in elements.found}
    assert names.isdisjoint({"script", "link", "img", "iframe", "a", "foreignobject", "use"})
    assert {key for _, attributes in elements.found for key in attributes}.isdisjoint({"src", "href"})
    assert "url(" not in text
    assert '<script>\\x1b[2J\\u202e&"' in elements.text
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", text)
    assert [path.name for path in page.parent.iterdir()] == ["history.html"]


def test_the_page_draws_every_run(job_file: Path) -> None:
    """Four plots of a job, a bar a run in each, oldest first; words for those who cannot see them."""
    runs = [summary(records=count, began=NOON + timedelta(days=count)) for count in (3, 2, 1)]
    found = Elements(make_page("harvest.toml", {"news": runs})).found
    bars = [attributes for name, attributes in found if name == "rect" and attributes.get("x")]
    assert len(bars) == 12
    heights = [float(attributes["height"] or 0) for attributes in bars[:3]]
    assert heights == pytest.approx([heights[2] / 3, heights[2] * 2 / 3, heights[2]], abs=0.01)
    labels = [attributes["aria-label"] for _, attributes in found if "aria-label" in attributes]
    assert labels[0] == "Records of the last 3 runs, oldest first: 1, 2, 3"


def test_a_page_that_cannot_be_written_leaves_the_old_one(
    job_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 74."""
    assert run(["history", str(job_file), "--html", str(job_file / "x.html")]) == 74
    assert "x.html" in capsys.readouterr().err


@given(st.text(), st.text())
def test_no_text_becomes_markup(job: str, title: str) -> None:
    """Whatever jobs and files are called, the page has the same elements."""
    plain = Elements(make_page("a", {"b": [summary(outcome="some_failed", failed={"c": 1})]})).found
    page = make_page(title, {job: [summary(outcome="some_failed", failed={job: 1})]})
    assert [name for name, _ in Elements(page).found] == [name for name, _ in plain]


def contrast_to_white(colour: str) -> float:
    """By WCAG 2.2, relative luminance."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)


def test_every_outcome_has_a_colour_that_is_seen() -> None:
    """On white, and no two alike."""
    assert set(COLOURS) == OUTCOMES
    assert len(set(COLOURS.values())) == len(COLOURS)
    assert min(map(contrast_to_white, COLOURS.values())) >= 2.6


# --- cells and bars ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.4, "59.4 s"), (59.6, "1:00"), (3600, "1:00:00")]
)
def test_a_row_says_how_long_a_run_took(seconds: float, text: str) -> None:
    """In seconds, or as a clock has it."""
    cells = cells_of(summary(seconds=seconds), NOON.tzinfo)
    assert cells[:2] == ["2026-03-01 12:00", text]
    assert len(cells) == len(COLUMNS)


@given(st.lists(st.none() | st.floats(0, 1e12)), st.sampled_from([BLOCKS, PLAIN]))
def test_bars_keep_the_order_of_their_values(values: list[float | None], bars: str) -> None:
    """One each; only zero has the lowest, the greatest has the highest."""
    line = sparkline(values, bars)
    assert len(line) == len(values)
    known = sorted(
        (value, bars.index(bar)) for value, bar in zip(values, line, strict=True) if value is not None
    )
    assert [height for _, height in known] == sorted(height for _, height in known)
    assert all((height == 0) == (value == 0) for value, height in known)
    assert not known or known[-1][0] == 0 or known[-1][1] == len(bars) - 1


@pytest.mark.parametrize("encoding", [None, "", "ascii", "latin-1", "no such encoding", "cp1252"])
def test_bars_that_cannot_be_shown_are_not_used(encoding: str | None) -> None:
    """Plain ones are ASCII."""
    assert bars_for(encoding) == PLAIN
    assert PLAIN.isascii()
