"""Reading ahead of a slow source, so that waiting for its next line does not hold up finished records."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import Empty, Full, Queue

from parascrape.records import Entry

__all__ = ["read_ahead"]

_AHEAD = 1000
"""Entries; what bounds the memory when the source is quicker than the harvest."""


def read_ahead(entries: Iterable[Entry]) -> Iterator[Entry | None]:
    """The entries as a thread of its own reads them; None whenever there is none just now.

    An exception of the source is raised here, after the entries before it.
    """
    queue: Queue[Entry | BaseException | None] = Queue(_AHEAD)
    given_up = threading.Event()

    def put(item: Entry | BaseException | None) -> bool:
        while not given_up.is_set():
            try:
                queue.put(item, timeout=1)
            except Full:
                continue
            return True
        return False

    def read() -> None:
        try:
            for entry in entries:
                if not put(entry):
                    return
        except BaseException as error:
            put(error)
        else:
            put(None)

    threading.Thread(target=read, name="read-ahead", daemon=True).start()
    try:
        yield from _taken(queue)
    finally:
        given_up.set()


def _taken(queue: Queue[Entry | BaseException | None]) -> Iterator[Entry | None]:
    while True:
        try:
            item = queue.get_nowait()
        except Empty:
            yield None
            continue
        if item is None:
            return
        if isinstance(item, BaseException):
            raise item
        yield item
