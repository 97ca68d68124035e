"""Turns: the longest tail first, nobody starved, and a time that is never a lie."""

from __future__ import annotations

import math

from hypothesis import given, strategies as st

from parascrape.frontier.host import Host
from parascrape.frontier.ready_queue import FAIR, ReadyQueue


def ready(turns: ReadyQueue, *ranks: int) -> list[Host]:
    """Hosts that are due now, with tails of these ranks."""
    hosts = [Host(str(number)) for number in range(len(ranks))]
    for host, rank in zip(hosts, ranks, strict=True):
        turns.set(host, -math.inf, rank=rank)
    return hosts


def test_the_longest_tail_goes_first_and_equals_take_turns() -> None:
    """Within a rank whoever came first; a host whose tail has grown goes to its new rank's end."""
    turns = ReadyQueue()
    a, b, c, d = ready(turns, 3, 40, 3, 40)
    turns.set(a, -math.inf, rank=40)
    assert [turns.pop() for _ in range(5)] == [b, d, a, c, None]


def test_a_short_tail_is_not_starved() -> None:
    """Beside a host that is always ready with a longer one, it has every sixteenth turn."""
    turns = ReadyQueue()
    long, short = ready(turns, 90, 1)
    turns.set(long, -math.inf, rank=90)
    taken = []
    for _ in range(FAIR):
        host = turns.pop()
        assert host is not None
        taken.append(host)
        turns.set(host, -math.inf, rank=90 if host is long else 1)
    assert short in taken
    assert taken.count(long) >= FAIR - 2


def test_a_host_waits_for_its_time_and_wakes_once() -> None:
    """Put off or brought forward, only the last time counts."""
    turns = ReadyQueue()
    host = Host("h")
    for due in (8.0, 16.0, 4.0, 12.0):
        turns.set(host, due, rank=-1)
    assert turns.next_time() == 12
    assert list(turns.wake(11)) == []
    assert list(turns.wake(12)) == [host]
    assert list(turns.wake(99)) == []


def test_a_host_that_waits_for_an_event_is_not_waited_for() -> None:
    """Its old time is dropped."""
    turns = ReadyQueue()
    host = Host("h")
    turns.set(host, 8.0, rank=-1)
    turns.set(host, math.inf, rank=-1)
    assert turns.next_time() == math.inf
    turns.set(host, -math.inf, rank=5)
    assert turns.next_time() == -math.inf
    assert turns.pop() is host
    assert turns.pop() is None


CHANGES = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from([-1, 0, 3, 70]), st.sampled_from([1.0, 2.0, 5.0, math.inf])),
    max_size=60,
)


@given(CHANGES, st.lists(st.booleans(), max_size=60))
def test_turns_are_what_a_plain_account_says(changes: list[tuple[int, int, float]], pops: list[bool]) -> None:
    """Every host that is ready is popped once; of the others the earliest time is told."""
    turns = ReadyQueue()
    hosts = [Host(str(number)) for number in range(5)]
    account: dict[Host, float] = {}
    for number, ((which, rank, due), pop) in enumerate(zip(changes, pops + [False] * 60, strict=False)):
        account[hosts[which]] = -math.inf if rank >= 0 else due
        turns.set(hosts[which], account[hosts[which]], rank=rank)
        assert turns.next_time() == min(account.values()), number
        assert len(turns) == sum(time == -math.inf for time in account.values())
        if pop and (host := turns.pop()) is not None:
            assert account.pop(host) == -math.inf
            account[host] = math.inf
            turns.set(host, math.inf, rank=-1)
