"""Launches a loopback server (the demo site or a recording) in a process of its own, and talks to it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from parascrape.errors import UsageError
from parascrape.loopback.load import LoadStats
from parascrape.system import temporary_folder

_BOOT = (
    "import sys, importlib as i; sys.path.append(sys.argv.pop(1)); i.import_module(sys.argv.pop(1)).main()"
)


class ServerProcess:
    """A running server. ``pid`` is the id of its process, ``hello`` the first line that it printed."""

    hello: dict[str, Any]

    def __init__(self, module: str, given: Mapping[str, Any]) -> None:
        # -P keeps files of the working directory from replacing modules of the standard library.
        start = [sys.executable, "-P", "-c", _BOOT, str(Path(__file__).parents[2]), module]
        self._process = subprocess.Popen(  # noqa: S603 (this interpreter, this package)
            [*start, json.dumps(given)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self._lock = threading.Lock()
        self.pid = self._process.pid

    def start(self, seconds: float) -> None:
        """Wait until it listens. Raises UsageError for a fault that it reports, or after ``seconds``."""
        self.hello = self._read(seconds, "did not start on 127.0.0.1")
        if "fault" in self.hello:
            raise UsageError(self.hello["fault"])

    def stats(self) -> LoadStats:
        """Return what it did since it started or since `reset`. Raises UsageError if it has ended."""
        return self._ask(b"stats\n")

    def reset(self) -> None:
        """Set the counts to zero."""
        self._ask(b"reset\n")

    def _ask(self, question: bytes) -> LoadStats:
        with self._lock:
            with suppress(OSError):  # it has ended; reading says so
                self._process.stdin.write(question)  # type: ignore[union-attr]
            return LoadStats(**self._read(10.0, "has ended"))

    def _read(self, seconds: float, fault: str) -> dict[str, Any]:
        """Return the next line of the server. A timer kills it when it stays silent, on every platform."""
        timer = threading.Timer(seconds, self._process.kill)
        timer.start()
        try:
            line = self._process.stdout.readline()  # type: ignore[union-attr]
        finally:
            timer.cancel()
        if not line:
            raise UsageError(f"the local server {fault} (exit status {self._process.wait()})")
        message: dict[str, Any] = json.loads(line)
        return message

    def end(self) -> None:
        """Close its standard input, which ends it; kill it if it has not ended after two seconds."""
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        try:
            self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def serve(module: str, given: Mapping[str, Any], *, start_seconds: float = 60.0) -> Iterator[ServerProcess]:
    """Run ``main()`` of a server module in a process of its own, with ``given`` as JSON in its arguments.

    Raises:
        UsageError: the server reported a fault, or did not say within ``start_seconds`` that it listens.
            (Reading a recording of a gigabyte takes a quarter of the default.)
    """
    server = ServerProcess(module, given)
    try:
        server.start(start_seconds)
        yield server
    finally:
        server.end()


@contextmanager
def running_server() -> Iterator[list[str]]:
    """Run the demo's server; yield the URL of each host (scheme, address, port)."""
    with serve("parascrape.loopback.demo.server", {}) as server:
        yield server.hello["hosts"]


@contextmanager
def running_site() -> Iterator[list[str]]:
    """Run the demo's server; yield every URL of the demo in the order of the listing. Raises: see `serve`."""
    from parascrape.loopback.demo.site import listing

    with running_server() as hosts:
        yield [hosts[host] + path for host, path in listing()]


class ReplayServer:
    """A running replay server: pass its ``connect_to`` and ``ca_file`` as `NetworkOptions`."""

    def __init__(self, server: ServerProcess, ca_file: Path) -> None:
        self.pid, self.stats, self.reset = server.pid, server.stats, server.reset
        self.connect_to: str = server.hello["connect_to"]
        self.ca_file = str(ca_file) if server.hello["tls"] else ""


@contextmanager
def serve_recording(
    recording_path: str | Path, *, time_scale: float = 1.0, latency: float | None = None
) -> Iterator[ReplayServer]:
    """Run a server on 127.0.0.1 that answers as the recorded hosts did.

    Every time is multiplied by ``time_scale`` (0: no waiting). ``latency`` (seconds, not multiplied) replaces
    every time to the first byte. A client's own time-out is not scaled: what never answered takes that long.

    Raises:
        UsageError: the recording cannot be read, a number is out of its range, or the server does not start.
    """
    for name, value, most in (("time_scale", time_scale, 1000), ("latency", latency or 0.0, 3600)):
        if not 0 <= value <= most:
            raise UsageError(f"{name}: {value} is not between 0 and {most}")
    with temporary_folder("parascrape-replay-") as folder:
        ca_file = Path(folder) / "authority.pem"
        given = {"recording": str(recording_path), "ca_file": str(ca_file)}
        times = {"time_scale": time_scale, "latency": latency}
        with serve("parascrape.loopback.replay.server", {**given, **times}) as server:
            yield ReplayServer(server, ca_file)
