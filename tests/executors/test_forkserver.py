"""The fork server: workers forked from it are workers like any other, and nothing outlives the command."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parascrape.__main__ import asks_for_processes
from parascrape.errors import TaskError, TaskTimeout, WorkerDied
from parascrape.executors import ProcessExecutor
from parascrape.executors.forkserver import ForkServer, forkserver, start_forkserver, use_forkserver
from tests.helpers import tasks
from tests.helpers.command import children, finish, lives, read_records, start, start_scrape, until
from tests.sites.site import Site

LIMIT = 60

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are spawned")


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ("urls.txt --mode process", True),
        ("--mode=process urls.txt", True),
        ("crawl -m process http://h/", True),
        ("-mprocess urls.txt", True),
        ("urls.txt --mode thread", False),
        ("urls.txt --mode", False),
        ("process urls.txt", False),
        ("--mode process --help", False),
        ("", False),
    ],
)
def test_a_head_start_is_for_those_who_ask_for_processes(arguments: str, asked: bool) -> None:
    """As far as the words of the command tell."""
    assert asks_for_processes(arguments.split()) is asked


@pytest.fixture
def server() -> Iterator[ForkServer]:
    """This process's fork server, for a while."""
    start_forkserver(["tests.helpers.tasks", "no.such.module"])
    opened = forkserver()
    assert opened is not None
    yield opened
    use_forkserver(None)
    opened.close()


@pytest.fixture
def executor(server: ForkServer) -> Iterator[ProcessExecutor]:
    """Workers of that fork server."""
    with ProcessExecutor(2, 2, deadline=LIMIT) as opened:
        yield opened


def test_forked_workers_do_what_they_are_given(executor: ProcessExecutor) -> None:
    """Values, failures and names are those of any worker."""
    futures = [executor.submit(tasks.square, number) for number in range(500)]
    assert [future.result(LIMIT) for future in futures] == [number * number for number in range(500)]
    assert isinstance(executor.submit(int, "x").exception(LIMIT), TaskError)
    assert executor.submit(tasks.worker_name).result(LIMIT).startswith("worker-")


def test_they_are_children_of_the_fork_server(server: ForkServer, executor: ProcessExecutor) -> None:
    """Which has imported what they need, and forgets them when they have ended."""
    assert executor.submit(os.getppid).result(LIMIT) == server.pid
    assert executor.submit(tasks.has_imported, "tests.helpers.tasks").result(LIMIT)
    executor.shutdown()
    assert server.processes == {}
    assert not children(server.pid)


def test_what_has_changed_since_it_began_holds_for_workers(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The folder, where modules are searched, the arguments, and how many files may be open."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.setattr(sys, "argv", ["scrape", "list"])
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[0] - 5, limits[1]))
    try:
        with ProcessExecutor(1, 1, deadline=LIMIT) as opened:
            assert opened.submit(tasks.surroundings).result(LIMIT) == tasks.surroundings()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_how_a_worker_ended_is_told(executor: ProcessExecutor) -> None:
    """By its exit status or its signal, as of any process."""
    assert "exit status 9" in str(executor.submit(tasks.die).exception(LIMIT))
    killed = executor.submit(signal.raise_signal, signal.SIGKILL).exception(LIMIT)
    assert isinstance(killed, WorkerDied)
    assert "SIGKILL" in str(killed)


def test_one_past_its_deadline_is_killed(server: ForkServer) -> None:
    """Also one that lets no other thread run."""
    with ProcessExecutor(1, 1, deadline=0.3) as opened:
        assert isinstance(opened.submit(tasks.hold_the_interpreter).exception(LIMIT), TaskTimeout)
        assert opened.submit(tasks.square, 3).result(LIMIT) == 9


def test_a_dead_fork_server_is_replaced(server: ForkServer, executor: ProcessExecutor) -> None:
    """Its workers die with it; their tasks, and those that come, are done by new ones."""
    waiting = [executor.submit(tasks.wait_for, "/never", 0.5) for _ in range(2)]
    assert until(lambda: len(children(server.pid)) == 2)
    before = server.pid
    os.kill(before, signal.SIGKILL)
    assert [future.result(LIMIT) for future in waiting] == [False, False]
    assert executor.submit(os.getppid).result(LIMIT) == server.pid != before
    assert all(map(lives, executor.worker_pids))


