"""The command ``scrape audit``: its table, its JSON and its exit status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from parascrape.cli import run
from parascrape.harvesting.audit import TOLERANCE
from tests.harvesting.test_audit import page
from tests.sites import site as site_module
from tests.sites.site import Site, Visitor


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An output to be written."""
    return tmp_path / "out.jsonl"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site that forbids one page, and a list of it in the working directory."""
    monkeypatch.chdir(tmp_path)
    text = b"User-agent: *\nDisallow: /page/3\n"
    monkeypatch.setitem(site_module.ROUTES, "robots.txt", lambda visitor: Visitor.answer(visitor, text))
    with Site() as running:
        Path("list.txt").write_text("".join(f"{running(f'/page/{number}')}\n" for number in range(12)))
        yield running


@pytest.mark.parametrize("mode", ["sequential", "thread", "process"])
def test_a_harvest_passes_the_audit_of_its_own_limits(
    mode: str, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """And fails one that is stricter than it was."""
    options = ("--mode", mode, "--processes", "2", "--select", "title=title", "--quiet")
    assert run(["list.txt", *options, "--per-host", "2", "--delay", "0.02", "--output", "out.jsonl"]) == 0
    assert run(["audit", "out.jsonl", "--robots", "--per-host", "2", "--delay", "0.02"]) == 0
    assert "11 fetches for 12 outcomes. No limit was broken." in capsys.readouterr().out
    assert run(["audit", "out.jsonl", "--delay", "5"]) == 1
    out = capsys.readouterr().out
    assert "11 fetches for 12 outcomes. BROKEN 10 times, at 1 host." in out
    assert "Not judged: robots.txt (--robots asks for it)." in out


def test_forbidden_fetches_are_reported(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """By asking for it now; the answer is in JSON too."""
    assert (
        run(["list.txt", "--ignore-robots", "--select", "t=title", "--quiet", "--output", "out.jsonl"]) == 0
    )
    assert run(["audit", "out.jsonl", "--json", "--top", "0"]) == 0
    assert json.loads(capsys.readouterr().out)["asked"] is False
    assert run(["audit", "out.jsonl", "--robots", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["top"][0]["forbidden"] == found["broken"] == 1
    assert list(found) == [
        "broken", "pages", "fetches", "refused", "unseen", "unmeasured", "foreign", "unreachable",
        "hosts", "asked", "limits", "top",
    ]  # fmt: skip
    assert found["limits"] == {"per_host": 4, "delay": 0.0, "tolerance": TOLERANCE}
    assert found["hosts"] == 1


@pytest.mark.parametrize("arguments", [("none.jsonl",), (".",), ("out.jsonl", "--top", "-1"), ()])
def test_wrong_usage_is_reported_in_one_line(
    arguments: tuple[str, ...],
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On standard error, with exit status 2."""
    monkeypatch.chdir(output.parent)
    output.write_bytes(page(0.0))
    assert run(["audit", *arguments]) == 2
    out, errors = capsys.readouterr()
    assert (out, errors.count("\n")) == ("", 1)


def test_an_empty_output_passes_the_audit(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says so, and the status is 0."""
    output.write_bytes(b"")
    assert run(["audit", str(output)]) == 0
    assert "0 fetches for 0 outcomes. No fetch to audit." in capsys.readouterr().out


def test_the_table_fits_80_columns(
    output: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long host gives way, the numbers stay whole."""
    monkeypatch.setenv("COLUMNS", "80")
    url = "http://" + "long." * 40 + "example/"
    output.write_bytes(b"".join(page(start, 1.0, url=url) for start in range(0, 54_321 * 3, 54_321)))
    assert run(["audit", str(output), "--delay", "86400"]) == 1
    table = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert [line.split() for line in table] == [
        ["least", "at", "too", "too", "Retry-", "for-"],
        ["host", "fetches", "gap", "once", "soon", "many", "After", "bidden"],
        [table[2].split()[0], "3", "54,321.000", "s", "1", "2", "0", "0", "0"],
    ]
    assert table[2].split()[0].endswith("…")
    assert max(map(len, table)) <= 80


def test_hosts_from_an_output_cannot_write_to_the_terminal(
    output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is untrusted: markup is plain text, and invalid hosts are left out."""
    lines = [page(0.0, url=url) for url in ("http://h\x1b[31m/", "http://[red]h/", "http://h/[/red]\x1b[0m")]
    output.write_bytes(b"".join(lines) + page(0.0, url="http://plain/[/red]"))
    assert run(["audit", str(output)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "http://plain" in out
