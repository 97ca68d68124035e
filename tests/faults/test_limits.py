"""Limits of the machine: full disks and too few file descriptors end a run cleanly, or slow it down."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from parascrape.files.sink import MIN_FREE, SYNC_RECORDS
from tests.helpers.command import finish, read_records, start, start_scrape
from tests.sites.site import Site

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and mounts as Linux has them")

MODES = ("sequential", "thread", "process")
slow = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 1 MiB more than a run leaves free."""
    disk = tmp_path / "disk"
    disk.mkdir()
    size = MIN_FREE + (1 << 20)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("mounting needs to be root")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def limited(**limits: int) -> Callable[[], None]:
    """What a child process does before it runs: ``RLIMIT_NOFILE=40``."""

    def limit() -> None:
        import resource

        for name, most in limits.items():
            resource.setrlimit(getattr(resource, name), (most, most))

    return limit


def write_list(folder: Path, site: Site, paths: list[str]) -> Counter[str]:
    """A list of these pages."""
    urls = [site(path) for path in paths]
    (folder / "list.txt").write_text("".join(f"{url}\n" for url in urls))
    return Counter(urls)


def command(folder: Path, output: Path, mode: str, *more: object) -> list[object]:
    """The arguments of a harvest of that list."""
    options = ("--mode", mode, "-p", 2, "-t", 4, "--retries", 0, "--scraper", "tests.sites.shop:product")
    return [folder / "list.txt", "-o", output, *options, *more]


def done(output: Path) -> Counter[str]:
    """How many outcomes the URLs have."""
    return Counter(one["url"] for one in read_records(output) if one["meta"].get("item", 1) == 1)


def failures(output: Path) -> list[dict[str, Any]]:
    """The errors that an output holds."""
    return [one["error"] for one in read_records(output) if "error" in one]


@pytest.mark.parametrize(
    "mode", [pytest.param("sequential", marks=slow), "thread", pytest.param("process", marks=slow)]
)
def test_a_file_that_may_not_grow_ends_the_run(mode: str, site: Site, tmp_path: Path) -> None:
    """Status 74 without waiting for what is in flight; whole lines; with room it goes on."""
    unanswered = [] if mode == "sequential" else ["/silent-once/a", "/silent-once/b"]
    lines = write_list(tmp_path, site, [*unanswered, *(f"/page/{number}" for number in range(150))])
    output, room = tmp_path / "out.jsonl", 12_345
    arguments = command(tmp_path, output, mode, "--timeout", 600)  # longer than the command may take
    status, _, errors = finish(start_scrape(*arguments, preexec_fn=limited(RLIMIT_FSIZE=room)))
    assert status == 74
    assert "out.jsonl: File too large" in errors
    assert "Make room, and run the same command again to continue." in errors
    assert "Traceback" not in errors
    assert room - 1000 < output.stat().st_size <= room
    kept = output.read_bytes()
    assert not done(output) - lines
    assert finish(start_scrape(*command(tmp_path, output, mode)))[0] == 0
    assert done(output) == lines
    assert output.read_bytes().startswith(kept)


@slow
@pytest.mark.parametrize("mode", MODES)
def test_a_disk_is_not_filled_to_the_last_byte(
    mode: str, site: Site, small_disk: Path, tmp_path: Path
) -> None:
    """What is nearly full ends the run with 74; when something is removed the same command goes on."""
    (small_disk / "other").write_bytes(bytes(968 << 10))
    count = SYNC_RECORDS + 500
    lines = write_list(tmp_path, site, [f"/page/{number}" for number in range(count)])
    output = small_disk / "out.jsonl"
    status, _, errors = finish(start_scrape(*command(tmp_path, output, mode)))
    assert (status, "bytes are left on the disk" in errors) == (74, True), errors
    assert 100 < sum(done(output).values()) < count
    (small_disk / "other").unlink()
    status, _, errors = finish(start_scrape(*command(tmp_path, output, mode)))
    assert (status, failures(output)) == (0, []), errors
    assert done(output) == lines


@slow
@pytest.mark.parametrize("room", [0, 1, 3_000])
def test_a_full_disk_is_said(room: int, site: Site, small_disk: Path, tmp_path: Path) -> None:
    """Also where the first byte does not fit, and where the lock file cannot say who holds it."""
    filler = small_disk / "other"
    filler.write_bytes(bytes(MIN_FREE + (1 << 20) - 4096 * -(-room // 4096)))
    lines = write_list(tmp_path, site, [f"/page/{number}" for number in range(50)])
    output = small_disk / "out.jsonl"
    status, _, errors = finish(start_scrape(*command(tmp_path, output, "thread")))
    assert (status, "Traceback" in errors) == (74, False), errors
    assert len(read_records(output)) < 50
    filler.unlink()
    assert finish(start_scrape(*command(tmp_path, output, "thread")))[0] == 0
    assert done(output) == lines


@pytest.mark.parametrize(
    ("mode", "most"),
    [("thread", 40), *(pytest.param(*case, marks=slow) for case in product(MODES, (36, 48, 64)))],
)
def test_few_descriptors_mean_few_threads(mode: str, most: int, site: Site, tmp_path: Path) -> None:
    """64 threads asked for and 40 descriptors there: fewer threads, which is said, and no failure."""
    lines = write_list(tmp_path, site, [f"/slow?seconds=0.02&n={number}" for number in range(100)])
    output = tmp_path / "out.jsonl"
    process = start_scrape(*command(tmp_path, output, mode, "-t", 64), preexec_fn=limited(RLIMIT_NOFILE=most))
    status, _, errors = finish(process)
    assert (status, "Traceback" in errors) == (0, False), errors
    assert ("Too few files may be open (ulimit -n)" in errors) == (mode != "sequential")
    assert done(output) == lines


@slow
def test_a_soft_limit_is_raised(site: Site, tmp_path: Path) -> None:
    """As far as the hard limit goes, without a word: shells set it low."""
    lines = write_list(tmp_path, site, [f"/slow?seconds=0.2&n={number}" for number in range(200)])
    output = tmp_path / "out.jsonl"
    shell = ["-c", 'ulimit -Sn 40; exec "$@"', "sh", sys.executable, "-m", "parascrape"]
    arguments = [*shell, *command(tmp_path, output, "thread", "-t", 64)]
    process = start(*arguments, executable="/bin/sh")
    status, _, errors = finish(process)
    assert (status, "ulimit" in errors) == (0, False), errors
    assert done(output) == lines


@pytest.mark.parametrize("most", [pytest.param(20, marks=slow), 26])
def test_next_to_no_descriptors_end_the_run_all_the_same(most: int, site: Site, tmp_path: Path) -> None:
    """Whatever cannot be opened then: an error or typed failures, and never a hang."""
    lines = write_list(tmp_path, site, [f"/page/{number}" for number in range(40)])
    output = tmp_path / "out.jsonl"
    process = start_scrape(*command(tmp_path, output, "process"), preexec_fn=limited(RLIMIT_NOFILE=most))
    assert finish(process)[0] != 0 or done(output) == lines
    assert finish(start_scrape(*command(tmp_path, output, "process"), "--resume-failed"))[0] == 0
    assert done(output) == lines
