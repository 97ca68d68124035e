"""Certificates of a throw-away authority for the hosts of a recording, also such as clients refuse."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from parascrape.loopback.replay.warc import load_library

__all__ = ["Authority", "fault_of"]

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_AFTERWARDS = datetime(2001, 1, 1, tzinfo=UTC)


def fault_of(message: str) -> str:
    """What was wrong with a certificate, from the error's message: ``expired``, ``name`` or ``authority``."""
    text = message.lower()
    if "expired" in text:
        return "expired"
    return "name" if "subject name" in text or "hostname" in text else "authority"


class Authority:
    """Issues a certificate for each name that a client asks for by SNI; its keys are in this process only.

    ``addresses`` are hosts without a name, for which clients send none: they share one certificate.
    ``faults`` maps hosts to what is to be wrong with theirs (`fault_of`).
    """

    def __init__(self, addresses: Iterable[str], faults: Mapping[str, str]) -> None:
        self._library: Any = load_library("trustme")
        self._ca = self._library.CA(organization_name="parascrape twin")
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

    def _choose(self, connection: Any, name: str | None, _: ssl.SSLContext) -> None:
        """Have the handshake go on with the certificate of this name (RFC 6066 §3)."""
        if name is None or _is_address(name):
            return
        if name not in self._contexts:
            self._contexts[name] = self._context_for(name)
        connection.context = self._contexts[name]

    def _context_for(self, name: str) -> ssl.SSLContext:
        fault = self._faults.get(name, "")
        authority = self._library.CA() if fault == "authority" else self._ca
        times = {"not_before": _LONG_AGO, "not_after": _AFTERWARDS} if fault == "expired" else {}
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
