"""The load figures say when a harvest waited for the local server, and only then."""

from __future__ import annotations

import pytest

from parascrape.loopback.load import LoadStats, ServerLoad


class Clocks:
    """Clocks that advance when asked, with a given share of CPU time."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def pass_by(self, seconds: float, share: float) -> None:
        """Advance by seconds, with this share of CPU time."""
        self.wall += seconds
        self.cpu += seconds * share


def run(*shares: float, step: float = 0.05) -> LoadStats:
    """The figures of a server with a request at every step and these shares of CPU time."""
    clocks = Clocks()
    load = ServerLoad(lambda: clocks.wall, lambda: clocks.cpu)
    for share in shares:
        load.asked(True)
        clocks.pass_by(step, share)
        load.over()
    return load.stats()


@pytest.mark.parametrize(
    ("shares", "busy", "bottleneck"),
    [
        ([0.1] * 100, 0.1, False),
        ([0.95] * 100, 0.95, True),
        ([0.95] * 40 + [0.1] * 60, 0.44, True),
        ([0.95] * 10 + [0.1] * 90, 0.185, False),
        ([0.95], 0.95, False),  # a twentieth of a second proves nothing
        ([], 0.0, False),
    ],
)
def test_a_server_is_the_bottleneck_if_it_was_busy_long_enough(
    shares: list[float], busy: float, bottleneck: bool
) -> None:
    """It was saturated for a fifth of its active time, and for at least a quarter of a second."""
    stats = run(*shares)
    assert stats.busy == pytest.approx(busy, abs=0.02)
    assert stats.was_bottleneck is bottleneck


def test_time_without_requests_does_not_count() -> None:
    """A pause between two runs does not lower its busy share."""
    clocks = Clocks()
    load = ServerLoad(lambda: clocks.wall, lambda: clocks.cpu)
    for _ in range(20):
        load.asked(True)
        clocks.pass_by(0.05, 1.0)
    load.stats()
    clocks.pass_by(100, 0.0)
    load.asked(True)
    stats = load.stats()
    assert stats.active == pytest.approx(1.0)
    assert stats.busy == pytest.approx(1.0)
    assert stats.was_bottleneck


def test_reset_keeps_requests_under_way() -> None:
    """A request that ends after a reset is counted once."""
    load = ServerLoad(lambda: 0.0, lambda: 0.0)
    load.connected()
    load.asked(True)
    load.asked(False)
    load.answered(0.5)
    load.answered(0.1)
    before = load.stats()
    assert (before.requests, before.unknown, before.connections, before.backlog) == (2, 1, 1, 2)
    assert (before.late, before.latest) == pytest.approx((0.3, 0.5))
    load.reset()
    load.over()
    load.asked(True)
    after = load.stats()
    assert (after.requests, after.unknown, after.connections, after.backlog) == (1, 0, 0, 2)
    assert (after.late, after.latest) == (0.0, 0.0)
