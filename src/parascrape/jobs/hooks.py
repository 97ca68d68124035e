"""Commands that a job runs at its end, with the summary as JSON on their standard input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from parascrape.jobs.run_state import Finished
from parascrape.jobs.schema import Job

__all__ = ["run_hooks"]


def run_hooks(job: Job, events: Sequence[str], finished: Finished, folder: Path) -> Iterator[str]:
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
