"""One multi handle for all threads: each gets its own answer, and none waits for another that hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pycurl
import pytest

from parascrape.fetch import multi as curl_multi
from parascrape.fetch.multi import MultiHandle
from tests.sites.site import Site

LIMIT = 30


@pytest.fixture
def transfers() -> MultiHandle:
    """Transfers whose driver ends soon after the test."""
    return MultiHandle()


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


def test_a_thread_that_leaves_lets_the_next_go_on(site: Site, transfers: MultiHandle) -> None:
    """Without the word to leave, the second answer would wait until the first thread counts as away."""
    get(transfers, site("/ok"))
    transfers.leave()
    assert not transfers._at_work
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(get, transfers, site("/ok")).result(LIMIT)


def test_a_broken_selector_fails_what_is_under_way_and_no_more(site: Site, transfers: MultiHandle) -> None:
    """The threads get an error rather than wait for ever, and the next transfer is good."""
    with ThreadPoolExecutor(2) as pool:
        held = pool.submit(get, transfers, site("/silent"))
        while not transfers._under_way and not held.done():
            pass
        transfers._selector.close()
        transfers._ring()
        with pytest.raises(pycurl.error):
            held.result(LIMIT)
        assert get(transfers, site("/ok"))


def test_the_driver_ends_with_nothing_to_do_and_comes_again(
    site: Site, transfers: MultiHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that is no longer used leaves no thread behind."""
    monkeypatch.setattr(curl_multi, "_LONGEST", 0.01)
    for _ in range(2):
        assert get(transfers, site("/ok"))
        transfers.leave()
        driver = transfers._driver
        if driver is not None:
            driver.join(LIMIT)
        assert transfers._driver is None


def pace(busy: list[float], monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """A call that lets 0.1 s pass in which so much CPU is used, and gives the limit after it."""
    now, used, shares = [0.0], [0.0], iter(busy)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "process_time", lambda: used[0])
    made = curl_multi._Throttle()

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
def test_more_threads_go_on_only_while_the_cpu_is_idle(
    busy: list[float], limits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit doubles while those at work wait, and halves while they use the interpreter up."""
    step = pace(busy, monkeypatch)
    assert [step() for _ in busy] == limits
