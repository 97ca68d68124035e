"""Limits of CPUs and memory, and workers that are replaced or killed at their limit."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import pytest

from parascrape.errors import WorkerDied
from parascrape.executors import ProcessExecutor
from parascrape.system.resources import MIN_WORKER, available_cpus, memory_limit, resident_bytes, worker_limit
from tests.helpers import tasks
from tests.helpers.command import lives, until

LIMIT = 60
MB = 1 << 20

linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc as Linux has it")


@linux
def test_a_leak_stays_bounded_and_no_task_is_lost_or_doubled(tmp_path: Path) -> None:
    """200 tasks leak 5 MB each, a gigabyte: no worker grows much beyond its limit, each task runs once."""
    runs = tmp_path / "runs"
    most = 120 * MB
    with ProcessExecutor(2, 2, deadline=LIMIT, worker_bytes=most) as opened:
        futures = [opened.submit(tasks.leak, number, 5 * MB, str(runs)) for number in range(200)]
        results = [future.result(LIMIT) for future in futures]
    numbers, processes, sizes = zip(*results, strict=True)
    assert numbers == tuple(range(200))
    assert runs.stat().st_size == 200
    assert len(set(processes)) > 6
    assert max(sizes) < 1.5 * most


@linux
def test_a_large_worker_works_on_until_its_successor_is_there() -> None:
    """Between 80 % of the limit and the limit nothing stops; then the new one takes over for good."""
    with ProcessExecutor(1, 1, deadline=LIMIT, worker_bytes=200 * MB) as opened:
        _, old, size = opened.submit(tasks.leak, 0, 1).result(LIMIT)
        futures = [opened.submit(tasks.leak, 0, 180 * MB - size)]
        answers: list[int] = []

        def answer() -> bool:
            futures.extend(opened.submit(tasks.process_id) for _ in range(4))
            futures[0].result(LIMIT)
            answers.extend(future.result(LIMIT) for future in futures[1:])
            del futures[1:]
            return answers[-1] != old

        assert until(answer, LIMIT)
        assert answers.count(old) >= 4
        after = [opened.submit(tasks.process_id) for _ in range(20)]
        assert {future.result(LIMIT) for future in after} == {answers[-1]}
        assert until(lambda: not lives(old))


@linux
def test_a_task_that_takes_too_much_at_once_fails_alone() -> None:
    """Its worker is killed, twice; the tasks beside it are run again and succeed."""
    with ProcessExecutor(2, 2, deadline=LIMIT, worker_bytes=60 * MB) as opened:
        around = [opened.submit(tasks.square, number) for number in range(20)]
        swelling = opened.submit(tasks.swell, 150 * MB)
        around += [opened.submit(tasks.square, number) for number in range(20)]
        error = swelling.exception(LIMIT)
        assert isinstance(error, WorkerDied)
        assert str(error).startswith("its worker process was over its memory, more than 126 MB")
        assert [future.result(LIMIT) for future in around] == [n * n for n in range(20)] * 2


@linux
def test_a_limit_below_what_a_worker_starts_with_slows_it_only() -> None:
    """Every worker does at least what it has begun."""
    with ProcessExecutor(2, 2, deadline=LIMIT, worker_bytes=16 * MB) as opened:
        futures = [opened.submit(tasks.square, number) for number in range(10)]
        assert [future.result(LIMIT) for future in futures] == [n * n for n in range(10)]


@linux
def test_resident_bytes_are_those_in_use() -> None:
    """Of this process and of another, within a little; 0 of one that is not there."""
    before = resident_bytes()
    kept = b"x" * (50 * MB)
    assert 45 * MB < resident_bytes() - before < 80 * MB
    assert resident_bytes(os.getpid()) > len(kept)
    assert resident_bytes(1 << 30) == 0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator")
def test_threads_of_a_worker_share_one_heap() -> None:
    """On as many processes as CPUs no thread has a heap of its own; the one heap is in huge pages."""
    with ProcessExecutor(0, 4, deadline=LIMIT) as opened:
        heaps = [opened.submit(tasks.count_heaps) for _ in range(40)]
        assert {future.result(LIMIT) for future in heaps} == {0}
        if Path("/sys/kernel/mm/transparent_hugepage/enabled").exists():
            assert opened.submit(tasks.is_huge).result(LIMIT)


V2 = "0::/shop/night\n"
V1 = "12:cpu,cpuacct:/other\n4:memory:/shop/night\n0::/\n"


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        (V2, {"shop/night/memory.max": "3000000\n"}, 3_000_000),
        (V2, {"shop/night/memory.max": "max\n", "shop/memory.max": "5000000\n"}, 5_000_000),
        (V2, {"shop/night/memory.max": "7000000\n", "shop/memory.max": "5000000\n"}, 5_000_000),
        (V2, {"memory.max": "4000000\n"}, 4_000_000),
        (V1, {"memory/shop/night/memory.limit_in_bytes": "6000000\n"}, 6_000_000),
        (V1, {"memory/memory.limit_in_bytes": "2000000\n"}, 2_000_000),
        (V1, {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        (V2, {"shop/night/memory.max": "max\n"}, None),
        ("", {}, None),
    ],
)
def test_the_smallest_limit_counts(
    groups: str, files: dict[str, str], limit: int | None, tmp_path: Path
) -> None:
    """Of the process's control group, v1 or v2, those around it, and the machine."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert memory_limit(str(tmp_path)) == (limit or memory_limit(str(tmp_path / "empty")))


@pytest.mark.parametrize(("processes", "limit"), [(1, 7000 * MB), (2, 3500 * MB), (1000, MIN_WORKER)])
def test_all_workers_together_have_seven_tenths(processes: int, limit: int, tmp_path: Path) -> None:
    """But each at least what it needs to start."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text(str(10_000 * MB))
    assert worker_limit(processes, str(tmp_path)) == pytest.approx(limit, rel=1e-6)


# --- CPUs -------------------------------------------------------------------------------------------

V2, QUOTA, PERIOD = "cpu.max", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, 8),
        ({V2: "max 100000\n"}, 8),
        ({V2: "200000 100000\n"}, 2),
        ({V2: "150000 100000\n"}, 2),
        ({V2: "50000 100000\n"}, 1),
        ({V2: "1000 100000\n"}, 1),
        ({V2: "1600000 100000\n"}, 8),
        ({QUOTA: "300000\n", PERIOD: "100000\n"}, 3),
        ({QUOTA: "-1\n", PERIOD: "100000\n"}, 8),
        ({QUOTA: "300000\n"}, 8),
        ({QUOTA: "300000\n", PERIOD: "0\n"}, 8),
        ({V2: "\n", QUOTA: "400000\n", PERIOD: "100000\n"}, 4),
        ({V2: "many few\n"}, 8),
        ({QUOTA: "é\n", PERIOD: "100000\n"}, 8),
    ],
)
def test_cpus_are_those_of_the_affinity_and_the_control_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cpus: int
) -> None:
    """Of eight CPUs a quota leaves its rounded share, at least one; unreadable files are no limit."""
    for name, content in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert available_cpus(str(tmp_path)) == cpus


def test_cpus_are_counted_where_there_is_no_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS and Windows have no affinity mask; a machine that cannot say has one CPU."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert available_cpus(str(tmp_path)) == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cpus(str(tmp_path)) == 1
