"""The list of failed pages that `scrape retry` fetches again; a kill between any two steps loses nothing.

    OUTPUT.retry-new     the whole list; its failures are still in the output, or some are
    OUTPUT.retry         the list, and the output is without them: an ordinary list with this output

Each step ends in a rename, with the output locked. The list holds every page of the output that is equal to
one that failed, good ones too, so that the ledger counts them as it does in a run.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

from parascrape import records
from parascrape.errors import InvalidUrl
from parascrape.files.ledger import PageLines, drop_pages, read_pages
from parascrape.records import SKIPPED, Entry, ErrorInfo
from parascrape.system import remove_leftovers, replace_file, sync_folder
from parascrape.web import prepare


class RetryFiles(NamedTuple):
    """The two names of an output's retry list."""

    new: Path
    list: Path

    @classmethod
    def of(cls, output: Path) -> Self:
        """Return the names beside this output."""
        return cls(*(output.with_name(output.name + end) for end in (".retry-new", ".retry")))


def prepare_retry(output: Path, only: Collection[str]) -> None:
    """Move the failures of a locked output to its retry list, unless an earlier retry has done so.

    ``only`` holds the error codes to retry; empty means all but those that no fetch can help.
    """
    files = RetryFiles.of(output)
    remove_leftovers(files.new)
    if files.list.exists():
        return
    if not files.new.exists():
        list_failures(output, only)
    drop_listed(output)
    os.replace(files.new, files.list)
    sync_folder(output.parent)


def list_failures(output: Path, only: Collection[str]) -> None:
    """Write the list of the pages that failed with these codes, and of all pages equal to one of them."""
    keys = {page.key for page in read_pages(output) if _is_wanted(page.code, only)}
    with replace_file(RetryFiles.of(output).new) as file:
        for page in read_pages(output):
            if page.key in keys:
                file.write(_encode(page, page.code if _is_wanted(page.code, only) else ""))


def drop_listed(output: Path) -> None:
    """Remove the failures of the new list from the output, where that was not done already."""
    gone = {(line.key, line.code) for line in read_pages(RetryFiles.of(output).new) if line.code}
    if gone:
        drop_pages(output, lambda page: (page.key, page.code) in gone)


def read_retry_list(path: Path) -> Iterator[Entry]:
    """Yield the entries of a retry list, which is opened when the first is asked for."""
    for page in read_pages(path):
        record = page.record
        url, place = record["url"], record["meta"]
        entry = Entry(url, place.get("line", 0), place.get("source", ""), record.get("input"))
        try:
            prepare(url)
        except InvalidUrl as error:
            entry = entry._replace(problem=str(error))
        yield entry


def forget_retry(output: Path) -> None:
    """Remove the retry list of an output that starts anew."""
    files = RetryFiles.of(output)
    remove_leftovers(files.new)
    for path in files:
        path.unlink(missing_ok=True)


def _is_wanted(code: str, only: Collection[str]) -> bool:
    return code in only if only else code not in ("", InvalidUrl.code, *SKIPPED)


def _encode(page: PageLines, code: str) -> bytes:
    """Return a line of the list: a record without content. A page without a code stays in the output."""
    url, columns = page.record["url"], page.record.get("input")
    meta: Any = {key: value for key, value in page.record["meta"].items() if key in ("source", "line")}
    error: ErrorInfo = {"code": code}
    made = records.failure(url, error, columns, meta) if code else records.success(url, {}, columns, meta)
    return records.encode(made)
