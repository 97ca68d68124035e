"""Duplicate detection: a set of hundreds of millions of keys in constant memory, most of them in a file.

The first keys are in a dict. Further ones are in hash tables, each eight times as large as the one before
and never resized, in unlinked temporary files::

    table    = buckets of 256 bytes; its hash gives a key's first bucket, a full one hands on to the next
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
from typing import IO, NamedTuple, Self

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

_LINES = 1 << 32
_MAX_LISTS = 254
"""A number of 40 bits holds a line and a list; lists after the first 254 share one number."""

log = logging.getLogger("parascrape.files.duplicates")


def _seek_and_read(descriptor: int, size: int, offset: int) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, size)


def _seek_and_write(descriptor: int, data: bytes, offset: int) -> int:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.write(descriptor, data)


class FileAccess(NamedTuple):
    """Functions that read and write at an offset of a descriptor: (descriptor, size or data, offset)."""

    read: Callable[[int, int, int], bytes] = _seek_and_read
    write: Callable[[int, bytes, int], int] = _seek_and_write


SEEKING = FileAccess()
"""Access for Windows, which has no pread."""

POSITIONED = FileAccess(os.pread, os.pwrite) if hasattr(os, "pread") else SEEKING


class SeenKeys:
    """A map from keys to the number that each was first added with, from 0 to 2**40 - 2; a context manager.

    Keys are compared by 128 bits of their hash: among a billion keys the odds that any two collide are 1 in
    10**20. If a file cannot be made or used (disk full, no directory), there is one warning, and from then on
    keys stay in memory. Not for several threads.

    >>> with SeenKeys() as seen:
    ...     seen.add("http://h/a", 1), seen.add("http://h/b", 2), seen.add("http://h/a", 3)
    (None, None, 1)
    """

    def __init__(
        self,
        *,
        in_memory: int = IN_MEMORY,
        directory: str | None = None,
        buckets: int = _FIRST_BUCKETS,
        access: FileAccess = POSITIONED,
    ):
        self._limit = in_memory
        self._directory = directory
        self._buckets = buckets
        self._access = access
        self._numbers: dict[bytes, int] = {}
        self._tables: list[_Table] = []
        self._gave_up = False
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
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
            if not self._tables or self._tables[-1].room <= 0:
                buckets = self._buckets * _GROWTH ** len(self._tables)
                self._tables.append(_Table(buckets, self._directory, self._access))
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


class _Table:
    """A hash table of digests and numbers in a file that ends with the process."""

    def __init__(self, buckets: int, directory: str | None, access: FileAccess) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(  # noqa: SIM115 (open as long as the table)
            prefix="parascrape-", dir=directory, buffering=0
        )
        self.close = self._file.close
        self._descriptor = self._file.fileno()
        self._read, self._write = access
        self._mask = buckets - 1  # a power of two
        self.room = int(buckets * _SLOTS * _FULL)  # keys that may still be put
        self._free = 0

    def find(self, digest: bytes) -> int | None:
        """Return the digest's number; None for a new one, whose place `put` then knows."""
        bucket = int.from_bytes(digest[:8], "little") & self._mask
        while True:
            slots = self._read(self._descriptor, _USED, bucket * _BUCKET)
            place = slots.find(digest)
            if place >= 0:
                return int.from_bytes(slots[place - _NUMBER : place], "little") - 1
            taken = -(-len(slots.rstrip(b"\0")) // _SLOT)  # no number is 0, so no slot in use is empty
            if taken < _SLOTS:
                self._free = bucket * _BUCKET + taken * _SLOT
                return None
            bucket += 1  # after the last bucket the file grows

    def put(self, digest: bytes, number: int) -> None:
        """Store a digest that `find` has just not found. Raises OSError if the file takes no more."""
        slot = (number + 1).to_bytes(_NUMBER, "little") + digest
        if self._write(self._descriptor, slot, self._free) < _SLOT:
            raise OSError("the disk is full")
        self.room -= 1


def mark_duplicates(entries: Iterable[Entry | None], settings: Settings) -> Iterator[Entry | None]:
    """Yield the entries; ``duplicate`` of an entry says where the same canonical URL precedes it."""
    if settings.fetch_duplicates:
        yield from entries
        return
    options = CanonicalOptions(settings.drop_tracking, settings.sort_query)
    lists: dict[str, int] = {}
    with SeenKeys() as seen:
        for entry in entries:
            if entry is None or entry.problem:
                yield entry
                continue
            if entry.source not in lists and len(lists) < _MAX_LISTS:
                lists[entry.source] = len(lists)
            place = lists.get(entry.source, _MAX_LISTS) * _LINES + min(entry.line, _LINES - 1)
            first = seen.add(_key(entry.url, options), place)
            yield entry if first is None else entry._replace(duplicate=_describe(first, entry.source, lists))


def _key(url: str, options: CanonicalOptions) -> str:
    try:
        return canonical_url(url, options)
    except InvalidUrl:  # the worker reports it
        return url


def _describe(place: int, source: str, lists: dict[str, int]) -> str:
    number, line = divmod(place, _LINES)
    name = "a later list" if number == _MAX_LISTS else list(lists)[number]
    return f"the same URL as in line {line}" + (f" of {name}" if name not in ("", source) else "")
