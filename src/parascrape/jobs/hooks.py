"""Commands that a job runs at its end, with the summary as JSON on their standard input."""

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

from parascrape.jobs.run_state import RunState
from parascrape.jobs.schema import Job
from parascrape.system import SignalCapture, end_with

__all__ = ["ChildProcesses", "run_hooks", "start_command"]


def start_command(arguments: Sequence[str], folder: Path, *, death_signal: int) -> subprocess.Popen[bytes]:
    """``scrape ARGUMENTS...``, started in a folder, with nothing on standard input.

    It is in a process group of its own: a Ctrl-C reaches it through `ChildProcesses`, not twice. Linux sends
    it ``death_signal`` when this process ends, however that does.
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
    """Runs commands one after the other; SIGINT and SIGTERM, handled while this is entered, reach the one
    that runs. ``numbers`` are those that came.
    """

    def __init__(self) -> None:
        super().__init__()
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, arguments: Sequence[str], folder: Path) -> int:
        """The exit status of the command; a signal's number below 0 where one killed it."""
        if self.numbers:
            return 128 + self.numbers[0]
        self._child = start_command(arguments, folder, death_signal=signal.SIGKILL)
        for number in self.numbers:  # that came while it was being started
            self._child.send_signal(number)
        status = self._child.wait()
        self._child = None
        if status < 0 and -status in self.numbers:  # it was asked to end before it could handle that
            return 128 - status
        return status

    def take(self, number: int) -> None:
        """Pass the signal on."""
        if self._child is not None:
            with suppress(OSError):
                self._child.send_signal(number)


def run_hooks(job: Job, events: Sequence[str], finished: RunState, folder: Path) -> Iterator[str]:
    """What went wrong with the hooks of these events, a line each. No shell takes part.

    They run in ``folder``, one after the other; ``PARASCRAPE_EVENT`` and ``PARASCRAPE_JOB`` are set. One
    that takes longer than the job's ``hook_timeout`` is killed with its process group.
    """
    for event in events:
        if event in job.hooks:
            data = json.dumps({"event": event, **finished.as_dict()}).encode() + b"\n"
            environment = {**os.environ, "PARASCRAPE_EVENT": event, "PARASCRAPE_JOB": job.name}
            fault = _run(job.hooks[event], data, job.hook_timeout, folder, environment)
            if fault:
                yield f"{event}: {job.hooks[event][0]} {fault}"


def _run(
    command: Sequence[str], data: bytes, seconds: float, folder: Path, environment: dict[str, str]
) -> str:
    """What went wrong; empty where it ended with status 0. What it prints goes to standard error."""
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
            _kill(process)
            return f"was killed after {seconds:g} s"
    return f"ended with status {process.returncode}" if process.returncode else ""


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the hook and what it has started."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
