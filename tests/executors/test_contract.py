"""The contract of all executors, and cases for processes or threads only."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, as_completed, wait
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from parascrape.errors import TaskError, TaskTimeout, WorkerDied
from parascrape.executors import (
    AdaptivePause,
    ProcessExecutor,
    TaskContext,
    ThreadExecutor,
    WithContext,
    open_executor,
)
from tests.helpers import tasks
from tests.helpers.command import until

LIMIT = 60
MODES = {"sequential": (0, 1), "thread": (0, 4), "process": (2, 2)}


@pytest.fixture(scope="module", params=MODES)
def executor(request: pytest.FixtureRequest) -> Iterator[ProcessExecutor | ThreadExecutor]:
    """One executor of each mode, shared by the tests that do not shut it down."""
    with open_executor(*MODES[request.param], deadline=LIMIT) as opened:
        yield opened


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessExecutor]:
    """Return worker processes that are shared by the tests that do them no harm."""
    with ProcessExecutor(*MODES["process"], deadline=LIMIT) as opened:
        yield opened


@pytest.fixture(params=MODES)
def fresh(request: pytest.FixtureRequest) -> Iterator[ProcessExecutor | ThreadExecutor]:
    """An executor for one test, which shuts it down."""
    opened = open_executor(*MODES[request.param], deadline=LIMIT)
    yield opened
    opened.stop()


def test_every_task_gives_its_own_result(executor: ProcessExecutor | ThreadExecutor) -> None:
    """More tasks than the queues on the way hold all return their own result."""
    futures = [executor.submit(tasks.square, number) for number in range(2000)]
    assert [future.result(LIMIT) for future in futures] == [number * number for number in range(2000)]


def test_map_keeps_order_and_as_completed_gives_all(executor: ProcessExecutor | ThreadExecutor) -> None:
    """The tools of concurrent.futures work with it."""
    assert list(executor.map(tasks.square, range(50), timeout=LIMIT)) == [n * n for n in range(50)]
    futures = [executor.submit(tasks.square, number=number) for number in range(50)]
    assert {done.result() for done in as_completed(futures, LIMIT)} == {n * n for n in range(50)}


@pytest.mark.parametrize(
    ("function", "kind", "message"),
    [
        (tasks.fail_unloadable, "Unloadable", "one"),
        (tasks.leave, "SystemExit", "3"),
        (tasks.interrupt, "KeyboardInterrupt", ""),
    ],
)
def test_a_failing_task_fails_alone(
    executor: ProcessExecutor | ThreadExecutor, function: object, kind: str, message: str
) -> None:
    """Its future says what was raised; the tasks around it are not touched."""
    around = [executor.submit(tasks.square, number) for number in range(20)]
    failing = executor.submit(function)  # type: ignore[arg-type]
    around += [executor.submit(tasks.square, number) for number in range(20)]
    error = failing.exception(LIMIT)
    assert isinstance(error, TaskError)
    assert (error.kind, str(error)) == (kind, message)
    assert [future.result(LIMIT) for future in around] == [n * n for n in range(20)] * 2


def test_the_stack_trace_names_the_worker_and_the_line(executor: ProcessExecutor | ThreadExecutor) -> None:
    """The trace begins with the worker's name and holds only the task's own frames."""
    error = executor.submit(tasks.fail_with, "no such shop").exception(LIMIT)
    assert isinstance(error, TaskError)
    lines = error.trace.splitlines()
    assert lines[0] == f"Worker {error.worker}:"
    assert lines[-1] == "ValueError: no such shop"
    assert [line.split(", in ")[1] for line in lines if line.startswith("  File")] == ["fail_with"]


def test_threads_carry_their_workers_name(executor: ProcessExecutor | ThreadExecutor) -> None:
    """A task can name its worker in its own log lines."""
    name = executor.submit(tasks.worker_name).result(LIMIT)
    assert name.startswith("worker-" if isinstance(executor, ProcessExecutor) else "thread-")


def test_a_running_task_reports_notes(
    executor: ProcessExecutor | ThreadExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listener gets the note with the task's future, which is not done yet."""
    notes: SimpleQueue[Any] = SimpleQueue()
    monkeypatch.setattr(executor, "on_note", lambda future, value: notes.put((future, value, future.done())))
    telling = executor.submit(WithContext(tasks.report_and_wait), {"status": 200}, str(tmp_path / "go"))
    assert notes.get(timeout=LIMIT) == (telling, {"status": 200}, False)
    (tmp_path / "go").touch()
    assert telling.result(LIMIT) is True


