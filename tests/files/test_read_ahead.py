"""Reading ahead: a slow source does not block, no entry is lost, and no thread is left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue

import pytest
from hypothesis import given, settings, strategies as st

from parascrape.files.lists import read_ahead
from parascrape.records import Entry

LIMIT = 20


def entries(count: int) -> list[Entry]:
    """So many entries, numbered."""
    return [Entry("http://h/", number) for number in range(count)]


def present(items: Iterable[Entry | None]) -> list[Entry]:
    """The items that are entries."""
    return [item for item in items if item is not None]


def ahead_threads() -> list[threading.Thread]:
    """The reading threads that are alive."""
    return [thread for thread in threading.enumerate() if thread.name == "read-ahead"]


@given(count=st.integers(0, 50))
@settings(deadline=None, max_examples=20)
def test_all_entries_come_in_their_order(count: int) -> None:
    """Between them None may stand, and nothing else."""
    assert present(read_ahead(entries(count))) == entries(count)


def test_more_entries_than_are_held_come_all() -> None:
    """The bound on what is read ahead stops the reader, not the list."""
    assert present(read_ahead(entries(40), limit=3)) == entries(40)


def test_a_slow_source_gives_none_and_loses_nothing() -> None:
    """While its next line is waited for the caller goes on; the line comes when it is there."""
    pipe: SimpleQueue[Entry | None] = SimpleQueue()
    reading = read_ahead(iter(pipe.get, None))
    assert [next(reading) for _ in range(3)] == [None, None, None]
    for entry in entries(2):
        pipe.put(entry)
        assert next(item for item in reading if item is not None) == entry
    assert next(reading) is None
    pipe.put(None)
    assert present(reading) == []


def test_the_source_is_not_read_before_the_first_request() -> None:
    """A reader that is never started leaves no thread behind."""
    before = ahead_threads()
    read_ahead(entries(3))
    assert ahead_threads() == before


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_an_exception_of_the_source_follows_its_entries(kind: type[BaseException]) -> None:
    """It is raised after the entries that could be read."""

    def breaking() -> Iterator[Entry]:
        yield from entries(3)
        raise kind("line 4")

    got: list[Entry | None] = []
    with pytest.raises(kind, match="line 4"):
        collect(read_ahead(breaking()), got.append)
    assert present(got) == entries(3)


def collect(items: Iterable[Entry | None], take: Callable[[Entry | None], None]) -> None:
    """Hand each item on as it comes."""
    for item in items:
        take(item)


def test_leaving_early_ends_the_thread() -> None:
    """The reader of an endless list stops when its entries are not taken any more."""
    before = set(ahead_threads())
    reading = read_ahead(iter(lambda: Entry("http://h/"), None), limit=3)
    assert next(item for item in reading if item is not None).url == "http://h/"
    (thread,) = set(ahead_threads()) - before
    reading.close()  # type: ignore[attr-defined]
    thread.join(LIMIT)
    assert not thread.is_alive()


def test_no_more_is_read_ahead_than_the_bound() -> None:
    """The source is at most one entry further than the queue."""
    read: SimpleQueue[int] = SimpleQueue()

    def source() -> Iterator[Entry]:
        for entry in entries(1000):
            read.put(entry.line)
            yield entry

    reading = read_ahead(source(), limit=5)
    first = next(item for item in reading if item is not None)
    for _ in range(7):  # one taken, five in the queue, one on its way
        last = read.get(timeout=LIMIT)
    assert (first.line, last) == (0, 6)
    assert read.empty()
    reading.close()  # type: ignore[attr-defined]
