"""Idle libcurl handles, each with its kept connections, found again by the host they last spoke to."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import pycurl

__all__ = ["Handles"]

_BUFFER = 1 << 18
"""Bytes received at once: most bodies in one call back into Python."""
_KEPT = 4
"""Connections that one handle keeps."""


class Handles:
    """The handles of one adapter. Any thread may use one, one thread at a time.

    A handle for each thread would open a connection to every host in every thread: with 1,000 threads
    on 200 hosts four times as many as there are fetches at once.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._idle: dict[str, deque[Any]] = {}  # by origin, the one not used for longest first
        self._share = pycurl.CurlShare()
        self._share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_DNS)
        self._share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_SSL_SESSION)

    def take(self, origin: str) -> Any:
        """A handle with a connection to that origin, else any idle one, else a new one."""
        with self._lock:
            found = self._idle.get(origin)
            if found is None and self._idle:
                origin, found = next(iter(self._idle.items()))
            if found is not None:
                handle = found.pop()
                if not found:
                    del self._idle[origin]
                return handle
        return self._make()

    def give_back(self, origin: str, handle: Any) -> None:
        """Keep a handle that has last spoken to that origin."""
        with self._lock:
            self._idle.setdefault(origin, deque()).append(handle)

    def clear(self) -> None:
        """Close the connections of all idle handles."""
        with self._lock:
            self._idle.clear()

    def _make(self) -> Any:
        """A handle with what is the same for every request."""
        handle = pycurl.Curl()
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.SHARE, self._share)
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.PATH_AS_IS, 1)
        handle.setopt(pycurl.BUFFERSIZE, _BUFFER)
        handle.setopt(pycurl.MAXCONNECTS, _KEPT)
        handle.setopt(pycurl.MAXFILESIZE_LARGE, self._max_bytes)
        return handle
