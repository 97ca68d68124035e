"""The known URLs of a crawl in an SQLite file: which of them is fetched next, and what became of the others.

    add --> PENDING --take--> (taken) --done--> DONE
               ^ ^                | `--refuse-> REFUSED, for a reason
               | `----put_back----'                |
               `--------------reopen---------------'

That a URL is taken is known to the process alone: in the file it stays pending, so whoever opens it after a
crash finds it so, and taking writes nothing. Everything else lasts from the next `Store.commit` on.

The store is committed before the records of the pages whose links it holds are written. So each record in
the output has its links here, whenever the process is killed; what is DONE here and has no record in the
output is made pending again by whoever opens both (`Store.each_done`, `Store.mark_pending`).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Self

from parascrape.crawling.store.database import CrawlDatabase, Names
from parascrape.crawling.store.edges import LinkTable
from parascrape.crawling.store.keys import NewUrl, UrlKeys, url_key
from parascrape.crawling.store.pending import KnownUrl, PendingQueue
from parascrape.errors import UsageError
from parascrape.system import printable

__all__ = [
    "DONE",
    "FIRST_REASON",
    "PENDING",
    "KnownUrl",
    "NewUrl",
    "UrlCounts",
    "UrlStates",
    "UrlStore",
    "url_key",
]

PENDING, DONE, FIRST_REASON = 0, 1, 2
"""The states; from 2 on it is the reason for which a URL is refused."""

_BATCH = 1000  # rows that are held at a time
_MOVE = "UPDATE urls SET state = ? WHERE number = ?"
_EACH = "SELECT number, url FROM urls NOT INDEXED WHERE number > ? AND +state = ? ORDER BY number LIMIT ?"


class UrlStates:
    """The states of URLs. ``counts`` is how many have each of them, once `flush` has written those set."""

    def __init__(self, database: CrawlDatabase, pending: PendingQueue, counts: Mapping[int, int]) -> None:
        self.counts = Counter(counts)
        self._database = database
        self._pending = pending
        self._set: dict[int, int] = {}

    def set(self, number: int, state: int) -> None:
        """The URL has come to this state; that is written by `flush`."""
        self._set[number] = state

    def is_open(self, number: int) -> bool:
        """Whether nothing has become of a URL that is pending in the file, and it is not taken."""
        return number not in self._set and not self._pending.is_taken(number)

    def is_set(self, number: int) -> bool:
        """Whether the URL has come to a state that is not written."""
        return number in self._set

    @property
    def changed(self) -> bool:
        """Whether `flush` would write."""
        return bool(self._set)

    def flush(self) -> None:
        """Write the states that URLs have come to."""
        if self._set:
            moves, self._set = self._set, {}
            self._move(moves)

    def mark(self, numbers: Iterable[int], state: int) -> int:
        """How many of the URLs had another state than this one, which they have now."""
        self.flush()
        numbers = iter(numbers)
        count = 0
        while batch := list(islice(numbers, _BATCH)):
            count += self._move(dict.fromkeys(batch, state))
        return count

    def _move(self, moves: Mapping[int, int]) -> int:
        """How many URLs have come to another state than they had; that is written."""
        try:
            changes = [(state, number) for number, state in moves.items() if self._leave(number, state)]
            if changes:
                self._database.write(_MOVE, changes)
        except BaseException:
            self._database.spoil()
            raise
        return len(changes)

    def _leave(self, number: int, state: int) -> bool:
        """Whether the URL has another state in the file; what is counted is as if it had this one."""
        old = PENDING
        if state == PENDING and self._pending.put_back(number):
            return False
        if not self._pending.give_up(number):
            rows = self._database.rows("SELECT state, host, rank FROM urls WHERE number = ?", (number,))
            if not rows or rows[0][0] == state:
                return False
            old, site, rank = rows[0]
            if old == PENDING:
                self._pending.count(site, -1)
            elif state == PENDING:
                self._pending.add(site, rank, number)
        self.counts[old] -= 1
        self.counts[state] += 1
        return True

    def each(self, state: int) -> Iterator[tuple[int, str]]:
        """Number and URL of all that have a state, by number; they may be given other states meanwhile."""
        self.flush()
        rows: list[Any] = [(0, "")]
        while rows:
            rows = self._database.rows(_EACH, (rows[-1][0], state, _BATCH))
            yield from rows


_INSERT = "INSERT INTO urls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_LOOK = "SELECT state, host, rank, depth, found_on FROM urls WHERE number = ?"
_NAME = "UPDATE urls SET scraper = ? WHERE number = ? AND scraper = 0"
_BETTER = "UPDATE urls SET depth = ?, rank = ?, found_on = ? WHERE number = ?"


class UrlCounts(NamedTuple):
    """How many URLs are known, and how they stand; those taken are among the pending."""

    known: int
    pending: int
    done: int
    refused: dict[str, int]


class UrlStore:
    """The frontier of one crawl, for one thread; a context manager. URLs that have one key are one URL.

    They are numbered from 1 in the order in which they were added.

    Raises:
        OutputError: from every method, where the disk is full or failed; nothing is done after it.
    """

    def __init__(self, database: CrawlDatabase) -> None:
        self._database = database
        self._keys = UrlKeys(database)
        self._sites = Names(database, "sites")
        self._scrapers = Names(database, "scrapers")
        self._reasons = Names(database, "reasons", FIRST_REASON)
        self._edges = LinkTable(database)
        self._pending = PendingQueue(database, self._sites, self._scrapers)
        ((self._last,),) = database.rows("SELECT coalesce(max(number), 0) FROM urls")
        counts = {int(state): count for state, count in (self.value(".states") or {}).items()}
        self._states = UrlStates(database, self._pending, counts)
        self._by_depth: bool = self.value(".by_depth") is not False  # whether all ranks are depths

    @classmethod
    def open(cls, path: Path, *, options: Mapping[str, Any]) -> Self:
        """The store in this file, which is made where there is none.

        ``options``, which JSON can carry, are what decides which URLs are known: they stay as they are.

        Raises:
            UsageError: other options; no frontier of ours, another format, damaged, in use.
            OutputError: the disk is full or failed.
        """
        wanted = json.loads(json.dumps(options))
        database = CrawlDatabase(path)
        try:
            store = cls(database)
            store._agree(wanted)
        except BaseException as error:
            database.spoil()
            database.close()
            if database.damaged or isinstance(error, ValueError | TypeError | LookupError):
                raise database.unusable("is no frontier of a crawl, or damaged") from None
            raise
        return store

    @staticmethod
    def remove(path: Path) -> None:
        """Delete the file and those that SQLite has beside it. Raises UsageError where that fails."""
        try:  # the log after it: a file that is being changed is none without its log
            for suffix in ("", "-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
        except OSError as error:
            raise UsageError(f"cannot delete {printable(str(path))}: {error.strerror}") from None

    def _agree(self, options: dict[str, Any]) -> None:
        """Keep the options of a new store; raise UsageError where an old one has others."""
        kept = self.value("options")
        if kept is None:
            self.set_value("options", options)
            self.commit()
            return
        for name in {**kept, **options}:
            if kept.get(name) != options.get(name):
                old, new = (printable(json.dumps(each.get(name)), 80) for each in (kept, options))
                raise self._database.unusable(f"has {name} {old}, not {new}")

    # --- in -----------------------------------------------------------------------------------------

    def add(self, urls: Sequence[NewUrl]) -> int:
        """How many of the URLs were new; they are known now.

        Of a known one that is pending and not taken, a lesser depth takes the place of a greater one, with
        the page that it was found on, and a lower rank that of a higher one. No number as a rank is last.
        The first scraper that is named for it is its own.
        """
        new: dict[int, NewUrl] = {}
        try:
            for url in self._keys.unsettled(urls):
                if math.isnan(url.rank):
                    url = url._replace(rank=math.inf)
                if url.key in new:
                    new[url.key] = _better(new[url.key], url)
                elif (number := self._keys.find(url.key)) is None:
                    new[url.key] = url
                else:
                    self._improve(number, url)
            if new:
                self._database.write(_INSERT, [self._row(url) for url in new.values()])
        except BaseException:
            self._database.spoil()
            raise
        return len(new)

    def _row(self, url: NewUrl) -> tuple[object, ...]:
        """The row of a new URL, which is counted."""
        number = self._last = self._last + 1
        site = self._sites.number(url.site)
        state = self._reasons.number(url.refused) if url.refused else PENDING
        self._note_rank(url.depth, url.rank)
        self._keys.add(url.key, number)
        self._keys.remember(url.key, url.depth, url.rank)
        self._states.counts[state] += 1
        if state == PENDING:
            self._pending.add(site, url.rank, number)
        scraper = self._scrapers.number(url.scraper) if url.scraper else 0
        return (number, state, site, url.rank, url.depth, url.found_on, scraper, url.kind, url.key, url.url)

    def _note_rank(self, depth: int, rank: float) -> None:
        if self._by_depth and rank != depth:
            self._by_depth = False
            self.set_value(".by_depth", False)

    def _improve(self, number: int, url: NewUrl) -> None:
        """Give a known URL the better depth and rank, where it waits."""
        ((state, site, rank, depth, found_on),) = self._database.rows(_LOOK, (number,))
        if state != PENDING or not self._states.is_open(number):
            self._keys.remember(url.key, -1, -math.inf)  # it is too late, whatever comes
            return
        if url.depth < depth or url.rank < rank:
            found_on = url.found_on if url.depth < depth else found_on
            depth, rank = min(depth, url.depth), min(rank, url.rank)
            self._note_rank(depth, rank)
            self._database.write(_BETTER, [(depth, rank, found_on, number)])
            self._pending.move_up(site, rank, number)
        if url.scraper:
            self._database.write(_NAME, [(self._scrapers.number(url.scraper), number)])
        self._keys.remember(url.key, depth, rank)

    def find(self, key: int) -> int | None:
        """The number of the URL with this key; None where it is not known."""
        return self._keys.find(key)

    def url_of(self, key: int) -> str:
        """The URL with this key, as it is fetched; empty where it is not known."""
        rows = self._database.rows("SELECT url FROM urls WHERE number = ?", (self._keys.find(key) or 0,))
        return str(rows[0][0]) if rows else ""

    # --- out ----------------------------------------------------------------------------------------

    def sites(self) -> Mapping[str, int]:
        """How many URLs of each site can be taken, sites without any left out; it changes with the store."""
        return self._pending.counts

    def take(self, site: str, limit: int, *, max_depth: int | None = None) -> list[KnownUrl]:
        """The next pending URLs of a site, by rank and number, at most ``limit``; they are taken now.

        Those deeper than ``max_depth`` stay. Where ranks are not depths, they are looked over each time.
        """
        self._states.flush()
        bound = max_depth if max_depth is not None and self._by_depth else math.inf
        return self._pending.take(site, limit, max_depth, bound)

    def put_back(self, number: int) -> None:
        """A taken URL can be taken again."""
        if not self._states.is_set(number):
            self._pending.put_back(number)

    def done(self, number: int) -> None:
        """The URL has an outcome."""
        self._states.set(number, DONE)

    def refuse(self, number: int, reason: str) -> None:
        """The URL is not fetched, for this reason: a trap's name, a budget's."""
        self._states.set(number, self._reasons.number(reason))

    def reopen(self, belongs: Callable[[str], bool]) -> int:
        """How many refused URLs are pending again: those whose reason belongs to what is reconsidered."""
        self._states.flush()
        states = [one for one in self._states.counts if one > DONE and belongs(self._reasons.name(one))]
        return sum(self.mark_pending(number for number, _ in self._states.each(one)) for one in states)

    # --- states -------------------------------------------------------------------------------------

    def mark_pending(self, numbers: Iterable[int]) -> int:
        """How many of the URLs were not pending; they can be taken now, whatever they were."""
        return self._states.mark(numbers, PENDING)

    def mark_done(self, numbers: Iterable[int]) -> int:
        """How many of the URLs were not done; they are now, whatever they were."""
        return self._states.mark(numbers, DONE)

    def counts(self) -> UrlCounts:
        """How many URLs are known, and how they stand."""
        self._states.flush()
        counts = self._states.counts
        refused = {
            self._reasons.name(state): count for state, count in counts.items() if state > DONE and count
        }
        return UrlCounts(counts.total(), counts[PENDING], counts[DONE], refused)

    def each_done(self) -> Iterator[tuple[int, str]]:
        """Number and URL of all that are done, by number; they may be given other states meanwhile."""
        return self._states.each(DONE)

    def each_pending(self) -> Iterator[tuple[int, str]]:
        """Number and URL of all that are pending or taken, by number, in the same way."""
        return self._states.each(PENDING)

    def set_edges(self, number: int, text: str) -> None:
        """Keep the links of a page (`Found.edges`), in place of those that it had."""
        self._edges.set(number, text)

    def each_edges(self) -> Iterator[tuple[str, str]]:
        """URL and links of every page that has some."""
        return self._edges.each()

    # --- values and the disk ------------------------------------------------------------------------

    def value(self, name: str) -> Any:
        """What was set by this name; None where nothing was."""
        rows = self._database.rows("SELECT value FROM facts WHERE name = ?", (name,))
        return json.loads(rows[0][0]) if rows else None

    def set_value(self, name: str, value: Any) -> None:
        """Keep what JSON can carry by a name; names that begin with a dot are the store's."""
        self._database.write("REPLACE INTO facts VALUES (?, ?)", [(name, json.dumps(value))])

    def commit(self) -> None:
        """Make all that was done last, should the process be killed. 0.1 us where nothing was."""
        if not self._states.changed and not self._database.changed:
            return
        self._states.flush()
        self._keys.settle(self._last)
        self.set_value(".states", self._states.counts)
        self._database.commit()

    def sync(self) -> None:
        """Make all that was committed last, should the machine lose its power."""
        self._database.sync()

    def close(self) -> None:
        """Commit, bring everything to the disk and close the file; after a fault only close it."""
        try:
            if not self._database.failed:
                self.commit()
        finally:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _better(known: NewUrl, url: NewUrl) -> NewUrl:
    """A new URL that was found twice at once, with the better depth and rank."""
    known = known._replace(scraper=known.scraper or url.scraper)
    if url.depth < known.depth:
        known = known._replace(depth=url.depth, found_on=url.found_on)
    return known._replace(rank=url.rank) if url.rank < known.rank else known
