"""Where clients are to connect so that every host is the twin: the text for libcurl's CONNECT_TO. Pure."""

from __future__ import annotations

from typing import NamedTuple

from parascrape.loopback.replay.certificates import fault_of
from parascrape.loopback.replay.exchange import Ending, Exchange
from parascrape.loopback.replay.recording import Recording
from parascrape.web import host_key

__all__ = ["Ports", "host_of", "make_connect_to", "origins_of", "tls_faults"]

_NO_NAME = "this-name-had-no-address-when-it-was-recorded-and-so-has-none-now.invalid"
"""A label of more than 63 bytes: no resolver can even ask for it (RFC 1035 §2.3.4), so nothing is sent."""

_PLAIN_TEXT = ("wrong version number", "packet length too long")  # of what is no TLS at all


class Ports(NamedTuple):
    """The twin's ports on 127.0.0.1; nobody listens at ``closed``."""

    plain: int
    tls: int
    closed: int


def origins_of(recording: Recording) -> dict[str, list[Exchange]]:
    """The exchanges of each scheme, host and port (`urls.host_key`)."""
    origins: dict[str, list[Exchange]] = {}
    for exchange in recording.exchanges:
        origins.setdefault(host_key(exchange.url), []).append(exchange)
    return origins


def host_of(origin: str) -> str:
    """The host of an origin, as a client sends it for SNI; an address without brackets."""
    return origin.partition("://")[2].rpartition(":")[0].strip("[]")


def tls_faults(recording: Recording) -> dict[str, str]:
    """The hosts to which no TLS connection came about, and what was wrong with each certificate."""
    return {
        host_of(origin): fault_of(found[0].message)
        for origin, found in origins_of(recording).items()
        if _ending(found) == "tls"
    }


def make_connect_to(recording: Recording, ports: Ports) -> str:
    """The entries, with commas between; the last two are for all hosts that have none of their own."""
    entries: list[str] = []
    for origin, found in origins_of(recording).items():
        scheme, _, place = origin.partition("://")
        usual = ports.tls if place.rpartition(":")[2] == "443" else ports.plain
        target = _target(scheme, found, ports)
        if target != f"127.0.0.1:{usual}":
            entries.append(f"{place}:{target}")
    return ",".join([*entries, f":443:127.0.0.1:{ports.tls}", f"::127.0.0.1:{ports.plain}"])


def _target(scheme: str, found: list[Exchange], ports: Ports) -> str:
    """Where an origin is: at a port of the twin, or nowhere if that is how it was each time."""
    ending = _ending(found)
    if ending == "dns":
        return f"{_NO_NAME}:{ports.closed}"
    if ending == "refused":
        return f"127.0.0.1:{ports.closed}"
    spoke_plainly = ending == "tls" and any(text in found[0].message for text in _PLAIN_TEXT)
    return f"127.0.0.1:{ports.tls if scheme == 'https' and not spoke_plainly else ports.plain}"


def _ending(found: list[Exchange]) -> Ending | None:
    """How all of them ended; None where they differ."""
    endings = {exchange.ending for exchange in found}
    return endings.pop() if len(endings) == 1 else None
