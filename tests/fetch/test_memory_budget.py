"""The bound on bytes that bodies hold together: never passed by more than one of them, never a standstill."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, strategies as st

from parascrape.fetch.adapter import CurlAdapter, open_session
from parascrape.fetch.memory_budget import MemoryBudget
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


def test_what_a_thread_has_adopted_is_released_with_its_next_word() -> None:
    """The bytes of a page count until its thread is done with it."""
    budget, body = MemoryBudget(100), Body([])
    assert budget.take(body, 60)
    budget.adopt(body)
    assert budget.total == 60
    budget.release()
    budget.release()
    assert budget.total == 0


@given(st.lists(st.lists(st.integers(1, 60), max_size=6), max_size=8), st.integers(1, 100))
def test_every_body_gets_to_its_end_within_the_bound(wishes: list[list[int]], limit: int) -> None:
    """At any moment all but one of them together are within the limit."""
    budget = MemoryBudget(limit)
    waiting = [Body(list(wish)) for wish in wishes]
    running, steps = list(waiting), 0
    while running or budget._paused:
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
        largest = max((body.held for body in waiting), default=0)
        assert budget.total - largest <= limit
        running += [body for body in budget.resumable() if isinstance(body, Body)]
    assert budget.total == 0


def test_large_bodies_come_whole_though_most_of_them_have_to_wait(site: Site) -> None:
    """Six bodies of 2 MB within 1 MB: no more than one at a time goes beyond, and none is cut."""
    session = open_session(3_000_000, budget=1_000_000)
    adapter = session.get_adapter(site.url)
    assert isinstance(adapter, CurlAdapter)

    def get(_: int) -> int:
        body = session.get(site("/sized/2000000"), timeout=LIMIT, stream=True).raw.read()
        assert adapter._budget.total <= 1_000_000 + 2_000_000
        adapter.leave()
        return len(body)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(get, range(6), timeout=LIMIT)) == [2_000_000] * 6
    assert adapter._budget.total == 0
