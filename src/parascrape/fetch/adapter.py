"""The transport below requests: an adapter that sends through libcurl, mounted on the session.

Connections are kept by the session's multi handle. libcurl's own total time covers name look-up, connecting,
TLS, headers (also ``100 Continue`` without end) and body, and the interpreter lock is free meanwhile.
One fetch of a 41 kB body costs 0.05 ms of CPU; through urllib3 and http.client it is 0.35 ms.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import certifi
import pycurl
import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy

from parascrape.errors import FetchError, TooLarge
from parascrape.fetch import timing
from parascrape.fetch.curl_errors import raise_for
from parascrape.fetch.handles import HandlePool, refused_address
from parascrape.fetch.memory_budget import MemoryBudget
from parascrape.fetch.multi import MultiHandle
from parascrape.fetch.response import join_fields, take_cookies
from parascrape.web import redact

__all__ = ["CurlAdapter", "CurlRequest", "Witness", "leave", "open_session", "witnessed"]

Witness = Callable[[Callable[[Any], None], Any], None]
"""Sees one transfer: what performs it, and libcurl's handle."""

_UNWANTED = 1 << 16
"""Bytes that are read of an answer that nobody wants, so that its connection can be used again."""

_BY_SYSTEM = (7, 55, 56)
"""libcurl's numbers of what the system refused; with others its error is of another address, tried before."""

_STATUS_LINE = re.compile(rb"HTTP/[0-9.]+ +[0-9]{3}")

_TIMES = (pycurl.PRETRANSFER_TIME, pycurl.STARTTRANSFER_TIME, pycurl.TOTAL_TIME)

_mockable_send = HTTPAdapter.send

_this_thread = threading.local()
"""``adapter``: the one that this thread last sent through, which counts on its coming back."""


class CurlRequest(requests.PreparedRequest):
    """A request for answers of some types: of one whose Content-Type is not ``wanted`` 64 kB are read."""

    wanted: Callable[[str], bool] | None = None


class CurlAdapter(HTTPAdapter):
    """requests' adapter over libcurl, safe for all threads; bodies are read whole, up to ``max_bytes``.

    Bodies that are held at once, also by threads that scrape them, have ``budget`` bytes together.
    A stand-in for `HTTPAdapter.send`, as the library ``responses`` patches in, is heeded.
    """

    def __init__(self, max_bytes: int, handles: HandlePool | None = None, *, budget: int = 1 << 30) -> None:
        super().__init__()
        self._max_bytes = max_bytes
        self._handles = handles or HandlePool()
        self._budget = MemoryBudget(budget)
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
        """The response; ``timeout`` is the total in seconds.

        Raises:
            FetchError: no answer, or not a whole one, or one that is too large.
        """
        if HTTPAdapter.send is not _mockable_send:
            return super().send(request, stream, timeout, verify, cert, proxies)
        url = redact(str(request.url))
        handle = self._handles.take()
        wanted = getattr(request, "wanted", None)
        answer = self._begin(handle, wanted)
        try:
            # libcurl would end a large body of another type as too large, before its type is known.
            handle.setopt(pycurl.MAXFILESIZE_LARGE, 0 if wanted else self._max_bytes)
            handle.setopt(pycurl.URL, url)
            handle.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in request.headers.items()])
            handle.setopt(pycurl.TIMEOUT_MS, max(1, int(timeout * 1000)))
            handle.setopt(pycurl.PROXY, (proxies and select_proxy(url, proxies)) or "")
            handle.setopt(pycurl.WRITEFUNCTION, answer.write)
            handle.setopt(pycurl.HEADERFUNCTION, answer.header)
            _verify(handle, verify)
            self._perform(handle, answer)
        except FetchError:
            self._handles.give_back(handle)  # of an interrupted one libcurl is not done with
            raise
        self._handles.give_back(handle)
        return answer.response(request)

    def _begin(self, handle: Any, wanted: Callable[[str], bool] | None) -> _ResponseState:
        """The answer to be; what this thread fetched before is done with."""
        if getattr(_this_thread, "adapter", self) is not self:
            leave()
        _this_thread.adapter = self
        answer = _ResponseState(handle, self._max_bytes, self._budget, wanted)
        self._budget.release()
        self._budget.adopt(answer)
        return answer

    def _paused(self) -> Iterable[Any]:
        """Handles whose bodies may go on."""
        return [answer.handle for answer in self._budget.resumable()]

    def leave(self) -> None:
        """This thread is done with what it has fetched, and fetches nothing more for now."""
        self._budget.release()
        self._transfers.leave()

    def _perform(self, handle: Any, answer: _ResponseState) -> None:
        """Send and receive. Raises a FetchError unless enough has come back."""
        witness = _this_thread.__dict__.get("witness", _no_witness)
        try:
            witness(self._transfers.perform, handle)
        except pycurl.error as error:
            if answer.too_large:
                raise TooLarge(f"more than {self._max_bytes} bytes") from None
            if not answer.enough:
                details: tuple[Any, ...] = error.args
                reason = details[0] in _BY_SYSTEM and handle.getinfo(pycurl.OS_ERRNO)
                system = os.strerror(reason) if reason else ""
                raise_for(details[0], details[1], refused_address(handle), system)
        finally:
            timing.add_transfer(*map(handle.getinfo, _TIMES))


