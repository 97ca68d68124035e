"""One run of a harvesting command: from its options to its exit status."""

from __future__ import annotations

import errno
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from parascrape.cli.logging import logging_to, open_log
from parascrape.cli.options import Display
from parascrape.cli.report import (
    Progress,
    RunTotals,
    machine_load,
    make_progress,
    observe,
    profile_table,
    summarise,
    timed,
    write_profile,
)
from parascrape.errors import OutputError, UsageError
from parascrape.executors import refuse_during_import
from parascrape.fetch import DIRECT, NetworkOptions
from parascrape.files import (
    JsonlSink,
    Ledger,
    Outcome,
    check_previous,
    count_entries,
    default_name,
    folder_of,
    forget_retry,
    mark_duplicates,
    read_ahead,
    read_lists,
)
from parascrape.frontier import politeness_policy
from parascrape.harvesting import Environment, RunProfile, Stop, explain_bottleneck, fit_threads, harvest
from parascrape.records import Entry
from parascrape.scrapers import check_scraper
from parascrape.settings import Settings
from parascrape.system import SignalCapture, available_cpus, keep_memory, printable

if TYPE_CHECKING:
    from parascrape.crawling import SiteCrawl

__all__ = [
    "RunOutput",
    "Signals",
    "left_to_do",
    "run_demo",
    "run_entries",
    "run_lists",
    "stdout_for_data",
]


class Signals(SignalCapture):
    """SIGINT and SIGTERM, handled while this is entered; ``numbers`` are those that came.

    As long as the output is being read, which takes half a minute for some millions of records, the first
    raises KeyboardInterrupt; when ``harvesting`` they ask the harvest to end.
    """

    def __init__(self, stop: Stop) -> None:
        super().__init__()
        self.harvesting = False
        self._stop = stop

    def take(self, number: int) -> None:
        """Ask the harvest to end, or raise KeyboardInterrupt."""
        if self.harvesting:
            self._stop.ask()
        elif len(self.numbers) == 1:
            raise KeyboardInterrupt


_EXIT_FAILED, _EXIT_LOST, _EXIT_IO, _EXIT_PIPE = 1, 70, 74, 141


class RunOutput(NamedTuple):
    """Where the records go, and what becomes of those that are there.

    While the output is locked, ``prepare`` is called with its path before it is read, ``finish`` with the
    ledger of what it held before when every entry has its outcome. ``start`` and ``nothing`` are what is
    said of an output that holds ``held`` outcomes, and of a list without entries. ``own_site``: it is
    our own that is harvested. A ``crawl`` prepares the output, is saved before each write, and sees what
    is found. ``network`` says how hosts are reached.
    """

    output: str
    overwrite: bool = False
    prepare: Callable[[Path], object] | None = None
    finish: Callable[[Ledger], object] = lambda _: None
    start: str = "Going on with {output}: it holds {held} (--overwrite starts anew)."
    nothing: str = "The list holds no URLs."
    own_site: bool = False
    crawl: SiteCrawl | None = None
    network: NetworkOptions = DIRECT

    def make_ready(self, path: Path) -> None:
        """Prepare the locked output. Where there is none, what a retry of an earlier one has left goes."""
        if not path.exists():
            forget_retry(path)
        if self.prepare is not None:
            self.prepare(path)
        if self.crawl is not None:
            self.crawl.prepare(path)


def run_lists(  # noqa: PLR0913
    sources: Sequence[str],
    settings: Settings,
    display: Display,
    target: RunOutput,
    *,
    url_column: str,
    limit: int = 0,
) -> int:
    """The exit status of harvesting these lists."""
    _check_limit(limit)
    entries = read_lists(sources, url_column=url_column)
    if not target.output:
        target = target._replace(output=f"output/{default_name(sources)}.jsonl")
    _refuse_overwriting(sources, target.output)
    tally = RunTotals()
    if settings.mode == "auto" or (not display.quiet and sys.stderr.isatty()):
        _count_meanwhile(tally, sources, url_column, limit)
    if limit:
        entries = itertools.islice(entries, limit)
    flowing = read_ahead(entries) if any(map(_is_stream, sources)) else entries
    return run_entries(mark_duplicates(flowing, settings), settings, display, target, tally)