def test_what_is_too_long_to_be_asked_for_is_an_error(server: ForkServer) -> None:
    """And no reason to end the workers that there are."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        there = server.start(theirs, tasks.stay, LIMIT)
        with pytest.raises(ValueError, match="more than 131072"):
            server.start(theirs, tasks.say, "x" * (1 << 20))
        assert there.is_alive()
        there.kill()
        there.join(LIMIT)
        assert there.exitcode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("module", "reason"), [("forkless", os.strerror(errno.EAGAIN)), ("deadly", "ends at once")]
)
def test_what_cannot_be_forked_is_spawned(module: str, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    """The system allows no fork, or the fork server dies of what it imports: it is said, and work goes on."""
    server = ForkServer([f"tests.helpers.{module}"])
    use_forkserver(server)
    try:
        ours, theirs = socket.socketpair()
        with ours, theirs, pytest.raises(OSError, match=reason):
            server.start(theirs, tasks.stay, LIMIT)
        with ProcessExecutor(1, 1, deadline=LIMIT) as opened:
            assert opened.submit(tasks.square, 5).result(LIMIT) == 25
    finally:
        use_forkserver(None)
        server.close()
    [record] = caplog.records
    assert record.getMessage().endswith(f"{reason}; spawning one instead")


_STUCK = """
import os, sys, time
from parascrape.executors import ProcessExecutor
from parascrape.executors.forkserver import start_forkserver
from tests.helpers import tasks

if __name__ == "__main__":
    start_forkserver([])
    executor = ProcessExecutor(2, 1)
    print(executor.submit(os.getppid).result())
    stuck = [executor.submit(TASK) for _ in range(2)]
    pids = executor.worker_pids
    while len(pids) < 2 or not all(future.running() for future in stuck):
        time.sleep(0.01)
        pids = executor.worker_pids
    time.sleep(0.3)
    print(*pids, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("task", ["tasks.spin", "tasks.hold_the_interpreter"])
def test_nothing_outlives_a_killed_parent(task: str, tmp_path: Path) -> None:
    """Neither the fork server nor its workers, not even those that let no other thread run."""
    script = tmp_path / "script.py"
    script.write_text(_STUCK.replace("TASK", task))
    with start(script) as parent:
        pids = [int(parent.stdout.readline()), *map(int, parent.stdout.readline().split())]
        parent.kill()
    assert len(pids) == 3
    assert until(lambda: not any(map(lives, pids)), 10.0)


@pytest.fixture
def site() -> Iterator[Site]:
    """A site of its own."""
    with Site() as opened:
        yield opened


def test_the_commands_workers_are_forked(site: Site, tmp_path: Path) -> None:
    """They are children of its child, have nothing of its stdin and stdout, and are gone when it is."""
    (tmp_path / "urls").write_text("".join(site(f"/slow?seconds={one}\n") for one in (1, 1.1)))
    options = ("--mode", "process", "-o", tmp_path / "out")
    command = start_scrape(tmp_path / "urls", *options, cwd=tmp_path, stdin=subprocess.PIPE)
    assert until(lambda: len(site.log) >= 2)
    below = children(command.pid)
    forked = [pid for child in below for pid in children(child)]
    assert len(forked) == 2
    for pid in below:
        streams = [os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)]
        assert streams == ["/dev/null", streams[2], streams[2]]
    assert finish(command)[0] == 0
    assert len(read_records(tmp_path / "out")) == 2
    assert until(lambda: not any(map(lives, below)), 10.0)


def test_wrong_usage_leaves_no_fork_server(tmp_path: Path) -> None:
    """It had begun to import by then; who reads what the command prints waits for nothing of it."""
    code, _, errors = finish(start_scrape(tmp_path / "none", "--mode", "process"))
    assert code == 2
    assert len(errors.splitlines()) == 1


def test_a_ctrl_c_at_once_is_answered_by_the_command_alone(site: Site, tmp_path: Path) -> None:
    """The terminal sends it to the whole group, while everybody imports."""
    (tmp_path / "urls").write_text(site("/ok") + "\n")
    command = start_scrape(tmp_path / "urls", "--mode", "process", "-o", tmp_path / "out", cwd=tmp_path)
    assert until(lambda: children(command.pid))
    os.killpg(command.pid, signal.SIGINT)
    assert finish(command)[::2] == (130, "")
