"""Running the command and scripts as people do: in a process of their own."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence, Sized
from contextlib import suppress
from pathlib import Path
from typing import Any

SECONDS = 60
"""A command that takes longer hangs."""

UNLIMITED = ("--per-host", "0", "--ignore-robots")
RUDE = (*UNLIMITED, "--fetch-duplicates")
"""Options of a harvest without manners: every line is fetched, in the list's order, at full speed."""

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)]),
    "PYTHONWARNINGS": "",
}


def environment(**more: str) -> dict[str, str]:
    """The environment of a command of this test: its cache folder is the test's own."""
    own = {"XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"]} if "XDG_CACHE_HOME" in os.environ else {}
    return {**ENVIRONMENT, **own, **more}


def start(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    """A started ``python ARGUMENTS...`` with pipes, in a session of its own."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.Popen(command, **{"env": environment(), "start_new_session": True, **pipes, **options})


def finish(process: subprocess.Popen[bytes], data: bytes | None = None) -> tuple[int, str, str]:
    """Its exit status, stdout and stderr; killed if it takes too long."""
    with process:
        try:
            out, errors = process.communicate(data, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return process.returncode, (out or b"").decode(), (errors or b"").decode()


def start_scrape(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    """A started ``scrape ARGUMENTS...``."""
    return start("-m", "parascrape", *arguments, **options)


def on_a_terminal(*arguments: object, columns: int = 500, **options: Any) -> tuple[int, str]:
    """Return the exit status of a run whose stderr is a terminal, and all that it shows."""
    ours, theirs = os.openpty()
    terminal = environment(TERM="xterm", COLUMNS=str(columns))
    process = start_scrape(*arguments, stderr=theirs, env=terminal, **options)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # its last writer has gone
        while data := os.read(ours, 65_536):
            shown += data
    os.close(ours)
    return finish(process)[0], shown.decode()


def read_records(path: Path | str) -> list[dict[str, Any]]:
    """The records of an output, every line of which must be whole."""
    data = Path(path).read_bytes()
    assert data.endswith(b"\n") or not data
    return [json.loads(line) for line in data.splitlines()]


def until(condition: Any, seconds: float = 60.0) -> bool:
    """Whether the condition has come true in time."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.005)
    return True


def children(pid: int) -> set[int]:
    """The processes below a process, at any depth (Linux)."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found |= {child} | children(child)
    return found


def lives(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not (Linux)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def run_and_kill(arguments: Sequence[object], log: Sized, dice: random.Random, pages: int) -> None:
    """Start the command and kill it when a site's log has about so many more pages, at any moment within."""
    before = len(log)
    process = start_scrape(*arguments)
    assert until(lambda: len(log) - before >= pages or process.poll() is not None)
    threading.Event().wait(dice.uniform(0, 0.02))
    below = children(process.pid) if process.poll() is None else set()
    process.kill()
    assert finish(process)[0] in (-signal.SIGKILL, 0, 1)
    assert until(lambda: not any(map(lives, below)))
