"""The same faults for `scrape` and for Scrapy with JOBDIR: ``python -m tests.faults.jobdir [--repeat 3]``.

300 URLs of a server on loopback that takes 30 ms for each. A run is disturbed, then the same command is
given again and left alone. What is written is compared with the list: URLs lost, records doubled, lines torn.
Scrapy is installed with pip into an environment of its own, in the cache; ``--scrapy PYTHON`` names another.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.catalogue import PEERS
from tests.benchmarks.environments import python_of
from tests.faults.test_limits import limited
from tests.helpers.command import ENVIRONMENT, children, until
from tests.sites.site import Site

__all__ = ["Result", "main"]

URLS = 300
SECONDS = 60
"""What no run takes that ends at all: alone it is 3 s."""

ROOM = 12_000
"""Bytes that a file may have while the disk is full: about half of an output."""


class Tool(NamedTuple):
    """One of the two: name, environment, and command for a list, an output and a folder for what it keeps."""

    name: str
    environment: dict[str, str]
    command: Callable[[Path, Path, Path], list[object]]


class Result(NamedTuple):
    """What is left when all is over, and the exit statuses of all runs in their order."""

    lost: int
    doubled: int
    torn: int
    fetches: int
    exits: tuple[str, ...]


class Trial:
    """One list, one output, one tool."""

    def __init__(self, tool: Tool, site: Site, folder: Path, dice: random.Random) -> None:
        self.tool, self.site, self.folder, self.dice = tool, site, folder, dice
        self.exits: list[str] = []
        self.urls = [site(f"/slow?seconds=0.03&n={number}") for number in range(URLS)]
        self.output = folder / "out.jsonl"
        (folder / "list.txt").write_text("".join(f"{url}\n" for url in self.urls))

    def start(self, **options: Any) -> subprocess.Popen[bytes]:
        """The tool's command, started."""
        command = self.tool.command(self.folder / "list.txt", self.output, self.folder / "job")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
        return subprocess.Popen(
            list(map(str, command)), env=self.tool.environment, cwd=self.folder, **quiet, **options
        )

    def finish(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for its end and keep its exit status; one that does not end is killed."""
        try:
            self.exits.append(str(process.wait(SECONDS)))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self.exits.append("hangs")

    def run(self, **options: Any) -> None:
        """The command, left alone."""
        self.finish(self.start(**options))

    def in_between(self) -> subprocess.Popen[bytes]:
        """The command, when it has asked for a random part, a tenth to nine, of what the output lacks."""
        before, pages = len(self.site.log), self.dice.uniform(0.1, 0.9) * self.result().lost
        process = self.start()
        if not until(lambda: len(self.site.log) - before >= pages or process.poll() is not None, 60):
            raise SystemExit(f"{self.tool.name} fetches nothing")
        return process

    def result(self) -> Result:
        """What the output holds, against the list."""
        found: Counter[str] = Counter()
        torn = 0
        for line in self.output.read_bytes().splitlines() if self.output.exists() else ():
            try:
                found[json.loads(line)["url"]] += 1
            except (ValueError, TypeError, KeyError):
                torn += 1
        lost = sum(not found[url] for url in self.urls)
        doubled = sum(count - 1 for count in found.values())
        return Result(lost, doubled, torn, len(self.site.log), tuple(self.exits))


def killed_twice(trial: Trial) -> None:
    """kill -9 at two random moments."""
    for _ in range(2):
        process = trial.in_between()
        process.kill()
        trial.finish(process)
    trial.run()


def out_of_memory(trial: Trial) -> None:
    """SIGKILL for the process that works, as by the kernel: the only one, or a worker."""
    process = trial.in_between()
    workers = [pid for pid in children(process.pid) if b"spawn_main" in command_line(pid)]
    os.kill(max(workers, default=process.pid), signal.SIGKILL)
    trial.finish(process)
    if trial.exits[-1] != "0":
        trial.run()


def command_line(pid: int) -> bytes:
    """How a process was called; nothing where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def full_disk(trial: Trial) -> None:
    """No file may grow beyond ROOM bytes; then there is room again."""
    trial.run(preexec_fn=limited(RLIMIT_FSIZE=ROOM))
    trial.run()


def interrupted(trial: Trial) -> None:
    """One Ctrl-C."""
    process = trial.in_between()
    process.send_signal(signal.SIGINT)
    trial.finish(process)
    trial.run()


FAULTS = {
    "kill -9, twice": killed_twice,
    "worker killed": out_of_memory,
    "disk full": full_disk,
    "Ctrl-C": interrupted,
}


def tools(scrapy: Path) -> Iterator[Tool]:
    """`scrape` and Scrapy, as their documentation has them used."""
    selection = ("--select", "title=title", "--mode", "process", "-p", 2, "-t", 4)
    yield Tool(
        "scrape",
        ENVIRONMENT,
        lambda listed, out, _: [sys.executable, "-m", "parascrape", listed, "-o", out, *selection],
    )
    spider = Path(__file__).with_name("jobdir_spider.py")
    start = (scrapy, "-m", "scrapy", "runspider", spider)
    yield Tool(
        "Scrapy JOBDIR",
        {name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        lambda listed, out, job: [*start, "-a", f"listed={listed}", "-s", f"JOBDIR={job}", "-o", out],
    )


def main(arguments: list[str] | None = None) -> None:
    """Try every fault with both, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.jobdir", description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--scrapy", type=Path, metavar="PYTHON")
    parser.add_argument("--cache", type=Path, default=Path(".benchmarks"))
    chosen = parser.parse_args(arguments)
    scrapy = chosen.scrapy or python_of(
        "scrapy", PEERS["scrapy"], chosen.cache.resolve(), lambda said: print(said, file=sys.stderr)
    )
    print(f"seed {chosen.seed}")
    print("| fault | tool | lost | doubled | torn | fetches | exits |\n|---|---|---|---|---|---|---|")
    for (fault, disturb), tool in ((fault, tool) for fault in FAULTS.items() for tool in tools(scrapy)):
        for number in range(chosen.repeat):
            with Site() as site, tempfile.TemporaryDirectory() as folder:
                trial = Trial(tool, site, Path(folder), random.Random(chosen.seed + number))
                disturb(trial)
                *counts, exits = trial.result()
            cells = [fault, tool.name, *map(str, counts), ", ".join(exits)]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
