"""``scrape diff``: what it prints, writes and exits with."""

from __future__ import annotations

from pathlib import Path

import pytest

from parascrape.cli import run
from tests.files.test_diff import bad, good, write
from tests.helpers.command import read_records


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two outputs in the working directory."""
    monkeypatch.chdir(tmp_path)
    many = [good({"a": 1}, url=f"http://h/{number}") for number in range(5)]
    write(Path("old"), good({"title": "a", "price": 1}), good({"a": 1}, url="http://h/\x1b[31m"), *many)
    write(Path("new"), good({"title": "b", "price": 2}), bad("timeout", 0, url="http://h/\x1b[31m"))


def test_the_counts_and_a_few_examples_are_shown(capfd: pytest.CaptureFixture[str]) -> None:
    """Control characters of a URL do not reach the terminal."""
    assert run(["diff", "old", "new"]) == 0
    out, errors = capfd.readouterr()
    assert not errors
    assert "changed  http://h/a  title, price\n" in out
    assert "removed  http://h/0\n" in out
    assert "         and 2 more\n" in out
    assert "timeout" in out
    assert "\x1b" not in out
    assert out.endswith("1 changed, 5 removed, 1 failed; 0 as before.\n")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("old", "new", "--exit-code"), 1),
        (("old", "old", "--exit-code"), 0),
        (("old", "new"), 0),
        (("old", "none"), 2),
        (("old", "new", "-o", "new"), 2),
        (("old",), 2),
    ],
)
def test_exit_code_reports_changes(arguments: tuple[str, ...], status: int) -> None:
    """Only with --exit-code."""
    assert run(["diff", *arguments]) == status


def test_the_changes_are_written(capfd: pytest.CaptureFixture[str]) -> None:
    """Each change is one JSON line; equal outputs give an empty file."""
    run(["diff", "old", "new", "-o", "changes.jsonl"])
    assert [one["change"] for one in read_records("changes.jsonl")] == ["changed", "failed", *["removed"] * 5]
    run(["diff", "old", "old", "-o", "changes.jsonl"])
    assert read_records("changes.jsonl") == []
    assert capfd.readouterr().out.endswith("No changes; 7 as before.\n")
