"""CPU time of a visit in the frontier: ``python -m tests.benchmarks.frontier_cost``.

About 13 us with politeness, whatever the number of hosts, and 1 us without.
"""

from __future__ import annotations

import time
from collections import deque

from parascrape.frontier import PolitenessPolicy, VisitSource, open_frontier
from tests.helpers.frontiers import listed, run_through


def cost(urls: int, hosts: int, policy: PolitenessPolicy | None) -> float:
    """CPU seconds a visit, all calls counted, without the time that making the list takes."""
    began = time.process_time()
    deque(listed(urls, hosts), maxlen=0)
    made = time.process_time() - began
    frontier = open_frontier(VisitSource(listed(urls, hosts)), policy)
    began = time.process_time()
    run_through(frontier)
    return (time.process_time() - began - made) / urls


if __name__ == "__main__":
    for urls, hosts in ((50_000, 1), (50_000, 50_000), (1_000_000, 100_000)):
        print(f"{urls:9,} URLs, {hosts:7,} hosts: {1e6 * cost(urls, hosts, PolitenessPolicy()):5.1f} us")
    print(f"{50_000:9,} URLs, no politeness: {1e6 * cost(50_000, 1, None):5.1f} us")
