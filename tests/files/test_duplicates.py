"""Duplicate detection: the first number of each key, in memory, in the file and without a file."""

from __future__ import annotations

import doctest
import errno
import logging
import os
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from parascrape.files import duplicates
from parascrape.files.duplicates import POSITIONED, SEEKING, FileAccess, SeenKeys

KEYS = st.text("ab\u00fc\ud800", max_size=4)
SMALL: Any = {"in_memory": 3, "buckets": 1}
"""Three keys in memory and seven in the first table, so hypothesis fills several tables."""


@given(st.lists(st.tuples(KEYS, st.integers(0, (1 << 40) - 2)), max_size=120))
def test_every_key_keeps_its_first_number(pairs: list[tuple[str, int]]) -> None:
    """The map behaves like a dict with ``setdefault``, in memory and in files."""
    model: dict[str, int] = {}
    with SeenKeys(**SMALL) as seen_keys:
        for key, number in pairs:
            assert seen_keys.add(key, number) == model.get(key)
            model.setdefault(key, number)
            assert len(seen_keys) == len(model)


def test_thousands_of_keys_fill_several_tables() -> None:
    """Each key is found again, even if its bucket was full."""
    with SeenKeys(in_memory=10, buckets=4) as seen_keys:
        for turn in range(2):
            for number in range(5000):
                expected = number if turn else None
                assert seen_keys.add(f"http://h/{number}", number + 9 * turn) == expected
        assert len(seen_keys) == 5000


def test_a_table_works_without_pread() -> None:
    """Windows seeks first."""
    with SeenKeys(access=SEEKING, **SMALL) as seen_keys:
        assert [seen_keys.add(str(number % 40), number) for number in range(80)] == [None] * 40 + [*range(40)]


def test_memory_does_not_grow_with_keys_in_the_file() -> None:
    """Twenty thousand keys after the first thousand take less than 50 kB."""
    with SeenKeys(in_memory=1000) as seen_keys:
        for number in range(1001):
            seen_keys.add(str(number), number)
        tracemalloc.start()
        try:
            for number in range(1001, 21_000):
                seen_keys.add(str(number), number)
            grown = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert seen_keys.add("20000", 0) == 20_000
    assert grown < 50_000


@pytest.mark.skipif(sys.platform == "win32", reason="Windows deletes the file when it is closed")
def test_the_file_has_no_name(tmp_path: Path) -> None:
    """A killed run leaves no file behind."""
    with SeenKeys(directory=str(tmp_path), **SMALL) as seen_keys:
        for number in range(20):
            seen_keys.add(str(number), number)
        assert list(tmp_path.iterdir()) == []
    assert seen_keys.add("1", 5) is None


def test_keys_stay_in_memory_if_no_file_can_be_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """There is one warning, and no key is lost."""
    with (
        caplog.at_level(logging.WARNING, "parascrape.files.duplicates"),
        SeenKeys(directory=str(tmp_path / "none"), **SMALL) as keys,
    ):
        assert [keys.add(str(number % 50), number) for number in range(100)] == [None] * 50 + [*range(50)]
    assert len(caplog.records) == 1


@pytest.mark.parametrize("fault", ["full", "short", "broken"])
def test_new_keys_stay_in_memory_once_the_disk_is_full(fault: str, caplog: pytest.LogCaptureFixture) -> None:
    """Keys in the file are still found; if it cannot be read, they count as new."""
    access = POSITIONED

    def read(descriptor: int, size: int, offset: int) -> bytes:
        return access.read(descriptor, size, offset)

    def write(descriptor: int, data: bytes, offset: int) -> int:
        return access.write(descriptor, data, offset)

    with (
        caplog.at_level(logging.WARNING, "parascrape.files.duplicates"),
        SeenKeys(in_memory=5, buckets=64, access=FileAccess(read, write)) as keys,
    ):
        before = [keys.add(str(number), number) for number in range(50)]
        access = FileAccess(
            fails if fault == "broken" else POSITIONED.read, (lambda *_: 3) if fault == "short" else fails
        )
        after = [keys.add(str(number), number + 100) for number in range(100)]
        again = [keys.add(str(number), 0) for number in range(50, 100)]
    assert before == [None] * 50
    assert after == [*range(5 if fault == "broken" else 50)] + [None] * (95 if fault == "broken" else 50)
    assert again == [*range(150, 200)]
    assert len(caplog.records) == 1


def fails(*_: object) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_examples_in_the_docstrings_hold() -> None:
    """The module's doctests pass."""
    assert doctest.testmod(duplicates).failed == 0
