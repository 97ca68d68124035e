"""Fetching a host's robots.txt: whatever happens, it becomes `RobotsRules`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from parascrape.errors import ParascrapeError, StatusError
from parascrape.fetch.request import FetchRules, FetchTrace
from parascrape.web import MAX_BODY, RobotsRules, from_answer, prepare

if TYPE_CHECKING:
    from parascrape.fetch.client import Client

MAX_ROBOTS_REDIRECTS = 5
"""RFC 9309 §2.3.1.2; what redirects more often counts as unavailable, and allows all."""

TIMEOUT = 15.0
"""Seconds, if the settings do not give less: all pages of the host wait for this one."""


def fetch_robots(origin: str, client: Client, trace: FetchTrace | None = None) -> RobotsRules:
    """Return the rules at an origin (``https://example.org:443``, see `web.host_key`). Raises no `Exception`.

    The user's headers, cookies, proxy and user agent are sent as with every page.
    """
    settings = client.settings
    trace = FetchTrace() if trace is None else trace
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    code = ""
    rules = FetchRules(
        max_redirects=min(settings.max_redirects, MAX_ROBOTS_REDIRECTS),
        timeout=min(settings.timeout, TIMEOUT),
        max_bytes=max(settings.max_bytes, MAX_BODY),
        accept="text/plain,*/*;q=0.8",
    )
    try:
        page = client.fetch(prepare(f"{origin}/robots.txt"), trace, rules)
        body, headers = page.body, page.headers
    except StatusError as error:
        code = error.code
        headers = {} if error.retry_after is None else {"Retry-After": f"{error.retry_after:.0f}"}
    except ParascrapeError as error:
        code = error.code
    except Exception as error:
        code = f"{type(error).__name__}: {error}"[:200]
    finally:
        trace.release()
    named = [value for name, value in settings.headers.items() if name.lower() == "user-agent"]
    user_agent = [settings.user_agent, *named][-1]  # as it is sent
    return from_answer(trace.meta.get("status", 0), headers, body, code, user_agent)
