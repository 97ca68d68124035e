r"""The previous output: what is known of a page from it, and reuse of its records in the next output.

    previous.jsonl -- index (key -> offset) --> known: validators and hash --> the worker, with the entry
                   <-- "unchanged", or fresh enough not to be fetched ---+
                   \-> the old records with new meta --> the output

Only good records count, and only those that the same scraper has made (`scrapers.fingerprint`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from parascrape import records
from parascrape.errors import BadRecord, InvalidUrl, NotFetched, UsageError
from parascrape.files.key_index import KeyIndex
from parascrape.files.ledger import read_page_at, read_pages
from parascrape.files.outcomes import Outcome, fail, order_place
from parascrape.frontier import Visit
from parascrape.records import RESERVED, Entry
from parascrape.scrapers import fingerprint
from parascrape.settings import Settings
from parascrape.system import escape_surrogates
from parascrape.web import NOTHING, Validators, prepare, redact

FRESH = "fetched recently enough"
"""Why a page is not fetched whose records are reused without asking its server."""

_OF_THE_PAGE = ("encoding", "robots", "hash", "made_by", "item", "items")
"""Keys of meta that stay true while a page has not changed."""

_utc_now = partial(datetime.now, UTC)
_VALIDATORS = ("etag", "last_modified")
_OF_THE_FETCH = ("status", "final_url", "fetched_at", "redirects")


def check_previous(path: str, output: str = "") -> None:
    """Raise UsageError if the previous output is not a file, or is the output that is to be written."""
    if path and not os.path.isfile(path):
        raise UsageError(f"previous: there is no file {path}")
    if path and output and os.path.exists(output) and os.path.samefile(path, output):
        raise UsageError(f"{path}: is the output as well; name another with --output")


def open_previous(
    settings: Settings, stopped: Callable[[], bool], say: Callable[[str], None]
) -> PreviousOutput | None:
    """Read the previous output that the settings name; return None without one.

    ``say`` is called with a sentence if some of its records cannot be used. Raises UsageError: see
    `PreviousOutput`.
    """
    if not settings.previous:
        return None
    made_by = fingerprint(settings)
    previous = PreviousOutput(settings.previous, made_by, stopped, max_age=settings.max_age)
    others = previous.good - len(previous)
    if others and not made_by:
        say(
            "Every page is scraped anew: the scraper is not a plain function in a file, "
            "so it is unknown which records it has made."
        )
    elif others:
        say(f"{others:,} of {previous.good:,} earlier pages are scraped anew: another scraper made them.")
    return previous


class PreviousOutput:
    """The good pages of an output that one scraper has made, by their URLs. Not for several threads.

    It holds 16 bytes a page and reads the rest when it is needed. ``made_by`` is the scraper's fingerprint;
    ``stopped`` is called now and then, and ends the reading; pages that are at most ``max_age`` seconds old
    by ``clock`` are fresh.

    Raises:
        UsageError: there is no such file, or it holds something other than records.
    """

    def __init__(
        self,
        path: str,
        made_by: str,
        stopped: Callable[[], bool] = lambda: False,
        *,
        max_age: float = 0.0,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        check_previous(path)
        self._made_by = made_by
        self._max_age = max_age
        self._clock = clock
        self._offsets = KeyIndex()
        self._lost: set[int] = set()  # numbers of visits whose earlier records are gone
        self.good = 0  # pages with a good record of any scraper
        try:
            self._file = open(path, "rb")  # noqa: SIM115 (until `close`)
        except OSError as error:
            raise UsageError(f"previous: cannot read {path}: {error.strerror}") from None
        try:
            self._read(Path(path), stopped)
        except BaseException:
            self._file.close()
            raise

    def _read(self, path: Path, stopped: Callable[[], bool]) -> None:
        try:
            for number, page in enumerate(read_pages(path)):
                if number % 1000 == 0 and stopped():
                    break
                if page.code:
                    continue
                self.good += 1
                if self._made_by and page.record["meta"].get("made_by") == self._made_by:
                    self._offsets.add(hash(page.record["url"]), page.start)
        except UsageError as error:  # without its advice, which is for an output that is to be written
            raise UsageError(f"previous: {str(error).rpartition(';')[0]}") from None
        self._offsets.sort()

    def __len__(self) -> int:
        return len(self._offsets)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def why_skip(self, entry: Entry, _: int) -> str:
        """Return why the entry is not to be fetched: it is a duplicate, or `FRESH`; empty if it is."""
        if entry.duplicate or not self._max_age:
            return entry.duplicate
        found = self._find(entry, first=True)
        with suppress(KeyError, TypeError, ValueError):
            fetched_at = datetime.fromisoformat(found[0]["meta"]["fetched_at"] if found else "")
            if 0 <= (self._clock() - fetched_at).total_seconds() <= self._max_age:
                return FRESH
        return ""

    def known(self, visit: Visit) -> Validators:
        """Return what the next request for the page can refer to; `NOTHING` without a record.

        Validators belong to the URL that answered, so behind a redirect only the hash is of use.
        """
        found = None if visit.number in self._lost else self._find(visit.entry, first=True)
        if found is None:
            return NOTHING
        meta = found[0]["meta"]
        digest = _text(meta, "hash")
        with suppress(InvalidUrl):
            if "redirects" not in meta and meta.get("final_url") == redact(prepare(visit.entry.url)):
                return Validators(_text(meta, "etag"), _text(meta, "last_modified"), digest)
        return Validators(hash=digest)

    def reuse_fresh(self, visit: Visit) -> Outcome:
        """Return the outcome of a page that is not fetched: its records as they were."""

        def renew(before: dict[str, Any]) -> dict[str, Any]:
            kept = (*_OF_THE_PAGE, *_VALIDATORS, *_OF_THE_FETCH)
            return {**{key: before[key] for key in kept if key in before}, "attempts": 0, "fresh": True}

        lines = self._reuse(visit.entry, renew)
        if lines is None:
            gone = "its record in the previous output is gone since this run began"
            return fail(visit.entry, NotFetched(gone))
        return Outcome(b"".join(lines), len(lines), "", carried="fresh")

    def reuse_unchanged(self, visit: Visit, outcome: Outcome) -> Outcome | None:
        """Return the outcome of an unchanged page with its old records and the meta of this fetch.

        None where the records are gone: the page must be fetched again, and `known` no longer knows it.
        """
        now = records.parse(outcome.lines)["meta"]
        validators = _VALIDATORS if now.get("status") == 304 else ()  # a whole answer has all of its own

        def renew(before: dict[str, Any]) -> dict[str, Any]:
            kept = {key: before[key] for key in (*_OF_THE_PAGE, *validators) if key in before}
            return {**kept, **now, "unchanged": True}

        lines = self._reuse(visit.entry, renew)
        if lines is None:
            self._lost.add(visit.number)
            return None
        return outcome._replace(lines=b"".join(lines), records=len(lines), carried="unchanged")

    def _reuse(self, entry: Entry, renew: Callable[[dict[str, Any]], dict[str, Any]]) -> list[bytes] | None:
        """Return the lines of the entry's old records with renewed meta; None where they cannot be used."""
        found = self._find(entry)
        if found is None:
            return None
        try:
            return [_encode(entry, record, renew(record["meta"])) for record in found]
        except BadRecord:  # columns that a record cannot carry: the worker reports them
            return None

    def _find(self, entry: Entry, *, first: bool = False) -> list[dict[str, Any]] | None:
        """Return the records (or the ``first``) of the page at the entry's URL, as the file holds them now.

        A URL with a password is never found: records do not hold the password, so it is unknown whose page
        they are of.
        """
        if redact(entry.url) != entry.url:
            return None
        url = escape_surrogates(entry.url)
        offset = self._offsets.last(hash(url))
        if offset is None:
            return None
        try:
            found = read_page_at(self._file, offset, first=first)
        except (OSError, ValueError):
            return None
        mine = found[0]["url"] == url and found[0]["meta"].get("made_by") == self._made_by
        return found if mine and "error" not in found[0] else None


def _encode(entry: Entry, record: dict[str, Any], meta: dict[str, Any]) -> bytes:
    """Return an old record as a line of this entry."""
    before = record["meta"]
    if changed_at := before.get("changed_at") or before.get("fetched_at"):
        meta["changed_at"] = changed_at
    ordered = order_place(entry, meta)
    fields = {key: value for key, value in record.items() if key not in RESERVED}
    return records.encode(records.success(record["url"], fields, entry.columns, ordered))


def _text(meta: dict[str, Any], key: str) -> str:
    value = meta.get(key)
    return value if isinstance(value, str) else ""
