"""The requests adapter: it sends requests through libcurl and reads bodies whole.

Connections are kept by the adapter's multi handle. libcurl's own total time covers name look-up,
connecting, TLS, headers (also ``100 Continue`` without end) and body, and the interpreter lock is free
meanwhile. One fetch of a 41 kB body costs 0.05 ms of CPU; through urllib3 and http.client it is 0.35 ms.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import Any

import pycurl
import requests
from requests.adapters import HTTPAdapter

from parascrape.errors import TooLarge
from parascrape.fetch.errors import raise_for
from parascrape.fetch.handles import HandlePool, refused_address
from parascrape.fetch.multi import MultiHandle
from parascrape.fetch.request import FetchTrace
from parascrape.fetch.response import join_fields, take_cookies
from parascrape.web import redact

_UNWANTED = 1 << 16
"""Bytes read of an unwanted body, so that its connection can be used again."""

_BY_SYSTEM = (7, 55, 56)
"""Errors of libcurl for which errno is this transfer's; with others it is that of an address tried before."""

_STATUS_LINE = re.compile(rb"HTTP/[0-9.]+ +[0-9]{3}")

_TIMES = (pycurl.PRETRANSFER_TIME, pycurl.STARTTRANSFER_TIME, pycurl.TOTAL_TIME)

_mockable_send = HTTPAdapter.send


class CurlRequest(requests.PreparedRequest):
    """A request with what its answer is held to, and the trace of its fetch.

    Of an answer whose Content-Type is not ``wanted``, 64 kB are read. A ``max_bytes`` of 0 is the adapter's.
    """

    wanted: Callable[[str], bool] | None = None
    max_bytes = 0
    trace: FetchTrace | None = None


