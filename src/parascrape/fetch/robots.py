"""Fetching a host's robots.txt in a worker: whatever happens, it becomes `RobotsRules`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from parascrape.errors import ParascrapeError, StatusError
from parascrape.records import Meta
from parascrape.settings import Settings
from parascrape.web import MAX_BODY, RobotsRules, from_answer

__all__ = ["MAX_REDIRECTS", "TIMEOUT", "fetch_robots"]

MAX_REDIRECTS = 5
"""RFC 9309 §2.3.1.2; what redirects more often counts as unavailable, and allows all."""

TIMEOUT = 15.0
"""Seconds, if the settings do not give less: all pages of the host wait for this one."""


def fetch_robots(origin: str, settings: Settings) -> RobotsRules:
    """The rules at an origin (``https://example.org:443``, see `urls.host_key`). Never raises an `Exception`.

    The user's headers, cookies, proxy and user agent are sent as with every page.
    """
    meta: Meta = {}
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    code = ""
    try:
        body, headers = _fetch(origin, settings, meta)
    except StatusError as error:
        code = error.code
        headers = {} if error.retry_after is None else {"Retry-After": f"{error.retry_after:.0f}"}
    except ParascrapeError as error:
        code = error.code
    except Exception as error:
        code = f"{type(error).__name__}: {error}"[:200]
    return from_answer(meta.get("status", 0), headers, body, code, _user_agent(settings))


def _fetch(origin: str, settings: Settings, meta: Meta) -> tuple[bytes, Mapping[str, str]]:
    from parascrape.fetch.client import fetch
    from parascrape.web import prepare  # with fetch: the parent of worker processes never needs them

    page = fetch(prepare(f"{origin}/robots.txt"), _settings(settings), meta)
    return page.body, page.headers


def _settings(settings: Settings) -> Settings:
    """The run's settings for this fetch. ``max_bytes`` is the run's own where it may be, for
    connections are kept by it, and the pages' fetches want this one's.
    """
    return replace(
        settings,
        max_redirects=min(settings.max_redirects, MAX_REDIRECTS),
        timeout=min(settings.timeout, TIMEOUT),
        max_bytes=max(settings.max_bytes, MAX_BODY),
        headers={"Accept": "text/plain,*/*;q=0.8", **settings.headers},
    )


def _user_agent(settings: Settings) -> str:
    """The User-Agent that is sent: a header of that name goes before the setting."""
    named = [value for name, value in settings.headers.items() if name.lower() == "user-agent"]
    return named[-1] if named else settings.user_agent
