"""The demo: a bundled site on loopback, served by a process of its own.

``running_site`` starts and ends it; `parascrape.loopback.demo.site` says what it holds and what to expect.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from parascrape.errors import UsageError

__all__ = ["running_server", "running_site"]

_START_SECONDS = 10.0
_END_SECONDS = 2.0

# -P keeps files of the working directory from standing in for the standard library's modules.
_START = (
    "-P",
    "-c",
    "import sys; sys.path.append(sys.argv[1]); from parascrape.loopback.demo.server import main; main()",
    str(Path(__file__).parents[2]),
)


@contextmanager
def running_site() -> Iterator[list[str]]:
    """Every URL of the demo site, in the order to harvest them, while its server runs.

    Raises:
        UsageError: the server did not start within ten seconds.
    """
    from parascrape.loopback.demo.site import listing

    with running_server() as hosts:
        yield [hosts[host] + path for host, path in listing()]


@contextmanager
def running_server() -> Iterator[list[str]]:
    """The URLs of the demo's hosts (scheme, address, port) while the server runs.

    Raises:
        UsageError: the server did not start within ten seconds.
    """
    process = subprocess.Popen(  # noqa: S603 (this interpreter, this package)
        [sys.executable, *_START], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield _hosts(process)
    finally:
        _end(process)


def _hosts(process: subprocess.Popen[bytes]) -> list[str]:
    """What the server says when it listens; a timer that kills it ends a wait in vain, on every platform."""
    assert process.stdout is not None  # noqa: S101 (asked for)
    timer = threading.Timer(_START_SECONDS, process.kill)
    timer.start()
    try:
        line = process.stdout.readline()
    finally:
        timer.cancel()
    if not line:
        status = process.wait()
        raise UsageError(f"the demo's server did not start on 127.0.0.1 (exit status {status})")
    hosts: list[str] = json.loads(line)["hosts"]
    return hosts


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
