"""The command ``scrape demo``: the bundled site, harvested like any list."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from parascrape.cli import run
from parascrape.loopback.demo.site import expected, listing
from tests.helpers.command import read_records

TITLES = [  # the encoding, the path in its newspaper, the title and the newspaper's name
    ("utf-8", "/town/2024/000.html", "港町の図書館、夜8時まで開館へ", "港町日報"),
    ("shift_jis", "/railways/2024/001.html", "鳴海行きの夜行列車、18年ぶりに復活", "白川新報"),
    ("euc-jp", "/town/2024/000.html", "商工会、若宮に4か所の花壇を計画", "鳴海タイムス"),
]


@pytest.mark.parametrize("mode", [pytest.param("thread", marks=pytest.mark.slow), "process"])
def test_the_demo_gives_what_its_site_intends(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit status is 0, each page has a record, and what fails and how often it is tried is intended."""
    monkeypatch.chdir(tmp_path)
    assert run(["demo", "--mode", mode, "--quiet"]) == 0
    records = read_records("output/demo.jsonl")
    assert len({record["url"] for record in records}) == len(records) == len(listing())
    assert Counter(record.get("error", {}).get("code", "ok") for record in records) == expected()
    assert_japanese_reads_right(records)
    attempts = {urlsplit(record["url"]).path: record["meta"]["attempts"] for record in records}
    assert {count for path, count in attempts.items() if path.startswith(("/busy/", "/hurry/"))} == {2}
    assert {count for path, count in attempts.items() if path.startswith("/missing/")} == {1}


def assert_japanese_reads_right(records: list[dict[str, Any]]) -> None:
    """Check titles in every encoding letter by letter; no text holds a replacement character."""
    found = {
        (record["meta"]["encoding"], urlsplit(record["url"]).path, record["title"], record["site_name"])
        for record in records
        if "error" not in record
    }
    assert set(TITLES) <= found
    assert not [record["url"] for record in records if "\ufffd" in str(record.get("text"))]


def test_the_demo_always_starts_anew(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A second run fetches again what the first one wrote."""
    output = tmp_path / "twice.jsonl"
    for _ in range(2):
        assert run(["demo", "--limit", "3", "--scraper", "page", "-o", str(output)]) == 0
        assert len(read_records(output)) == 3
        assert "3 outcomes: 3 good, 0 failed." in capfd.readouterr().err


def test_a_limit_ends_the_demo_early(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The first pages are all good, and the summary names the output."""
    output = tmp_path / "few.jsonl"
    assert run(["demo", "--limit", "5", "--scraper", "page", "-o", str(output)]) == 0
    assert len(read_records(output)) == 5
    out, errors = capfd.readouterr()
    assert out == ""
    assert "5 outcomes: 5 good, 0 failed." in errors
    assert f"head -n 3 {output}" in errors