def test_notes_come_in_order_before_the_result(
    executor: ProcessExecutor | ThreadExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if many tasks report at the same time."""
    told: dict[Any, list[int]] = {}
    monkeypatch.setattr(executor, "on_note", lambda future, value: told.setdefault(future, []).append(value))
    reporting = WithContext(tasks.report_each)
    futures = [executor.submit(reporting, 50) for _ in range(20)]
    assert [(future.result(LIMIT), told[future]) for future in futures] == [(50, list(range(50)))] * 20


@pytest.mark.parametrize("listener", [None, int])
@pytest.mark.parametrize("kind", [int, tasks.UnloadableValue])
def test_a_note_without_a_working_listener_is_dropped(
    executor: ProcessExecutor | ThreadExecutor, listener: Any, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No listener, one that raises (int takes no future), or a value that cannot be unpickled."""
    monkeypatch.setattr(executor, "on_note", listener)
    assert executor.submit(WithContext(tasks.report_made), kind).result(LIMIT) == "reported"


def test_a_task_can_be_called_without_an_executor() -> None:
    """Reports do nothing then, and the task is not alone."""
    assert WithContext(tasks.report_each)(3) == 3
    assert not TaskContext().alone


def test_a_function_beyond_those_that_workers_keep_gets_its_context(
    executor: ProcessExecutor | ThreadExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More functions than the executor numbers still report."""
    told: list[int] = []
    monkeypatch.setattr(executor, "on_note", lambda future, value: told.append(value))
    futures = [executor.submit(WithContext(tasks.report_each), 1) for _ in range(100)]
    assert ([future.result(LIMIT) for future in futures], told) == ([1] * 100, [0] * 100)


def test_idle_threads_run_registered_callbacks(
    executor: ProcessExecutor | ThreadExecutor, tmp_path: Path
) -> None:
    """Once, after the task."""
    path = tmp_path / "idle"
    executor.submit(WithContext(tasks.append_when_idle), str(path), "idle\n").result(LIMIT)
    assert until(path.exists)
    executor.submit(tasks.square, 3).result(LIMIT)
    assert until(lambda: path.read_text() == "idle\n")


def test_a_task_is_alone_only_after_a_death(
    executor: ProcessExecutor | ThreadExecutor, tmp_path: Path
) -> None:
    """A retried task has its process for itself and knows it; other tasks do not."""
    if isinstance(executor, ProcessExecutor):
        dying = WithContext(tasks.die_once_alone)
        assert executor.submit(dying, str(tmp_path / "flag")).result(LIMIT) is True
    asking = WithContext(tasks.am_alone)
    assert not any(executor.submit(asking).result(LIMIT) for _ in range(20))


def test_no_task_is_taken_after_shutdown(fresh: ProcessExecutor | ThreadExecutor) -> None:
    """What was submitted before is finished; submitting raises RuntimeError."""
    futures = [fresh.submit(tasks.square, number) for number in range(100)]
    fresh.shutdown()
    assert all(future.done() for future in futures)
    assert sum(future.result() for future in futures) == sum(n * n for n in range(100))
    with pytest.raises(RuntimeError):
        fresh.submit(tasks.square, 1)


def test_shutdown_can_cancel_queued_tasks(fresh: ProcessExecutor | ThreadExecutor, tmp_path: Path) -> None:
    """Tasks that have not begun are cancelled; running tasks are finished."""
    running = fresh.submit(tasks.wait_for, str(tmp_path / "go"))
    assert until(running.running, LIMIT)
    queued = [fresh.submit(tasks.wait_for, str(tmp_path / "go")) for _ in range(100)]
    fresh.shutdown(wait=False, cancel_futures=True)
    (tmp_path / "go").touch()
    assert running.result(LIMIT) is True
    wait(queued, LIMIT)
    assert sum(future.cancelled() for future in queued) >= 80


def test_a_cancelled_future_never_runs(fresh: ProcessExecutor | ThreadExecutor, tmp_path: Path) -> None:
    """Cancelling a queued task works, and the tasks behind it still run."""
    blockers = [fresh.submit(tasks.wait_for, str(tmp_path / "go")) for _ in range(12)]
    late = fresh.submit(tasks.square, 3)
    last = fresh.submit(tasks.square, 4)
    assert late.cancel()
    (tmp_path / "go").touch()
    assert last.result(LIMIT) == 16
    assert all(future.result(LIMIT) for future in blockers)
    with pytest.raises(CancelledError):
        late.result(LIMIT)


@pytest.mark.parametrize(("processes", "threads", "together"), [(0, 4, 4), (2, 1, 2), (2, 3, 6)])
def test_processes_times_threads_tasks_run_at_the_same_time(
    processes: int, threads: int, together: int, tmp_path: Path
) -> None:
    """The tasks wait for each other, so they must all be running."""
    with open_executor(processes, threads, deadline=LIMIT) as opened:
        futures = [opened.submit(tasks.meet, str(tmp_path), n, together) for n in range(together)]
        assert all(future.result(LIMIT) for future in futures)


def test_sequential_runs_one_task_after_the_other() -> None:
    """One thread, however many tasks there are."""
    with open_executor(0, 1) as opened:
        assert len({opened.submit(tasks.worker_name).result(LIMIT) for _ in range(20)}) == 1


def test_a_hanging_task_in_a_thread_is_given_up(tmp_path: Path) -> None:
    """Its future fails with the line it hangs at, the tasks behind it run, the executor ends."""
    opened = ThreadExecutor(1, deadline=1.0)
    hanging = opened.submit(tasks.wait_for, str(tmp_path / "never"), 4.0)
    following = opened.submit(tasks.square, 5)
    error = hanging.exception(LIMIT)
    assert isinstance(error, TaskTimeout)
    assert "in wait_for" in error.trace
    assert following.result(LIMIT) == 25
    assert opened.given_up == 1
    opened.shutdown()


def test_a_hanging_task_in_a_process_is_killed_and_its_neighbours_run() -> None:
    """The worker is replaced; the hanging task is tried once more alone, then fails; nobody else does."""
    with ProcessExecutor(1, 2, deadline=1.0) as opened:
        around = [opened.submit(tasks.square, number) for number in range(10)]
        hanging = opened.submit(tasks.spin)
        around += [opened.submit(tasks.square, number) for number in range(10)]
        error = hanging.exception(LIMIT)
        assert isinstance(error, TaskTimeout)
        assert [future.result(LIMIT) for future in around] == [n * n for n in range(10)] * 2


def test_a_task_that_kills_its_process_fails_alone() -> None:
    """Tasks that were in the same process at the time are run again without blame."""
    with ProcessExecutor(2, 4, deadline=LIMIT) as opened:
        around = [opened.submit(tasks.square, number) for number in range(40)]
        deadly = opened.submit(tasks.die)
        around += [opened.submit(tasks.square, number) for number in range(40)]
        error = deadly.exception(LIMIT)
        assert isinstance(error, WorkerDied)
        assert "exit status 9" in str(error)
        assert [future.result(LIMIT) for future in around] == [n * n for n in range(40)] * 2


def test_a_task_whose_worker_was_killed_once_succeeds(tmp_path: Path) -> None:
    """One death may be chance: an out-of-memory kill can hit any process."""
    with ProcessExecutor(1, 1, deadline=LIMIT) as opened:
        assert opened.submit(tasks.die_once, str(tmp_path / "flag")).result(LIMIT) == "survived"


@pytest.mark.parametrize(
    ("function", "args", "kind"),
    [
        (tasks.return_lock, (), "TypeError"),
        (tasks.return_unloadable, (), "ValueError"),
        (tasks.big, ((64 << 20) + 1,), "ValueError"),
    ],
)
def test_a_result_that_cannot_be_sent_fails_its_task_only(
    processes: ProcessExecutor, function: Callable[..., object], args: tuple[object, ...], kind: str
) -> None:
    """It cannot be pickled, cannot be unpickled, or is too large; the error says which."""
    error = processes.submit(function, *args).exception(LIMIT)
    assert isinstance(error, TaskError)
    assert error.kind == kind
    assert processes.submit(tasks.square, 2).result(LIMIT) == 4


def test_a_task_that_does_not_pickle_fails_at_once(processes: ProcessExecutor) -> None:
    """A nested function cannot be a task of another process."""
    future = processes.submit(lambda: 1)
    assert isinstance(future.exception(0), TaskError)


def test_more_functions_than_workers_keep_still_run() -> None:
    """Functions beyond the bound travel with their tasks."""
    from functools import partial

    with ProcessExecutor(1, 1, deadline=LIMIT) as opened:
        futures = [opened.submit(partial(tasks.square, number)) for number in range(100)]
        assert [future.result(LIMIT) for future in futures] == [n * n for n in range(100)]


def test_large_values_arrive_complete(executor: ProcessExecutor | ThreadExecutor) -> None:
    """Values larger than any socket's buffer arrive, in both directions."""
    assert len(executor.submit(tasks.big, 9_000_000).result(LIMIT)) == 9_000_000
    assert executor.submit(len, b"y" * 9_000_000).result(LIMIT) == 9_000_000


def test_no_more_processes_than_tasks() -> None:
    """One task starts one worker, whatever the limit."""
    with ProcessExecutor(8, 1, deadline=LIMIT) as opened:
        assert {opened.submit(tasks.process_id).result(LIMIT) for _ in range(3)} != {os.getpid()}
        assert len(opened.worker_pids) == 1


def test_workers_log_into_the_parents_log(
    executor: ProcessExecutor | ThreadExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker's log line arrives with the worker's name."""
    name = executor.submit(tasks.worker_name).result(LIMIT)
    executor.submit(tasks.say, "price missing").result(LIMIT)
    assert until(lambda: executor.submit(tasks.square, 1).result(LIMIT) and caplog.records, LIMIT)
    record = caplog.records[0]
    assert (record.getMessage(), record.levelno) == ("price missing", logging.WARNING)
    assert str(record.threadName).split(".")[0].split("-")[0] == name.split("-")[0]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_stopping_ends_a_pause_of_the_dispatcher() -> None:
    """Nobody wakes the dispatcher during a pause; here it is longer than the test may take."""
    pause = AdaptivePause(longest=1e6, step=1e6)
    executor = ProcessExecutor(1, pause=pause)
    futures = [executor.submit(tasks.wait_for, "/never", LIMIT) for _ in range(4)]
    assert until(lambda: bool(pause))
    executor.shutdown(wait=False, cancel_futures=True)
    executor.stop()
    assert all(future.done() for future in futures)
