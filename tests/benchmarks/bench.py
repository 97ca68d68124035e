"""What the works share: options, folders, the peers' interpreters, and tasks made from them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from . import pages as page_makers
from .catalogue import PEERS, Job
from .checking import check_titles
from .environments import environment_variables, is_installed, python_of, versions
from .measure import Task, run
from .pages import Pages

__all__ = ["Bench", "tell"]


def tell(line: str) -> None:
    """Say on stderr what is going on; stdout carries the tables alone."""
    print(line, file=sys.stderr, flush=True)


def _own_fetches(name: str) -> int:
    return PEERS[name].fetches if name in PEERS else Job.fetches


@dataclass
class Bench:
    """One call of the benchmark. ``work`` is a folder for lists and outputs, gone afterwards."""

    options: argparse.Namespace
    work: Path
    characters: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        """Where environments stay between calls."""
        cache: Path = self.options.cache.resolve()
        return cache

    def pages(self) -> Pages:
        """The pages to serve: those of ``--pages DIR``, or that many generated ones."""
        root, chosen = self.work / "pages", self.options.pages
        if not chosen.isdigit():
            return page_makers.gather(Path(chosen), root)
        tell(f"generating {chosen} pages")
        return page_makers.generate(root, int(chosen))

    def peers(self, usual: Sequence[str], others: Sequence[str] = ()) -> list[str]:
        """The peers to run of one work: all the usual ones, or those named in ``--peers``.

        With ``--here``, only those that the running interpreter has.
        """
        named = [name for name in self.options.peers.split(",") if name]
        if unknown := [name for name in named if name not in PEERS]:
            raise SystemExit(f"no such peer: {', '.join(unknown)}; there are {', '.join(PEERS)}")
        chosen = [name for name in (*usual, *others) if name in named] if named else list(usual)
        return [name for name in chosen if not self.options.here or is_installed(PEERS[name])]

    def python(self, name: str) -> Path:
        """The interpreter that has the peer; its versions are noted."""
        peer = PEERS[name]
        here = self.options.here
        python = Path(sys.executable) if here else python_of(name, peer, self.cache, tell)
        self.versions.update(versions(python, peer))
        return python

    def job(self, name: str, urls: Mapping[str, str], fetches: int = 0) -> Job:
        """A list of ``urls`` in a file, and where ``name`` is to write."""
        path = self.work / f"{name}.txt"
        path.write_text("\n".join(urls) + "\n")
        return Job(path, self.work / f"{name}.jsonl", fetches or self.options.fetches or _own_fetches(name))

    def task(
        self,
        name: str,
        urls: Mapping[str, str],
        *,
        fetches: int = 0,
        command: Callable[..., list[str]] | None = None,
    ) -> Task:
        """The task of peer ``name`` on ``urls`` (URL -> title), its titles checked in every run."""
        peer, job = PEERS[name], self.job(name, urls, fetches)
        arguments = tuple((command or peer.command)(self.python(name), job))
        check = partial(self._check, name, urls)
        return Task(name, arguments, job.output, check, len(urls), environment_variables(peer))

    def warm_up(self, names: Sequence[str], urls: Mapping[str, str], server: int) -> None:
        """Run every peer once on ``urls``: bytecode compiled, libraries and pages in the page cache."""
        for name in names:
            tell(f"warm-up: {name}")
            run(self.task(name, urls), server)

    def _check(self, name: str, urls: Mapping[str, str], output: Path) -> None:
        self.characters[name] = check_titles(name, output, urls)
