"""The options of the command that give a run the settings of another: for the runs, and for the reader."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from parascrape.comparison.strategies import Strategy
from parascrape.settings import Settings

__all__ = ["NOT_PASSED", "options_of", "shown_command"]

_VALUES = {
    "scraper": "--scraper",
    "timeout": "--timeout",
    "max_bytes": "--max-bytes",
    "retries": "--retries",
    "user_agent": "--user-agent",
    "proxy": "--proxy",
    "per_host": "--per-host",
    "delay": "--delay",
    "connect_to": "--connect-to",
    "ca_file": "--ca-file",
}
_SWITCHES = {"allow_private": ("--allow-private", True), "verify_tls": ("--insecure", False)}
_SWITCHES |= {"per_domain": ("--per-domain", True), "robots": ("--ignore-robots", False)}
_IDENTITY = {"fetch_duplicates": ("--fetch-duplicates", True), "drop_tracking": ("--ignore-tracking", True)}
_IDENTITY |= {"sort_query": ("--ignore-query-order", True)}
_PAIRS = {"headers": ("--header", ": "), "cookies": ("--cookie", "=")}

NOT_PASSED = frozenset(
    (
        "mode",
        "processes",
        "threads",
        "ordered",
        "aside",
        "body_bytes",
        "hosts_file",
        "backoff",
        "max_backoff",
        "max_redirects",
        "previous",
        "max_age",
    )
)
"""Settings that a strategy or a harvest sets itself, and those that no option can change."""


def options_of(settings: Settings) -> list[str]:
    """The options that differ from the defaults, mode and numbers of workers left out."""
    default, options = Settings(), []
    for name, option in _VALUES.items():
        value = getattr(settings, name)
        if value != getattr(default, name):
            options += [f"{option}={_text(value)}"]
    for name, (option, when) in {**_SWITCHES, **_IDENTITY}.items():
        if getattr(settings, name) is when:
            options.append(option)
    for name, (option, separator) in _PAIRS.items():
        options += [f"{option}={key}{separator}{value}" for key, value in getattr(settings, name).items()]
    options += [f"--select={selection}" for selection in settings.select]
    if settings.worker_bytes:
        options.append(f"--worker-memory={settings.worker_bytes // 1_000_000}")
    return options


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def shown_command(sources: Sequence[str], strategy: Strategy, settings: Settings) -> str:
    """What to type to harvest the lists so; headers, cookies and proxies may be secrets: ``...``."""
    options = []
    for option in options_of(settings):
        name, _, value = option.partition("=")
        if name in ("--header", "--cookie"):
            value = value.partition(":" if name == "--header" else "=")[0] + (
                ": ..." if name == "--header" else "=..."
            )
        elif name == "--proxy":
            value = "..."
        options.append(f"{name} {shlex.quote(value)}" if value else name)
    return " ".join(["scrape", *map(shlex.quote, sources), *strategy.options, *options])
