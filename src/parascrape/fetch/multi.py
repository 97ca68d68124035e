"""The multi handle: one libcurl multi handle drives all transfers of an adapter.

    thread --> perform: inbox --> turn, by whoever is free --> finished --> the thread goes on
                                    ^                              |
                                    +--- driver thread, while no other thread is at work

Threads that have their answer go on one at a time while that keeps the interpreter busy (`Throttle`):
more would only fight for its lock, and libcurl's callbacks, one for each header line, would queue behind
them. Measured on two CPUs against a handle driven by each thread: 1,000 threads
use half the CPU a page of 8 kB; BeautifulSoup in 8 threads takes half the time, in 2 processes of 8
threads 0.6 of it; light parsing is the same within 3 %.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import pycurl

log = logging.getLogger("parascrape.fetch")

_PATIENCE = 0.005
"""Seconds that threads may be at work before the driver looks after the transfers instead."""


class _Transfer:
    """One handle's transfer; ``ready`` is released when it has ended and its thread may go on."""

    __slots__ = ("error", "handle", "ready", "thread")

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.thread = threading.get_ident()
        self.error: tuple[Any, ...] = ()
        self.ready = threading.Lock()
        self.ready.acquire()


class Throttle:
    """How many threads may be at work: one while the interpreter is busy with it, more while they wait."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, cpu_clock: Callable[[], float] = time.process_time
    ) -> None:
        self.limit = 1
        self._clock, self._cpu_clock = clock, cpu_clock
        self._looked, self._used = clock(), cpu_clock()

    def adapt(self) -> None:
        """Adapt the limit; called while threads at work hold up others that could go on."""
        now = self._clock()
        if now - self._looked < 0.05:
            return
        used = self._cpu_clock()
        busy = (used - self._used) / (now - self._looked)
        self._looked, self._used = now, used
        if busy < 0.7:
            self.limit = min(self.limit * 2, 1024)
        elif busy > 0.9:
            self.limit = max(self.limit // 2, 1)


class _MultiSockets:
    """A libcurl multi handle with its timer and the selector of its sockets."""

    def __init__(self, new_selector: Callable[[], selectors.BaseSelector]) -> None:
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._due = float("inf")
        self._watched: set[int] = set()  # to ask the selector takes 8 us
        self._selector = new_selector()
        self._selector.register(self._ear, selectors.EVENT_READ)
        self.multi = pycurl.CurlMulti()
        self.multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self.multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)

    def ring(self) -> None:
        """End the wait of `serve`, from any thread."""
        with suppress(OSError):  # it has rings enough to wake up
            self._bell.send(b"!")

    def serve(self, patience: float) -> None:
        """Tell libcurl which sockets are ready, and when its timer ends."""
        for key, events in self._selector.select(max(0.0, min(patience, self._due - time.monotonic()))):
            if key.fileobj is self._ear:
                self._ear.recv(4096)
            else:
                self.multi.socket_action(key.fd, events)
        if self._due <= time.monotonic():
            self._due = float("inf")
            self.multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def _watch(self, what: int, descriptor: int, _multi: Any, _data: Any) -> None:
        """Watch a socket as libcurl asks; its POLL_IN and POLL_OUT are selectors' own."""
        if what == pycurl.POLL_REMOVE:
            self._selector.unregister(descriptor)
            self._watched.discard(descriptor)
        elif descriptor in self._watched:
            self._selector.modify(descriptor, what)
        else:
            self._selector.register(descriptor, what)
            self._watched.add(descriptor)

    def _set_timer(self, milliseconds: int) -> None:
        self._due = float("inf") if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    def close(self) -> None:
        """Close the connections."""
        self.multi.close()
        for each in (self._selector, self._bell, self._ear):
            each.close()


