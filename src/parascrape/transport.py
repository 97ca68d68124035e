"""The connections below requests: an adapter whose sockets obey one deadline for the whole fetch.

requests and urllib3 time each socket operation, so a server that sends a byte a second, in the
headers or in the body, or ``100 Continue`` for ever, is never late. Here every single receive gets
what is left of the fetch's total time.
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

from parascrape.errors import ConnectError, ConnectionLost, DnsError, FetchTimeout

__all__ = ["StaleConnection", "deadline", "open_session"]


class StaleConnection(ConnectionLost):
    """A kept connection that the server had closed meanwhile: the request was not answered at all."""


class _Deadline(threading.local):
    """The moment, on the monotonic clock, at which this thread's fetch is over."""

    at: float = float("inf")

    def remaining(self) -> float:
        """Seconds left. Raises FetchTimeout where there are none."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise FetchTimeout("the total time for the URL was up")
        return left


deadline = _Deadline()


class _DeadlineReader(io.RawIOBase):
    """A socket as a raw stream, each receive limited to what is left of the deadline."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        # Keeps the socket's descriptor open until the response is read, as socket.makefile does.
        self._stream = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(deadline.remaining())
        try:
            return self._sock.recv_into(buffer)
        except TimeoutError:
            raise FetchTimeout("the server stopped sending") from None

    def close(self) -> None:
        self._stream.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    """http.client's response, read through a `_DeadlineReader`."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_DeadlineReader(sock), 1 << 16)


class _DeadlineMixin:
    """Connecting and answering within the deadline; shared by the plain and the TLS connection."""

    requests_sent = 0

    def _new_conn(self) -> socket.socket:
        """A connected socket: each address of the host is tried within what time is left."""
        host, port = self._dns_host, self.port  # type: ignore[attr-defined]
        failure: OSError | None = None
        for family, kind, protocol, _, address in _resolve(host, port):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(deadline.remaining())
                sock.connect(address)
                return sock
            except TimeoutError:
                sock.close()
                raise FetchTimeout(f"no connection to {host}:{port} in time") from None
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
        reason = failure.strerror if failure is not None else "no usable address"
        raise ConnectError(f"{host}:{port}: {reason}")

    def request(self, *args: Any, **kwargs: Any) -> None:
        self.requests_sent += 1
        super().request(*args, **kwargs)  # type: ignore[misc]

    def getresponse(self) -> Any:
        try:
            return super().getresponse()  # type: ignore[misc]
        except (http.client.RemoteDisconnected, ConnectionError) as error:
            if self.requests_sent > 1:
                raise StaleConnection(f"the kept connection was closed ({error})") from None
            raise


def _resolve(host: str, port: int) -> list[tuple[Any, ...]]:
    try:
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DnsError(f"{host}: {getattr(error, 'strerror', None) or error}") from None


class _Connection(_DeadlineMixin, HTTPConnection):
    response_class = _DeadlineResponse


class _TlsConnection(_DeadlineMixin, HTTPSConnection):
    response_class = _DeadlineResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class DeadlineAdapter(HTTPAdapter):
    """requests' adapter with the connections above. ``connections`` are kept for each host."""

    def __init__(self, connections: int) -> None:
        super().__init__(pool_connections=256, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        super().init_poolmanager(connections, maxsize, block=block, **options)
        self._use_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):
            self._use_pools(manager)
        return manager

    @staticmethod
    def _use_pools(manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


def open_session(connections: int) -> requests.Session:
    """A session whose http and https URLs go through one `DeadlineAdapter`, safe for all threads.

    The environment's proxies and netrc are not looked at: slow on every request, and netrc would
    send its passwords to any host in the list.
    """
    session = requests.Session()
    session.trust_env = False
    adapter = DeadlineAdapter(connections)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session
