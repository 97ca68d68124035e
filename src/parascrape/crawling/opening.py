"""Opening a crawl: the frontier and the output are brought into agreement, whatever ended the run before.

The output is the ledger: what it holds is done, and nothing else is. Before the record of a page is written,
the frontier is committed with all that the page leads to (`sinks.JsonlSink`'s ``ahead``). So after a kill

    done in the frontier, not in the output     the kill came between the two: the page is fetched again
    in the output, not done in the frontier     only where the machine lost power, for SQLite's last commits
                                                were not on the disk yet: what the page led to may be lost,
                                                so its record is taken out, and it is fetched again

and every page that is known has its one outcome in the end.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from parascrape.crawling.store.url_store import Store
from parascrape.errors import UsageError
from parascrape.files.ledger import KeyCounter, drop_pages, entry_key, read_pages
from parascrape.web.urls import Entry

__all__ = ["bring_into_agreement"]

_STEP = 10_000


def bring_into_agreement(store: Store, output: Path) -> Counter[str]:
    """The outcomes that the output keeps, by code, "" for good ones; both are changed where they differ.

    Raises:
        UsageError: the output holds records that no crawl has made.
    """
    done = KeyCounter()
    for _, url in store.each_done():
        done.add(entry_key(Entry(url)))
    done.sort()
    before: Counter[str] = Counter()
    strange: set[int] = set()
    if output.exists():
        for page in read_pages(output):
            if done.take(page.key):
                before[page.code] += 1
            elif "depth" in page.record["meta"]:
                strange.add(page.start)
            else:
                raise UsageError(
                    f"{output}: holds records of another run; name another --output, or --overwrite"
                )
    if strange:
        drop_pages(output, lambda page: page.start in strange)
    if len(done):
        _fetch_again(store, done)
    store.commit()
    return before


def _fetch_again(store: Store, lost: KeyCounter) -> None:
    """Have the pages be pending again whose records are lost."""
    numbers: list[int] = []
    for number, url in store.each_done():
        if lost.take(entry_key(Entry(url))):
            numbers.append(number)
    for start in range(0, len(numbers), _STEP):
        store.mark_pending(numbers[start : start + _STEP])
