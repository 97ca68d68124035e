"""``scrape run`` and ``scrape schedule`` as processes: signals, kills, overlapping starts."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.helpers.command import finish, read_records, start_scrape, until
from tests.helpers.jobs import PAGES, outputs, unfinished, write_harvest, write_jobs
from tests.sites.site import Site

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at in /proc")


def test_a_job_runs_once(site: Site, tmp_path: Path) -> None:
    """Its records are in the output that latest points to, and it leaves nothing else."""
    file = write_harvest(tmp_path, site)
    status, out, errors = finish(start_scrape("run", file, "--log-json"))
    assert (status, out) == (0, ""), errors
    assert len(read_records(tmp_path / "output" / "latest.jsonl")) == PAGES
    assert sorted(path.name for path in (tmp_path / "output").iterdir())[-1] == "latest.jsonl"
    assert len(list((tmp_path / "output").iterdir())) == 2
    said = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    assert said[-1]["message"].startswith(f"job news: {PAGES} good, 0 of them unchanged: ")


def test_each_mistake_has_its_own_line(tmp_path: Path) -> None:
    """All mistakes are reported, and the exit status is 2."""
    status, _, errors = finish(start_scrape("run", write_jobs(tmp_path, "[jobs.a]\nper_hots = 1")))
    assert status == 2
    assert errors.splitlines() == [
        "scrape: harvest.toml: jobs.a.per_hots: no such key; did you mean 'per_host'?",
        "scrape: harvest.toml: jobs.a.lists: is missing",
        "scrape: harvest.toml: jobs.a.output: is missing",
    ]


def test_the_scheduler_stops_cleanly_and_resumes_at_the_next_start(site: Site, tmp_path: Path) -> None:
    """SIGTERM in the middle of a harvest; the next start takes it up at once, whatever the schedule says."""
    file = write_harvest(tmp_path, site, 'delay = 0.3\nevery = "1s"')
    process = start_scrape("schedule", file)
    assert until(lambda: unfinished(tmp_path) >= 1, 20)
    process.send_signal(signal.SIGTERM)
    status, _, errors = finish(process)
    assert status == 143, errors
    assert "job news: every 1s; next " in errors
    assert "job news ended with status 143" in errors
    assert outputs(tmp_path) == []
    assert 1 <= unfinished(tmp_path) < PAGES
    file.write_text(file.read_text().replace('delay = 0.3\nevery = "1s"', 'every = "300d"'))
    health = tmp_path / "health.json"
    process = start_scrape("schedule", file, "--health", health)
    assert until(lambda: (tmp_path / "output" / "latest.jsonl").exists(), 20)
    assert until(lambda: json.loads(health.read_text())["jobs"]["news"]["last_status"] == 0, 20)
    process.send_signal(signal.SIGINT)
    status, _, errors = finish(process)
    assert status == 130, errors
    (output,) = outputs(tmp_path)
    assert len({record["url"] for record in read_records(output)}) == PAGES


def test_a_changed_file_is_read_anew(site: Site, tmp_path: Path) -> None:
    """It is reloaded on SIGHUP or at the next check; mistakes are reported, and the known jobs stay."""
    file = write_harvest(tmp_path, site, 'every = "300d"')
    process = start_scrape("schedule", file)
    assert process.stderr is not None
    assert b"job news: every 300d; next " in process.stderr.readline()
    shop = '\n[jobs.shop]\nlists = ["x"]\noutput = "shop/{time}.jsonl"\nevery = "300d"\n'
    steps = [
        (file.read_text() + "\nper_hots = 1\n", b"harvest.toml was not reloaded"),
        (file.read_text() + shop, b"job shop: every 300d"),
    ]
    for number, (text, expected) in enumerate(steps):
        new = tmp_path / f"{number}.toml"
        new.write_text(text)
        os.replace(new, file)
        process.send_signal(signal.SIGHUP)
        assert any(expected in line for line in iter(process.stderr.readline, b""))
    process.terminate()
    assert finish(process)[0] == 143
