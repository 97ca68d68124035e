"""Harvests with a known bottleneck, which the summary's last sentence must name; the classic numbers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.command import UNLIMITED, environment, finish, start_scrape
from tests.sites.site import Site

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SCRAPERS = """
import time

def spin(page):
    ends = time.thread_time() + 0.03
    while time.thread_time() < ends:
        sum(range(1000))
    return {"title": "spun"}

def sleep(page):
    time.sleep(0.1)
    return {"title": "slept"}

def fill(page):
    return {"text": "x" * 200_000}
"""


@pytest.fixture
def scrapers(tmp_path: Path) -> Path:
    """A file of scrapers that compute, wait, and give much."""
    path = tmp_path / "scrapers.py"
    path.write_text(SCRAPERS)
    return path


def last_sentence(*arguments: object) -> str:
    """What the summary of a harvest ends with."""
    status, _, errors = finish(start_scrape(*arguments))
    assert status == 0, errors
    return errors.splitlines()[-1]


def listed(site: Site, path: str, count: int, folder: Path) -> Path:
    """A list of so many of the site's pages."""
    urls = folder / "urls.txt"
    urls.write_text("".join(site(path.format(n)) + "\n" for n in range(count)))
    return urls


SHARED = "the scraper or by the CPUs, which other programs use as well."
"""Where the tests are not alone on the machine."""

CASES = [
    ("/slow?seconds=0.1&n={}", 80, "page", [*UNLIMITED, "-m", "thread", "-t", "4"], "latency: --threads 16."),
    ("/slow?seconds=0.1&n={}", 20, "page", [*UNLIMITED, "-m", "sequential"], "latency: --mode thread."),
    (
        "/slow?seconds=0.05&n={}",
        40,
        "page",
        ["--ignore-robots", "--per-host", "1"],
        r"127.0.0.1:\d+'s limit of 1 at once \(--per-host\).",
    ),
    (
        "/ok?{}",
        40,
        "page",
        ["--ignore-robots", "--delay", "0.05"],
        r"127.0.0.1:\d+'s delay of 0.05 s \(--delay\).",
    ),
    ("/ok?{}", 60, "spin", [*UNLIMITED, "-m", "thread"], f"(parsing on .*one CPU.*|{SHARED})"),
    ("/ok?{}", 90, "spin", [*UNLIMITED, "-m", "process", "-t", "2"], f"(parsing on .*CPU.*|{SHARED})"),
    (
        "/ok?{}",
        80,
        "sleep",
        [*UNLIMITED, "-m", "thread", "-t", "4"],
        f"(the scraper, which waits: --threads 16.|{SHARED})",
    ),
]


@pytest.mark.parametrize(("path", "count", "scraper", "options", "expected"), CASES)
def test_what_bounds_a_harvest_is_named(
    path: str, count: int, scraper: str, options: list[str], expected: str, site: Site, scrapers: Path
) -> None:
    """Latency, politeness, parsing, a scraper that waits: each with the option that moves it."""
    source = f"{scrapers}:{scraper}" if f"def {scraper}(" in SCRAPERS else scraper
    urls = listed(site, path, count, scrapers.parent)
    said = last_sentence(urls, "-s", source, "-o", scrapers.parent / "out.jsonl", *options)
    assert re.fullmatch(f"Bound by (the network's )?{expected}", said), said


def read_slowly(descriptor: int) -> Iterator[bytes]:
    """What comes through the pipe, 64 KiB in 10 ms: the reader is the bottleneck."""
    while data := os.read(descriptor, 65_536):
        yield data
        time.sleep(0.01)


def test_a_slow_reader_of_the_output_is_named(site: Site, scrapers: Path) -> None:
    """Writing waits for it."""
    urls = listed(site, "/ok?{}", 60, scrapers.parent)
    process = start_scrape(urls, "-s", f"{scrapers}:fill", *UNLIMITED, "-m", "thread", "-o", "-")
    assert process.stdout is not None
    assert sum(map(len, read_slowly(process.stdout.fileno()))) > 60 * 200_000
    status, _, errors = finish(process)
    assert (status, errors.splitlines()[-1]) == (0, "Bound by writing the output.")


def test_the_classic_numbers_have_their_factors_in_every_mode() -> None:
    """The example itself raises where two modes differ; the times are printed, not judged."""
    command = [sys.executable, str(ROOT / "examples" / "cpu_bound.py")]
    out = subprocess.run(command, capture_output=True, text=True, timeout=85, check=True, env=environment())
    found = dict(line.strip().split(" -> ") for line in out.stdout.splitlines() if "->" in line)
    assert found == {
        "53541233": "[1, 5501, 9733, 53541233]",
        "21235343": "[1, 21235343]",
        "11421443": "[1, 11, 383, 2711, 4213, 29821, 1038313, 11421443]",
        "5423123": "[1, 5423123]",
        "5000000": "41666654166667500000",
    }
