"""``scrape run`` killed and interrupted, as processes."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.helpers.command import children, finish, lives, read_records, start_scrape, until
from tests.helpers.jobs import PAGES, outputs, unfinished, write_harvest
from tests.sites.site import Site

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at in /proc"),
]


def test_a_kill_leaves_no_process_and_loses_no_record(site: Site, tmp_path: Path) -> None:
    """The harvest ends with its run, a second start meanwhile is refused, and the next one goes on."""
    file = write_harvest(tmp_path, site, "delay = 0.3\nper_domain = true")
    process = start_scrape("run", file)
    assert until(lambda: unfinished(tmp_path) >= 1, 20)
    status, _, errors = finish(start_scrape("run", file))
    assert status == 75
    assert f"job news is being run by process {process.pid}" in errors
    below = children(process.pid)
    process.kill()
    finish(process)
    assert until(lambda: not any(lives(pid) for pid in below))
    assert outputs(tmp_path) == []
    text = file.read_text().replace("delay = 0.3", "delay = 0.0")
    file.write_text(text)
    status, _, errors = finish(start_scrape("run", file))
    assert status == 0, errors
    assert "resuming the run of" in errors
    (output,) = outputs(tmp_path)
    assert len({record["url"] for record in read_records(output)}) == PAGES


def test_ctrl_c_reaches_the_harvest_once(site: Site, tmp_path: Path) -> None:
    """Twice would end it at once; once it writes what is in flight."""
    process = start_scrape("run", write_harvest(tmp_path, site, "delay = 0.3"))
    assert until(lambda: unfinished(tmp_path) >= 1, 20)
    os.killpg(process.pid, signal.SIGINT)
    status, _, errors = finish(process)
    assert status == 130
    assert "Stopped before the end." in errors
