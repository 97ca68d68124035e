"""The replay server: answers for recorded hosts, with their bytes, times, certificates and faults.

It is started with one JSON object: the path of the recording, the file for the certificate of its authority,
and the arguments of `ReplayAnswers`.
"""

from __future__ import annotations

import json
import math
import socket
import ssl
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from parascrape.errors import UsageError
from parascrape.loopback.connection import Answer, Request, Then, head_of
from parascrape.loopback.replay.exchange import Ending, Exchange, closes, cookie_names
from parascrape.loopback.replay.warc import Recording, load_library, read_recording
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

_NO_NAME = "this-name-had-no-address-when-it-was-recorded-and-so-has-none-now.invalid"
"""A label of more than 63 bytes: no resolver can ask for it (RFC 1035 section 2.3.4), so nothing is sent."""

_PLAIN_TEXT = ("wrong version number", "packet length too long")  # errors of a host that speaks no TLS

_VALID_FROM = datetime(2000, 1, 1, tzinfo=UTC)
_VALID_UNTIL = datetime(2001, 1, 1, tzinfo=UTC)
"""When an expired certificate was valid."""


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
        seconds, data = exchange.seconds, exchange.before + exchange.reply
        if exchange.ending == "left" and not exchange.reply:  # a head that was broken off, by its last line
            data += b"".join(data.splitlines(keepends=True)[-1:])
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


# --- routes and certificates ------------------------------------------------------------------------


class Ports(NamedTuple):
    """The ports of the replay server on 127.0.0.1; nobody listens at ``closed``."""

    plain: int
    tls: int
    closed: int


def origins_of(recording: Recording) -> dict[str, list[Exchange]]:
    """Return the exchanges of each scheme, host and port (`host_key`)."""
    origins: dict[str, list[Exchange]] = {}
    for exchange in recording.exchanges:
        origins.setdefault(host_key(exchange.url), []).append(exchange)
    return origins


def host_of(origin: str) -> str:
    """Return the host of an origin as a client sends it for SNI; an address without brackets."""
    return origin.partition("://")[2].rpartition(":")[0].strip("[]")


def make_connect_to(recording: Recording, ports: Ports) -> str:
    """Return the entries, separated by commas; the last two are for all hosts without one of their own."""
    entries: list[str] = []
    for origin, found in origins_of(recording).items():
        scheme, _, place = origin.partition("://")
        usual = ports.tls if place.rpartition(":")[2] == "443" else ports.plain
        target = _target(scheme, found, ports)
        if target != f"127.0.0.1:{usual}":
            entries.append(f"{place}:{target}")
    return ",".join([*entries, f":443:127.0.0.1:{ports.tls}", f"::127.0.0.1:{ports.plain}"])


def _target(scheme: str, found: list[Exchange], ports: Ports) -> str:
    """Return where an origin answers: at a port of the server, or nowhere if it never did."""
    ending = _ending(found)
    if ending == "dns":
        return f"{_NO_NAME}:{ports.closed}"
    if ending == "refused":
        return f"127.0.0.1:{ports.closed}"
    was_plain = ending == "tls" and any(text in found[0].message for text in _PLAIN_TEXT)
    return f"127.0.0.1:{ports.tls if scheme == 'https' and not was_plain else ports.plain}"


def _ending(found: list[Exchange]) -> Ending | None:
    """Return how all of them ended; None where they differ."""
    endings = {exchange.ending for exchange in found}
    return endings.pop() if len(endings) == 1 else None


def tls_faults(recording: Recording) -> dict[str, str]:
    """Return the hosts whose every TLS handshake failed, each with the fault of its certificate."""
    return {
        host_of(origin): fault_of(found[0].message)
        for origin, found in origins_of(recording).items()
        if _ending(found) == "tls"
    }


def fault_of(message: str) -> str:
    """Return the fault of a certificate from an error message: ``expired``, ``name`` or ``authority``."""
    text = message.lower()
    if "expired" in text:
        return "expired"
    return "name" if "subject name" in text or "hostname" in text else "authority"


class Authority:
    """Issues a certificate for each name that a client asks for by SNI; its keys never leave the process.

    ``addresses`` are hosts without a name, for which clients send no SNI: they share one certificate, the one
    of ``context``. ``faults`` maps hosts to the fault that their certificate is to have (`fault_of`).
    """

    def __init__(self, addresses: Iterable[str], faults: Mapping[str, str]) -> None:
        self._library: Any = load_library("trustme")
        self._ca = self._library.CA(organization_name="parascrape replay")
        self._faults = faults
        self._contexts: dict[str, ssl.SSLContext] = {}
        shared = [host for host in addresses if host not in faults]
        self.context = self._make(self._ca.issue_cert(*(shared or ["localhost"])))
        self.context.sni_callback = self._choose

    def write_certificate(self, path: Path) -> None:
        """Write the authority's own certificate, for clients to trust."""
        self._ca.cert_pem.write_to_path(str(path))

    def context_for(self, name: str) -> ssl.SSLContext:
        """Return the TLS context with the certificate of a host."""
        if name not in self._contexts:
            self._contexts[name] = self._issue(name)
        return self._contexts[name]

    def _choose(self, connection: Any, name: str | None, _: ssl.SSLContext) -> None:
        """Continue the handshake with the certificate of this name (RFC 6066 section 3)."""
        if name is not None and not _is_address(name):
            connection.context = self.context_for(name)

    def _issue(self, name: str) -> ssl.SSLContext:
        fault = self._faults.get(name, "")
        authority = self._library.CA() if fault == "authority" else self._ca
        times = {"not_before": _VALID_FROM, "not_after": _VALID_UNTIL} if fault == "expired" else {}
        try:
            issued = authority.issue_cert("wrong.invalid" if fault == "name" else name, **times)
        except ValueError:  # a name that no certificate can hold, such as one with an underscore
            return self.context
        return self._make(issued)

    @staticmethod
    def _make(issued: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(context)
        return context


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


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
    addresses = filter(_is_address, hosts)
    authority = Authority(addresses, tls_faults(recording))
    authority.write_certificate(ca_file)
    return authority


if __name__ == "__main__":
    main()
