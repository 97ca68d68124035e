"""Compute in one thread, in threads and in processes: what the interpreter lock costs, and what lifts it.

    python examples/cpu_bound.py [NUMBER...]

Threads share one interpreter lock, so they compute no faster than one thread; processes have one each.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from parascrape.executors import open_executor
from parascrape.system import available_cpus

__all__ = ["factorise", "heavy_sum", "main"]

NUMBERS = (53541233, 21235343, 11421443, 5423123)
"""The first takes 58 % of the time of all, so that no number of processes gives more than 1.7 x."""

ENDS = (5_000_000,) * 4
CPUS = available_cpus()
MODES = {"sequential": (0, 1), "thread": (0, 4), "process": (CPUS, 1)}


def factorise(number: int) -> list[int]:
    """All divisors of a number, by trying each: slow on purpose."""
    return [divisor for divisor in range(1, number // 2 + 1) if number % divisor == 0] + [number]


def heavy_sum(end: int) -> int:
    """The sum of the squares below ``end``, in a plain loop."""
    total = 0
    for number in range(end):
        total += number * number
    return total


def run(mode: str, function: Callable[[int], Any], numbers: Sequence[int]) -> tuple[list[Any], float]:
    """The results in the numbers' order, and the seconds they took once the workers were up."""
    processes, threads = MODES[mode]
    with open_executor(processes, threads, deadline=600) as executor:
        list(executor.map(factorise, [1] * len(numbers)))
        began = time.perf_counter()
        results = list(executor.map(function, numbers))
        return results, time.perf_counter() - began


def compare(function: Callable[[int], Any], numbers: Sequence[int]) -> None:
    """Print the seconds of each mode beside those of one thread; raise where results differ."""
    expected, base = run("sequential", function, numbers)
    print(f"{function.__name__}({', '.join(map(str, numbers))})")
    for mode in MODES:
        results, seconds = (expected, base) if mode == "sequential" else run(mode, function, numbers)
        if results != expected:
            raise ValueError(f"{mode} gives other results")
        print(f"  {mode:<12}{seconds:7.2f} s {base / seconds:6.2f} x")
    for number, result in zip(numbers, expected, strict=True):
        print(f"  {number} -> {result}")


def main(arguments: Sequence[str]) -> None:
    """Print both comparisons, of these numbers or of the usual ones."""
    numbers = tuple(map(int, arguments))
    compare(factorise, numbers or NUMBERS)
    compare(heavy_sum, numbers or ENDS)


if __name__ == "__main__":
    main(sys.argv[1:])
