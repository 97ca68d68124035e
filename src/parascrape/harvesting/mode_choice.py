"""The choice of a mode while a harvest runs: whether worker processes would pay from here on. Pure.

Threads share one core for Python. With ``cpu`` seconds of it a page, P processes on N cores do

    min(P, N) / (cpu + pipe) pages a second, but no more than fetches / latency.

What starting them takes is spent beside the threads, which go on meanwhile.
"""

from __future__ import annotations

import math
from typing import NamedTuple

__all__ = ["Machine", "ModeChoice", "ModeSample", "choose"]

_BUSY = 0.6
"""Share of one core below which threads wait for the network, not for each other."""

_START_CPU, _START_SECONDS = 0.3, 0.1
"""What a worker process takes until it is ready: CPU seconds (0.25 to 0.3 measured), and time besides."""

_PIPE = 0.00015
"""CPU seconds that a page costs more when it crosses a process border, both sides together."""

_EFFICIENCY = 0.9
"""Of the cores, what the workers get; caches and others want their share."""

_LEAST_THREADS, _MOST_THREADS = 8, 32
"""Threads in each process: more than 8 only where latency asks for them."""

_GAIN, _LEAST_GAIN = 0.08, 0.15
"""How much sooner it must end, in parts of what is left and in seconds: below that it is noise."""


class Machine(NamedTuple):
    """CPUs that may be used, and what the user has fixed: processes, threads in each (0: free)."""

    cpus: int
    processes: int = 0
    threads: int = 0


class ModeSample(NamedTuple):
    """What was seen of a harvest in threads, from one look to the next. Times are seconds."""

    pages: int  # finished, at least 1
    seconds: float
    cpu: float  # of the whole process
    scrape_cpu: float  # of that, decoding, parsing and scraping
    latency: float  # of a quick fetch; slow ones may have waited for the CPU
    allowed: float  # fetches at once that the hosts permit; infinity where they permit enough
    left: int  # pages that are expected still to come
    known: bool = True  # whether somebody has counted them


class ModeChoice(NamedTuple):
    """What to do: 0 ``processes`` is to go on in threads. ``reason`` has no full stop."""

    processes: int
    threads: int
    reason: str


def choose(seen: ModeSample, machine: Machine) -> ModeChoice:
    """Whether processes would finish what is left clearly sooner, and how many, and why."""
    if machine.cpus < 2:
        return _stay("there is one CPU")
    busy = seen.cpu / seen.seconds
    if busy < _BUSY:
        return _stay(f"waiting, not computing: one CPU was used {busy:.0%}")
    processes = machine.processes or machine.cpus
    quickest = _EFFICIENCY * min(processes, machine.cpus) / (seen.cpu / seen.pages + _PIPE)
    threads = machine.threads or _threads_for(quickest * seen.latency / processes)
    fetches = min(processes * threads, seen.allowed)
    rate = min(quickest, fetches / seen.latency) if seen.latency else quickest
    now_rate = seen.pages / seen.seconds
    stay = seen.left / now_rate
    start = _START_SECONDS + _START_CPU * processes / max(0.5, machine.cpus - busy)
    start /= min(1.0, busy)  # where the threads do not get the whole of one CPU, neither will these
    change = start + max(0.0, seen.left - start * now_rate) / rate
    if stay - change >= max(_GAIN * stay, _LEAST_GAIN):
        return ModeChoice(processes, threads, _describe(seen, busy))
    if rate * (1.0 - _GAIN) <= now_rate:
        return _stay("processes would not be faster")
    return _stay("what was left was too little for processes to pay")


def _stay(reason: str) -> ModeChoice:
    return ModeChoice(0, 0, reason)


def _threads_for(fetches: float) -> int:
    """Threads in each process that keep so many fetches under way, and half as many to spare."""
    return min(_MOST_THREADS, max(_LEAST_THREADS, math.ceil(1.5 * fetches)))


def _describe(seen: ModeSample, busy: float) -> str:
    """What filled the CPU, and how much is to come."""
    scrape_cpu = min(seen.scrape_cpu, seen.cpu)
    what, cpu = ("parsing", scrape_cpu) if scrape_cpu > seen.cpu / 2 else ("computing", seen.cpu)
    share = min(cpu / seen.seconds, busy, 1.0)
    left = f"about {_round(seen.left):,} pages are left" if seen.known else "more pages are expected"
    return f"{what} took {share:.0%} of one CPU ({1000 * cpu / seen.pages:.2g} ms a page), {left}"


def _round(count: int) -> int:
    """The count in two digits.

    >>> _round(3912), _round(87), _round(0)
    (3900, 87, 0)
    """
    return round(count, 2 - len(str(count)))
