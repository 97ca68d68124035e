"""Crawls killed again and again, or whose files a power loss has left behind: one record for every page."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from parascrape.crawling.site_crawl import SiteCrawl, frontier_path
from parascrape.executors import capacity
from tests.helpers.command import finish, read_records, run_and_kill, start_scrape
from tests.helpers.killing import survives
from tests.sites.crawl_site import OPTIONS, CrawlSite, by_path, crawl, to, tree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc as Linux has them")

MODES = {"thread": (1, 6), "process": (2, 3)}
"""Processes and threads."""

TREE = tree(600, 3, "/gone", "/hop")


def answer(path: str) -> Any:
    """A tree, a missing page and a redirect."""
    return to("/7") if path == "/hop" else TREE(path)


def essence(records: list[dict[str, Any]]) -> Counter[str]:
    """What records say that does not depend on when and in which order they were made."""
    return Counter(
        json.dumps([one["url"], one.get("title"), one.get("error", {}).get("code")]) for one in records
    )


def undisturbed(site: CrawlSite, folder: Path, *options: object) -> Counter[str]:
    """The essence of a crawl that nobody disturbs; the site counts from nought after it."""
    _, records = crawl(folder / "whole.jsonl", [site("/0")], *options)
    site.asked.clear()
    return essence(records)


def command(site: CrawlSite, output: Path, mode: str) -> list[object]:
    """The arguments of every run."""
    processes, threads = MODES[mode]
    workers = ("--mode", mode, "--processes", processes, "--threads", threads)
    return ["crawl", site("/0"), "-o", output, *workers, *OPTIONS]


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_a_crawl_killed_three_times_ends_like_one_that_was_not(mode: str, tmp_path: Path) -> None:
    """The same records, each once, and no more is fetched again than was in flight when the kills came."""
    seed = random.SystemRandom().randrange(10**6)
    dice = random.Random(seed)
    with CrawlSite(answer) as site:
        expected = undisturbed(site, tmp_path)
        output = tmp_path / "out.jsonl"
        for _ in range(3):
            run_and_kill(command(site, output, mode), site.log, dice, dice.randrange(200))
        status, _, errors = finish(start_scrape(*command(site, output, mode)))
    assert status == 1, f"seed {seed}: {errors}"
    assert essence(read_records(output)) == expected, f"seed {seed}"
    processes, threads = MODES[mode]
    again = sum(site.asked.values()) - expected.total()
    assert 0 <= again <= 3 * processes * capacity(threads), f"seed {seed}"


# --- at every place where the order matters ---------------------------------------------------------


def run_here(site: CrawlSite, output: Path) -> None:
    """A crawl in this process, by one thread."""
    crawl(output, [site("/0")], mode="sequential")


def test_a_crawl_killed_at_any_file_operation_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just before each file is opened, renamed or deleted, its first and second start both tried."""
    output = tmp_path / "out.jsonl"
    with CrawlSite(tree(4)) as site:
        expected = undisturbed(site, tmp_path)
        killed = 0
        while not survives(partial(run_here, site, output), killed + 1):
            killed += 1
            run_here(site, output)
            assert essence(read_records(output)) == expected, killed
            if killed % 2:
                output.unlink()
                frontier_path(output).unlink()
    assert killed >= 4


def kill_at(count: int, before: bool, site: CrawlSite, output: Path) -> None:
    """Crawl, and be killed before or after the frontier is made last for the n-th time."""
    times = 0
    original = SiteCrawl.ahead

    def ahead(self: SiteCrawl, syncing: bool) -> None:
        nonlocal times
        times += 1
        if times == count and before:
            signal.raise_signal(signal.SIGKILL)
        original(self, syncing)
        if times == count:
            signal.raise_signal(signal.SIGKILL)

    SiteCrawl.ahead = ahead  # type: ignore[method-assign]
    run_here(site, output)


@pytest.mark.parametrize("before", [True, False], ids=["before the commit", "between commit and write"])
def test_a_kill_beside_the_commit_loses_and_doubles_nothing(before: bool, tmp_path: Path) -> None:
    """At the first, the second, ... commit of a crawl, one after the other in the same output."""
    output = tmp_path / "out.jsonl"
    with CrawlSite(answer) as site:
        site.pages = tree(12)
        expected = undisturbed(site, tmp_path)
        for count in (1, 2, 3, 5):
            assert killed_in_child(partial(kill_at, count, before, site, output))
        run_here(site, output)
        assert essence(read_records(output)) == expected
        assert sum(site.asked.values()) <= expected.total() + 4 * 68


def killed_in_child(act: Any) -> bool:
    """Whether what a forked process does has killed it."""
    import os

    child = os.fork()
    if not child:
        act()
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


# --- power loss -------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 2, 3])
def test_an_older_frontier_beside_a_newer_output_is_brought_into_agreement(step: int, tmp_path: Path) -> None:
    """As after a power loss: pages whose links may be lost are fetched again, and the end is the same."""
    output = tmp_path / "out.jsonl"
    older = tmp_path / "older"
    with CrawlSite(tree(80)) as site:
        expected = undisturbed(site, tmp_path)
        crawl(output, [site("/0")], "--max-pages", 20 * step)
        shutil.copy(frontier_path(output), older)
        crawl(output, [site("/0")], "--max-pages", 20 * step + 25)
        assert len(read_records(output)) == min(80, 20 * step + 25)
        shutil.copy(older, frontier_path(output))
        crawl(output, [site("/0")])
        assert essence(read_records(output)) == expected
        assert max(site.asked.values()) <= 2
        by_path(site, read_records(output))


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.999])
def test_an_output_that_was_cut_is_completed(share: float, tmp_path: Path) -> None:
    """Wherever it ends, within a line or behind one; only what was cut is fetched again."""
    output = tmp_path / "out.jsonl"
    with CrawlSite(tree(60)) as site:
        _, records = crawl(output, [site("/0")])
        expected = essence(records)
        data = output.read_bytes()
        kept = data[: max(1, int(len(data) * share))]
        output.write_bytes(kept)
        crawl(output, [site("/0")])
        assert essence(read_records(output)) == expected
        assert sum(site.asked.values()) == 60 + 60 - kept.count(b"\n")
