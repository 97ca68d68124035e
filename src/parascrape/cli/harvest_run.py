"""Runs a harvest for a command: locks the output, handles signals, reports, and gives the exit status."""

from __future__ import annotations

import errno
import itertools
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, redirect_stdout, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from parascrape.cli.logging import logging_to, open_log
from parascrape.cli.options import Choices, Display
from parascrape.cli.report import (
    Progress,
    RunTotals,
    machine_load,
    make_progress,
    profile_table,
    summarise,
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
    drop_pages,
    folder_of,
    forget_retry,
    mark_duplicates,
    read_ahead,
    read_lists,
)
from parascrape.frontier import politeness_policy
from parascrape.harvesting import (
    Environment,
    HarvestHooks,
    RunProfile,
    Stop,
    Timings,
    explain_bottleneck,
    fit_threads,
    harvest,
    write_split,
)
from parascrape.records import Entry
from parascrape.scrapers import check_scraper
from parascrape.settings import Settings
from parascrape.system import SignalCapture, available_cpus, keep_memory, printable, show_count

_EXIT_FAILED, _EXIT_LOST, _EXIT_IO, _EXIT_PIPE = 1, 70, 74, 141


class HarvestRun:
    """One harvest into one output. Subclasses override the steps that differ, such as a crawl's."""

    on_start = "Continuing {output}, which has {held} (--overwrite starts anew)."
    """Said of an output that has outcomes."""
    on_empty = "The lists contain no URLs."
    """Said if no entry was harvested or done before."""
    own_site = False
    """The site is our own: ignoring its robots.txt needs no warning."""
    network: NetworkOptions = DIRECT

    def __init__(self, output: str, settings: Settings, display: Display, *, overwrite: bool = False) -> None:
        self.output = output
        self.overwrite = overwrite
        self.totals = RunTotals()
        self._settings = settings
        self._display = display

    def prepare(self, output: Path) -> None:
        """Change the output, if need be; it is locked and has not been read. There may be no file yet."""

    def before_write(self, syncing: bool) -> None:
        """Save what must not be older than the output; called before each write and before each sync."""

    def add_hooks(self, hooks: HarvestHooks) -> HarvestHooks:
        """Return the hooks of the harvest, with those of the subclass."""
        return hooks

    def finish(self, ledger: Ledger) -> None:
        """Called when each entry has its outcome, with what the output held before; it is still locked."""

    def run(self, entries: Iterable[Entry | None]) -> int:
        """Harvest the entries and return the exit status. However it ends, the output holds whole lines."""
        display, settings = self._display, self._settings
        refuse_during_import()
        keep_memory()
        check_scraper(settings.scraper, settings.mode, settings.select)
        check_previous(settings.previous, self.output)
        signals = _Signals(Stop())
        try:
            with signals:
                status = self._run_locked(entries, signals)
        except KeyboardInterrupt:
            if signals.harvesting or not signals.numbers:
                raise
            if not display.quiet:
                sys.stderr.write("Stopped before the first fetch.\n")
            return 128 + signals.numbers[0]
        if display.profile_json:
            write_split(display.profile_json, self.totals.split)
        if not display.quiet and status != _EXIT_PIPE:
            self._say_end(status)
        return status or (_EXIT_FAILED if self.totals.failed else 0)

    def _run_locked(self, entries: Iterable[Entry | None], signals: _Signals) -> int:
        """Harvest while the output is locked; failed URLs make no difference to the status."""
        totals, asked = self.totals, self._settings
        self._settings = settings = fit_threads(asked)
        quarantine = folder_of(self.output)
        environment = Environment(quarantine, self._hosts_file(), self.network)
        with (
            closing(open_log(self._display.log_file)) as log,
            JsonlSink(
                self.output, overwrite=self.overwrite, prepare=self._make_ready, ahead=self.before_write
            ) as sink,
            redirect_stdout(sys.stderr),  # what scrapers print; standard output carries records only
        ):
            signals.harvesting = True
            progress = make_progress(totals, quiet=self._display.quiet)
            with progress, logging_to([log], self._display, progress):
                if settings != asked and not self._display.quiet:
                    progress.say(f"Too few files may be open (ulimit -n): {settings.thread_count} threads.")
                self._say_start(progress, sink)
                left = left_to_do(entries, sink.ledger, totals)
                idle = partial(_flush, sink, totals.split)
                hooks = HarvestHooks(totals.expected, split=totals.split, idle=idle)
                if not self._display.quiet:
                    hooks = replace(hooks, say=progress.say)
                hooks = self.add_hooks(hooks)
                run = harvest(left, settings, stop=signals.stop, hooks=hooks, environment=environment)
                with closing(run) as outcomes:
                    status = _write(outcomes, sink, totals, progress)
            with suppress(OSError):  # it has files, or was never made
                os.rmdir(quarantine)
            if signals.numbers:
                return 128 + signals.numbers[0]
            if not status and totals.read != totals.done:
                sys.stderr.write(  # --quiet does not silence it
                    f"scrape: THE COUNT DOES NOT ADD UP: the list gave {totals.read:,} entries, "
                    f"{totals.done:,} have an outcome. Please report this.\n"
                )
                return _EXIT_LOST
            if not status:
                self.finish(sink.ledger)
            return status

    def _make_ready(self, path: Path) -> None:
        if not path.exists():
            forget_retry(path)
        self.prepare(path)

    def _hosts_file(self) -> str:
        """Return the file in which runs share host state; "" without limits or with a replay server."""
        if politeness_policy(self._settings) is None or self.network.connect_to:
            return ""
        from parascrape.frontier import default_path

        return str(default_path())

    def _say_start(self, progress: Progress, sink: JsonlSink) -> None:
        if self._display.quiet:
            return
        if not self._settings.verify_tls:
            progress.say("Certificates are not verified (--insecure).")
        if not self._settings.robots and not self.own_site:
            progress.say("robots.txt is ignored (--ignore-robots).")
        if len(sink.ledger):
            held = show_count(len(sink.ledger), "outcome")
            progress.say(self.on_start.format(output=printable(sink.destination), held=held))

    def _say_end(self, status: int) -> None:
        totals, settings = self.totals, self._settings
        if status > 128:
            sys.stderr.write("Stopped before the end. Run the same command again to continue.\n")
        elif not totals.done and status != _EXIT_LOST:
            sys.stderr.write(f"{self.on_empty}\n")
        run = RunProfile(totals.seconds, settings, available_cpus(), totals.bytes, machine_load())
        sys.stderr.write(summarise(totals, threads=settings.fetches, output=self.output) + "\n")
        if self._display.profile:
            sys.stderr.write(profile_table(totals.split) + "\n")
        if sentence := explain_bottleneck(totals.split, run):
            sys.stderr.write(f"{sentence}\n")


