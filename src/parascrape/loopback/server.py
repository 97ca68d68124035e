"""The loopback server process: HTTP on 127.0.0.1 until standard input ends. Demo and replay run on it.

It prints one line of JSON when it listens (or a ``fault``), and the load of the server as one more line for
each ``stats`` or ``reset`` that it reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from parascrape.loopback.connection import Answer, HttpConnection, Request
from parascrape.loopback.load import ServerLoad

_BACKLOG = 4096


class Listener(NamedTuple):
    """A bound socket, what answers its requests, and TLS if it is secured."""

    socket: socket.socket
    find: Callable[[Request], Answer]
    context: ssl.SSLContext | None = None


def bind(address: str = "127.0.0.1") -> socket.socket:
    """Return a listening socket at a free port; at 127.0.0.1 where the machine lacks the address."""
    try:
        return socket.create_server((address, 0), backlog=_BACKLOG)
    except OSError:  # macOS gives its loopback device one address
        return socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)


def say(message: Mapping[str, Any]) -> None:
    """Print one line of JSON for the parent process; do nothing if the parent is gone."""
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def serve_until_stdin_ends(listeners: Iterable[Listener], hello: Mapping[str, Any]) -> None:
    """Serve, and print ``hello`` when all listen. SIGTERM ends it too."""
    if not os.isatty(0):  # Ctrl-C is for the parent, which then closes standard input
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    _raise_file_limit()
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(listeners, hello))


def _loop_factory() -> Any:
    """Return uvloop's loop where it is installed: 13 us of CPU for a request of 1 kB, not 28."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _raise_file_limit() -> None:
    """Allow as many open files as the system permits."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(listeners: Iterable[Listener], hello: Mapping[str, Any]) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.set_exception_handler(_report)
    load, connections = ServerLoad(), set[HttpConnection]()
    for sock, find, context in listeners:
        make = partial(HttpConnection, find, load, connections)
        await loop.create_server(make, sock=sock, backlog=_BACKLOG, ssl=context)
    if sys.platform != "win32":  # there the system ends the process by itself
        loop.add_signal_handler(signal.SIGTERM, stop.set)
    say(hello)
    threading.Thread(target=_read_commands, args=(loop, stop, load), daemon=True).start()
    await stop.wait()
    for connection in list(connections):
        connection.abort()
    await asyncio.sleep(0)


def _read_commands(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, load: ServerLoad) -> None:
    """Obey each line of standard input; stop at its end. A thread, because no loop watches pipes everywhere.

    Unbuffered: a daemon thread that holds the lock of ``sys.stdin`` breaks the interpreter's exit.
    """
    with contextlib.suppress(OSError):
        for line in io.FileIO(0, closefd=False):
            loop.call_soon_threadsafe(_obey, line.strip(), load)
    with contextlib.suppress(RuntimeError):  # the loop has already ended
        loop.call_soon_threadsafe(stop.set)


def _obey(command: bytes, load: ServerLoad) -> None:
    if command == b"reset":
        load.reset()
    say(load.stats()._asdict())


def _report(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Write one line to standard error instead of a traceback; ignore handshakes that clients break off."""
    if not isinstance(context.get("exception"), ssl.SSLError | ConnectionError):
        sys.stderr.write(f"loopback server: {context['message']}: {context.get('exception')!r}\n")