@contextmanager
def witnessed(witness: Witness) -> Iterator[None]:
    """Have this thread's transfers made by ``witness(perform, handle)``, which calls ``perform(handle)``."""
    _this_thread.witness = witness
    try:
        yield
    finally:
        del _this_thread.witness


def _no_witness(perform: Callable[[Any], None], handle: Any) -> None:
    perform(handle)


def leave() -> None:
    """Say that this thread is done with its page, so that others need not wait for it."""
    adapter: CurlAdapter | None = _this_thread.__dict__.pop("adapter", None)
    if adapter is not None:
        adapter.leave()


def _verify(handle: Any, verify: bool | str) -> None:
    """Certificates are verified unless ``verify`` is False; a text names a file of authorities."""
    handle.setopt(pycurl.SSL_VERIFYPEER, 1 if verify else 0)
    handle.setopt(pycurl.SSL_VERIFYHOST, 2 if verify else 0)
    handle.setopt(pycurl.CAINFO, verify if isinstance(verify, str) else certifi.where())


class _ResponseState:
    """What comes back for one request: header lines and pieces of the body, within bounds."""

    def __init__(
        self, handle: Any, max_bytes: int, budget: MemoryBudget, wanted: Callable[[str], bool] | None = None
    ) -> None:
        self.handle = handle
        self._wanted = wanted
        self.held = 0  # bytes, as the budget counts them
        self._max_bytes = max_bytes
        self._budget = budget
        self._lines: list[bytes] = []
        self._pieces: list[bytes] = []
        self._size = 0
        self.too_large = False
        self.enough = False
        self._ended = False

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
        """Take a piece of the body; -1 ends the transfer, a pause has the piece come again."""
        if not self._budget.take(self, len(piece)):
            return int(pycurl.WRITEFUNC_PAUSE)
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > _UNWANTED and not self._is_wanted():
            self.enough = True
            return -1
        if self._size > self._max_bytes:
            self.too_large = True
            return -1
        return None

    def _is_wanted(self) -> bool:
        """Whether the whole body is: it is a page's, of a type that is asked for."""
        if not 200 <= int(self._lines[0].split(None, 2)[1]) < 300:
            return False
        return self._wanted is None or self._wanted(join_fields(self._lines[1:]).get("Content-Type", ""))

    def response(self, request: requests.PreparedRequest) -> requests.Response:
        """The answer as requests shows it; its body is read from ``raw``, codings still on."""
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


class _Body:
    """A body that is here already, as far as requests and `fetch` look at a urllib3 response."""

    _original_response: Any = None

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length_remaining = len(body)

    def read(self, amount: int | None = None, decode_content: bool = False) -> bytes:
        """The next ``amount`` bytes, or all."""
        if amount is None or amount >= len(self._body):
            body, self._body = self._body, b""
        else:
            body, self._body = self._body[:amount], self._body[amount:]
        self.length_remaining = len(self._body)
        return body

    def close(self) -> None:
        """Nothing is held: the connection is free already."""

    release_conn = close


def open_session(
    max_bytes: int,
    *,
    public_only: bool = False,
    resolve: Sequence[str] = (),
    connect_to: Sequence[str] = (),
    budget: int = 1 << 30,
) -> requests.Session:
    """A session whose http and https URLs go through one `CurlAdapter`.

    With ``public_only`` it connects to public addresses only; its connections are then its own.
    ``resolve`` and ``connect_to`` are those of `HandlePool`; ``budget`` is `CurlAdapter`'s.

    The environment's proxies and netrc are not looked at: slow on every request, and netrc would
    send its passwords to any host in the list.
    """
    session = requests.Session()
    session.trust_env = False
    handles = HandlePool(public_only=public_only, resolve=resolve, connect_to=connect_to)
    adapter = CurlAdapter(max_bytes, handles, budget=budget)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session
