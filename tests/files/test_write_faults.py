"""Writes and syncs that fail, each in its turn: whole lines, one clear error, and a next run that goes on."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parascrape.errors import OutputError
from parascrape.files.ledger import read_ledger
from parascrape.files.sink import MIN_FREE, SYNC_RECORDS, JsonlSink, System
from parascrape.records import encode


def page(number: int) -> bytes:
    """A page's lines; every third page gives several records, every fourth has failed."""
    url = f"http://h/{number}"
    if number % 4 == 3:
        return encode({"url": url, "error": {"code": "timeout", "message": "本"}, "meta": {}})
    count = 1 + 2 * (number % 3 == 2)
    metas = [{"item": item, "items": count} if count > 1 else {} for item in range(1, count + 1)]
    return b"".join(encode({"url": url, "title": "x" * 20 * number, "meta": meta}) for meta in metas)


PAGES = [page(number) for number in range(12)]


class Disk:
    """A disk that fails at the n-th write or sync, with the calls it was asked for."""

    def __init__(self, *, bad_write: int = 0, bad_sync: int = 0, part: int = 0, free: int = 1 << 40) -> None:
        self._bad_write, self._bad_sync, self._part, self._free = bad_write, bad_sync, part, free
        self.writes = self.syncs = 0
        ticks = itertools.count(0, 2)
        self.system = System(self.write, self.sync, lambda _: self._free, lambda: float(next(ticks)))

    def write(self, descriptor: int, data: Any) -> int:
        """Half of what it is given, so that every write takes several; a part and an error at the n-th."""
        self.writes += 1
        if self.writes == self._bad_write and self._part:
            return os.write(descriptor, data[: self._part])
        if self._bad_write and self.writes >= self._bad_write:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(descriptor, data[: (len(data) + 1) // 2])

    def sync(self, descriptor: int) -> None:
        """Nothing, or an error at the n-th."""
        self.syncs += 1
        if self.syncs == self._bad_sync:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


def write_all(path: Path, disk: Disk, pages: list[bytes]) -> JsonlSink:
    """The sink after all pages were written, each flushed; it is closed."""
    sink = JsonlSink(str(path), system=disk.system)
    try:
        for lines in pages:
            sink.write(lines)
            sink.flush()
        sink.sync()
    finally:
        sink.close()
    return sink


def faults(make: Callable[[int], Disk], path: Path) -> Iterator[tuple[int, Disk]]:
    """Each disk n = 1, 2, ... that has failed a run, until one does not; the output is empty before each."""
    for number in itertools.count(1):
        path.unlink(missing_ok=True)
        disk = make(number)
        try:
            write_all(path, disk, PAGES)
        except OutputError:
            yield number, disk
        else:
            assert number > len(PAGES)
            return


@pytest.mark.parametrize("part", [0, 1, 7, 200])
def test_any_write_may_fail(part: int, tmp_path: Path) -> None:
    """Wholly or after some bytes: whole lines stay, nothing is written later, and the next run goes on."""
    path = tmp_path / "out.jsonl"
    for number, disk in faults(lambda n: Disk(bad_write=n, part=part), path):
        data = path.read_bytes()
        assert disk.writes == number + bool(part)
        assert b"".join(PAGES).startswith(data)
        assert data.endswith(b"\n") or not data
        done = len(read_ledger(path))
        write_all(path, Disk(), PAGES[done:])
        assert path.read_bytes() == b"".join(PAGES)


def test_any_sync_may_fail(tmp_path: Path) -> None:
    """Nothing is written or synced after it, and the next run reads what is there."""
    path = tmp_path / "out.jsonl"
    for number, disk in faults(lambda n: Disk(bad_sync=n), path):
        assert path.read_bytes() == b"".join(PAGES[:number])
        assert disk.syncs == number
        write_all(path, Disk(), PAGES[number:])
        assert path.read_bytes() == b"".join(PAGES)


@pytest.mark.parametrize("disk", [{"bad_sync": 1}, {"bad_write": 1}, {"free": MIN_FREE - 1}])
def test_after_a_failure_nothing_is_written(disk: dict[str, int], tmp_path: Path) -> None:
    """Further writes raise, and closing writes nothing either."""
    sink = JsonlSink(str(tmp_path / "out.jsonl"), system=Disk(**disk).system)
    sink.write(PAGES[0])
    with pytest.raises(OutputError):
        sink.flush()
    data = (tmp_path / "out.jsonl").read_bytes()
    sink.write(PAGES[1])
    with pytest.raises(OutputError, match="it has failed before"):
        sink.flush()
    sink.close()
    assert (tmp_path / "out.jsonl").read_bytes() == data


@pytest.mark.parametrize("free", [0, MIN_FREE - 1])
def test_a_disk_that_is_nearly_full_ends_the_run(free: int, tmp_path: Path) -> None:
    """Before it is full, with all lines on it."""
    with pytest.raises(OutputError, match=f"only {free} bytes are left on the disk") as caught:
        write_all(tmp_path / "out.jsonl", Disk(free=free), PAGES)
    assert caught.value.errno == errno.ENOSPC
    assert (tmp_path / "out.jsonl").read_bytes() == PAGES[0]


def test_enough_room_is_enough(tmp_path: Path) -> None:
    """The bound itself is no fault."""
    write_all(tmp_path / "out.jsonl", Disk(free=MIN_FREE), PAGES)
    assert (tmp_path / "out.jsonl").read_bytes() == b"".join(PAGES)


def test_writes_are_synced_together(tmp_path: Path) -> None:
    """Every so many pages while time stands still, and once more at the end."""
    disk = Disk()
    count = 2 * SYNC_RECORDS + 1
    write_all_at_once = JsonlSink(str(tmp_path / "out.jsonl"), system=disk.system._replace(clock=lambda: 0.0))
    with write_all_at_once as sink:
        for _ in range(count):
            sink.write(PAGES[0])
            sink.flush()
    assert disk.syncs == 3


def test_a_failure_is_not_hidden_by_closing(tmp_path: Path) -> None:
    """Leaving the with block brings the rest to the disk, and says where that fails."""
    with (
        pytest.raises(OutputError, match=os.strerror(errno.EIO)),
        JsonlSink(str(tmp_path / "out.jsonl"), system=Disk(bad_sync=1).system) as sink,
    ):
        sink.write(PAGES[0])
    JsonlSink(str(tmp_path / "out.jsonl")).close()
