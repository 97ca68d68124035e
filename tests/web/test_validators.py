"""Validators: those kept from an answer, the conditions sent, and the hash of the content."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from parascrape.web.validators import Validators, condition, hash_answer, validators_of

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
URL = "http://h/a"
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
    """This holds for any header of a server and any text in the previous output."""
    kept = validators_of({"ETag": etag, "Last-Modified": modified}, NOW)
    for value in [*kept.values(), *condition(Validators(etag, modified), {}).values()]:
        assert value.isascii()
        assert value.isprintable()


@pytest.mark.parametrize("name", ["If-None-Match", "if-modified-since", "RANGE"])
def test_a_condition_of_the_user_is_sent_alone(name: str) -> None:
    """A 304 answers the user's condition."""
    assert condition(Validators('"1"'), {}) == {"If-None-Match": '"1"'}
    assert condition(Validators('"1"'), {name: "x"}) == {}


def test_the_header_of_gzip_is_not_content() -> None:
    """A time or a name in it does not change the hash; a byte after it does."""
    stream = b"\x03\x00" + bytes(8)
    bodies = [b"\x1f\x8b\x08\x00" + bytes(6), b"\x1f\x8b\x08\x00" + b"\1" * 6]
    bodies.append(b"\x1f\x8b\x08\x08" + b"\2" * 6 + b"name\0")
    made = {hash_answer(URL, {"Content-Encoding": "gzip"}, head + stream) for head in bodies}
    assert len(made) == 1
    assert hash_answer(URL, {"Content-Encoding": "gzip"}, bodies[0] + stream + b"\1") not in made
    assert hash_answer(URL, {}, bodies[0] + stream) not in made


@pytest.mark.parametrize("changed", [{"Content-Type": "b"}, {"X-Robots-Tag": "none"}])
def test_headers_that_are_in_the_record_are_content(changed: dict[str, str]) -> None:
    """The URL is content as well, because links are relative to it."""
    assert hash_answer(URL, {}, b"") != hash_answer(URL, changed, b"") != hash_answer(URL + "b", changed, b"")
