"""Settings: the defaults, the ranges, and how many CPUs there are to use."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from parascrape.errors import UsageError
from parascrape.settings import USER_AGENT, VERSION, Settings
from parascrape.system import available_cpus

RANGES: list[tuple[str, float, float]] = [
    ("processes", 0, 1024),
    ("threads", 0, 1024),
    ("worker_bytes", 0, 1 << 50),
    ("timeout", 0.001, 86_400),
    ("max_bytes", 1, 1 << 31),
    ("max_redirects", 0, 100),
    ("retries", 0, 100),
    ("backoff", 0, 3600),
    ("max_backoff", 0, 86_400),
]


def settings_with(name: str, value: float) -> Settings:
    options: dict[str, Any] = {name: value}
    return Settings(**options)


def test_every_setting_has_a_default() -> None:
    """A harvest needs none; the user agent says what it is and where to read about it."""
    assert {field.name for field in fields(Settings)} >= {name for name, _, _ in RANGES}
    assert Settings() == Settings()
    assert Settings().user_agent == USER_AGENT
    assert USER_AGENT.startswith(f"parascrape/{VERSION} (+https://")
    assert Settings().verify_tls


@pytest.mark.parametrize(("name", "low", "high"), RANGES)
def test_a_setting_keeps_to_its_range(name: str, low: float, high: float) -> None:
    """The bounds are in, what is beyond them is a UsageError that names the field."""
    for value in (low, high):
        assert getattr(settings_with(name, value), name) == value
    for value in (low - 1, high + 1, float("nan"), float("inf"), float("-inf")):
        with pytest.raises(UsageError, match=rf"^{name}: .* is not between"):
            settings_with(name, value)


@pytest.mark.parametrize("mode", ["", "Thread", "async", "processes"])
def test_a_mode_is_one_of_four(mode: Any) -> None:
    """The message lists them."""
    with pytest.raises(UsageError, match="none of auto, sequential, thread, process"):
        Settings(mode=mode)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(mode="sequential", threads=5, processes=3), (0, 1, 1)),
        (Settings(mode="thread"), (0, 32, 32)),
        (Settings(mode="thread", threads=5, processes=3), (0, 5, 5)),
        (Settings(mode="process", processes=3), (3, 8, 24)),
        (Settings(mode="process", processes=3, threads=2), (3, 2, 6)),
    ],
)
def test_the_mode_decides_processes_and_threads(settings: Settings, expected: tuple[int, int, int]) -> None:
    """Processes, threads in each, and fetches in flight over all."""
    assert (settings.process_count, settings.thread_count, settings.fetches) == expected


def test_process_mode_takes_every_cpu_it_may() -> None:
    """The default is what the machine and its control group allow."""
    assert Settings(mode="process").process_count == available_cpus() >= 1


def test_settings_are_frozen_and_cross_to_workers() -> None:
    """A worker gets an equal copy, a function by reference; settings cannot change during a run."""
    settings = Settings(mode="process", scraper=str.upper, headers={"A": "b"}, select=("t=h1",), timeout=2.5)
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert replace(settings, timeout=3).timeout == 3
    with pytest.raises(FrozenInstanceError):
        settings.timeout = 1  # type: ignore[misc]
