"""``scrape retry OUTPUT``: runs again what failed in an output, and replaces those records."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from parascrape.cli.harvest_run import RunOutput, run_entries
from parascrape.cli.options import (
    DISPLAY,
    EXTRACT,
    FETCHING,
    POLITENESS,
    PROFILE,
    SPEED,
    Choices,
    Display,
    Options,
    command,
    pick,
)
from parascrape.cli.report import RunTotals
from parascrape.crawling import frontier_path
from parascrape.errors import ParascrapeError, UsageError
from parascrape.files import Ledger, RetryFiles, prepare_retry, read_pages, read_retry_list
from parascrape.settings import SETTINGS_OPTIONS, Option, Settings

__all__ = ["retry"]

_WHAT = "What to run again"
_FAILED: Options = {
    "output": Option(
        ...,
        "OUTPUT",
        "A file of records. It holds no passwords: a URL that had one is fetched without it.",
        _WHAT,
        type=str,
    ),
    "only": Option(
        "", "--only CODES", "Failures with these codes: timeout,status,... [all but invalid_url].", _WHAT
    ),
}


@command(
    *(_FAILED, SPEED, EXTRACT, POLITENESS, FETCHING, pick(SETTINGS_OPTIONS, "ordered")),
    *(pick(DISPLAY, "quiet"), pick(PROFILE, "profile"), pick(DISPLAY, "verbose log_file")),
)
def retry(chosen: Choices) -> int:
    """Run again what failed in an output, and replace those records; the good ones stay as they are.

    Name the scraper and the options of the first run. Killed, it goes on when it is called again.
    Exit status: 0 the output holds no failure any more, 1 it does, others as of scrape.
    """
    settings = chosen.make(Settings)
    codes = [code for part in chosen["only"].split(",") if (code := part.strip())]
    return run_again(chosen["output"], codes, settings, chosen.make(Display))


def run_again(output: str, only: Collection[str], settings: Settings, display: Display) -> int:
    """The exit status of running again what failed: 0 when the output holds no failure any more.

    ``only`` are the error codes to look for; none means all but those that no fetch can help. A retry
    that was ended is gone on with first, whatever codes it was for.

    Raises:
        UsageError: the output is no file of records, or ``only`` holds what is no code.
    """
    path = Path(output)
    if not path.is_file():
        raise UsageError(f"{output}: no such output")
    if frontier_path(path).exists():  # a list's harvest would follow no links
        raise UsageError(f"{output}: of a crawl: run `scrape crawl` again with --resume-failed")
    _check_codes(only)
    listed = RetryFiles.of(path).list
    tally = RunTotals()
    kept: list[int] = []

    def open_list(locked: Path) -> None:
        prepare_retry(locked, only)
        tally.total = sum(1 for _ in read_pages(listed))

    def finish(ledger: Ledger) -> None:
        listed.unlink()
        kept.append(ledger.failed)

    target = RunOutput(
        output,
        prepare=open_list,
        finish=finish,
        start="Running again what failed in {output}; it keeps {held}.",
        nothing="Nothing is to be run again.",
    )
    status = run_entries(read_retry_list(listed), settings, display, target, tally)
    return status or int(any(kept))


def _check_codes(codes: Collection[str]) -> None:
    """Raise UsageError for one that no error has."""
    known = sorted(set(_all_codes(ParascrapeError)))
    for code in codes:
        if code not in known:
            raise UsageError(f"--only {code}: no such code; there are {', '.join(known)}")


def _all_codes(kind: type[ParascrapeError]) -> Iterator[str]:
    yield kind.code
    for below in kind.__subclasses__():
        yield from _all_codes(below)
