"""One multi handle for all threads: each gets its own answer, and none waits for another that hangs."""

from __future__ import annotations

import math
import selectors
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pycurl
import pytest

from parascrape.fetch.multi import MultiHandle, Throttle
from tests.helpers.command import until
from tests.sites.site import Site

LIMIT = 30


@pytest.fixture
def transfers() -> Iterator[MultiHandle]:
    """A handle that is closed after the test."""
    made = MultiHandle()
    yield made
    made.close()


def get(transfers: MultiHandle, url: str, seconds: float = LIMIT) -> bytes:
    """The body at the URL. Raises pycurl.error."""
    pieces: list[bytes] = []
    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.NOSIGNAL, 1)
    handle.setopt(pycurl.TIMEOUT_MS, int(seconds * 1000))
    handle.setopt(pycurl.WRITEFUNCTION, pieces.append)
    transfers.perform(handle)
    return b"".join(pieces)


def drivers() -> list[threading.Thread]:
    """The driver threads that are alive."""
    return [thread for thread in threading.enumerate() if thread.name == "transfers"]


def test_each_thread_gets_the_answer_to_its_own_request(site: Site, transfers: MultiHandle) -> None:
    """Forty threads at once, each of them three times."""
    with ThreadPoolExecutor(40) as pool:
        paths = [f"/page/{number}" for number in range(120)]
        bodies = list(pool.map(lambda path: get(transfers, site(path)), paths, timeout=LIMIT))
    assert all(f"Bread {number}<".encode() in body for number, body in enumerate(bodies))


def test_a_transfer_that_fails_leaves_the_others_alone(site: Site, transfers: MultiHandle) -> None:
    """One host accepts and never answers; only its own thread gets the error, in time."""
    with ThreadPoolExecutor(8) as pool:
        dead = pool.submit(get, transfers, site("/silent"), 0.3)
        good = [pool.submit(get, transfers, site("/ok")) for _ in range(20)]
        assert all(future.result(LIMIT) for future in good)
        with pytest.raises(pycurl.error) as caught:
            dead.result(LIMIT)
    assert caught.value.args[0] == pycurl.E_OPERATION_TIMEDOUT


def test_threads_that_wait_are_joined_by_all_others(site: Site, transfers: MultiHandle) -> None:
    """Scrapers that wait for something else do not hold up one another: all twelve meet."""
    meeting = threading.Barrier(12)

    def visit(_: int) -> int:
        get(transfers, site("/ok"))
        return meeting.wait(LIMIT)

    with ThreadPoolExecutor(12) as pool:
        assert sorted(pool.map(visit, range(12))) == list(range(12))


def test_a_thread_that_never_comes_back_is_not_waited_for(site: Site, transfers: MultiHandle) -> None:
    """Thirty answers come while another thread hangs with its own."""
    release, hanging = threading.Event(), threading.Event()

    def hang() -> None:
        get(transfers, site("/ok"))
        hanging.set()
        release.wait(LIMIT)

    with ThreadPoolExecutor(4) as pool:
        hung = pool.submit(hang)
        assert hanging.wait(LIMIT)
        bodies = [pool.submit(get, transfers, site("/ok")) for _ in range(30)]
        assert all(future.result(LIMIT) for future in bodies)
        release.set()
        hung.result(LIMIT)


def test_a_thread_that_leaves_lets_the_next_go_on(site: Site) -> None:
    """If it did not leave, the second answer would wait for ever: no thread counts as away."""
    transfers = MultiHandle(away=math.inf, throttle=Throttle(clock=lambda: 0.0))
    get(transfers, site("/ok"))
    transfers.leave()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(get, transfers, site("/ok")).result(LIMIT)
    transfers.close()


def test_a_thread_may_leave_before_any_transfer(site: Site, transfers: MultiHandle) -> None:
    """A client leaves the adapter that it does not use."""
    transfers.leave()
    assert get(transfers, site("/ok"))


def test_a_broken_selector_fails_what_is_under_way_and_no_more(site: Site) -> None:
    """The threads get an error rather than wait for ever, and the next transfer is good."""
    made: list[selectors.BaseSelector] = []

    def new_selector() -> selectors.BaseSelector:
        made.append(selectors.DefaultSelector())
        return made[-1]

    transfers = MultiHandle(new_selector=new_selector)
    with ThreadPoolExecutor(2) as pool:
        held = pool.submit(get, transfers, site("/silent"))
        assert until(lambda: site.seen["/silent"], LIMIT)
        made[0].close()
        transfers.leave()  # wakes the driver up
        with pytest.raises(pycurl.error):
            held.result(LIMIT)
        assert get(transfers, site("/ok"))
    transfers.close()


def test_the_driver_ends_with_nothing_to_do_and_comes_again(site: Site) -> None:
    """A session that is no longer used leaves no thread behind."""
    transfers, before = MultiHandle(longest=0.01), set(drivers())
    for _ in range(2):
        assert get(transfers, site("/ok"))
        transfers.leave()
        assert until(lambda: set(drivers()) <= before, LIMIT)
    transfers.close()


def test_a_closed_handle_finishes_what_is_under_way_and_opens_again(site: Site) -> None:
    """Its driver ends without the usual wait, and each later transfer has connections of its own."""
    transfers, before = MultiHandle(longest=1000), set(drivers())
    with ThreadPoolExecutor(1) as pool:
        going = pool.submit(get, transfers, site("/slow?seconds=0.3"))
        assert until(lambda: site.seen["/slow"], LIMIT)
        transfers.close()
        assert going.result(LIMIT)
    for _ in range(2):
        transfers.leave()
        assert until(lambda: set(drivers()) <= before, LIMIT)
        assert get(transfers, site("/ok"))
    assert site.connections == 3


def pace(busy: list[float]) -> Callable[[], int]:
    """A call that lets 0.1 s pass in which so much CPU is used, and gives the limit after it."""
    now, used, shares = [0.0], [0.0], iter(busy)
    made = Throttle(lambda: now[0], lambda: used[0])

    def step() -> int:
        now[0] += 0.1
        used[0] += 0.1 * next(shares)
        made.adapt()
        return made.limit

    return step


@pytest.mark.parametrize(
    ("busy", "limits"),
    [
        ([1.0, 1.0], [1, 1]),
        ([0.1, 0.1, 0.1], [2, 4, 8]),
        ([0.1, 0.1, 1.0, 1.0, 1.0], [2, 4, 2, 1, 1]),
        ([0.1, 0.8, 0.8], [2, 2, 2]),
        ([0.0] * 12, [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024, 1024]),
    ],
)
def test_more_threads_go_on_only_while_the_cpu_is_idle(busy: list[float], limits: list[int]) -> None:
    """The limit doubles while those at work wait, and halves while they use the interpreter up."""
    step = pace(busy)
    assert [step() for _ in busy] == limits
