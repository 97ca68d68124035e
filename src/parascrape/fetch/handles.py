"""Libcurl handles with what is the same for every request, and what they may connect to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from typing import Any

import pycurl

from parascrape.web import kind_of, refusal

__all__ = ["HandlePool", "PublicSockets", "refused_address"]

_BUFFER = 1 << 18
"""Bytes received at once: most bodies in one call back into Python."""


class HandlePool:
    """The handles of one adapter, safe for all threads; connections are the multi handle's.

    With ``public_only`` they open no connection to a private address. An address is looked at when its
    connection is opened, so handles that may and handles that may not must never share connections.
    ``resolve`` holds addresses that are known, ``NAME:PORT:ADDRESS`` as CURLOPT_RESOLVE(3) has them, and
    ``connect_to`` where to connect instead, ``HOST:PORT:HOST:PORT`` as CURLOPT_CONNECT_TO(3) has it.
    """

    def __init__(
        self,
        *,
        public_only: bool = False,
        resolve: Sequence[str] = (),
        connect_to: Sequence[str] = (),
    ) -> None:
        self._public_only = public_only
        self._resolve = list(resolve)
        self._connect_to = list(connect_to)
        self._lock = threading.Lock()
        self._idle: list[Any] = []
        self._share = pycurl.CurlShare()
        self._share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_DNS)
        self._share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_SSL_SESSION)

    def take(self) -> Any:
        """A handle that nobody uses."""
        with self._lock:
            handle = self._idle.pop() if self._idle else None
        if handle is None:
            return self._make()
        _forget_refusal(handle)
        return handle

    def give_back(self, handle: Any) -> None:
        """Keep a handle for the next request."""
        with self._lock:
            self._idle.append(handle)

    def _make(self) -> Any:
        """A handle with what is the same for every request."""
        handle: Any = pycurl.Curl()
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.SHARE, self._share)
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.PATH_AS_IS, 1)
        handle.setopt(pycurl.BUFFERSIZE, _BUFFER)
        handle.setopt(pycurl.RESOLVE, self._resolve)
        handle.setopt(pycurl.CONNECT_TO, self._connect_to)
        if self._public_only:
            handle.sockets = PublicSockets()
            handle.setopt(pycurl.OPENSOCKETFUNCTION, handle.sockets)
        return handle


class PublicSockets:
    """Opens libcurl's sockets (CURLOPT_OPENSOCKETFUNCTION), but none to an address that is not public.

    libcurl asks for every address that it connects to, whether it comes from the URL, the resolver or
    its cache: what is checked is what is used. ``refused`` says why the last one was not; it is empty
    while none was.
    """

    def __init__(self) -> None:
        self.refused = ""

    def __call__(self, purpose: int, address: Any) -> Any:
        """A socket of the address's family, or SOCKET_BAD. A new connection costs 155 us of CPU, not 105."""
        host = str(address.addr[0])
        if kind := kind_of(host):
            self.refused = refusal(host, kind)
            return pycurl.SOCKET_BAD
        try:
            return socket.socket(address.family, address.socktype, address.protocol)
        except OSError:  # no descriptor is free, or there is no such family here
            return pycurl.SOCKET_BAD


def refused_address(handle: Any) -> str:
    """Why a connection was refused in the handle's last transfer; "" where none was."""
    sockets: PublicSockets | None = getattr(handle, "sockets", None)
    return sockets.refused if sockets else ""


def _forget_refusal(handle: Any) -> None:
    if refused_address(handle):
        handle.sockets.refused = ""
