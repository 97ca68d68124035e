"""Routes to the replay server: CONNECT_TO entries for libcurl, and certificates for the recorded hosts."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, NamedTuple

from parascrape.loopback.replay.exchange import Ending, Exchange
from parascrape.loopback.replay.warc import Recording, load_library
from parascrape.web import host_key

_NO_NAME = "this-name-had-no-address-when-it-was-recorded-and-so-has-none-now.invalid"
"""A label of more than 63 bytes: no resolver can ask for it (RFC 1035 section 2.3.4), so nothing is sent."""

_PLAIN_TEXT = ("wrong version number", "packet length too long")  # errors of a host that speaks no TLS

_VALID_FROM = datetime(2000, 1, 1, tzinfo=UTC)
_VALID_UNTIL = datetime(2001, 1, 1, tzinfo=UTC)
"""When an expired certificate was valid."""


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

    @property
    def pem(self) -> bytes:
        """The authority's own certificate, for clients to trust."""
        data: bytes = self._ca.cert_pem.bytes()
        return data

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


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
