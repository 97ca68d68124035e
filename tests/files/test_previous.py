"""The index over a previous output, the validators that are kept, and the fingerprint of a scraper."""

from __future__ import annotations

import functools
import io
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from parascrape import Page, Settings, records
from parascrape.errors import UsageError
from parascrape.files.key_index import KeyIndex
from parascrape.files.ledger import read_page_at
from parascrape.files.outcomes import Outcome
from parascrape.files.previous import PreviousOutput
from parascrape.frontier import Visit
from parascrape.records import Entry
from parascrape.scrapers.fingerprint import fingerprint
from parascrape.web.validators import NOTHING, Validators, condition, hash_answer, validators_of
from tests.helpers import scrapers as own

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
URL = "http://h/a"


def line(url: str = URL, made_by: str = "m", **meta: object) -> bytes:
    """A good record's line."""
    whole = {"final_url": url, "hash": "h", "made_by": made_by, **meta}
    return records.encode({"url": url, "title": "t", "meta": whole})


def previous_of(path: Path, *lines: bytes) -> PreviousOutput:
    """The previous output of these lines."""
    path.write_bytes(b"".join(lines))
    return PreviousOutput(str(path), "m")


# --- offsets ----------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([-(2**63), -1, 0, 1, 2**52, 2**63 - 1])))
def test_offsets_are_found_in_the_order_of_the_file(keys: list[int]) -> None:
    """As a dict of lists would find them, before and after one is taken."""
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


def test_a_million_pages_need_little_memory() -> None:
    """Some 20 bytes each: five million stay below 200 MB."""
    tracemalloc.start()
    try:
        offsets = KeyIndex()
        for number in range(50_000):
            offsets.add(hash(str(number)), number)
        offsets.sort()
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    parts = 4096 * 400  # what the arrays and tuples have besides, however many pages there are
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
def test_what_is_no_whole_page_is_refused(data: bytes) -> None:
    """With a ValueError, whatever stands there."""
    with pytest.raises(ValueError):  # noqa: PT011 (JSON's own too)
        read_page_at(io.BytesIO(data), 0)


# --- previous ---------------------------------------------------------------------------------------


def test_only_good_pages_of_the_same_scraper_are_known(tmp_path: Path) -> None:
    """Others count, where they are good, so that it can be said."""
    failed = records.encode({"url": "http://h/f", "error": {"code": "status"}, "meta": {"made_by": "m"}})
    previous = previous_of(tmp_path / "old", line(), line("http://h/b", "other"), failed, b'{"url":"torn')
    assert (len(previous), previous.good) == (1, 2)
    assert previous.known(Visit(0, Entry(URL))) == Validators(hash="h")
    for url in ("http://h/b", "http://h/f", "http://h/c", "http://me:x@h/a"):
        assert previous.known(Visit(0, Entry(url))) == NOTHING
    previous.close()


def test_the_last_record_of_a_url_counts(tmp_path: Path) -> None:
    """Where a page was fetched several times."""
    previous = previous_of(tmp_path / "old", line(etag='"1"'), line(etag='"2"'))
    assert previous.known(Visit(0, Entry(URL))).etag == '"2"'


@pytest.mark.parametrize("data", [b"", b"x" * 10_000, line("http://h/b"), line(made_by="other")])
def test_a_file_that_was_changed_underneath_gives_nothing(data: bytes, tmp_path: Path) -> None:
    """Neither something to ask with, nor a record."""
    path = tmp_path / "old"
    previous = previous_of(path, line())
    path.write_bytes(data)
    assert previous.known(Visit(0, Entry(URL))) == NOTHING
    assert previous.reuse_unchanged(Visit(0, Entry(URL)), Outcome(line(status=304), 1, "")) is None
    assert previous.reuse_fresh(Visit(0, Entry(URL))).code == "not_fetched"


def test_reading_it_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    """A Ctrl-C does not wait for five million lines."""
    (tmp_path / "old").write_bytes(line() * 3)
    assert len(PreviousOutput(str(tmp_path / "old"), "m", lambda: True)) == 0


def test_somebody_elses_file_is_refused(tmp_path: Path) -> None:
    """Without advice that would be for an output."""
    with pytest.raises(UsageError, match=r"previous: .*line 1 is not a record$"):
        previous_of(tmp_path / "old", b"hello\n", line())


