"""The replay server: answers for recorded hosts, with their bytes, times and faults.

It is started with one JSON object: the path of the recording, the file for the certificate of its authority,
and the arguments of `ReplayAnswers`.
"""

from __future__ import annotations

import json
import math
import socket
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from statistics import median

from parascrape.errors import UsageError
from parascrape.loopback.connection import Answer, Request, Then, head_of
from parascrape.loopback.replay.exchange import Ending, Exchange, closes, cookie_names
from parascrape.loopback.replay.routes import (
    Authority,
    Ports,
    host_of,
    make_connect_to,
    origins_of,
    tls_faults,
)
from parascrape.loopback.replay.warc import Recording, read_recording
from parascrape.loopback.server import Listener, bind, say, serve_until_stdin_ends
from parascrape.web import host_key

_STEP = 0.004
"""Seconds between two pieces of a body that took its time: event loops count in milliseconds."""
_MAX_STEPS = 50

_THEN: dict[Ending, Then] = {"whole": "keep", "reset": "reset", "silent": "silent", "left": "silent"}
"""What follows the bytes; after any other ending the connection closes."""

_MISSING = b"Not in the recording.\n"
_UNKNOWN_FIELDS = {"Content-Length": str(len(_MISSING)), "X-Parascrape-Twin": "not in the recording"}
_UNKNOWN = Answer(head_of(404, {"Content-Type": "text/plain", **_UNKNOWN_FIELDS}) + _MISSING, known=False)
_NO_ROBOTS = _UNKNOWN._replace(known=True)
"""For robots.txt, which recordings of other tools lack: everything is allowed (RFC 9309 section 2.3.1.3)."""


class ReplayAnswers:
    """Answers from a recording, with their times multiplied by ``time_scale``.

    ``latency`` (seconds, not multiplied) replaces every time to the first byte. Of several answers to a URL,
    a request gets the one that was recorded with the same cookies, or else the first.
    """

    def __init__(
        self, recording: Recording, *, time_scale: float = 1.0, latency: float | None = None
    ) -> None:
        self._scale = time_scale
        self._latency = latency
        self._set_up = _connect_seconds(recording.exchanges)
        self._table: dict[str, list[tuple[Exchange, Answer]]] = {}
        for exchange in recording.exchanges:
            self._table.setdefault(exchange.url, []).append((exchange, self._answer(exchange)))

    def find(self, scheme: str, request: Request) -> Answer:
        """Return the answer to a request."""
        found = self._table.get(f"{scheme}://{request.fields.get('host', '').lower()}{request.target}")
        if found is None:
            return _NO_ROBOTS if request.target == "/robots.txt" else _UNKNOWN
        return found[0][1] if len(found) == 1 else _choose(found, request)

    def _answer(self, exchange: Exchange) -> Answer:
        seconds = exchange.seconds
        data = _data(exchange)
        step, pause = _pieces(len(data), seconds.transfer * self._scale)
        then = _THEN.get(exchange.ending, "close")
        if then == "keep" and exchange.reply and closes(exchange.head):
            then = "close"
        return Answer(
            data,
            wait=seconds.first_byte * self._scale if self._latency is None else self._latency,
            set_up=self._set_up.get(host_key(exchange.url), 0.0) * self._scale,
            step=step,
            pause=pause,
            then=then,
        )


def _data(exchange: Exchange) -> bytes:
    """Return all bytes to send. A head that was broken off gets one line more: the line that broke it off."""
    if exchange.ending == "left" and not exchange.reply:
        return exchange.before + b"".join(exchange.before.splitlines(keepends=True)[-1:])
    return exchange.before + exchange.reply


def _choose(found: list[tuple[Exchange, Answer]], request: Request) -> Answer:
    """Return the answer whose request is most like this one; the first of equals."""
    cookies, authorised = cookie_names(request.fields.get("cookie", "")), "authorization" in request.fields

    def likeness(pair: tuple[Exchange, Answer]) -> tuple[bool, bool]:
        return pair[0].cookies == cookies, pair[0].authorised == authorised

    return max(found, key=likeness)[1]


def _pieces(size: int, seconds: float) -> tuple[int, float]:
    """Return bytes of a piece and seconds between two, so that the last is sent after ``seconds``."""
    pieces = min(size, _MAX_STEPS, int(seconds / _STEP) + 1)
    if pieces < 2:
        return size, 0.0
    step = math.ceil(size / pieces)
    return step, seconds / max(1, math.ceil(size / step) - 1)


def _connect_seconds(exchanges: Iterable[Exchange]) -> dict[str, float]:
    """Return the seconds to connect to each host, with TLS: the median of its connections."""
    times: dict[str, list[float]] = {}
    for exchange in exchanges:
        if exchange.new_connection:
            seconds = exchange.seconds.connect + exchange.seconds.tls
            times.setdefault(host_key(exchange.url), []).append(seconds)
    return {host: median(found) for host, found in times.items()}


def main() -> None:
    """Run the server."""
    given = json.loads(sys.argv[1])
    try:
        recording = read_recording(given["recording"])
        authority = _authority(recording, Path(given["ca_file"]))
    except UsageError as error:
        say({"fault": str(error)})
        return
    answers = ReplayAnswers(recording, time_scale=given["time_scale"], latency=given["latency"])
    listeners = [Listener(bind(), partial(answers.find, "http"))]
    if authority is not None:
        listeners.append(Listener(bind(), partial(answers.find, "https"), authority.context))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # held, and never listened at: connections are refused
        ports = [each.socket.getsockname()[1] for each in listeners]
        connect_to = make_connect_to(recording, Ports(ports[0], ports[-1], closed.getsockname()[1]))
        serve_until_stdin_ends(listeners, {"connect_to": connect_to, "tls": authority is not None})


def _authority(recording: Recording, ca_file: Path) -> Authority | None:
    """Return the authority, with its certificate written to a file; None where no host speaks TLS."""
    hosts = [host_of(origin) for origin in origins_of(recording) if origin.startswith("https:")]
    if not hosts:
        return None
    addresses = [host for host in hosts if host.replace(".", "").isdigit() or ":" in host]
    authority = Authority(addresses, tls_faults(recording))
    ca_file.write_bytes(authority.pem)
    return authority


if __name__ == "__main__":
    main()
