"""A sample of a list: the same URLs every time, spread over the hosts as the list is."""

from __future__ import annotations

import hashlib
import heapq
import os
from collections.abc import Container, Iterable
from pathlib import Path
from typing import NamedTuple

import orjson

from parascrape.errors import UsageError
from parascrape.records import Entry
from parascrape.web import host_key, prepare, redact

__all__ = ["URL_COLUMN", "ListSample", "host_of", "sample_entries", "write_list"]

URL_COLUMN = "parascrape:url"
"""In the lists that are written here: a name that no column of a person's list is likely to have."""


class ListSample(NamedTuple):
    """What was drawn, in the list's order; of how many URLs, and how many lines beside them have none."""

    entries: tuple[Entry, ...]
    total: int
    invalid: int

    @property
    def hosts(self) -> int:
        """How many hosts the drawn URLs have."""
        return len({host_of(entry.url) for entry in self.entries})


def host_of(url: str) -> str:
    """Scheme, host and port of a URL that can be prepared."""
    return host_key(prepare(url))


def sample_entries(entries: Iterable[Entry], most: int, only: Container[str] | None = None) -> ListSample:
    """At most ``most`` entries (0: all) with a URL, that is in ``only`` where that is given.

    Memory grows with the sample, not with the list.

    Those with the smallest hash of the URL are taken: every URL is as likely as another, so a host's share
    of the sample is its share of the list, and neither the order of the list nor the day matters. A URL is
    drawn once, however often it is listed.

    Raises:
        UsageError: ``most`` is less than 0, or there is no such entry.
    """
    if most < 0:
        raise UsageError(f"--sample: {most} is less than 0")
    drawn: list[tuple[int, int, Entry]] = []  # the largest hash, negated, is first
    held: set[int] = set()
    total = invalid = 0
    for place, entry in enumerate(entries):
        if entry.problem:
            invalid += 1
            continue
        total += 1
        url = redact(prepare(entry.url))
        item = (-_hash(url), -place, entry)
        if only is not None and url not in only:
            continue
        if item[0] in held or (most and len(drawn) == most and item[0] <= drawn[0][0]):
            continue
        held.add(item[0])
        if most and len(drawn) == most:
            held.discard(heapq.heapreplace(drawn, item)[0])
        else:
            heapq.heappush(drawn, item)
    if not drawn:
        none = "the list holds no URL" if not total else "the recording holds none of the list's URLs"
        raise UsageError(f"{none}: there is nothing to compare")
    chosen = sorted(drawn, key=lambda item: -item[1])
    return ListSample(tuple(entry for _, _, entry in chosen), total, invalid)


def _hash(url: str) -> int:
    digest = hashlib.blake2b(url.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def write_list(path: Path, entries: Iterable[Entry]) -> None:
    """Write the entries as a list, readable by their owner only: URLs may hold passwords."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        for entry in entries:
            row = {**(entry.columns or {}), URL_COLUMN: entry.url}
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
