"""A frontier whose process is killed, whose disk is full, and that has grown large."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import select
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parascrape.crawling.store.url_store import UrlStore
from parascrape.errors import OutputError
from tests.faults.crawl_store_child import ADDED, DONE, REFUSED, page

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where there is no frontier yet."""
    return tmp_path / "out.frontier"


def child(act: str, path: Path, count: int) -> subprocess.Popen[bytes]:
    """The process, which sees the package."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "tests.faults.crawl_store_child", act, str(path), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=environment)


def rounds_until_killed(path: Path, dice: random.Random) -> int:
    """The last round that was said to be committed; the process was killed a moment after one of them."""
    with child("work", path, 1_000_000) as process:
        assert process.stdout is not None
        for _ in range(dice.randrange(1, 40)):
            assert process.stdout.readline()
        select.select([], [], [], dice.random() * 0.005)
        process.kill()
        said = process.stdout.read().splitlines(keepends=True)
    whole = [line for line in said if line.endswith(b"\n")]
    return int(whole[-1]) if whole else 0


def test_what_was_committed_outlives_its_process(path: Path) -> None:
    """Six processes in turn, each killed amid its rounds: nothing is lost, half done or taken for ever."""
    dice = random.Random(0x5EED)
    for _ in range(6):
        said = rounds_until_killed(path, dice)
        with UrlStore.open(path, options={}) as store:
            rounds = store.value("rounds")
            assert rounds >= said
            counts = store.counts()
            assert counts[0] == rounds * ADDED
            assert counts[2:] == (rounds * DONE, {"budget": rounds * REFUSED})
            assert all(store.url_of(page(number).key) == page(number).url for number in range(counts.known))
            assert sum(store.sites().values()) == counts.pending
            done = {number for number, _ in store.each_done()}
            taken = [known.number for site in list(store.sites()) for known in store.take(site, 10**6)]
            assert len(taken) == len({*taken} - done) == counts.pending
            assert len(done) == counts.done


# --- full disks -------------------------------------------------------------------------------------------


def few_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database may not grow beyond so many pages."""
    connect = sqlite3.connect

    def limited(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.execute("PRAGMA max_page_count = 60")
        return connection

    monkeypatch.setattr(sqlite3, "connect", limited)


def small_files(_: pytest.MonkeyPatch) -> None:
    """No file of this process may grow beyond so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@pytest.fixture
def _any_size() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def committing(store: UrlStore) -> Iterator[int]:
    """The hundreds of URLs that are known, as they are committed."""
    for number in range(1000):
        store.add([page(one) for one in range(100 * number, 100 * number + 100)])
        store.commit()
        yield number + 1


@pytest.mark.usefixtures("_any_size")
@pytest.mark.parametrize(
    ("limit", "number"), [(few_pages, errno.ENOSPC), (small_files, errno.ENOSPC)], ids=["pages", "bytes"]
)
def test_a_full_disk_ends_the_run(
    path: Path, limit: Any, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the file; nothing is done after it, and what was committed before it is there."""
    UrlStore.open(path, options={}).close()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit(monkeypatch)
    store = UrlStore.open(path, options={})
    committed: list[int] = []
    with pytest.raises(OutputError, match=r"^cannot use .*out\.frontier: d") as caught:
        committed.extend(committing(store))
    assert caught.value.errno == number
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    for act in (store.commit, store.sync, lambda: store.take("s0", 1), lambda: store.add([page(10**6)])):
        with pytest.raises(OutputError, match="it has failed before"):
            act()
    store.close()
    monkeypatch.undo()
    with UrlStore.open(path, options={}) as again:
        assert again.counts().known == 100 * committed[-1] > 0


def test_a_sync_that_fails_ends_the_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has lost is not known."""
    store = UrlStore.open(path, options={})
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    store.sync()
    store.sync()
    assert len(synced) == 2, "the folder and the log, and nothing where nothing was committed"
    store.add([page(1)])
    store.commit()

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=f"out.frontier: {os.strerror(errno.EIO)}$") as caught:
        store.sync()
    assert caught.value.errno == errno.EIO
    with pytest.raises(OutputError, match="it has failed before"):
        store.commit()
    store.close()


def test_what_is_broken_off_in_its_midst_is_not_committed(path: Path) -> None:
    """An interrupt while URLs are added: rows, keys and counts would not agree."""

    class Interrupting(str):
        def __hash__(self) -> int:
            raise KeyboardInterrupt

    store = UrlStore.open(path, options={})
    store.add([page(1)])
    store.commit()
    with pytest.raises(KeyboardInterrupt):
        store.add([page(2), page(3)._replace(site=Interrupting("s"))])
    with pytest.raises(OutputError, match="it has failed before"):
        store.commit()
    store.close()
    with UrlStore.open(path, options={}) as again:
        assert again.counts().known == 1


# --- size ---------------------------------------------------------------------------------------------------

BOUNDS = {"new": 80, "known, recent": 1, "known, any": 80, "take": 60, "MB": 150}
"""Steps of SQLite's virtual machine for each URL, and MB resident."""


@pytest.mark.parametrize(
    "count", [20_000, pytest.param(1_000_000, marks=[pytest.mark.slow, pytest.mark.timeout(300)])]
)
def test_many_urls_are_cheap_and_need_little_memory(path: Path, count: int) -> None:
    """However many are known."""
    with child("fill", path, count) as process:
        figures = json.loads(process.communicate()[0])
    assert {name: figures[name] for name, bound in BOUNDS.items() if figures[name] > bound} == {}, figures
