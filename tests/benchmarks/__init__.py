"""The benchmark: parascrape and its peers, all made to do the same work, in one interleaved run.

``python -m tests.benchmarks`` from the repository's root; it needs the standard library alone, and
makes each peer's environment itself. How it is read::

    __main__ > works.WORKS[name] > measure.interleave > runner.py > a peer's command
                   |                    |
                 pages, servers      checking (same URLs, same titles, or no figures)
                   |
                 tables (ratios, never bare times)
"""

from __future__ import annotations

__all__: list[str] = []
