"""``scrape replay FILE``: runs the scraper on a quarantined page, in this process, for a debugger."""

from __future__ import annotations

import errno
import faulthandler
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path

from parascrape.cli.options import EXTRACT, Choices, Options, command
from parascrape.errors import OutputError
from parascrape.settings import Option, Settings

_FILE: Options = {
    "file": Option(..., "FILE", "A quarantined page: error.aside of its record.", "Page", type=str)
}


@command(_FILE, EXTRACT)
def replay(chosen: Choices) -> int:
    """Run the scraper on a quarantined page, and print its records.

    The scraper runs in this process without a deadline, so that it crashes or hangs in your debugger. A
    crash, or Ctrl-C, shows the current line.
    Exit status: 0 a good record, 1 a failure, 2 wrong usage.
    """
    settings = replace(chosen.make(Settings), mode="sequential")
    from parascrape.files import JsonlSink, read_page
    from parascrape.harvesting import scrape_page
    from parascrape.scrapers import check_scraper

    check_scraper(settings.scraper, settings.mode, settings.select)
    page = read_page(Path(chosen["file"]))
    try:
        with JsonlSink("-") as sink, redirect_stdout(sys.stderr), _showing_where():
            outcome = scrape_page(page, settings)
            sink.write(outcome.lines)
    except OutputError as error:
        if error.errno != errno.EPIPE:
            raise
        return 141  # the reader has closed the pipe, as in `| head`
    return int(bool(outcome.code))


@contextmanager
def _showing_where() -> Iterator[None]:
    """Make a crash or Ctrl-C show the stack, and Ctrl-C end the process even within C code."""
    stderr = 2  # not sys.stderr, which may be no file
    was_enabled = faulthandler.is_enabled()
    if not was_enabled:
        faulthandler.enable(stderr)
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    if hasattr(faulthandler, "register"):  # not on Windows
        faulthandler.register(signal.SIGINT, stderr, chain=True)
    try:
        yield
    finally:
        if hasattr(faulthandler, "unregister"):
            faulthandler.unregister(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
        if not was_enabled:
            faulthandler.disable()
