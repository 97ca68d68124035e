"""What failed in an output, taken out of it and run again; a kill between any two steps loses nothing.

    OUTPUT.retry-part    the list of what is to be run again, being written: worth nothing
    OUTPUT.retry-new     the whole list; its failures are still in the output, or some are
    OUTPUT.retry         the list, and the output is without them: an ordinary list with this output

Each comes from the one before it by a rename, with the output locked. The list holds every line of the
output that is equal to one that failed, good ones too, so that the ledger counts them as it does in a run.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from parascrape import records
from parascrape.cli.harvest_run import RunOutput, run_entries
from parascrape.cli.logging import Display
from parascrape.cli.report import RunTotals
from parascrape.crawling import frontier_path
from parascrape.errors import InvalidUrl, ParascrapeError, UsageError
from parascrape.files import Ledger, PageLines, RetryFiles, drop_pages, read_pages
from parascrape.records import SKIPPED, Entry
from parascrape.settings import Settings
from parascrape.system import sync_folder
from parascrape.web import prepare

__all__ = ["RetryFiles", "list_failures", "prepare_output", "run_again", "take_out"]


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
        prepare_output(locked, only)
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
    status = run_entries(_read_entries(listed), settings, display, target, tally)
    return status or int(any(kept))


def prepare_output(output: Path, only: Collection[str]) -> None:
    """Bring the locked output and its list to where the list can be harvested into it."""
    lists = RetryFiles.of(output)
    if lists.list.exists():
        return
    if not lists.new.exists():
        list_failures(output, only)
    take_out(output)
    os.replace(lists.new, lists.list)
    sync_folder(output.parent)


def list_failures(output: Path, only: Collection[str]) -> None:
    """Write the list of the pages that failed so, and of all that are equal to one of them."""
    lists = RetryFiles.of(output)
    keys = {page.key for page in read_pages(output) if _is_wanted(page.code, only)}
    with open(lists.part, "wb") as file:
        for page in read_pages(output):
            if page.key in keys:
                file.write(_encode(page, page.code if _is_wanted(page.code, only) else ""))
        file.flush()
        os.fsync(file.fileno())
    os.replace(lists.part, lists.new)
    sync_folder(output.parent)


def _is_wanted(code: str, only: Collection[str]) -> bool:
    return code in only if only else code not in ("", InvalidUrl.code, *SKIPPED)


def take_out(output: Path) -> None:
    """Take the failures of the new list out of the output; nothing where that was done already."""
    gone = {(line.key, line.code) for line in read_pages(RetryFiles.of(output).new) if line.code}
    if gone:
        drop_pages(output, lambda page: (page.key, page.code) in gone)


def _encode(page: PageLines, code: str) -> bytes:
    """A line of the list, which is a record without content; without a code it stays in the output."""
    meta, columns = page.record["meta"], page.record.get("input")
    line: dict[str, Any] = {"url": page.record["url"]}
    if code:
        line["error"] = {"code": code}
    if columns:
        line["input"] = columns
    return records.encode({**line, "meta": {key: meta[key] for key in ("source", "line") if key in meta}})


def _read_entries(path: Path) -> Iterator[Entry]:
    """The entries of the list, which is opened when the first is asked for."""
    for page in read_pages(path):
        record = page.record
        url, place = record["url"], record["meta"]
        entry = Entry(url, place.get("line", 0), place.get("source", ""), record.get("input"))
        try:
            prepare(url)
        except InvalidUrl as error:
            entry = entry._replace(problem=str(error))
        yield entry


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
