"""Scripts with an executor: killed, interrupted, without a guard, or forgetful."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.command import until

ROOT = str(Path(__file__).parents[2])
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([ROOT, *sys.path])}

SCRIPT = """
import sys, time
from parascrape.executors import ProcessExecutor
from tests.helpers import tasks

if __name__ == "__main__":
    executor = ProcessExecutor(2, 2)
    pids = set()
    while len(pids) < 2:
        pids |= {f.result() for f in [executor.submit(tasks.process_id) for _ in range(20)]}
    stuck = [executor.submit(tasks.spin) for _ in range(4)]
    print(*pids, flush=True)
    time.sleep(60)
"""


def test_no_worker_outlives_a_killed_parent(tmp_path: Path) -> None:
    """kill -9 of the parent ends its children, even where they compute without end."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=ENVIRONMENT) as parent:
        assert parent.stdout is not None
        children = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(children) == 2
    assert until(lambda: not any(map(is_alive, children)))


def is_alive(pid: int) -> bool:
    """Whether the process exists and is not merely waiting to be reaped."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except ProcessLookupError:
        return False
    except OSError:
        return not Path("/proc").exists()
    return state != "Z"


FORGETFUL = """
from parascrape.executors import ProcessExecutor
from tests.helpers import tasks

if __name__ == "__main__":
    executor = ProcessExecutor(2, 2)
    print(executor.submit(tasks.square, 3).result())
    for _ in range(4):
        executor.submit(tasks.spin)
"""


def test_a_script_that_forgets_its_executor_ends(tmp_path: Path) -> None:
    """At once, whatever the workers are doing."""
    script = tmp_path / "script.py"
    script.write_text(FORGETFUL)
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=ENVIRONMENT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "9\n", "")


UNGUARDED = """
from parascrape.executors import ProcessExecutor
from tests.helpers import tasks

executor = ProcessExecutor(2, 1)
print(executor.submit(tasks.square, 3).exception())
executor.shutdown()
"""


def test_a_script_without_main_guard_is_told_so_and_starts_no_more(tmp_path: Path) -> None:
    """One clear line in place of workers that start workers."""
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=ENVIRONMENT)
    assert 'if __name__ == "__main__":' in done.stdout
    assert done.stderr == ""


def test_ctrl_c_while_workers_start_prints_nothing_of_theirs(tmp_path: Path) -> None:
    """The terminal sends SIGINT to the whole group; only the parent answers it."""
    if sys.platform == "win32":
        pytest.skip("signals are POSIX")
    script = tmp_path / "script.py"
    loop = "while len(pids) < 2:"
    script.write_text(SCRIPT.replace(loop, f"print('up', flush=True)\n    {loop}"))
    with subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        start_new_session=True,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        os.killpg(parent.pid, signal.SIGINT)
        _, errors = parent.communicate(timeout=60)
    assert errors.count("Traceback") == 1
    assert errors.strip().endswith("KeyboardInterrupt")
