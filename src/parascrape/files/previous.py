r"""The previous output: what is known of a page from it, and its records carried forward to the next one.

    previous.jsonl -- index (key -> offset) --> known: validators and hash --> the worker, with the entry
                   <-- "unchanged", or fresh enough not to be fetched ---+
                   \-> the earlier lines, with the meta of now --> the output

Only good records count that the same scraper has made (`scrapers.fingerprint`); all others are made anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from parascrape import records
from parascrape.errors import BadRecord, InvalidUrl, NotFetched, UsageError
from parascrape.files.key_index import KeyIndex
from parascrape.files.ledger import read_page_at, read_pages
from parascrape.files.outcomes import Outcome, fail
from parascrape.frontier import Visit
from parascrape.records import RESERVED, Entry, Meta
from parascrape.scrapers import fingerprint
from parascrape.settings import Settings
from parascrape.system import escape_surrogates
from parascrape.web import NOTHING, Validators, prepare, redact

__all__ = ["FRESH", "Earlier", "Previous", "ReusedRecords", "check_previous", "open_earlier"]

_ITS_OWN = ("encoding", "robots", "hash", "made_by", "item", "items")
"""What stays true of the records of a page that has not changed."""

_VALIDATORS = ("etag", "last_modified")
_OF_THE_FETCH = ("status", "final_url", "fetched_at", "redirects")
_META_KEYS = tuple(Meta.__annotations__)


class ReusedRecords(NamedTuple):
    """Earlier records of a page as they are written again, each with its newline, and how many."""

    lines: bytes
    records: int


class Previous:
    """The good pages of an output that one scraper has made, by their URLs. A context manager.

    16 bytes a page are held, the rest is read when it is needed. ``made_by`` is the scraper's fingerprint;
    ``stopped`` is asked now and then, and ends the reading. Not for several threads.

    Raises:
        UsageError: there is no such file, or it holds something else than records.
    """

    def __init__(self, path: str, made_by: str, stopped: Callable[[], bool] = lambda: False) -> None:
        check_previous(path)
        self._made_by = made_by
        self._offsets = KeyIndex()
        self.good = 0  # pages with a good record, whoever made it
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
        except UsageError as error:  # its advice is for an output that is to be written
            raise UsageError(f"previous: {str(error).rpartition(';')[0]}") from None
        self._offsets.sort()

    def __len__(self) -> int:
        return len(self._offsets)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def known(self, entry: Entry) -> Validators:
        """What the next request for the entry's URL can refer to; nothing where there is no record.

        Validators are those of the URL that answered, so behind a redirect only the hash is of use.
        """
        found = self._lines(entry, first=True)
        if found is None:
            return NOTHING
        meta = found[0]["meta"]
        digest = _text(meta, "hash")
        try:
            direct = "redirects" not in meta and meta.get("final_url") == redact(prepare(entry.url))
        except InvalidUrl:
            direct = False
        if not direct:
            return Validators(hash=digest)
        return Validators(_text(meta, "etag"), _text(meta, "last_modified"), digest)

    def is_fresh(self, entry: Entry, max_age: float, now: datetime) -> bool:
        """Whether the page was fetched at most ``max_age`` seconds ago, and not in the future."""
        found = self._lines(entry, first=True)
        if found is None:
            return False
        try:
            age = (now - datetime.fromisoformat(found[0]["meta"]["fetched_at"])).total_seconds()
        except (KeyError, TypeError, ValueError):
            return False
        return 0 <= age <= max_age

    def carry_unchanged(self, entry: Entry, now: Meta) -> ReusedRecords | None:
        """The page's records with the meta of the fetch that found it unchanged; None where they are gone."""
        validators = _VALIDATORS if now.get("status") == 304 else ()  # a whole answer has all of its own

        def renew(before: dict[str, Any]) -> dict[str, Any]:
            kept = {key: before[key] for key in (*_ITS_OWN, *validators) if key in before}
            return {**kept, **now, "unchanged": True}

        return self._carry(entry, renew)

    def carry_fresh(self, entry: Entry) -> ReusedRecords | None:
        """The page's records as they were fetched then; None where they are gone."""

        def renew(before: dict[str, Any]) -> dict[str, Any]:
            kept = (*_ITS_OWN, *_VALIDATORS, *_OF_THE_FETCH)
            return {**{key: before[key] for key in kept if key in before}, "attempts": 0, "fresh": True}

        return self._carry(entry, renew)

    def _carry(self, entry: Entry, renew: Callable[[dict[str, Any]], dict[str, Any]]) -> ReusedRecords | None:
        found = self._lines(entry)
        if found is None:
            return None
        try:
            lines = [_encode(entry, record, renew(record["meta"])) for record in found]
        except BadRecord:  # columns that no record can carry: the worker says so
            return None
        return ReusedRecords(b"".join(lines), len(lines))

    def _lines(self, entry: Entry, *, first: bool = False) -> list[dict[str, Any]] | None:
        """The records (or the ``first``) of the page at the entry's URL, as they stand in the file now.

        A URL with a password is not looked for: records do not hold it, so whose page it was is not known.
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


def check_previous(path: str, output: str = "") -> None:
    """Nothing, or a UsageError where the previous output cannot be read, or is the one to be written."""
    if path and not os.path.isfile(path):
        raise UsageError(f"previous: there is no file {path}")
    if path and output and os.path.exists(output) and os.path.samefile(path, output):
        raise UsageError(f"{path}: is the output as well; name another with --output")


def _encode(entry: Entry, record: dict[str, Any], meta: dict[str, Any]) -> bytes:
    """An earlier record as one of this entry."""
    before = record["meta"]
    if changed_at := before.get("changed_at") or before.get("fetched_at"):
        meta["changed_at"] = changed_at
    if entry.source:
        meta["source"] = escape_surrogates(entry.source)
    if entry.line:
        meta["line"] = entry.line
    ordered: Any = {key: meta[key] for key in _META_KEYS if key in meta}
    fields = {key: value for key, value in record.items() if key not in RESERVED}
    return records.encode(records.success(record["url"], fields, entry.columns, ordered))


def _text(meta: dict[str, Any], key: str) -> str:
    value = meta.get(key)
    return value if isinstance(value, str) else ""


FRESH = "fetched recently enough"
"""Why a visit is refused whose page is carried forward unasked."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Earlier:
    """The previous output as the loop asks for it; ``clock`` is the wall clock's time."""

    def __init__(self, previous: Previous, max_age: float, clock: Callable[[], datetime] = _utc_now) -> None:
        self._previous = previous
        self._max_age = max_age
        self._clock = clock
        self._lost: set[int] = set()  # visits whose earlier record is gone

    def why_skip(self, entry: Entry, _: int) -> str:
        """Why the entry is not fetched: it is a duplicate, or `FRESH`; empty where it is."""
        if entry.duplicate or not self._max_age:
            return entry.duplicate
        return FRESH if self._previous.is_fresh(entry, self._max_age, self._clock()) else ""

    def known(self, visit: Visit) -> Validators:
        """What the worker is told of the page."""
        return NOTHING if visit.number in self._lost else self._previous.known(visit.entry)

    def carry_fresh(self, visit: Visit) -> Outcome:
        """The outcome of a page that was not asked for."""
        carried = self._previous.carry_fresh(visit.entry)
        if carried is None:
            return fail(
                visit.entry, NotFetched("its record in the previous output is gone since this run began")
            )
        return _outcome(Outcome(b"", 0, ""), carried, "fresh")

    def carry_unchanged(self, visit: Visit, outcome: Outcome) -> Outcome | None:
        """The outcome with the page's earlier records; None where they are gone: it is to be fetched anew."""
        carried = self._previous.carry_unchanged(visit.entry, records.parse(outcome.lines)["meta"])
        if carried is None:
            self._lost.add(visit.number)
            return None
        return _outcome(outcome, carried, "unchanged")

    def close(self) -> None:
        """Close the previous output."""
        self._previous.close()


def _outcome(outcome: Outcome, carried: ReusedRecords, how: str) -> Outcome:
    return outcome._replace(lines=carried.lines, records=carried.records, carried=how)


def open_earlier(
    settings: Settings, stopped: Callable[[], bool], say: Callable[[str], None]
) -> Earlier | None:
    """What the settings' previous output holds, read to its end; None without one.

    ``say`` is told where records of it cannot be used. Raises UsageError: see `Previous`.
    """
    if not settings.previous:
        return None
    previous = Previous(settings.previous, made_by := fingerprint(settings), stopped)
    others = previous.good - len(previous)
    if others and not made_by:
        say(
            "Every page is scraped anew: the scraper is no plain function in a file, "
            "so which records it has made is not known."
        )
    elif others:
        say(f"{others:,} of {previous.good:,} earlier pages are scraped anew: something else has made them.")
    return Earlier(previous, settings.max_age)
