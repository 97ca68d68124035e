"""The bound on bytes that bodies hold together: never passed by more than one of them, never a standstill."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, strategies as st

from parascrape.fetch import FetchTrace
from parascrape.fetch.adapter import CurlAdapter, CurlRequest, MemoryBudget
from tests.sites.site import Site

LIMIT = 30


class Body:
    """A holder that wants so many pieces."""

    def __init__(self, pieces: list[int]) -> None:
        self.pieces = pieces
        self.handle = None
        self.held = 0


def test_one_body_may_go_beyond_and_the_others_wait() -> None:
    """The first that did not fit goes on; the second waits until the first is given back."""
    budget = MemoryBudget(100)
    first, second = Body([]), Body([])
    assert budget.take(first, 90)
    assert budget.take(first, 90)
    assert not budget.take(second, 10)
    assert budget.resumable() == []
    budget.give_back(first)
    assert budget.resumable() == [second]
    assert budget.take(second, 10)
    assert budget.total == 10


@given(st.lists(st.lists(st.integers(1, 60), max_size=6), max_size=8), st.integers(1, 100))
def test_every_body_gets_to_its_end_within_the_bound(wishes: list[list[int]], limit: int) -> None:
    """At any moment all but one of them together are within the limit."""
    budget = MemoryBudget(limit)
    waiting = [Body(list(wish)) for wish in wishes]
    running, paused, steps = list(waiting), 0, 0
    while running or paused:
        steps += 1
        assert steps < 10_000
        for body in list(running):
            if not body.pieces:
                budget.give_back(body)
                running.remove(body)
            elif budget.take(body, body.pieces[0]):
                body.pieces.pop(0)
            else:
                running.remove(body)
                paused += 1
        largest = max((body.held for body in waiting), default=0)
        assert budget.total - largest <= limit
        resumed = [body for body in budget.resumable() if isinstance(body, Body)]
        running += resumed
        paused -= len(resumed)
    assert budget.total == 0


def test_large_bodies_come_whole_though_most_of_them_have_to_wait(site: Site) -> None:
    """Six bodies of 2 MB within 1 MB: no more than one at a time goes beyond, and none is cut."""
    adapter = CurlAdapter(3_000_000, budget=1_000_000)

    def get(_: int) -> int:
        request = CurlRequest()
        request.prepare("GET", site("/sized/2000000"))
        request.trace = FetchTrace()
        body = adapter.send(request, timeout=LIMIT).raw.read()
        assert adapter.budget.total <= 1_000_000 + 2_000_000
        assert adapter.budget.total > 0
        request.trace.release()
        adapter.leave()
        return len(body)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(get, range(6), timeout=LIMIT)) == [2_000_000] * 6
    adapter.close()
    assert adapter.budget.total == 0