class _Signals(SignalCapture):
    """Handles SIGINT and SIGTERM while this is entered; ``numbers`` are the signals that came.

    While the output is being read, which takes half a minute for some millions of records, the first signal
    raises KeyboardInterrupt. While ``harvesting``, a signal asks the harvest to stop.
    """

    def __init__(self, stop: Stop) -> None:
        super().__init__()
        self.harvesting = False
        self.stop = stop

    def take(self, number: int) -> None:
        """Ask the harvest to stop, or raise KeyboardInterrupt."""
        if self.harvesting:
            self.stop.ask()
        elif len(self.numbers) == 1:
            raise KeyboardInterrupt


class _ListRun(HarvestRun):
    """A harvest of lists."""

    resume_failed = False

    def prepare(self, output: Path) -> None:
        if self.overwrite:
            forget_retry(output)
        elif self.resume_failed and output.exists():
            drop_pages(output, lambda page: bool(page.code))


def run_lists(chosen: Choices, settings: Settings) -> int:
    """Harvest the lists that the user chose and return the exit status."""
    sources, limit, display = chosen["sources"], chosen["limit"], chosen.make(Display)
    entries = read_lists(sources, url_column=chosen["url_column"])
    output = chosen["output"] or f"output/{default_name(sources)}.jsonl"
    for source in sources:
        if os.path.isfile(source) and os.path.exists(output) and os.path.samefile(source, output):
            raise UsageError(f"{source}: is the output as well; name another with --output")
    run = _ListRun(output, settings, display, overwrite=chosen["overwrite"])
    run.resume_failed = chosen["resume_failed"]
    run.network = chosen.make(NetworkOptions)
    if settings.mode == "auto" or (not display.quiet and sys.stderr.isatty()):
        _count_meanwhile(run.totals, sources, chosen["url_column"], limit)
    if limit:
        entries = itertools.islice(entries, limit)
    flowing = read_ahead(entries) if any(map(_is_stream, sources)) else entries
    return run.run(mark_duplicates(flowing, settings))


