"""The meter says when a harvest waited for the twin, and only then."""

from __future__ import annotations

import pytest

from parascrape.loopback.load import LoadStats, ServerLoad


class Clocks:
    """Time that passes when told to, with so much of it used."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def pass_by(self, seconds: float, share: float) -> None:
        """So many seconds, of which this share is work."""
        self.wall += seconds
        self.cpu += seconds * share


def run(*shares: float, step: float = 0.05) -> LoadStats:
    """The figures of a twin that had a request every step, its CPU used so."""
    clocks = Clocks()
    meter = ServerLoad(lambda: clocks.wall, lambda: clocks.cpu)
    for share in shares:
        meter.asked(True)
        clocks.pass_by(step, share)
        meter.over()
    return meter.stats()


@pytest.mark.parametrize(
    ("shares", "busy", "bottleneck"),
    [
        ([0.1] * 100, 0.1, False),
        ([0.95] * 100, 0.95, True),
        ([0.95] * 40 + [0.1] * 60, 0.44, True),
        ([0.95] * 10 + [0.1] * 90, 0.185, False),
        ([0.95], 0.95, False),  # a twentieth of a second is no finding
        ([], 0.0, False),
    ],
)
def test_a_twin_is_the_bottleneck_if_it_was_busy_long_enough(
    shares: list[float], busy: float, bottleneck: bool
) -> None:
    """A fifth of the time in which it had work, and no less than a quarter of a second."""
    stats = run(*shares)
    assert stats.busy == pytest.approx(busy, abs=0.02)
    assert stats.was_bottleneck is bottleneck
    assert bool(stats.warning) is bottleneck


def test_time_without_requests_does_not_count() -> None:
    """A long rest between two runs makes it no less busy."""
    clocks = Clocks()
    meter = ServerLoad(lambda: clocks.wall, lambda: clocks.cpu)
    for _ in range(20):
        meter.asked(True)
        clocks.pass_by(0.05, 1.0)
    meter.stats()
    clocks.pass_by(100, 0.0)
    meter.asked(True)
    stats = meter.stats()
    assert stats.active == pytest.approx(1.0)
    assert stats.busy == pytest.approx(1.0)
    assert stats.was_bottleneck


def test_counts_begin_anew_but_for_what_is_under_way() -> None:
    """Requests that are answered after a reset are not answered twice."""
    meter = ServerLoad(lambda: 0.0, lambda: 0.0)
    meter.connected()
    meter.asked(True)
    meter.asked(False)
    meter.answered(0.5)
    meter.answered(0.1)
    before = meter.stats()
    assert (before.requests, before.unknown, before.connections, before.backlog) == (2, 1, 1, 2)
    assert (before.late, before.latest) == pytest.approx((0.3, 0.5))
    meter.reset()
    meter.over()
    meter.asked(True)
    after = meter.stats()
    assert (after.requests, after.unknown, after.connections, after.backlog) == (1, 0, 0, 2)
    assert (after.late, after.latest) == (0.0, 0.0)