def test_columns_that_no_record_can_carry_are_left_to_the_worker(tmp_path: Path) -> None:
    """It says what is wrong with them."""
    previous = previous_of(tmp_path / "old", line())
    entry = Entry(URL, columns={"price": float("nan")})
    assert previous.reuse_unchanged(Visit(0, entry), Outcome(line(status=304), 1, "")) is None


# --- validators -------------------------------------------------------------------------------------

MONDAY = "Mon, 05 Jan 2026 {} GMT"


@pytest.mark.parametrize(
    ("modified", "date", "kept"),
    [
        ("11:59:59", "12:00:00", True),
        ("12:00:00", "12:00:00", False),
        ("12:00:01", "12:00:00", False),
        ("11:59:59", None, True),
        ("12:00:00", None, False),
    ],
)
def test_a_date_is_kept_a_second_after_it(modified: str, date: str | None, kept: bool) -> None:
    """RFC 9110 §8.8.2.2: a page may have changed again within the second."""
    headers = {"Last-Modified": MONDAY.format(modified)} | ({"Date": MONDAY.format(date)} if date else {})
    assert ("last_modified" in validators_of(headers, NOW)) is kept


@given(st.text(max_size=30), st.text(max_size=40))
def test_no_validator_breaks_out_of_its_header(etag: str, modified: str) -> None:
    """Whatever a server sends, or somebody has written into the previous output."""
    kept = validators_of({"ETag": etag, "Last-Modified": modified}, NOW)
    for value in [*kept.values(), *condition(Validators(etag, modified), {}).values()]:
        assert value.isascii()
        assert value.isprintable()


@pytest.mark.parametrize("name", ["If-None-Match", "if-modified-since", "RANGE"])
def test_the_users_own_condition_stands_alone(name: str) -> None:
    """A 304 would be about that one."""
    assert condition(Validators('"1"'), {}) == {"If-None-Match": '"1"'}
    assert condition(Validators('"1"'), {name: "x"}) == {}


def test_the_header_of_gzip_is_no_content() -> None:
    """A time or a random name in it makes no other page; a byte behind it does."""
    stream = b"\x03\x00" + bytes(8)
    bodies = [b"\x1f\x8b\x08\x00" + bytes(6), b"\x1f\x8b\x08\x00" + b"\1" * 6]
    bodies.append(b"\x1f\x8b\x08\x08" + b"\2" * 6 + b"name\0")
    made = {hash_answer(URL, {"Content-Encoding": "gzip"}, head + stream) for head in bodies}
    assert len(made) == 1
    assert hash_answer(URL, {"Content-Encoding": "gzip"}, bodies[0] + stream + b"\1") not in made
    assert hash_answer(URL, {}, bodies[0] + stream) not in made


@pytest.mark.parametrize("changed", [{"Content-Type": "b"}, {"X-Robots-Tag": "none"}])
def test_headers_that_a_record_tells_of_are_content(changed: dict[str, str]) -> None:
    """So is the URL that links are relative to."""
    assert hash_answer(URL, {}, b"") != hash_answer(URL, changed, b"") != hash_answer(URL + "b", changed, b"")


# --- the fingerprint --------------------------------------------------------------------------------


def closure(word: str) -> object:
    def scraper(page: Page) -> dict[str, str]:
        return {"word": word}

    return scraper


class Callable:
    def __call__(self, page: Page) -> dict[str, str]:
        return {}


@pytest.mark.parametrize("scraper", [closure("a"), Callable(), functools.partial(own.title, page=1)])
def test_a_scraper_with_a_state_has_no_fingerprint(scraper: object) -> None:
    """Its source does not tell what it does."""
    assert fingerprint(Settings(scraper=scraper)) == ""  # type: ignore[arg-type]


def test_a_fingerprint_is_of_what_makes_the_record() -> None:
    """The same for a function and its name; another for each thing that counts, and only for those."""
    plain = fingerprint(Settings(scraper=own.title))
    assert plain == fingerprint(
        Settings(scraper="tests.helpers.scrapers:title", timeout=1, headers={"X": "y"})
    )
    settings = [
        {"scraper": "tests.helpers.scrapers:title", "select": ("a=b",)},
        {"scraper": "page"},
        {"scraper": "article"},
        {"select": ("a=b",)},
        {"select": ("a=c",)},
        {"scraper": "page", "headers": {"accept-language": "de"}},
    ]
    made = [plain, *(fingerprint(Settings(**one)) for one in settings)]  # type: ignore[arg-type]
    assert len(set(made)) == len(made)
    assert all(len(one) == 12 for one in made)
    assert fingerprint(Settings()) == fingerprint(Settings(scraper="article"))
