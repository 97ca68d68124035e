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
from parascrape.files.duplicates import POSITIONED, SEEKING, FileAccess, SeenKeys, mark_duplicates
from parascrape.records import Entry
from parascrape.settings import Settings
from parascrape.web.canonical import CanonicalOptions, canonical_url

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


# --- the entries of a list ---


def marked(entries: list[Entry | None], **options: Any) -> list[str | None]:
    """Return the mark of each entry, None for "nothing just now"."""
    found = list(mark_duplicates(entries, Settings(**options)))
    assert [entry and entry._replace(duplicate="") for entry in found] == entries
    return [entry and entry.duplicate for entry in found]


def lines(*urls: str, source: str = "") -> list[Entry | None]:
    """Return entries of these URLs, from line 1."""
    return [Entry(url, line, source) for line, url in enumerate(urls, 1)]


def test_a_duplicate_names_the_line_of_the_first_entry() -> None:
    """URLs are compared in canonical form; the first entry stays unmarked."""
    listed = lines("http://h/a", "HTTP://H:80/x/../a#top", "http://h/b", "http://h/a")
    first = "the same URL as in line 1"
    assert marked(listed) == ["", first, "", first]


def test_a_duplicate_names_the_list_if_it_differs() -> None:
    """Within one list the line number is enough."""
    listed = [
        *lines("http://h/a", source="one.txt"),
        *lines("http://h/b", "http://h/a", "http://h/b", source="two.txt"),
        Entry("http://h/a", 9, "one.txt"),
    ]
    assert marked(listed) == [
        "",
        "",
        "the same URL as in line 1 of one.txt",
        "the same URL as in line 1",
        "the same URL as in line 1",
    ]


def test_lists_after_the_first_254_are_not_distinguished() -> None:
    """A position takes five bytes, one for the list."""
    listed: list[Entry | None] = [Entry(f"http://h/{n}", n + 1, f"{n}.txt") for n in range(300)]
    again = [Entry(f"http://h/{n}", 1, "last.txt") for n in (0, 253, 254, 299)]
    assert marked([*listed, *again])[300:] == [
        "the same URL as in line 1 of 0.txt",
        "the same URL as in line 254 of 253.txt",
        "the same URL as in line 255 of a later list",
        "the same URL as in line 300 of a later list",
    ]


def test_invalid_urls_are_never_duplicates() -> None:
    """Each has its own record. None, for "nothing just now", is passed on."""
    bad = Entry("nonsense", 1, problem="no scheme")
    assert marked([bad, None, bad, Entry("ftp://h/", 4)]) == ["", None, "", ""]


def test_urls_that_cannot_be_prepared_are_compared_as_text() -> None:
    """The worker reports what is wrong with an entry that was not checked."""
    assert marked(lines("ftp://h/", "ftp://h/")) == ["", "the same URL as in line 1"]


@pytest.mark.parametrize(
    ("options", "is_duplicate"),
    [
        ({}, False),
        ({"drop_tracking": True}, False),
        ({"sort_query": True}, False),
        ({"drop_tracking": True, "sort_query": True}, True),
        ({"drop_tracking": True, "sort_query": True, "fetch_duplicates": True}, False),
    ],
)
def test_options_decide_which_urls_are_equal(options: dict[str, bool], is_duplicate: bool) -> None:
    """Tracking parameters and the order of the query count unless an option ignores them."""
    second = marked(lines("http://h/?a=1&b=2", "http://h/?b=2&utm_source=x&a=1"), **options)[1]
    assert bool(second) == is_duplicate


URLS = st.builds(
    "{}://{}{}/{}?{}".format,
    st.sampled_from(["http", "HTTP"]),
    st.sampled_from(["h", "H", "other"]),
    st.sampled_from(["", ":80", ":81"]),
    st.sampled_from(["", "a", "./a", "%61"]),
    st.sampled_from(["", "a=1&b=2", "b=2&a=1", "utm_source=x"]),
)


@given(st.lists(URLS, max_size=30), st.booleans(), st.booleans())
def test_only_the_first_of_equal_urls_is_fetched(urls: list[str], drop: bool, sort: bool) -> None:
    """Compared with a dict of canonical URLs: the others name the line of the first."""
    first: dict[str, int] = {}
    expected = []
    for line, url in enumerate(urls, 1):
        at = first.setdefault(canonical_url(url, CanonicalOptions(drop, sort)), line)
        expected.append("" if at == line else f"the same URL as in line {at}")
    assert marked(lines(*urls), drop_tracking=drop, sort_query=sort) == expected
