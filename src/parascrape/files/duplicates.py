"""Duplicate detection: a set of hundreds of millions of keys in constant memory, most of them in a file.

The first keys are in a dict. Further ones are in hash tables, each eight times as large as the one before
and never resized, in unlinked temporary files::

    table    = buckets of 256 bytes; a key's first bucket is that of its hash, a full one hands on
    bucket   = 12 slots, filled from the front, and 4 bytes unused
    slot     = number + 1 (5 bytes, little-endian) | BLAKE2b-128 of the key (16 bytes)

A new key costs a read of one page and a write of 21 bytes to it, through the kernel's page cache, which
is not memory of the process.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import IO, Self

from parascrape.errors import InvalidUrl
from parascrape.records import Entry
from parascrape.settings import Settings
from parascrape.web import CanonicalOptions, canonical_url

IN_MEMORY = 100_000
"""Keys in memory: 14 MB."""

_BUCKET = 256
_SLOTS = 12
_NUMBER = 5
_SLOT = _NUMBER + 16
_USED = _SLOTS * _SLOT
_FULL = 0.6  # of a table's slots, at most: nearly every key is in its first bucket
_FIRST_BUCKETS = 1 << 17  # 940,000 keys, 33 MB
_GROWTH = 8

log = logging.getLogger("parascrape.files.duplicates")


class SeenKeys:
    """A map from keys to the number that each was first added with, from 0 to 2**40 - 2.

    Keys are compared by 128 bits of their hash: among a billion keys the odds that any two collide are 1 in
    10**20. If a file cannot be made or used (disk full, no directory), there is one warning, and from then on
    keys stay in memory. Not for several threads.

    >>> with SeenKeys() as seen:
    ...     seen.add("http://h/a", 1), seen.add("http://h/b", 2), seen.add("http://h/a", 3)
    (None, None, 1)
    """

    def __init__(
        self, *, in_memory: int = IN_MEMORY, directory: str | None = None, buckets: int = _FIRST_BUCKETS
    ):
        self._limit = in_memory
        self._directory = directory
        self._buckets = buckets
        self._numbers: dict[bytes, int] = {}
        self._tables: list[_Table] = []
        self._gave_up = False
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove all keys and free the files' space."""
        for table in self._tables:
            table.close()
        self._tables.clear()
        self._numbers.clear()
        self._count = 0

    def add(self, key: str, number: int) -> int | None:
        """Return the number that the key was first added with; None for a new key, which now has this one."""
        digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        known = self._numbers.get(digest)
        if known is None and self._tables:
            known = self._find(digest)
        if known is None:
            self._count += 1
            if not self._put(digest, number):
                self._numbers[digest] = number
        return known

    def _find(self, digest: bytes) -> int | None:
        try:
            for table in self._tables:
                known = table.find(digest)
                if known is not None:
                    return known
        except OSError as error:
            self._give_up(error)
        return None

    def _put(self, digest: bytes, number: int) -> bool:
        """Add a key that `_find` has just not found to a file; return False if it belongs into memory."""
        if self._gave_up or (not self._tables and len(self._numbers) < self._limit):
            return False
        try:
            if not self._tables or self._tables[-1].full:
                self._tables.append(_Table(self._buckets * _GROWTH ** len(self._tables), self._directory))
                self._tables[-1].find(digest)
            self._tables[-1].put(digest, number)
        except OSError as error:
            self._give_up(error)
            return False
        return True

    def _give_up(self, error: OSError) -> None:
        if not self._gave_up:
            log.warning("no temporary file for the URLs seen (%s): they stay in memory", error)
        self._gave_up = True


def _seek_and_read(descriptor: int, size: int, offset: int) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, size)


def _seek_and_write(descriptor: int, data: bytes, offset: int) -> int:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.write(descriptor, data)


_read: Callable[[int, int, int], bytes] = getattr(os, "pread", _seek_and_read)  # not on Windows
_write: Callable[[int, bytes, int], int] = getattr(os, "pwrite", _seek_and_write)


class _Table:
    """A hash table of digests and numbers in a file that ends with the process."""

    def __init__(self, buckets: int, directory: str | None) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(  # noqa: SIM115 (open as long as the table)
            prefix="parascrape-", dir=directory, buffering=0
        )
        self._descriptor = self._file.fileno()
        self._mask = buckets - 1  # a power of two
        self._room = int(buckets * _SLOTS * _FULL)
        self._free = 0

    @property
    def full(self) -> bool:
        """Whether another table should take what comes."""
        return self._room <= 0

    def find(self, digest: bytes) -> int | None:
        """The digest's number; None where it is not here, and `put` knows its place."""
        bucket = int.from_bytes(digest[:8], "little") & self._mask
        while True:
            slots = _read(self._descriptor, _USED, bucket * _BUCKET)
            place = slots.find(digest)
            if place >= 0:
                return int.from_bytes(slots[place - _NUMBER : place], "little") - 1
            taken = -(-len(slots.rstrip(b"\0")) // _SLOT)  # no number is 0, so no slot in use is empty
            if taken < _SLOTS:
                self._free = bucket * _BUCKET + taken * _SLOT
                return None
            bucket += 1  # the last one hands on beyond the end: a file has no end

    def put(self, digest: bytes, number: int) -> None:
        """Store what `find` has just not found. Raises OSError where the file takes no more."""
        slot = (number + 1).to_bytes(_NUMBER, "little") + digest
        if _write(self._descriptor, slot, self._free) < _SLOT:
            raise OSError("the disk is full")
        self._room -= 1

    def close(self) -> None:
        """Give the file's space back."""
        self._file.close()


def mark_duplicates(entries: Iterable[Entry | None], settings: Settings) -> Iterator[Entry | None]:
    """The entries; each whose URL (`identity.canonical_url`) stands before it is told where."""
    if settings.fetch_duplicates:
        yield from entries
        return
    identity = CanonicalOptions(settings.drop_tracking, settings.sort_query)
    lists: dict[str, int] = {}
    with SeenKeys() as seen:
        for entry in entries:
            if entry is None or entry.problem:
                yield entry
                continue
            place = _number(entry.source, lists) * _LINES + min(entry.line, _LINES - 1)
            first = seen.add(_key(entry.url, identity), place)
            why = "" if first is None else _describe(first, entry.source, lists)
            yield entry._replace(duplicate=why) if why else entry


def _number(source: str, lists: dict[str, int]) -> int:
    """The list's number; those after the first 254 share one, for `SeenKeys` keeps 40 bits with a key."""
    if source not in lists and len(lists) < _MAX_LISTS:
        lists[source] = len(lists)
    return lists.get(source, _MAX_LISTS)


_LINES = 1 << 32


_MAX_LISTS = 254


def _key(url: str, identity: CanonicalOptions) -> str:
    try:
        return canonical_url(url, identity)
    except InvalidUrl:  # the worker will say so
        return url


def _describe(place: int, source: str, lists: dict[str, int]) -> str:
    number, line = divmod(place, _LINES)
    name = "a later list" if number == _MAX_LISTS else list(lists)[number]
    return f"the same URL as in line {line}" + (f" of {name}" if name not in ("", source) else "")