def run_demo(settings: Settings, display: Display, *, output: str, limit: int) -> int:
    """The exit status of the demo: 0 when what failed is what the site intends to fail."""
    from parascrape.loopback import expected, running_site

    _check_limit(limit)
    with running_site() as site:
        urls = site[:limit] if limit else site
        tally = RunTotals()
        tally.total = len(urls)
        entries = (Entry(url, line) for line, url in enumerate(urls, 1))
        status = run_entries(
            entries, settings, display, RunOutput(output, overwrite=True, own_site=True), tally
        )
    if limit or settings.scraper or settings.select or status != _EXIT_FAILED:
        return status
    counted = {"ok": tally.entries - tally.failed, **tally.failures}
    if counted == expected():
        return 0
    sys.stderr.write(f"scrape: the site intends {expected()}, this run gave {counted}\n")
    return _EXIT_FAILED


def _check_limit(limit: int) -> None:
    if limit < 0:
        raise UsageError(f"limit: {limit} is less than 0")


def _refuse_overwriting(sources: Sequence[str], output: str) -> None:
    """Raise UsageError where the output would take the place of a list: the list would be lost."""
    for source in sources:
        if os.path.isfile(source) and os.path.exists(output) and os.path.samefile(source, output):
            raise UsageError(f"{source}: is the output as well; name another with --output")


def _is_stream(source: str) -> bool:
    """Whether the next line may be long in coming: stdin, a named pipe."""
    return source == "-" or (os.path.exists(source) and not os.path.isfile(source))


def _count_meanwhile(tally: RunTotals, sources: Sequence[str], url_column: str, limit: int) -> None:
    """Let a thread find the total; the harvest does not wait for it."""

    def count() -> None:
        total = count_entries(sources, url_column=url_column)
        if total is not None:
            tally.total = min(total, limit) if limit else total

    threading.Thread(target=count, name="count", daemon=True).start()


def run_entries(
    entries: Iterable[Entry | None], settings: Settings, display: Display, target: RunOutput, tally: RunTotals
) -> int:
    """The exit status of harvesting these into the output. Whatever ends it, the output holds whole lines."""
    refuse_during_import()
    keep_memory()
    check_scraper(settings.scraper, settings.mode, settings.select)
    check_previous(settings.previous, target.output)
    quarantine = folder_of(target.output)
    environment = Environment(quarantine, _hosts_file(settings, target.network), target.network)
    asked, settings = settings, fit_threads(settings)
    signals = Signals(stop := Stop())
    try:
        with (
            signals,
            closing(open_log(display.log_file)) as log,
            JsonlSink(
                target.output,
                overwrite=target.overwrite,
                prepare=target.make_ready,
                ahead=target.crawl.ahead if target.crawl else None,
            ) as sink,
            stdout_for_data(),
        ):
            signals.harvesting = True
            progress = make_progress(tally, quiet=display.quiet)
            with progress, logging_to([log], display, progress):
                if asked != settings and not display.quiet:
                    progress.say(f"Too few files may be open (ulimit -n): {settings.thread_count} threads.")
                _say_start(progress, settings, display, target, sink)
                left = left_to_do(entries, sink.ledger, tally)
                hooks = observe(tally, progress, quiet=display.quiet)
                if target.crawl is not None:
                    hooks = target.crawl.watch(hooks)
                hooks = replace(hooks, idle=timed(sink.flush, tally.split))
                run = harvest(left, settings, stop=stop, hooks=hooks, environment=environment)
                with closing(run) as outcomes:
                    status = _write(outcomes, sink, tally, progress)
            with suppress(OSError):  # not empty, or never made
                os.rmdir(quarantine)
            if signals.numbers:
                status = 128 + signals.numbers[0]
            elif not status and not tally.adds_up:
                status = _EXIT_LOST
                _say_lost(tally)
            elif not status:
                target.finish(sink.ledger)
    except KeyboardInterrupt:
        if signals.harvesting or not signals.numbers:
            raise
        if not display.quiet:
            sys.stderr.write("Stopped before the first fetch.\n")
        return 128 + signals.numbers[0]
    write_profile(display.profile_json, tally.split)
    if not display.quiet and status != _EXIT_PIPE:
        _say_end(tally, settings, display, target, status)
    return status or (_EXIT_FAILED if tally.failed else 0)


