"""Fetches for tests: one client for each settings, so that connections are shared as in a run."""

from __future__ import annotations

from parascrape.fetch import DIRECT, Client, FetchTrace, NetworkOptions, fetch_robots
from parascrape.records import Meta
from parascrape.settings import Settings
from parascrape.web import Page, RobotsRules

_clients: dict[str, Client] = {}


def client_of(settings: Settings, network: NetworkOptions = DIRECT) -> Client:
    """The client of these settings."""
    return _clients.setdefault(repr((settings, network)), Client(settings, network))


def fetch(url: str, settings: Settings, meta: Meta | None = None, network: NetworkOptions = DIRECT) -> Page:
    """The page at the URL; ``meta`` is filled."""
    trace = FetchTrace({} if meta is None else meta)
    try:
        return client_of(settings, network).fetch(url, trace)
    finally:
        trace.release()


def robots_of(origin: str, settings: Settings) -> RobotsRules:
    """The rules of the origin's robots.txt."""
    return fetch_robots(origin, client_of(settings))


def close_connections() -> None:
    """Have the next fetch open a connection."""
    while _clients:
        _clients.popitem()[1].close()
