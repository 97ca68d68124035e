"""The politeness policy that follows from settings, and the errors of refused visits."""

from __future__ import annotations

import doctest
from typing import Any

import pytest

from parascrape.errors import Duplicate, HostDown, NotFetched, RobotsForbidden
from parascrape.frontier import Visit, politeness
from parascrape.frontier.host import refusal
from parascrape.frontier.politeness import domain_key, key_of, politeness_policy
from parascrape.records import Entry
from parascrape.settings import Settings
from parascrape.web.urls import host_key


def test_the_examples_are_true() -> None:
    """In the docstrings."""
    assert doctest.testmod(politeness).failed == 0


# --- limits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "told_apart"),
    [
        ({}, True),
        ({"per_host": 0, "robots": False}, False),
        ({"per_host": 0}, True),
        ({"per_host": 0, "robots": False, "delay": 0.5}, True),
        ({"per_host": 1, "robots": False}, True),
    ],
)
def test_hosts_are_told_apart_where_there_is_anything_to_keep(
    options: dict[str, Any], told_apart: bool
) -> None:
    """A limit, a delay or robots.txt; without them a list is handed out as it comes."""
    assert (politeness_policy(Settings(**options)) is not None) == told_apart


def test_limits_are_those_of_the_settings() -> None:
    """Each under its name."""
    settings = Settings(per_host=7, delay=2.5, robots=False, max_backoff=33)
    limits = politeness_policy(settings)
    assert limits is not None
    assert (limits.per_host, limits.delay, limits.robots, limits.max_backoff) == (7, 2.5, False, 33)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://www.example.org/a", "example.org"),
        ("http://example.org:8080/", "example.org"),
        ("https://news.bbc.co.uk/1", "bbc.co.uk"),
        ("https://me.github.io/", "me.github.io"),
        ("https://co.uk/", "co.uk"),
        ("http://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("http://localhost:8000/", "localhost"),
        ("http://127.0.0.1:8000/", "127.0.0.1"),
        ("http://[::1]:8000/", "[::1]"),
    ],
)
def test_a_domain_is_what_somebody_has_registered(url: str, key: str) -> None:
    """By the public suffix list; a host of no such domain stands for itself, whatever its port."""
    assert domain_key(url) == key


def test_limits_are_a_hosts_or_a_domains() -> None:
    """As the settings say."""
    assert key_of(Settings()) is host_key
    assert key_of(Settings(per_domain=True)) is domain_key


# --- refused visits ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Duplicate, HostDown, RobotsForbidden])
def test_a_refusal_is_the_error_of_its_code(kind: type[NotFetched]) -> None:
    """With the reason as its message."""
    visit = Visit(0, Entry("http://h/", 1))
    visit.refuse(kind.code, "for a reason")
    assert type(refusal(visit)) is kind
    assert str(refusal(visit)) == "for a reason"
