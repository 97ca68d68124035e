"""Lists whose bottleneck is known, compared as people do: the verdict names it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.command import start_scrape
from tests.sites.site import Site

pytest.importorskip("warcio")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

HEAVY = """
import time

def heavy(page):
    ends = time.thread_time() + 0.05
    while time.thread_time() < ends:
        pass
    return {}
"""
THREADS = "thread:2,thread:4"


def compare(urls: Sequence[str], folder: Path, *options: object) -> dict[str, Any]:
    """Return the verdict on these URLs, whose best strategy must be the cheapest of those that tie."""
    process = start_scrape(
        "compare", *urls, "--quiet", "--repeat", 2, "--json", "all.json", *options, cwd=folder
    )
    out, errors = process.communicate(timeout=200)
    assert (process.returncode, errors) == (0, b""), out.decode()
    found = json.loads((folder / "all.json").read_text())
    verdict: dict[str, Any] = found["verdict"]
    costs = {one["name"]: (one["processes"], one["threads"]) for one in found["strategies"]}
    assert verdict["strategy"] == min(verdict["tied"], key=costs.__getitem__)
    return verdict


def test_a_slow_network(site: Site, tmp_path: Path) -> None:
    """More threads wait for more answers at once."""
    urls = [site(f"/slow?seconds=0.3&n={n}") for n in range(40)]
    verdict = compare(urls, tmp_path, "--select=t=title", "--per-host=0", f"--strategies={THREADS}")
    assert (verdict["bound"]["name"], verdict["strategy"]) == ("latency", "thread:4")
    assert "thread:16" in verdict["reason"]


def test_a_dear_scraper(site: Site, tmp_path: Path) -> None:
    """Threads share one core."""
    (tmp_path / "heavy.py").write_text(HEAVY)
    urls = [site(f"/page/{n}") for n in range(60)]
    verdict = compare(urls, tmp_path, "--scraper=heavy.py:heavy", "--strategies=sequential,thread:4")
    assert verdict["bound"]["name"] == "cpu"


@pytest.mark.parametrize("limit", ["--per-host=1", "--delay=0.2"])
def test_a_hosts_limit(limit: str, site: Site, tmp_path: Path) -> None:
    """No strategy can help."""
    urls = [site(f"/slow?seconds=0.1&n={n}") for n in range(30)]
    verdict = compare(urls, tmp_path, "--select=t=title", limit, f"--strategies={THREADS}")
    assert verdict["bound"]["name"] in ("host", "manners")
    assert verdict["reason"].endswith("no strategy can help.")
