"""One run of a harvesting command: from its options to its exit status."""

from __future__ import annotations

import errno
import itertools
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from parascrape import inputs
from parascrape.crawler import Stop, harvest
from parascrape.errors import OutputError, UsageError
from parascrape.executors.guard import refuse_during_import
from parascrape.readahead import read_ahead
from parascrape.report import Progress, Tally, make_progress, summarise
from parascrape.scrapers import check_scraper
from parascrape.settings import Settings
from parascrape.sinks import JsonlSink
from parascrape.text import printable
from parascrape.urls import Entry, redact

__all__ = ["Display", "run_demo", "run_lists"]

_EXIT_FAILED, _EXIT_IO, _EXIT_PIPE = 1, 74, 141


class Display(NamedTuple):
    """What the person who runs the command wants to see."""

    quiet: bool
    verbose: bool
    log_file: str


def run_lists(  # noqa: PLR0913
    sources: Sequence[str], settings: Settings, display: Display, *, output: str, url_column: str, limit: int
) -> int:
    """The exit status of harvesting these lists."""
    _check_limit(limit)
    entries = inputs.read_lists(sources, url_column=url_column)
    output = output or f"output/{inputs.default_name(sources)}.jsonl"
    _refuse_overwriting(sources, output)
    tally = Tally()
    if not display.quiet and sys.stderr.isatty():
        _count_meanwhile(tally, sources, url_column, limit)
    if limit:
        entries = itertools.islice(entries, limit)
    flowing = read_ahead(entries) if any(map(_is_stream, sources)) else entries
    return _run(flowing, settings, display, tally, output)


def run_demo(settings: Settings, display: Display, *, output: str, limit: int) -> int:
    """The exit status of the demo: 0 when what failed is what the site intends to fail."""
    from parascrape.demo import running_site
    from parascrape.demo.site import expected

    _check_limit(limit)
    with running_site() as site:
        urls = site[:limit] if limit else site
        tally = Tally()
        tally.total = len(urls)
        entries = (Entry(url, line) for line, url in enumerate(urls, 1))
        status = _run(entries, settings, display, tally, output)
    if limit or settings.scraper or settings.select or status != _EXIT_FAILED:
        return status
    counted = {"ok": tally.entries - tally.failed, **tally.failures}
    return 0 if counted == expected() else _EXIT_FAILED


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


def _count_meanwhile(tally: Tally, sources: Sequence[str], url_column: str, limit: int) -> None:
    """Let a thread find the total; the harvest does not wait for it."""

    def count() -> None:
        total = inputs.count_entries(sources, url_column=url_column)
        if total is not None:
            tally.total = min(total, limit) if limit else total

    threading.Thread(target=count, name="count", daemon=True).start()


def _run(
    entries: Iterable[Entry | None], settings: Settings, display: Display, tally: Tally, output: str
) -> int:
    """Harvest into the output; the exit status. Whatever ends it, the output holds whole lines."""
    refuse_during_import()
    check_scraper(settings.scraper, settings.mode, settings.select)
    status = 0
    stop = Stop()
    with (
        _signals(stop) as received,
        closing(_open_log(display.log_file)) as log,
        JsonlSink(output) as sink,
        _stdout_for_data(),
    ):
        progress = make_progress(tally, quiet=display.quiet)
        with (
            progress,
            _logging([log], display, progress),
            closing(harvest(entries, settings, stop=stop)) as outcomes,
        ):
            if not settings.verify_tls and not display.quiet:
                progress.say("Certificates are not verified (--insecure).")
            try:
                for outcome in outcomes:
                    sink.write(outcome.lines)
                    tally.add(outcome)
            except OutputError as error:
                if error.errno == errno.EPIPE:  # the reader has all it wants, as in `| head`
                    return _EXIT_PIPE
                status = _EXIT_IO
                progress.say(f"scrape: {printable(str(error))}")
    if received:
        status = 128 + received[0]
    if not display.quiet:
        _say_end(tally, settings, output, stopped=status > 128)
    return status or (_EXIT_FAILED if tally.failed else 0)


def _say_end(tally: Tally, settings: Settings, output: str, *, stopped: bool) -> None:
    if stopped:
        sys.stderr.write("Stopped before the end of the list.\n")
    if not tally.entries and not stopped:
        sys.stderr.write("The list holds no URLs.\n")
    sys.stderr.write(summarise(tally, threads=settings.fetches, output=output) + "\n")


@contextmanager
def _signals(stop: Stop) -> Iterator[list[int]]:
    """SIGINT and SIGTERM ask the run to end; the list holds those that came."""
    received: list[int] = []

    def ask(number: int, _: Any) -> None:
        received.append(number)
        stop.ask()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _stdout_for_data() -> Iterator[None]:
    """Let what scrapers print go to stderr: stdout carries records or nothing."""
    before, sys.stdout = sys.stdout, sys.stderr
    try:
        yield
    finally:
        sys.stdout = before


@contextmanager
def _logging(handlers: list[logging.Handler], display: Display, progress: Progress) -> Iterator[None]:
    """All workers' log lines to these handlers, and to stderr with --verbose."""
    if display.verbose:
        handlers.append(_Said(progress))
    root = logging.getLogger()
    level = logging.DEBUG if display.verbose else logging.INFO if display.log_file else logging.CRITICAL
    before = (root.level, root.handlers[:])
    root.setLevel(level)
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    root.handlers = handlers
    for handler in handlers:
        handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"))
    try:
        yield
    finally:
        root.level, root.handlers = before


def _open_log(path: str) -> logging.Handler:
    """The log file, to be appended to; without a path what takes log lines and keeps none."""
    if not path:
        return logging.NullHandler()
    try:
        return logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


class _Said(logging.Handler):
    """Log lines above the progress line."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.say(self.format(record))


class _Formatter(logging.Formatter):
    """Lines without control characters or passwords: they hold what strangers' pages and lists say."""

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).splitlines()
        return "\n    ".join(printable(redact(line), 4000) for line in lines)
