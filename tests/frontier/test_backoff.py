"""A host's health: each kind of answer has its effect, one burst counts once, and senseless values none."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from parascrape.errors import ConnectError, ConnectionLost, DnsError, FetchTimeout
from parascrape.frontier.backoff import DOWN, NO_ANSWER, HostHealth
from parascrape.frontier.politeness import FetchReport, PolitenessPolicy
from parascrape.web.retry import MAX_RETRY_AFTER

LIMITS = PolitenessPolicy()


def until(health: HostHealth) -> float:
    """When the host may be asked again."""
    return max(health.paused_until, health.open_until, health.down_until)


def fail(health: HostHealth, times: int, limits: PolitenessPolicy = LIMITS, code: str = "connect") -> None:
    """Report consecutive fetches without an answer, each as soon as the host may be asked."""
    for _ in range(times):
        now = max(1.0, until(health)) + 1.0
        health.note(FetchReport(code), now - 0.5, now, limits)


def test_the_codes_without_an_answer_are_those_of_our_errors() -> None:
    """Every code belongs to an error class."""
    assert {error.code for error in (ConnectError, ConnectionLost, DnsError, FetchTimeout)} == NO_ANSWER


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("wish", "paused", "down"),
    [
        (None, 1.0, 0.0),
        (30.0, 30.0, 0.0),
        (120.0, 120.0, 0.0),
        (-5.0, 1.0, 0.0),
        (0.0, 1.0, 0.0),
        (math.nan, 1.0, 0.0),
        (121.0, 1.0, 121.0),
        (1e300, 1.0, MAX_RETRY_AFTER),
        (math.inf, 1.0, MAX_RETRY_AFTER),
    ],
)
def test_a_throttling_answer_pauses_the_host(
    status: int, wish: float | None, paused: float, down: float
) -> None:
    """Retry-After sets the pause (default: a second); beyond ``max_backoff`` the host is given up."""
    health = HostHealth()
    health.note(FetchReport("status", status, wish), 9.0, 10.0, LIMITS)
    assert health.paused_until == 10 + paused
    assert health.down_until == (10 + down if down else 0)
    assert health.slow == 1


def test_a_burst_of_refusals_slows_down_once() -> None:
    """Fetches under way at the first 429 do not count again; a later 429 doubles the delay."""
    health = HostHealth()
    for taken in (1.0, 2.0, 3.0):
        health.note(FetchReport("status", 429), taken, 3.0, LIMITS)
    assert (health.slow, health.slowed) == (1, 1)
    health.note(FetchReport("status", 429), 4.5, 5.0, LIMITS)
    assert (health.slow, health.slowed) == (2, 2)


def test_good_answers_restore_the_speed() -> None:
    """The delay shrinks step by step to 0. A 404 is a good answer, a 500 is not."""
    health = HostHealth()
    health.note(FetchReport("status", 503), 1.0, 2.0, LIMITS)
    health.note(FetchReport("status", 500), 3.0, 4.0, LIMITS)
    assert health.slow == 1
    health.note(FetchReport("status", 404), 3.0, 4.0, LIMITS)
    assert 0.5 < health.slow < 1
    for _ in range(15):
        health.note(FetchReport("", 200), 3.0, 4.0, LIMITS)
    assert health.slow == 0


def test_a_host_that_only_refuses_is_given_up() -> None:
    """The limit is that of hosts without an answer; a good answer resets the count."""
    health = HostHealth()
    for status in [429] * 7 + [200] + [429] * 8:
        assert not health.down_until
        now = until(health) + 5.0
        health.note(FetchReport("status" if status == 429 else "", status), now, now, LIMITS)
    assert health.down_until
    assert health.why == "8 times in a row it answered 429"


def test_the_circuit_opens_after_consecutive_failures_and_doubles() -> None:
    """30 s, 60 s, 120 s, and then the host is given up for an hour, with the last code as the reason."""
    health = HostHealth()
    fail(health, 4)
    assert not health.open_until
    opened = []
    for code in ("timeout", "dns", "reset"):
        now = until(health) + 1.0
        health.note(FetchReport(code), now, now, LIMITS)
        opened.append(health.open_until - now)
    assert opened == [30, 60, 120]
    assert not health.down_until
    now = until(health) + 1.0
    health.note(FetchReport("timeout"), now, now, LIMITS)
    assert health.down_until == now + DOWN
    assert health.why == "8 fetches in a row got no answer, the last: timeout"


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        (PolitenessPolicy(max_backoff=10), 10.0),
        (PolitenessPolicy(circuit_delay=1), 8.0),
        (PolitenessPolicy(circuit_trials=50), 120.0),
    ],
)
def test_the_circuit_is_open_for_max_backoff_at_most(limits: PolitenessPolicy, most: float) -> None:
    """Doubling stops at ``max_backoff``."""
    health = HostHealth()
    longest = 0.0
    while not health.down_until:
        now = until(health) + 1.0
        health.note(FetchReport("connect"), now, now, limits)
        longest = max(longest, health.open_until - now)
    assert longest == most


def test_any_answer_closes_the_circuit() -> None:
    """An error page counts too: the host responds."""
    health = HostHealth()
    fail(health, 6)
    assert health.trials == 2
    health.note(FetchReport("status", 500), 900.0, 901.0, LIMITS)
    assert (health.failures, health.trials, health.open_until) == (0, 0, 0)


@pytest.mark.parametrize(
    "report",
    [FetchReport("tls"), FetchReport("proxy"), FetchReport("worker_died"), FetchReport("not_html", 200)],
)
def test_other_errors_do_not_open_the_circuit(report: FetchReport) -> None:
    """A failing certificate, proxy or scraper does not mean that the host is down."""
    health = HostHealth()
    for now in range(1, 100):
        health.note(report, float(now), float(now), LIMITS)
    assert not until(health)


def test_failures_under_way_when_the_circuit_opened_do_not_count() -> None:
    """One outage with many fetches in flight does not give the host up."""
    health = HostHealth()
    for _ in range(40):
        health.note(FetchReport("timeout"), 5.0, 35.0, LIMITS)
    assert health.trials == 1
    assert health.open_until == 65


def test_the_circuit_can_be_disabled() -> None:
    """With ``circuit_after=0`` a host that does not answer is not given up."""
    health = HostHealth()
    fail(health, 500, PolitenessPolicy(circuit_after=0))
    assert not until(health)


def follow(health: HostHealth, latency: float, times: int, limits: PolitenessPolicy = LIMITS) -> None:
    """Report good answers with this latency."""
    for _ in range(times):
        health.note(FetchReport("", 200, None, latency), 1.0, 2.0, limits)


@pytest.mark.parametrize(
    ("usual", "then", "slows"),
    [
        (0.1, 0.15, False),
        (0.1, 0.7, False),
        (0.1, 2.0, True),
        (2.0, 5.0, False),
        (2.0, 20.0, True),
        (0.001, 0.4, False),
    ],
)
def test_a_latency_well_above_the_usual_slows_down(usual: float, then: float, slows: bool) -> None:
    """The threshold is three times the usual plus half a second; constant slowness does not count."""
    health = HostHealth()
    follow(health, usual, 20)
    assert health.adaptive == 0
    follow(health, then, 12)
    assert (health.adaptive > 0) == slows
    assert health.adaptive <= then


def test_the_adaptive_delay_ends_as_the_latency_falls() -> None:
    """It reaches 0 within twenty answers, and never exceeds its limit."""
    health = HostHealth()
    limits = PolitenessPolicy(max_delay=3)
    follow(health, 0.1, 20, limits)
    follow(health, 30.0, 10, limits)
    assert health.adaptive == 3
    follow(health, 0.1, 25, limits)
    assert health.adaptive == 0


def test_the_adaptive_delay_can_be_disabled() -> None:
    """Latency has no effect then."""
    health = HostHealth()
    limits = PolitenessPolicy(adaptive=False)
    follow(health, 0.1, 20, limits)
    follow(health, 30.0, 20, limits)
    assert health.adaptive == 0


NUMBERS = st.none() | st.floats(allow_nan=True, allow_infinity=True)
REPORTS = st.builds(
    FetchReport,
    st.sampled_from(["", "status", "connect", "timeout", "tls"]),
    st.sampled_from([0, -1, 200, 404, 429, 503, 999]),
    NUMBERS,
    NUMBERS,
)


@given(st.lists(REPORTS, max_size=60))
def test_every_pause_is_finite(reports: list[FetchReport]) -> None:
    """Pauses and gaps are bounded, and never NaN, whatever the server answers."""
    health = HostHealth()
    for report in reports:
        health.note(report, 99.0, 100.0, LIMITS)
        assert max(health.paused_until, health.open_until) <= 100 + LIMITS.max_backoff
        assert health.down_until <= 100 + DOWN
        assert 0 <= health.slow <= LIMITS.max_backoff
        assert 0 <= health.adaptive <= LIMITS.max_delay
        assert 0 <= health.usual <= DOWN