def run_demo(settings: Settings, display: Display, *, output: str, limit: int) -> int:
    """Harvest the bundled site; return 0 if exactly those pages failed that the site makes fail."""
    from parascrape.loopback import expected, running_site

    with running_site() as site:
        urls = site[:limit] if limit else site
        run = HarvestRun(output, settings, display, overwrite=True)
        run.own_site = True
        run.totals.total = len(urls)
        status = run.run(Entry(url, line) for line, url in enumerate(urls, 1))
    if limit or settings.scraper or settings.select or status != _EXIT_FAILED:
        return status
    counted = {"ok": run.totals.entries - run.totals.failed, **run.totals.failures}
    if counted == expected():
        return 0
    sys.stderr.write(f"scrape: the demo site should give {expected()}, this run gave {counted}\n")
    return _EXIT_FAILED


def _is_stream(source: str) -> bool:
    """Whether the source is stdin or a named pipe, whose next line may take long to arrive."""
    return source == "-" or (os.path.exists(source) and not os.path.isfile(source))


def _count_meanwhile(totals: RunTotals, sources: Sequence[str], url_column: str, limit: int) -> None:
    """Count the entries of the lists in a thread, so that the harvest need not wait for the total."""

    def count() -> None:
        total = count_entries(sources, url_column=url_column)
        if total is not None:
            totals.total = min(total, limit) if limit else total

    threading.Thread(target=count, name="count", daemon=True).start()


def left_to_do(entries: Iterable[Entry | None], ledger: Ledger, totals: RunTotals) -> Iterator[Entry | None]:
    """Yield the entries that have no outcome yet and count the others; now and then yield None.

    At a None the caller may look for signals and results.
    """
    passed = 0
    for entry in entries:
        if entry is None:
            yield None
            continue
        totals.read += 1
        code = ledger.take(entry)
        if code is None:
            yield entry
            continue
        totals.before[code] += 1
        passed += 1
        if passed % 100_000 == 0:
            yield None  # so that a Ctrl-C is heard


def _write(outcomes: Iterable[Outcome], sink: JsonlSink, totals: RunTotals, progress: Progress) -> int:
    """Write each outcome to the output; return 0, or the exit status if writing fails."""
    try:
        for outcome in outcomes:
            began = time.perf_counter()
            sink.write(outcome.lines)
            totals.split.write += time.perf_counter() - began
            totals.add(outcome)
        sink.sync()
    except OutputError as error:
        if error.errno == errno.EPIPE:  # the reader has closed the pipe, as in `| head`
            return _EXIT_PIPE
        progress.say(f"scrape: {printable(str(error))}")
        if sink.destination != "-":
            progress.say(
                "Every record in it is whole. Make room, and run the same command again to continue."
            )
        return _EXIT_IO
    return 0


def _flush(sink: JsonlSink, split: Timings) -> None:
    """Write what the sink holds back, and count the time as writing."""
    began = time.perf_counter()
    sink.flush()
    split.write += time.perf_counter() - began
