"""The twin's server: one process on 127.0.0.1, until its standard input ends.

It is started with a JSON object on the command line: the recording's path, the file for its authority's
certificate, and what `ReplayAnswers` is given. It prints a line of JSON with what its clients need, or with a
``fault``, and one more for each line that it reads: ``stats`` or ``reset``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import ssl
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

from parascrape.errors import UsageError
from parascrape.loopback.connection import HttpConnection
from parascrape.loopback.replay.answers import ReplayAnswers
from parascrape.loopback.replay.certificates import Authority
from parascrape.loopback.replay.load import ServerLoad
from parascrape.loopback.replay.recording import Recording, read_recording
from parascrape.loopback.replay.routes import Ports, host_of, make_connect_to, origins_of, tls_faults

__all__ = ["BACKLOG", "main"]

BACKLOG = 4096


def main() -> None:
    """Serve what the first argument asks for."""
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the process that started this one
    given = json.loads(sys.argv[1])
    try:
        recording = read_recording(given["recording"])
        authority = _authority(recording, Path(given["ca_file"]))
    except UsageError as error:
        _say({"fault": str(error)})
        return
    answers = ReplayAnswers(recording, time_scale=given["time_scale"], latency=given["latency"])
    _allow_connections()
    _run(_serve(recording, answers, authority))


def _authority(recording: Recording, ca_file: Path) -> Authority | None:
    """The authority, its certificate written; None, and none written, where no host speaks TLS."""
    hosts = [host_of(origin) for origin in origins_of(recording) if origin.startswith("https:")]
    if not hosts:
        return None
    addresses = [host for host in hosts if host.replace(".", "").isdigit() or ":" in host]
    authority = Authority(addresses, tls_faults(recording))
    ca_file.write_bytes(authority.pem)
    return authority


def _allow_connections() -> None:
    """As many open files as the system lets this process have."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _run(serving: Any) -> None:
    """Run until it ends, on uvloop where it is installed: 13 us of CPU for a request of 1 kB, not 28."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(serving)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serving)


async def _serve(recording: Recording, answers: ReplayAnswers, authority: Authority | None) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.set_exception_handler(_complain)
    meter, connections = ServerLoad(), set[HttpConnection]()

    async def listen(scheme: str, context: ssl.SSLContext | None = None) -> int:
        made = partial(HttpConnection, scheme, answers, meter, connections)
        server = await loop.create_server(made, "127.0.0.1", 0, backlog=BACKLOG, ssl=context)
        return int(server.sockets[0].getsockname()[1])

    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))  # kept, and never listened at: who connects is refused
    plain = await listen("http")
    tls = await listen("https", authority.context) if authority is not None else plain
    ports = Ports(plain, tls, closed.getsockname()[1])
    _say({"connect_to": make_connect_to(recording, ports), "tls": authority is not None})
    threading.Thread(target=_obey, args=(loop, stop, meter), daemon=True).start()
    await stop.wait()
    for connection in list(connections):
        connection.abort()
    await asyncio.sleep(0)
    closed.close()


def _obey(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, meter: ServerLoad) -> None:
    """Do what each line of standard input says; its end is the end."""
    for line in sys.stdin:
        loop.call_soon_threadsafe(_answer, line.strip(), meter)
    with contextlib.suppress(RuntimeError):  # the loop has ended before
        loop.call_soon_threadsafe(stop.set)


def _answer(question: str, meter: ServerLoad) -> None:
    if question == "reset":
        meter.reset()
    _say(meter.stats()._asdict())


def _say(message: dict[str, Any]) -> None:
    """One line for the process that started this one; if it is gone, so is the reason to speak."""
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def _complain(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """One line on stderr in place of a traceback; handshakes that clients break off are their affair."""
    if not isinstance(context.get("exception"), ssl.SSLError | ConnectionError):
        sys.stderr.write(f"twin: {context['message']}: {context.get('exception')!r}\n")


if __name__ == "__main__":
    main()
