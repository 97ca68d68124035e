"""The previous output: its key index, and the pages that are known from it."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from parascrape import records
from parascrape.errors import UsageError
from parascrape.files.key_index import KeyIndex
from parascrape.files.ledger import read_page_at
from parascrape.files.outcomes import Outcome
from parascrape.files.previous import PreviousOutput
from parascrape.frontier import Visit
from parascrape.records import Entry
from parascrape.web.validators import NOTHING, Validators

URL = "http://h/a"


def line(url: str = URL, made_by: str = "m", **meta: object) -> bytes:
    """A good record's line."""
    whole = {"final_url": url, "hash": "h", "made_by": made_by, **meta}
    return records.encode({"url": url, "title": "t", "meta": whole})


def previous_of(path: Path, *lines: bytes) -> PreviousOutput:
    """Return the previous output of these lines; it is closed after the test."""
    path.write_bytes(b"".join(lines))
    _opened.append(PreviousOutput(str(path), "m"))
    return _opened[-1]


_opened: list[PreviousOutput] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close the outputs that a test has opened."""
    yield
    while _opened:
        _opened.pop().close()


# --- offsets ----------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([-(2**63), -1, 0, 1, 2**52, 2**63 - 1])))
def test_offsets_are_found_in_the_order_of_the_file(keys: list[int]) -> None:
    """The index behaves like a dict of lists, before and after a key is taken."""
    offsets, model = KeyIndex(), dict[int, list[int]]()
    for offset, key in enumerate(keys):
        offsets.add(key, offset)
        model.setdefault(key, []).append(offset)
    offsets.sort()
    assert {key: list(offsets.find(key)) for key in model} == model
    assert {key: offsets.last(key) for key in model} == {key: found[-1] for key, found in model.items()}
    for key, found in model.items():
        assert offsets.take(key, found[0])
        assert not offsets.take(key, found[0])
        assert list(offsets.find(key)) == found[1:]
    assert len(offsets) == len(keys) - len(model)
    assert offsets.last(5) is None


def test_a_key_needs_about_twenty_bytes() -> None:
    """Five million pages stay below 200 MB."""
    tracemalloc.start()
    try:
        offsets = KeyIndex()
        for number in range(50_000):
            offsets.add(hash(str(number)), number)
        offsets.sort()
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    parts = 4096 * 400  # the arrays and tuples themselves, however many pages there are
    assert held < 50_000 * 20 + parts
    assert peak < 50_000 * 30 + parts


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}\n",
        b"[]\n",
        line()[:-1],
        line(item=1, items=2),
        line(item=1, items=2) + line(item=1, items=2),
    ],
)
def test_an_incomplete_page_is_refused(data: bytes) -> None:
    """Reading it raises ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 (JSON's own too)
        read_page_at(io.BytesIO(data), 0)


# --- previous ---------------------------------------------------------------------------------------


def test_only_good_pages_of_the_same_scraper_are_known(tmp_path: Path) -> None:
    """Good pages of other scrapers are counted, so that a message can say how many there are."""
    failed = records.encode({"url": "http://h/f", "error": {"code": "status"}, "meta": {"made_by": "m"}})
    previous = previous_of(tmp_path / "old", line(), line("http://h/b", "other"), failed, b'{"url":"torn')
    assert (len(previous), previous.good) == (1, 2)
    assert previous.known(Visit(0, Entry(URL))) == Validators(hash="h")
    for url in ("http://h/b", "http://h/f", "http://h/c", "http://me:x@h/a"):
        assert previous.known(Visit(0, Entry(url))) == NOTHING
    previous.close()


def test_the_last_record_of_a_url_counts(tmp_path: Path) -> None:
    """A page may have been fetched several times."""
    previous = previous_of(tmp_path / "old", line(etag='"1"'), line(etag='"2"'))
    assert previous.known(Visit(0, Entry(URL))).etag == '"2"'


@pytest.mark.parametrize("data", [b"", b"x" * 10_000, line("http://h/b"), line(made_by="other")])
def test_a_file_that_changed_meanwhile_gives_no_records(data: bytes, tmp_path: Path) -> None:
    """It gives no validators either."""
    path = tmp_path / "old"
    previous = previous_of(path, line())
    path.write_bytes(data)
    assert previous.known(Visit(0, Entry(URL))) == NOTHING
    assert previous.reuse_unchanged(Visit(0, Entry(URL)), Outcome(line(status=304), 1, "")) is None
    assert previous.reuse_fresh(Visit(0, Entry(URL))).code == "not_fetched"


def test_reading_stops_on_request(tmp_path: Path) -> None:
    """Ctrl-C does not wait for five million lines."""
    (tmp_path / "old").write_bytes(line() * 3)
    with closing(PreviousOutput(str(tmp_path / "old"), "m", lambda: True)) as ended:
        assert len(ended) == 0


def test_a_file_without_records_is_refused(tmp_path: Path) -> None:
    """The message has no advice about the output."""
    with pytest.raises(UsageError, match=r"previous: .*line 1 is not a record$"):
        previous_of(tmp_path / "old", b"hello\n", line())


def test_columns_that_json_cannot_carry_are_left_to_the_worker(tmp_path: Path) -> None:
    """The worker reports what is wrong with them."""
    previous = previous_of(tmp_path / "old", line())
    entry = Entry(URL, columns={"price": float("nan")})
    assert previous.reuse_unchanged(Visit(0, entry), Outcome(line(status=304), 1, "")) is None