class MultiHandle:
    """Performs handles, each in the thread that asks for it. One thread at a time holds ``_driving``.

    ``between`` is called by that thread before it waits; it returns paused handles that may go on. The
    driver waits for sockets at most ``longest`` seconds at once, and ends after as long with nothing to do.
    A thread that does not come back for another page within ``away`` seconds is not waited for: it hangs, or
    has a very heavy page.
    """

    def __init__(
        self,
        between: Callable[[], Iterable[Any]] = tuple,
        *,
        longest: float = 1.0,
        away: float = 1.0,
        throttle: Throttle | None = None,
        new_selector: Callable[[], selectors.BaseSelector] = selectors.DefaultSelector,
    ) -> None:
        self._between = between
        self._longest, self._away = longest, away
        self._new_selector = new_selector
        self._lock = threading.Lock()
        self._driving = threading.Lock()
        self._needed = threading.Lock()
        self._driver: threading.Thread | None = None
        self._inbox: deque[_Transfer] = deque()
        self._finished: deque[_Transfer] = deque()
        self._at_work: dict[int, float] = {}  # threads let go on, and when
        self._pace = throttle or Throttle()
        self._blocking = False
        self._closing = False
        self._is_open = False
        self._under_way: dict[Any, _Transfer] = {}

    def _open(self) -> None:
        """Start without transfers and connections."""
        self._is_open = True
        self._sockets = _MultiSockets(self._new_selector)
        self._under_way = {}
        self._most = 0  # handles that were under way at once

    def _shut(self) -> None:
        """Close everything that `_open` opened."""
        self._is_open = False
        self._sockets.close()

    def close(self) -> None:
        """Close the connections as soon as no transfer is under way; a later one opens its own."""
        with self._lock:
            self._closing = True
            if self._driver is None and self._is_open:
                with self._driving:
                    self._shut()

    def perform(self, handle: Any) -> None:
        """Return when the handle's transfer has ended. Raises pycurl.error as `Curl.perform` does."""
        transfer = _Transfer(handle)
        with self._lock:
            self._at_work.pop(transfer.thread, None)
            self._inbox.append(transfer)
            if self._driver is None:
                if not self._is_open:
                    self._open()
                self._driver = threading.Thread(target=self._drive, name="transfers", daemon=True)
                self._driver.start()
        if self._driving.acquire(blocking=False):
            try:
                self._turn(0.0)
            finally:
                self._driving.release()
            self._hand_on()
        elif self._blocking:
            self._sockets.ring()
        transfer.ready.acquire()
        if transfer.error:
            raise pycurl.error(*transfer.error)

    def leave(self) -> None:
        """Say that this thread performs no other handle for now, so that others go on."""
        with self._lock:
            self._at_work.pop(threading.get_ident(), None)
        self._hand_on()
        if self._blocking:
            self._sockets.ring()

    def _hand_on(self) -> None:
        """Let threads go on whose transfers have ended; without a thread at work, wake the driver."""
        with self._lock:
            while self._finished and len(self._at_work) < self._pace.limit:
                transfer = self._finished.popleft()
                self._at_work[transfer.thread] = time.monotonic()
                transfer.ready.release()
            idle = not (self._inbox or self._under_way or self._finished)
            if not self._at_work and not idle and self._needed.locked():
                self._needed.release()

    def _drive(self) -> None:
        """Drive the transfers whenever no other thread does; end after a time without any."""
        busy = time.monotonic()
        while True:
            self._needed.acquire(timeout=_PATIENCE)
            with self._driving:
                self._wait_for_one()
            if self._finished and len(self._at_work) >= self._pace.limit:
                self._forget_those_away()
            self._hand_on()
            if self._inbox or self._under_way or self._finished:
                busy = time.monotonic()
            elif (self._closing or time.monotonic() - busy > self._longest) and self._end_driver():
                return

    def _wait_for_one(self) -> None:
        """Drive until a thread can go on, or only once where another is at work."""
        while True:
            self._blocking = wait = not (self._at_work or self._finished) and bool(
                self._inbox or self._under_way
            )
            # A thread that comes now sees that it must ring, or is seen here in the inbox.
            self._turn(self._longest if wait and not self._inbox else 0.0)
            self._blocking = False
            if not wait or self._finished:
                return

    def _forget_those_away(self) -> None:
        """Stop waiting for threads that have not come back, and let more go on if the CPU is idle."""
        self._pace.adapt()
        now = time.monotonic()
        with self._lock:
            for thread in [one for one, since in self._at_work.items() if now - since > self._away]:
                del self._at_work[thread]

    def _end_driver(self) -> bool:
        """Return whether there is nothing to do, so that this thread ends."""
        with self._driving, self._lock:
            if self._inbox or self._under_way or self._finished:
                return False
            self._driver = None
            if self._closing:
                self._shut()
            return True

    def _turn(self, patience: float) -> None:
        """Start new transfers, serve the sockets within so many seconds, and collect what has ended."""
        if not self._is_open:
            return
        try:
            while self._inbox:
                transfer = self._inbox.popleft()
                self._under_way[transfer.handle] = transfer
                if len(self._under_way) > self._most:
                    # libcurl's own bound follows the handles of the moment: it closes what threads that
                    # parse will need.
                    self._most = len(self._under_way)
                    self._sockets.multi.setopt(pycurl.M_MAXCONNECTS, 4 * self._most)
                self._sockets.multi.add_handle(transfer.handle)
            for handle in self._between():
                handle.pause(pycurl.PAUSE_CONT)
            self._sockets.serve(patience)
            more = 1
            while more:
                more, good, bad = self._sockets.multi.info_read()
                for handle, error in [(one, ()) for one in good] + [(one, why) for one, *why in bad]:
                    self._sockets.multi.remove_handle(handle)
                    transfer = self._under_way.pop(handle)
                    transfer.error = tuple(error)
                    self._finished.append(transfer)
        except Exception as error:
            self._start_again(error)

    def _start_again(self, error: Exception) -> None:
        """Fail every transfer under way, so that no thread waits for ever."""
        log.warning("transfers begin again: %s: %s", type(error).__name__, error)
        failed = self._under_way
        for handle, transfer in failed.items():
            transfer.error = (pycurl.E_RECV_ERROR, f"{type(error).__name__}: {error}")
            try:
                self._sockets.multi.remove_handle(handle)
            except pycurl.error as reason:
                log.debug("a handle stays: %s", reason)
        self._shut()
        self._open()
        self._finished.extend(failed.values())
