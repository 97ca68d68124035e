"""The bottleneck of a run, and the option that would widen it, from its timings. Pure.

    cpu      all cores that the workers can use are busy, or other programs are: every other wait is longer
    write    the disk
    host     threads stood idle until a host might be asked again
    list     threads stood idle for the list
    network  threads waited for answers
    scraper  threads waited in the scraper

The first that explains enough, in this order; a run that is short, or where nothing stands out, has none.
"""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter
from typing import NamedTuple

from parascrape.harvesting.timings import Timings
from parascrape.settings import Settings
from parascrape.system import printable

_LEAST_PAGES, _LEAST_SECONDS = 20, 1.0
_CPU, _SHARED_CPU, _WRITE = 0.85, 0.5, 0.6
"""Shares from which on each explains enough: of the cores' time, the same for cores that others use too, and
of the run's.
"""

_IDLE, _THREADS = 0.5, 0.6
"""The same: of the threads' time that goes idle, and that is spent in one way."""

_WAITING = 0.3
"""A scraper waits for something else if less than this share of its time is CPU time."""

_FEW = 0.1
"""Share of the threads' time that may go idle while more threads would still help."""

_CROWDED = 2.0
"""A load of more threads for each CPU comes from other programs: each interpreter runs one thread at a time,
and there are as many processes as CPUs. Slow pages then may wait for a CPU.
"""

_TRANSFER = 0.6
"""Share of the network's time in which bodies flow above which bandwidth is the bottleneck, not latency."""

_MOST_THREADS, _MOST_TIMES = 512, 4
"""The most threads that are recommended, in all and as a multiple of those in use."""


class RunProfile(NamedTuple):
    """A run: how long it took, its settings, the CPUs there are, the bytes that were received, and the
    machine's load average at its end: how many threads, of all programs, wanted a CPU.
    """

    seconds: float
    settings: Settings
    cpus: int
    bytes: int = 0
    load: float = 0.0


def explain_bottleneck(split: Timings, run: RunProfile) -> str:
    """Return the bottleneck in one sentence; empty if it is not known."""
    if split.pages < _LEAST_PAGES or run.seconds < _LEAST_SECONDS or not split.thread_seconds:
        return ""
    if _is_computing(split):
        return _explain_cpu(split, run)
    if run.load > _CROWDED * run.cpus and split.at_work > _THREADS * split.thread_seconds:
        return "Bound by the scraper or by the CPUs, which other programs use as well."
    if split.write > _WRITE * run.seconds:
        return "Bound by writing the output."
    if split.politeness > _IDLE * split.thread_seconds:
        return _explain_host(split, run.settings)
    if split.list_wait > _IDLE * split.thread_seconds:
        return "Bound by the list, which comes slower than its pages."
    if split.network > _THREADS * split.thread_seconds:
        if split.transfer > _TRANSFER * split.network:
            return f"Bound by how fast bodies come: {run.bytes / 1e6 / run.seconds:.1f} MB/s."
        more = _more_threads(split, run)
        return f"Bound by the network's latency{more}." if more else ""
    if split.scrape > _THREADS * split.thread_seconds and split.scrape_cpu < _WAITING * split.scrape:
        return f"Bound by the scraper, which waits{_more_threads(split, run)}."
    return ""


def _is_computing(split: Timings) -> bool:
    """Return whether the cores are busy; if other programs share them, whether pages wait mostly for them."""
    if split.cpu > _CPU * split.core_seconds:
        return True
    return split.cpu > _SHARED_CPU * split.core_seconds and split.at_work > _THREADS * split.thread_seconds


def _explain_cpu(split: Timings, run: RunProfile) -> str:
    work = "parsing" if split.scrape_cpu > split.cpu / 2 else "computing"
    processes = split.processes
    if run.cpus == 1:
        return f"Bound by {work} on the one CPU there is."
    if not processes:
        remedy = "" if run.settings.mode == "auto" else ": --mode process"  # auto has said why not
        return f"Bound by {work} on one CPU{remedy}."
    if processes < run.cpus:
        where = "one CPU" if processes == 1 else f"{processes} CPUs"
        return f"Bound by {work} on {where}: --processes {run.cpus}."
    return f"Bound by {work} on all {run.cpus} CPUs."


class HostWait(NamedTuple):
    """Why threads had to wait for hosts: the reason that cost the most time, and whose limit it was."""

    kind: str  # limit, delay, crawl_delay, rest or retry; empty: no thread waited
    host: str = ""  # the host with more than half of these waits, if one has
    share: float = 0.0  # of all waits for hosts

    def describe(self, per_host: int, delay: float) -> str:
        """Return the limit in words, to follow "the host's"; these are the limits of the settings."""
        texts = {
            "limit": f"limit of {per_host} at once",
            "delay": f"delay of {delay:g} s",
            "crawl_delay": "Crawl-delay in robots.txt",
            "rest": "rate limiting or slow answers",
            "retry": "pauses before retries",
        }
        return texts.get(self.kind, "limits")


def main_host_wait(split: Timings) -> HostWait:
    """Return the main reason for which threads waited for hosts."""
    kinds: dict[str, float] = defaultdict(float)
    for (kind, _), seconds in split.blame.items():
        kinds[kind] += seconds
    if not kinds:
        return HostWait("")
    kind, most = max(kinds.items(), key=itemgetter(1))
    hosts = {host: seconds for (of, host), seconds in split.blame.items() if of == kind}
    worst, longest = max(hosts.items(), key=itemgetter(1))
    return HostWait(kind, worst if longest > most / 2 else "", most / (sum(kinds.values()) or 1.0))


_OPTIONS = {"limit": " (--per-host)", "delay": " (--delay)", "retry": " (--retries)"}
"""What changes these limits; the others are the hosts' own."""


def _explain_host(split: Timings, settings: Settings) -> str:
    """Return the limit for which threads waited most, and the host if it is mostly one."""
    wait = main_host_wait(split)
    if not wait.kind or wait.share < _IDLE:
        return ""
    whose = f"{printable(wait.host, 80)}'s" if wait.host else "the hosts'"
    return (
        f"Bound by {whose} {wait.describe(settings.per_host, settings.delay)}{_OPTIONS.get(wait.kind, '')}."
    )


def _more_threads(split: Timings, run: RunProfile) -> str:
    """Return the option for more threads; empty where more would find nothing to do, or no CPU."""
    if split.politeness + split.list_wait > _FEW * split.thread_seconds or split.pages < 4 * split.fetches:
        return ""
    busy = split.cpu / split.core_seconds if split.core_seconds else 0.0
    times = min(_MOST_TIMES, int(_CPU / busy) if busy else _MOST_TIMES)
    threads = min(_MOST_THREADS, split.threads * times)
    if threads <= split.threads:
        return ""
    return ": --mode thread" if run.settings.mode == "sequential" else f": --threads {threads}"
