"""The known URLs of a crawl in an SQLite file: which is fetched next, and what became of the others.

    add --> PENDING --take--> (taken) --done----> DONE
              ^ ^                | `---refuse--> REFUSED, for a reason
              | `--mark_pending--'                 |
              `-------------reopen-----------------'

Only the process knows that a URL is taken; in the file it stays pending. So taking writes nothing, and
after a crash taken URLs are pending again. Everything else is durable from the next `UrlStore.commit` on.

The store is committed before the records of the pages whose links it holds are written. So the links of every
record in the output are here, whenever the process is killed. A URL that is DONE without a record in the
output is made pending again by whoever opens both (`UrlStore.each_done`, `UrlStore.mark_pending`).
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Self

from parascrape.crawling.store.database import CrawlDatabase, Names
from parascrape.crawling.store.keys import KeyLimits, NewUrl, UrlKeys
from parascrape.crawling.store.states import DONE, FIRST_REASON, PENDING, KnownUrl, UrlStates
from parascrape.system import printable

_INSERT = "INSERT INTO urls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_LOOK = "SELECT state, host, rank, depth, found_on FROM urls WHERE number = ?"
_NAME = "UPDATE urls SET scraper = ? WHERE number = ? AND scraper = 0"
_BETTER = "UPDATE urls SET depth = ?, rank = ?, found_on = ? WHERE number = ?"

_EDGES_TABLE = "CREATE TABLE IF NOT EXISTS edges (number INTEGER PRIMARY KEY, lines BLOB NOT NULL)"
_EACH_EDGES = """
SELECT e.number, u.url, e.lines FROM edges e JOIN urls u ON u.number = e.number
WHERE e.number > ? ORDER BY e.number LIMIT 50
"""  # a page's links are 8 MB at most
_LIMITS = KeyLimits()
_ZLIB_LEVEL = 1  # links of one page compress 8 to 1; more effort saves a tenth


class UrlCounts(NamedTuple):
    """How many URLs are known, and how many have each state; taken ones are pending."""

    known: int
    pending: int
    done: int
    refused: dict[str, int]


class UrlStore(AbstractContextManager["UrlStore"]):
    """The frontier of one crawl, for one thread; a context manager. URLs with the same key are one URL.

    They are numbered from 1 in the order in which they were added.

    Raises:
        OutputError: from every method, if the disk is full or failed; then nothing more is done.
    """

    def __init__(self, database: CrawlDatabase, limits: KeyLimits) -> None:
        self._database = database
        self._keys = UrlKeys(database, limits)
        self._sites = Names(database, "sites")
        self._scrapers = Names(database, "scrapers")
        self._reasons = Names(database, "reasons", FIRST_REASON)
        database.rows(_EDGES_TABLE)
        ((self._last,),) = database.rows("SELECT coalesce(max(number), 0) FROM urls")
        counts = {int(state): count for state, count in (self.value(".states") or {}).items()}
        self._states = UrlStates(database, self._sites, counts)
        self._by_depth: bool = self.value(".by_depth") is not False  # whether all ranks are depths

    @classmethod
    def open(cls, path: Path, *, options: Mapping[str, Any], limits: KeyLimits = _LIMITS) -> Self:
        """Open the store in this file, and create it if there is none.

        ``options`` are values for JSON that decide which URLs become known; they cannot change later.

        Raises:
            UsageError: other options; not a frontier, another format, damaged, in use.
            OutputError: the disk is full or failed.
        """
        wanted = json.loads(json.dumps(options))
        database = CrawlDatabase(path)
        try:
            store = cls(database, limits)
            _check_options(store, database, wanted)
        except BaseException as error:
            database.spoil()
            database.close()
            if database.damaged or isinstance(error, ValueError | TypeError | LookupError):
                raise database.unusable("is no frontier of a crawl, or damaged") from None
            raise
        return store

    def add(self, urls: Sequence[NewUrl]) -> int:
        """Add the URLs that are new, and return how many there are.

        A known URL that is pending and not taken gets the smaller depth, with the page it was found on, and
        the lower rank. NaN as a rank comes last. The first scraper that is named for a URL stays.
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
        """Return the row of a new URL, and count it."""
        number = self._last = self._last + 1
        site = self._sites.number(url.site)
        self._note_rank(url.depth, url.rank)
        self._keys.add(url.key, number)
        self._keys.remember(url.key, url.depth, url.rank)
        self._states.add(number, site, url.rank)
        scraper = self._scrapers.number(url.scraper) if url.scraper else 0
        return (number, PENDING, site, url.rank, url.depth, url.found_on, scraper, url.kind, url.key, url.url)

    def _note_rank(self, depth: int, rank: float) -> None:
        if self._by_depth and rank != depth:
            self._by_depth = False
            self.set_value(".by_depth", False)

    def _improve(self, number: int, url: NewUrl) -> None:
        """Give a known URL the better depth and rank while it waits."""
        ((state, site, rank, depth, found_on),) = self._database.rows(_LOOK, (number,))
        if state != PENDING or not self._states.is_open(number):
            self._keys.remember(url.key, -1, -math.inf)  # nothing can improve it any more
            return
        if url.depth < depth or url.rank < rank:
            found_on = url.found_on if url.depth < depth else found_on
            depth, rank = min(depth, url.depth), min(rank, url.rank)
            self._note_rank(depth, rank)
            self._database.write(_BETTER, [(depth, rank, found_on, number)])
            self._states.move_up(number, site, rank)
        if url.scraper:
            self._database.write(_NAME, [(self._scrapers.number(url.scraper), number)])
        self._keys.remember(url.key, depth, rank)

    def url_of(self, key: int) -> str:
        """Return the URL with this key, as it is fetched; empty if it is unknown."""
        rows = self._database.rows("SELECT url FROM urls WHERE number = ?", (self._keys.find(key) or 0,))
        return str(rows[0][0]) if rows else ""

    def sites(self) -> Mapping[str, int]:
        """Return how many URLs of each site can be taken (`UrlStates.waiting`)."""
        return self._states.waiting

    def take(self, site: str, limit: int, *, max_depth: int | None = None) -> list[KnownUrl]:
        """Take the next pending URLs of a site, by rank and number, at most ``limit``.

        URLs deeper than ``max_depth`` stay; where ranks are not depths, each take has to look at them.
        """
        self._states.flush()
        bound = max_depth if max_depth is not None and self._by_depth else math.inf
        return self._states.take(site, limit, max_depth, bound)

    def done(self, number: int) -> None:
        """Mark a URL as finished."""
        self._states.set(number, DONE)

    def refuse(self, number: int, reason: str) -> None:
        """Mark a URL as not to be fetched, for this reason: a trap's name, a budget's."""
        self._states.set(number, self._reasons.number(reason))

    def reopen(self, belongs: Callable[[str], bool]) -> int:
        """Make the URLs pending that were refused for such a reason; return how many."""
        self._states.flush()
        states = [one for one in self._states.counts if one > DONE and belongs(self._reasons.name(one))]
        return sum(self.mark_pending(number for number, _ in self._states.each(one)) for one in states)

    def mark_pending(self, numbers: Iterable[int]) -> int:
        """Make the URLs pending, taken ones too; return how many were not pending."""
        return self._states.mark_pending(numbers)

    def counts(self) -> UrlCounts:
        """Return how many URLs are known, and how many have each state."""
        self._states.flush()
        counts = self._states.counts
        refused = {self._reasons.name(state): n for state, n in counts.items() if state > DONE and n}
        return UrlCounts(counts.total(), counts[PENDING], counts[DONE], refused)

    def each_done(self) -> Iterator[tuple[int, str]]:
        """Yield number and URL of all that are done, by number; their states may change meanwhile."""
        return self._states.each(DONE)

    def set_edges(self, number: int, lines: str) -> None:
        """Replace the links of a page (`DiscoveredLinks.edges`)."""
        if lines:
            packed = zlib.compress(lines.encode("utf-8", "surrogatepass"), _ZLIB_LEVEL)
            self._database.write("REPLACE INTO edges VALUES (?, ?)", [(number, packed)])
        else:
            self._database.write("DELETE FROM edges WHERE number = ?", [(number,)])

    def each_edges(self) -> Iterator[tuple[str, str]]:
        """Yield URL and links of every page that has links, by the page's number."""
        last = 0
        while rows := self._database.rows(_EACH_EDGES, (last,)):
            for last, url, packed in rows:  # noqa: B007 (the last of the batch)
                yield url, zlib.decompress(packed).decode("utf-8", "surrogatepass")

    def value(self, name: str) -> Any:
        """Return the value with this name, None if there is none."""
        rows = self._database.rows("SELECT value FROM facts WHERE name = ?", (name,))
        return json.loads(rows[0][0]) if rows else None

    def set_value(self, name: str, value: Any) -> None:
        """Save a value as JSON; names that begin with a dot are the store's own."""
        self._database.write("REPLACE INTO facts VALUES (?, ?)", [(name, json.dumps(value))])

    def commit(self) -> None:
        """Make all changes survive a kill of the process. 0.1 us if nothing changed."""
        if not self._states.unwritten and not self._database.changed:
            return
        self._states.flush()
        self._keys.settle(self._last)
        self.set_value(".states", self._states.counts)
        self._database.commit()

    def sync(self) -> None:
        """Make all committed changes survive a loss of power."""
        self._database.sync()

    def close(self) -> None:
        """Commit, sync and close the file; after a fault only close it."""
        try:
            if not self._database.failed:
                self.commit()
        finally:
            self._database.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_options(store: UrlStore, database: CrawlDatabase, options: dict[str, Any]) -> None:
    """Save the options of a new store; raise UsageError if an old one has others."""
    saved = store.value("options")
    if saved is None:
        store.set_value("options", options)
        store.commit()
        return
    for name in {**saved, **options}:
        if saved.get(name) != options.get(name):
            old, new = (printable(json.dumps(each.get(name)), 80) for each in (saved, options))
            raise database.unusable(f"has {name} {old}, not {new}")


def _better(known: NewUrl, url: NewUrl) -> NewUrl:
    """Merge two findings of one new URL: the better depth, the better rank, the first scraper."""
    known = known._replace(scraper=known.scraper or url.scraper)
    if url.depth < known.depth:
        known = known._replace(depth=url.depth, found_on=url.found_on)
    return known._replace(rank=url.rank) if url.rank < known.rank else known