def _hosts_file(settings: Settings, network: NetworkOptions) -> str:
    """Return where runs on this machine share the state of hosts; empty where there are no limits, or where
    it is not the hosts that answer.
    """
    if politeness_policy(settings) is None or network.connect_to:
        return ""
    from parascrape.frontier import default_path

    return str(default_path())


def _say_lost(tally: RunTotals) -> None:
    """Tell it loudly, with --quiet too."""
    sys.stderr.write(
        f"scrape: THE COUNT DOES NOT ADD UP: the list gave {tally.read:,} entries, "
        f"{tally.done:,} have an outcome. Please report this.\n"
    )


def left_to_do(entries: Iterable[Entry | None], ledger: Ledger, tally: RunTotals) -> Iterator[Entry | None]:
    """The entries that have no outcome yet; the others are counted. Now and then None, to look up."""
    passed = 0
    for entry in entries:
        if entry is None:
            yield None
            continue
        tally.read += 1
        code = ledger.take(entry)
        if code is None:
            yield entry
            continue
        tally.before[code] += 1
        passed += 1
        if passed % 100_000 == 0:
            yield None  # so that a Ctrl-C is heard


def _write(outcomes: Iterable[Outcome], sink: JsonlSink, tally: RunTotals, progress: Progress) -> int:
    """Write every outcome to the disk; 0, or the exit status where that fails."""
    try:
        for outcome in outcomes:
            began = time.perf_counter()
            sink.write(outcome.lines)
            tally.split.write += time.perf_counter() - began
            tally.add(outcome)
        sink.sync()
    except OutputError as error:
        if error.errno == errno.EPIPE:  # the reader has all it wants, as in `| head`
            return _EXIT_PIPE
        progress.say(f"scrape: {printable(str(error))}")
        if sink.destination != "-":
            progress.say("Every record in it is whole. Make room, and run the same command again to go on.")
        return _EXIT_IO
    return 0


def _say_start(
    progress: Progress, settings: Settings, display: Display, target: RunOutput, sink: JsonlSink
) -> None:
    if display.quiet:
        return
    if not settings.verify_tls:
        progress.say("Certificates are not verified (--insecure).")
    if not settings.robots and not target.own_site:
        progress.say("What sites ask for in robots.txt is ignored (--ignore-robots).")
    if len(sink.ledger):
        count = len(sink.ledger)
        held = f"{count:,} outcome{'' if count == 1 else 's'}"
        progress.say(target.start.format(output=printable(sink.destination), held=held))


def _say_end(tally: RunTotals, settings: Settings, display: Display, target: RunOutput, status: int) -> None:
    if status > 128:
        sys.stderr.write("Stopped before the end. The same command again goes on from here.\n")
    elif not tally.done and status != _EXIT_LOST:
        sys.stderr.write(f"{target.nothing}\n")
    run = RunProfile(tally.seconds, settings, available_cpus(), tally.bytes, machine_load())
    sys.stderr.write(summarise(tally, threads=settings.fetches, output=target.output) + "\n")
    if display.profile:
        sys.stderr.write(profile_table(tally.split) + "\n")
    if sentence := explain_bottleneck(tally.split, run):
        sys.stderr.write(f"{sentence}\n")


@contextmanager
def stdout_for_data() -> Iterator[None]:
    """Let what scrapers print go to stderr: stdout carries records or nothing."""
    before, sys.stdout = sys.stdout, sys.stderr
    try:
        yield
    finally:
        sys.stdout = before
