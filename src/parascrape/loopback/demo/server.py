"""The demo site's server: one process, an address and a port for each host, until stdin closes.

``python -m parascrape.loopback.demo.server`` prints one line of JSON,
``{"hosts": ["http://127.0.0.1:4001", ...]}``,
when every host listens. It ends when its stdin ends, so it never outlives the process that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import threading
from functools import partial
from typing import Any

from parascrape.loopback.demo.answers import DemoAnswers
from parascrape.loopback.demo.server_connection import DemoConnection
from parascrape.loopback.demo.site import HOSTS, listing, routes

__all__ = ["BACKLOG", "listen", "main", "serve"]

BACKLOG = 1024


def listen() -> list[socket.socket]:
    """A bound socket for each host: 127.0.0.1 to 127.0.0.8, or 127.0.0.1 for all where it is alone."""
    return [_bind(f"127.0.0.{host + 1}") for host in range(HOSTS)]


def _bind(address: str) -> socket.socket:
    try:
        return socket.create_server((address, 0), backlog=BACKLOG)
    except OSError:  # macOS gives its loopback device one address
        return socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)


async def serve(sockets: list[socket.socket]) -> None:
    """Serve until stdin ends or SIGTERM comes."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.set_exception_handler(_complain)
    bases = ["http://{}:{}".format(*sock.getsockname()) for sock in sockets]
    answers, connections = DemoAnswers(bases), set[DemoConnection]()
    for host, sock in enumerate(sockets):
        await loop.create_server(
            partial(DemoConnection, host, answers, connections), sock=sock, backlog=BACKLOG
        )
    if sys.platform != "win32":  # there the system ends the process by itself
        loop.add_signal_handler(signal.SIGTERM, stop.set)
    threading.Thread(target=_watch_stdin, args=(loop, stop), daemon=True).start()
    sys.stdout.write(json.dumps({"hosts": bases}) + "\n")
    sys.stdout.flush()
    warming = asyncio.create_task(_warm(answers))
    await stop.wait()
    warming.cancel()
    for connection in list(connections):
        connection.abort()
    await asyncio.sleep(0)


async def _warm(answers: DemoAnswers) -> None:
    """Make every answer between requests, so that a client seldom waits for one to be made (2 ms)."""
    for key in listing():
        answers.keep(routes()[key], True)
        await asyncio.sleep(0)


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Set ``stop`` at the end of stdin. A thread: no event loop watches pipes on every platform."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    with contextlib.suppress(RuntimeError):  # the loop has ended before
        loop.call_soon_threadsafe(stop.set)


def _complain(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """One line on stderr in place of a traceback."""
    sys.stderr.write(f"demo server: {context['message']}: {context.get('exception')!r}\n")


def main() -> None:
    """Run the server. Ctrl-C is for the process that started it, which then closes stdin."""
    if not os.isatty(0):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(listen()))


if __name__ == "__main__":
    main()
