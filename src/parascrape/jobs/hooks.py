"""Child processes of a job: the harvest, and hooks that get the run's summary as JSON on stdin."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from parascrape.jobs.jobfile import Job
from parascrape.jobs.summary import RunState
from parascrape.system import SignalCapture, end_with


def start_command(arguments: Sequence[str], folder: Path, *, death_signal: int) -> subprocess.Popen[bytes]:
    """Start ``scrape ARGUMENTS...`` in a folder, with an empty standard input.

    It runs in its own process group, so Ctrl-C is delivered once, by `ChildProcesses`. When this process
    ends for any reason, Linux sends it ``death_signal``.
    """
    command = [sys.executable, "-m", "parascrape", *arguments]
    more: dict[str, Any] = {}
    if hasattr(os, "setpgid"):
        more["process_group"] = 0
    if sys.platform == "linux":
        more["preexec_fn"] = end_with(os.getpid(), death_signal)
    return subprocess.Popen(  # noqa: S603 (this Python and this package)
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=2, **more
    )


class ChildProcesses(SignalCapture):
    """Runs commands one after the other, and forwards SIGINT and SIGTERM to the running one.

    Signals are handled inside the ``with`` block; ``numbers`` holds those that came.
    """

    def __init__(self) -> None:
        super().__init__()
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, arguments: Sequence[str], folder: Path) -> int:
        """Run a command and return its exit status, or minus the number of the signal that killed it."""
        if self.numbers:
            return 128 + self.numbers[0]
        self._child = start_command(arguments, folder, death_signal=signal.SIGKILL)
        for number in self.numbers:  # came while it was being started
            self._child.send_signal(number)
        status = self._child.wait()
        self._child = None
        if status < 0 and -status in self.numbers:  # came before it had a handler
            return 128 - status
        return status

    def take(self, number: int) -> None:
        if self._child is not None:
            with suppress(OSError):
                self._child.send_signal(number)


def run_hooks(job: Job, state: RunState, folder: Path) -> Iterator[str]:
    """Run the hooks of a run's events one after the other in ``folder``; yield a line for each failure.

    No shell is used. ``PARASCRAPE_EVENT`` and ``PARASCRAPE_JOB`` are set. A hook that takes longer than the
    job's ``hook_timeout`` is killed with its process group.
    """
    for event in state.events:
        if command := getattr(job, event):
            data = json.dumps({"event": event, **state.as_dict()}).encode() + b"\n"
            environment = {**os.environ, "PARASCRAPE_EVENT": event, "PARASCRAPE_JOB": job.name}
            if failure := _run(command, data, job.hook_timeout, folder, environment):
                yield f"{event}: {command[0]} {failure}"


def _run(
    command: Sequence[str], data: bytes, seconds: float, folder: Path, environment: dict[str, str]
) -> str:
    """Run a hook; return what went wrong, or "". Its output goes to standard error."""
    try:
        process = subprocess.Popen(  # noqa: S603 (the job file's own command)
            command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=2, start_new_session=True
        )
    except (OSError, ValueError) as error:
        return f"could not be started: {getattr(error, 'strerror', None) or error}"
    with process:
        try:
            process.communicate(data, timeout=seconds)
        except subprocess.TimeoutExpired:
            with suppress(OSError):
                if hasattr(os, "killpg"):
                    os.killpg(process.pid, signal.SIGKILL)  # the hook and what it has started
            process.kill()
            return f"was killed after {seconds:g} s"
    return f"ended with status {process.returncode}" if process.returncode else ""
