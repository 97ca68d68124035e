"""Whose a URL is: its site and its registrable domain. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from parascrape.web.urls import host_key

__all__ = ["domain_key", "domain_of", "site_of"]


def site_of(url: str) -> str:
    """The host of a prepared URL, with its port where that is not the scheme's own.

    So http and https of one name are one site. 0.3 us.

    >>> site_of("https://me@example.org/a"), site_of("http://[::1]:8000/")
    ('example.org', '[::1]:8000')
    """
    site = url.split("/", 3)[2]
    return site.rpartition("@")[2] if "@" in site else site


def domain_key(url: str) -> str:
    """The registrable domain of a prepared URL, by the public suffix list; its host where it has none.

    >>> domain_key("https://news.bbc.co.uk/1"), domain_key("http://127.0.0.1:8000/")
    ('bbc.co.uk', '127.0.0.1')
    """
    return _registrable(host_key(url).partition("://")[2].rpartition(":")[0])


@lru_cache(10_000)
def domain_of(site: str) -> str:
    """The registrable domain of a site (`site_of`), whatever its port; its host where it has none.

    >>> domain_of("news.bbc.co.uk:8080"), domain_of("[::1]:8000"), domain_of("localhost")
    ('bbc.co.uk', '[::1]', 'localhost')
    """
    host, colon, port = site.rpartition(":")
    return _registrable(host if colon and port.isdecimal() else site)


def _registrable(host: str) -> str:
    if host.startswith("[") or host.replace(".", "").isdigit():
        return host
    return str(_suffixes().privatesuffix(host) or host)


@lru_cache(1)
def _suffixes() -> Any:
    from publicsuffixlist import PublicSuffixList  # 30 ms

    return PublicSuffixList()
