"""The limit of open files (RLIMIT_NOFILE), and how many threads fit into it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from parascrape.settings import Settings

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]

_BESIDE = 32
"""Descriptors of a process beside those of its threads: 10 to 20 were seen."""

_THREAD = 4
"""Descriptors of a thread at one host: 3.4 were seen."""

_ROOM = 16
"""Descriptors of a thread that are asked for: connections to other hosts are kept for a while."""


def fit_threads(settings: Settings) -> Settings:
    """Return the settings with at most as many threads as open files allow; the soft limit is raised first.

    64 threads with 40 descriptors fail nearly every fetch, two threads none.
    """
    if resource is None:
        return settings
    wanted = _BESIDE + _ROOM * (settings.thread_count + settings.process_count)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        asked = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):  # macOS refuses values above its own limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, asked), hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    most = max(1, (soft - _BESIDE) // _THREAD)
    if soft == resource.RLIM_INFINITY or settings.thread_count <= most:
        return settings
    return replace(settings, threads=most)