class CurlAdapter(HTTPAdapter):
    """requests' adapter over libcurl, safe for all threads; bodies are read whole, up to ``max_bytes``.

    Bodies that are held at once, until their trace is released, have ``budget`` bytes together.
    A stand-in for `HTTPAdapter.send`, as the library ``responses`` patches in, is used where there is one.
    """

    def __init__(self, max_bytes: int, handles: HandlePool | None = None, *, budget: int = 1 << 30) -> None:
        super().__init__()
        self._max_bytes = max_bytes
        self._handles = handles or HandlePool()
        self.budget = MemoryBudget(budget)
        self._transfers = MultiHandle(self._paused)

    def send(  # noqa: PLR0913 (the signature is requests')
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Return the response; ``timeout`` is the total in seconds. Proxy and certificates are the handles'.

        Raises:
            FetchError: no answer, or not a whole one, or one that is too large.
        """
        if HTTPAdapter.send is not _mockable_send:
            return super().send(request, stream, timeout, verify, cert, proxies)
        wanted: Callable[[str], bool] | None = getattr(request, "wanted", None)
        trace: FetchTrace = getattr(request, "trace", None) or FetchTrace()
        max_bytes = getattr(request, "max_bytes", 0) or self._max_bytes
        handle = self._handles.take()
        trace.release()  # of the redirect before
        answer = _ResponseState(handle, max_bytes, self.budget, wanted)
        trace.release_body = partial(self.budget.give_back, answer)
        # libcurl would end a large body of another type as too large, before its type is known.
        handle.setopt(pycurl.MAXFILESIZE_LARGE, 0 if wanted else max_bytes)
        handle.setopt(pycurl.URL, redact(str(request.url)))
        handle.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in request.headers.items()])
        handle.setopt(pycurl.TIMEOUT_MS, max(1, int(timeout * 1000)))
        handle.setopt(pycurl.WRITEFUNCTION, answer.write)
        handle.setopt(pycurl.HEADERFUNCTION, answer.header)
        perform = self._transfers.perform
        try:
            perform(handle) if trace.hook is None else trace.hook(perform, handle)
        except pycurl.error as error:
            if not answer.enough:
                self._fail(handle, answer, error.args)
        finally:
            trace.add_transfer(*map(handle.getinfo, _TIMES))
        self._handles.give_back(handle)
        return answer.response(request)

    def _fail(self, handle: Any, answer: _ResponseState, details: tuple[Any, ...]) -> None:
        """Raise the FetchError of a failed transfer."""
        system = ""
        if not answer.too_large and details[0] in _BY_SYSTEM:
            system = (reason := handle.getinfo(pycurl.OS_ERRNO)) and os.strerror(reason)
        refused = refused_address(handle)
        # Only here: libcurl is not done with a handle that anything else has interrupted.
        self._handles.give_back(handle)
        if answer.too_large:
            raise TooLarge(f"more than {answer.max_bytes} bytes") from None
        raise_for(details[0], details[1], refused, system or "")

    def _paused(self) -> Iterable[Any]:
        """Return the handles whose bodies may go on."""
        return [answer.handle for answer in self.budget.resumable()]

    def leave(self) -> None:
        """Say that this thread fetches nothing more for now."""
        self._transfers.leave()

    def close(self) -> None:
        """Close the connections as soon as no transfer is under way."""
        super().close()
        self._transfers.close()


class MemoryBudget:
    """Bounds the bytes that the bodies of one adapter hold together, as they come over the wire.

    A body that would exceed it is paused until others are released. One at a time may exceed it, up to
    its own limit, so that there is always one that gets to its end. A paused body's time runs on.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._favourite: _ResponseState | None = None
        self._paused: list[_ResponseState] = []
        self.total = 0

    def take(self, holder: _ResponseState, size: int) -> bool:
        """Return whether the holder may have so many bytes more; if not, `resumable` returns it later."""
        with self._lock:
            if self.total + size > self._limit:
                self._favourite = self._favourite or holder
                if self._favourite is not holder:
                    self._paused.append(holder)
                    return False
            self.total += size
            holder.held += size
            return True

    def resumable(self) -> list[_ResponseState]:
        """Return the paused bodies that may try again."""
        if not self._paused:
            return []
        with self._lock:
            if self._favourite is not None and self.total >= self._limit:
                return []
            found, self._paused = self._paused, []
            return found

    def give_back(self, holder: _ResponseState) -> None:
        """Count the holder's bytes no more."""
        with self._lock:
            self.total -= holder.held
            holder.held = 0
            if self._favourite is holder:
                self._favourite = None
            if self._paused:
                self._paused = [one for one in self._paused if one is not holder]


@dataclass(eq=False, slots=True)
class _ResponseState:
    """The answer to one request as it comes in: header lines and pieces of the body, within bounds."""

    handle: Any
    max_bytes: int
    budget: MemoryBudget
    wanted: Callable[[str], bool] | None
    held: int = 0  # bytes, as the budget counts them
    too_large: bool = False
    enough: bool = False
    _ended: bool = False  # the header
    _size: int = 0
    _lines: list[bytes] = field(default_factory=list)
    _pieces: list[bytes] = field(default_factory=list)

    def header(self, line: bytes) -> None:
        """Take a header line; a new status line (after 100, after a proxy's CONNECT) starts afresh.

        What comes after the body, a trailer (RFC 9110 §6.5), says nothing: it could say anything.
        """
        if self._ended and _STATUS_LINE.match(line) and not self._size:
            self._ended = False
            self._lines = []
        if not self._ended:
            self._lines.append(line)
            self._ended = not line.strip()

    def write(self, piece: bytes) -> int | None:
        """Take a piece of the body. -1 ends the transfer; after a pause the piece comes again."""
        if not self.budget.take(self, len(piece)):
            return int(pycurl.WRITEFUNC_PAUSE)
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > _UNWANTED and not self._is_wanted():
            self.enough = True
            return -1
        if self._size > self.max_bytes:
            self.too_large = True
            return -1
        return None

    def _is_wanted(self) -> bool:
        """Return whether the whole body is wanted: the status is 2xx, and the type is one of those wanted."""
        if not 200 <= int(self._lines[0].split(None, 2)[1]) < 300:
            return False
        return self.wanted is None or self.wanted(join_fields(self._lines[1:]).get("Content-Type", ""))

    def response(self, request: requests.PreparedRequest) -> requests.Response:
        """Return the answer as a requests response; its body is read from ``raw``, still encoded."""
        status_line, *lines = self._lines
        parts = status_line.decode("latin-1").split(None, 2)
        response = requests.Response()
        response.status_code = int(parts[1])
        response.reason = parts[2].strip() if len(parts) > 2 else ""
        response.url = str(request.url)
        response.request = request
        response.headers = join_fields(lines)
        response.raw = _Body(b"".join(self._pieces))
        self._pieces.clear()  # the handle keeps this object until its next request
        if "Set-Cookie" in response.headers:
            take_cookies(response, lines)
        return response


class _Body(BytesIO):
    """A body in memory, with the part of urllib3's response that requests and the client use."""

    _original_response: Any = None

    def read(self, amount: int | None = None, decode_content: bool = False) -> bytes:
        """Return the next ``amount`` bytes, or all, still encoded."""
        return super().read(amount)
