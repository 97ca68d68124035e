"""Starting the twin's server as a process of its own, and talking with it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from parascrape.errors import UsageError
from parascrape.loopback.replay.load import LoadStats
from parascrape.system import temporary_folder

__all__ = ["ReplayServer", "serve_twin"]

_START_SECONDS = 60.0  # reading a recording of a gigabyte takes a quarter of that
_ANSWER_SECONDS = 10.0
_END_SECONDS = 2.0

# -P keeps files of the working directory from standing in for the standard library's modules.
_START = (
    "-P",
    "-c",
    "import sys; sys.path.append(sys.argv.pop(1)); "
    "from parascrape.loopback.replay.server import main; main()",
    str(Path(__file__).parents[2]),
)


class ReplayServer:
    """A running twin: give `Settings` its ``connect_to`` and ``ca_file``. ``pid`` is its process's."""

    def __init__(self, process: subprocess.Popen[bytes], ca_file: Path) -> None:
        self._process = process
        self._lock = threading.Lock()
        self.pid = process.pid
        said = self._hear(_START_SECONDS)
        if "fault" in said:
            raise UsageError(said["fault"])
        self.connect_to: str = said["connect_to"]
        self.ca_file = str(ca_file) if said["tls"] else ""

    def stats(self) -> LoadStats:
        """What it did since it started or since `reset`. Raises UsageError where it has ended."""
        return LoadStats(**self._ask("stats"))

    def reset(self) -> None:
        """Have it count anew."""
        self._ask("reset")

    def _ask(self, question: str) -> dict[str, Any]:
        with self._lock:
            with suppress(OSError):  # it has ended, and says nothing more
                assert self._process.stdin is not None  # noqa: S101 (asked for)
                self._process.stdin.write(f"{question}\n".encode())
                self._process.stdin.flush()
            return self._hear(_ANSWER_SECONDS)

    def _hear(self, seconds: float) -> dict[str, Any]:
        """The server's next line; a timer that kills it ends a wait in vain, on every platform."""
        assert self._process.stdout is not None  # noqa: S101 (asked for)
        timer = threading.Timer(seconds, self._process.kill)
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise UsageError(f"the twin has ended (exit status {self._process.wait()})")
        said: dict[str, Any] = json.loads(line)
        return said


@contextmanager
def serve_twin(
    recording_path: str | Path, *, time_scale: float = 1.0, latency: float | None = None
) -> Iterator[ReplayServer]:
    """A server on 127.0.0.1 that answers as the recorded hosts did, in a process of its own.

    Every time is multiplied by ``time_scale`` (0: no waiting); ``latency`` seconds, not multiplied, take
    the place of every time to the first byte. A client's own time-out is not scaled: what never answered
    still takes that long.

    Raises:
        UsageError: the recording cannot be read, a number is out of its range, or the server does not start.
    """
    _check("time_scale", time_scale, 1000)
    _check("latency", 0.0 if latency is None else latency, 3600)
    with temporary_folder("parascrape-twin-") as folder:
        ca_file = Path(folder) / "authority.pem"
        given = {"recording": str(recording_path), "ca_file": str(ca_file)}
        given_times = {"time_scale": time_scale, "latency": latency}
        process = subprocess.Popen(  # noqa: S603 (this interpreter, this package)
            [sys.executable, *_START, json.dumps({**given, **given_times})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            yield ReplayServer(process, ca_file)
        finally:
            _end(process)


def _check(name: str, value: float, most: float) -> None:
    if not 0 <= value <= most:
        raise UsageError(f"{name}: {value} is not between 0 and {most}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close the server's stdin, which ends it; kill it if it does not end."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
