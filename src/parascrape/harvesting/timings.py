"""Timings of a run: where its pages' time went, as sums, and their JSON file.

    read --> its host --> queue --> connect --> first byte --> transfer --> turn --> inflate --> scrape
                                                                             written <-- write <-- pipe

A page has a thread from ``connect`` to ``scrape``. What a thread without a page waits for is
included: for a host's permission, or for the list.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from parascrape.errors import OutputError
from parascrape.files import Outcome
from parascrape.frontier import WaitReason

_MOST_BLAMED = 1000
"""Hosts that are counted one by one; beyond that, the half with the shortest waits is dropped."""


@dataclass(slots=True)
class Timings:
    """Seconds, summed over a run: of pages, but for those of threads and of CPUs at the end."""

    pages: int = 0
    queue: float = 0.0  # handed out until a thread had it
    connect: float = 0.0  # name, TCP and TLS
    first_byte: float = 0.0
    transfer: float = 0.0
    turn: float = 0.0  # fetched, and waiting for the CPU; sending too
    inflate: float = 0.0
    scrape: float = 0.0  # decoding, parsing, the scraper, encoding the record
    pipe: float = 0.0  # done in its thread until the parent has it
    write: float = 0.0
    scrape_cpu: float = 0.0
    cpu_here: float = 0.0  # of this process, threads and all
    cpu_elsewhere: float = 0.0  # of worker processes' threads

    politeness: float = 0.0  # of threads that had nothing to do but wait for a host
    list_wait: float = 0.0  # of threads that waited for the list to give more
    thread_seconds: float = 0.0  # of all threads, whatever they did
    core_seconds: float = 0.0  # of the CPU cores that the threads can use at once
    blame: dict[WaitReason, float] = field(default_factory=dict)
    processes: int = 0  # those that there are, or were at the end; 0: threads of this process
    threads: int = 0  # in each
    _since: float = 0.0
    _cores: int = 0  # 0: no workers are counted

    def add(self, outcome: Outcome, *, now: float, elsewhere: bool) -> None:
        """Add the times of a page when it reaches the parent; ``elsewhere``: from a worker process."""
        queue, connect, first_byte, transfer, inflate, scrape_cpu, cpu, ended = outcome.times
        fetch = outcome.fetch_seconds
        self.pages += 1
        self.queue += queue
        self.connect += connect
        self.first_byte += first_byte
        self.transfer += transfer
        self.inflate += inflate
        self.turn += max(0.0, fetch - connect - first_byte - transfer - inflate)
        self.scrape += outcome.scrape_seconds
        self.scrape_cpu += scrape_cpu
        self.pipe += max(0.0, now - ended)
        if elsewhere:
            self.cpu_elsewhere += cpu

    def enter(self, now: float, processes: int, threads: int, cores: int) -> None:
        """Count from now on the time of so many processes, threads in each, and cores that they can use."""
        self.leave(now)
        self.processes, self.threads, self._cores = processes, threads, cores

    def leave(self, now: float) -> None:
        """End the count of those that `enter` named."""
        if self._cores:
            self.thread_seconds += self.fetches * (now - self._since)
            self.core_seconds += self._cores * (now - self._since)
        self._since, self._cores = now, 0

    @property
    def fetches(self) -> int:
        """Threads over all processes, of those at the end."""
        return max(1, self.processes) * self.threads

    def add_wait(self, blame: WaitReason, seconds: float) -> None:
        """Add seconds that threads waited until this host permitted a visit."""
        self.blame[blame] = self.blame.get(blame, 0.0) + seconds
        if len(self.blame) > _MOST_BLAMED:
            most = sorted(self.blame.items(), key=lambda item: -item[1])
            self.blame = dict(most[: _MOST_BLAMED // 2])

    @property
    def cpu(self) -> float:
        """CPU seconds of this process and of the workers' threads."""
        return self.cpu_here + self.cpu_elsewhere

    @property
    def network(self) -> float:
        """Seconds in which pages were on the network."""
        return self.connect + self.first_byte + self.transfer

    @property
    def at_work(self) -> float:
        """Seconds in which pages were neither on the network nor waiting for a thread."""
        return self.turn + self.inflate + self.scrape

    def of_threads(self, seconds: float) -> float:
        """Return the share of all threads' time; 0.0 if that is not known."""
        return seconds / self.thread_seconds if self.thread_seconds else 0.0

    @property
    def idle(self) -> float:
        """Seconds of threads that had no page and waited for nothing that is known."""
        used = self.network + self.at_work + self.politeness + self.list_wait
        return max(0.0, self.thread_seconds - used)


STAGES = {
    "politeness": "waiting for hosts",
    "list_wait": "waiting for the list",
    "queue": "queue",
    "connect": "connect",
    "first_byte": "first byte",
    "transfer": "transfer",
    "turn": "its turn, sending",
    "inflate": "inflate",
    "scrape": "decode, parse, scrape",
    "pipe": "pipe",
    "write": "write",
    "idle": "idle",
}
"""The parts of a page's time in the order in which they come, and what people call them."""

_STORED = [each.name for each in dataclasses.fields(Timings) if each.name[0] != "_" and each.name != "blame"]


def write_split(path: str | Path, split: Timings) -> None:
    """Write the timings as a file of one JSON object: seconds and counts by name, ``blame`` as rows.

    Raises:
        OutputError: the file cannot be written.
    """
    blame = [[kind, host, seconds] for (kind, host), seconds in split.blame.items()]
    data = {**{name: getattr(split, name) for name in _STORED}, "blame": blame}
    try:
        Path(path).write_text(json.dumps(data))
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}", error.errno or 0) from None


def read_split(path: Path) -> Timings:
    """Return the timings in a file; empty ones where the run ended before it wrote them."""
    try:
        data = json.loads(path.read_bytes())
        blame = {(str(kind), str(host)): float(seconds) for kind, host, seconds in data["blame"]}
        return Timings(**{name: data[name] for name in _STORED}, blame=blame)
    except (OSError, KeyError, TypeError, ValueError):
        return Timings()
