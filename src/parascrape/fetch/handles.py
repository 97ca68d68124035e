"""A pool of libcurl easy handles: options that all requests share, and a filter of addresses."""

from __future__ import annotations

import socket
import threading
from typing import Any

import certifi
import pycurl

from parascrape.fetch.request import DIRECT, NetworkOptions
from parascrape.web import kind_of, refusal

_BUFFER = 1 << 18
"""Bytes received at once: most bodies in one call back into Python."""


class HandlePool:
    """The handles of one adapter, safe for all threads. The multi handle owns the connections.

    With ``public_only`` they open no connection to a private address. An address is looked at when its
    connection is opened, so handles that may and handles that may not must never share connections.
    Certificates are verified unless ``verify`` is False; a text names a file of authorities.
    """

    def __init__(
        self,
        *,
        public_only: bool = False,
        network: NetworkOptions = DIRECT,
        proxy: str = "",
        verify: bool | str = True,
    ) -> None:
        self._public_only = public_only
        self._lock = threading.Lock()
        self._idle: list[Any] = []
        share = pycurl.CurlShare()
        share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_DNS)
        share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_SSL_SESSION)
        self._options: dict[int, Any] = {
            pycurl.NOSIGNAL: 1,
            pycurl.SHARE: share,
            pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
            pycurl.PATH_AS_IS: 1,
            pycurl.BUFFERSIZE: _BUFFER,
            pycurl.RESOLVE: list(network.resolve),
            pycurl.CONNECT_TO: network.connect_to.split(",") if network.connect_to else [],
            pycurl.PROXY: proxy,  # empty: that of the environment is not used either
            pycurl.SSL_VERIFYPEER: 1 if verify else 0,
            pycurl.SSL_VERIFYHOST: 2 if verify else 0,
            pycurl.CAINFO: verify if isinstance(verify, str) else certifi.where(),
        }

    def take(self) -> Any:
        """Return an idle handle, or a new one."""
        with self._lock:
            handle = self._idle.pop() if self._idle else None
        if handle is None:
            return self._make()
        if (sockets := getattr(handle, "sockets", None)) is not None:
            sockets.refused = ""
        return handle

    def give_back(self, handle: Any) -> None:
        """Keep a handle for the next request."""
        with self._lock:
            self._idle.append(handle)

    def _make(self) -> Any:
        """Return a handle with the options that all requests share."""
        handle: Any = pycurl.Curl()
        for option, value in self._options.items():
            handle.setopt(option, value)
        if self._public_only:
            handle.sockets = PublicSockets()
            handle.setopt(pycurl.OPENSOCKETFUNCTION, handle.sockets)
        return handle


class PublicSockets:
    """Opens libcurl's sockets (CURLOPT_OPENSOCKETFUNCTION), to public addresses only.

    libcurl asks for every address that it connects to, whether it comes from the URL, the resolver or
    its cache: what is checked is what is used. ``refused`` says why the last one was not; it is empty
    while none was.
    """

    def __init__(self) -> None:
        self.refused = ""

    def __call__(self, purpose: int, address: Any) -> Any:
        """Return a socket of the address's family, or SOCKET_BAD. A connection costs 155 us CPU, not 105."""
        host = str(address.addr[0])
        if kind := kind_of(host):
            self.refused = refusal(host, kind)
            return pycurl.SOCKET_BAD
        try:
            return socket.socket(address.family, address.socktype, address.protocol)
        except OSError:  # no free descriptor, or the machine lacks this address family
            return pycurl.SOCKET_BAD


def refused_address(handle: Any) -> str:
    """Return why a connection was refused in the handle's last transfer; "" if none was."""
    sockets: PublicSockets | None = getattr(handle, "sockets", None)
    return sockets.refused if sockets else ""
