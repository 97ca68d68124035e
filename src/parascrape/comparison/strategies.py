"""Strategies: a mode with its numbers of processes and threads, parsed and shown."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import NamedTuple, get_args

from parascrape.errors import UsageError
from parascrape.settings import Mode, Settings, command_options

_WRITTEN = re.compile(r"(auto|sequential|thread|process)(?::([0-9]{1,4})(?:x([0-9]{1,4}))?)?")
_MOST = 1024
_EXAMPLE = "sequential,thread:8,process:2x8"


class Strategy(NamedTuple):
    """One way to run a harvest. ``processes`` is 0 unless the mode is process, ``threads`` is never 0.

    Mode auto starts with them and may change to processes. With ``reverse`` the list runs backwards, which
    shows whether records depend on earlier pages.
    """

    mode: Mode
    processes: int
    threads: int
    reverse: bool = False

    @property
    def name(self) -> str:
        """The name as users write it: ``sequential``, ``thread:8``, ``process:2x8``.

        >>> Strategy("process", 2, 8).name
        'process:2x8'
        """
        numbers = {"auto": "", "sequential": "", "thread": f":{self.threads}"}
        name = self.mode + numbers.get(self.mode, f":{self.processes}x{self.threads}")
        return f"{name} reversed" if self.reverse else name

    @property
    def options(self) -> list[str]:
        """The command's options for this strategy."""
        options = ["--mode", self.mode]
        if self.mode == "process":
            options += ["--processes", str(self.processes)]
        return options if self.mode in ("auto", "sequential") else [*options, "--threads", str(self.threads)]

    @property
    def fetches(self) -> int:
        """Fetches in flight at once."""
        return max(1, self.processes) * self.threads

    @property
    def cost(self) -> tuple[int, int]:
        """The sort key by cost: processes, then threads; auto may use the whole machine."""
        return _MOST + 1 if self.mode == "auto" else self.processes, self.threads


def parse_strategies(text: str) -> tuple[Strategy, ...]:
    """Return the strategies of a list such as ``sequential,thread:8,process:2x8``.

    ``thread`` alone has 32 threads, ``process:2`` 8 in each process.

    Raises:
        UsageError: one is not a strategy, is out of range or is repeated, or there is none.
    """
    found = tuple(_parse(part.strip()) for part in text.split(",") if part.strip())
    if not found:
        raise UsageError(f"--strategies: none given; write {_EXAMPLE}")
    for strategy in found:
        if found.count(strategy) > 1:
            raise UsageError(f"--strategies: {strategy.name} is given twice")
    return found


def _parse(text: str) -> Strategy:
    match = _WRITTEN.fullmatch(text)
    if match is None:
        raise UsageError(f"--strategies: {text!r} is not a strategy; write {_EXAMPLE}")
    mode, first, second = match.groups()
    numbers = [int(number) for number in (first, second) if number]
    most = {"auto": 0, "sequential": 0, "thread": 1, "process": 2}[mode]
    if len(numbers) > most or (mode == "process" and not numbers):
        raise UsageError(f"--strategies: {text!r}: write sequential, thread:THREADS or process:PxTHREADS")
    if not all(1 <= number <= _MOST for number in numbers):
        raise UsageError(f"--strategies: {text!r}: a number is not between 1 and {_MOST}")
    known: Mode = next(name for name in get_args(Mode) if name == mode)
    if known == "process":
        return Strategy(known, numbers[0], numbers[1] if len(numbers) > 1 else 8)
    return Strategy(known, 0, numbers[0] if numbers else 1 if known == "sequential" else 32)


def default_strategies(cpus: int) -> tuple[Strategy, ...]:
    """Return the default grid for so many CPUs: quick to run, and wide enough to show both curves.

    >>> [strategy.name for strategy in default_strategies(2)]
    ['sequential', 'thread:4', 'thread:8', 'thread:32', 'process:1x8', 'process:2x4', 'process:2x8', 'auto']
    """
    halves = sorted({1, max(1, cpus // 2), cpus})
    threads = [Strategy("thread", 0, number) for number in (4, 8, 32)]
    processes = [Strategy("process", number, 8) for number in halves]
    processes.insert(-1, Strategy("process", cpus, 4))
    return (Strategy("sequential", 0, 1), *threads, *processes, Strategy("auto", 0, 32))


def checking_strategies(cpus: int) -> tuple[Strategy, ...]:
    """Return strategies that reveal a scraper's hidden state: in order, backwards, threads, processes."""
    return (
        Strategy("sequential", 0, 1),
        Strategy("sequential", 0, 1, reverse=True),
        Strategy("thread", 0, 8),
        Strategy("process", max(2, min(cpus, 4)), 4),
    )


def shown_command(sources: Sequence[str], strategy: Strategy, settings: Settings) -> str:
    """Return what to type to harvest the lists so, with secrets shown as ``...``."""
    options = []
    for option in command_options(settings, masked=True):
        name, _, value = option.partition("=")
        options.append(f"{name} {shlex.quote(value)}" if value else name)
    return " ".join(["scrape", *map(shlex.quote, sources), *strategy.options, *options])
