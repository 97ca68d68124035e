"""Records: the order of their keys, one line each whatever is in them, and what JSON cannot carry."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, strategies as st

from parascrape.errors import BadRecord
from parascrape.records import RESERVED, Meta, encode, failure, note_attempt, parse, success, with_earlier

TEXT = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
META: Meta = {"status": 200, "attempts": 1}
URL = "https://example.org/"


def test_a_good_record_has_its_keys_in_their_order() -> None:
    """url, the scraper's keys as it gave them, input, meta."""
    record = success(URL, {"zebra": 1, "apple": 2}, {"id": "7"}, META)
    assert list(record) == ["url", "zebra", "apple", "input", "meta"]
    assert encode(record) == (
        b'{"url":"https://example.org/","zebra":1,"apple":2,"input":{"id":"7"},"meta":{"status":200,"attempts":1}}\n'
    )


def test_a_failure_has_its_keys_in_their_order() -> None:
    """url, error, input, meta."""
    record = failure(URL, {"code": "dns", "message": "no address"}, {"id": "7"}, META)
    assert list(record) == ["url", "error", "input", "meta"]
    assert list(failure(URL, {"code": "dns"}, None, {})) == ["url", "error", "meta"]


@pytest.mark.parametrize("columns", [None, {}])
def test_there_is_no_input_where_the_list_had_no_other_columns(columns: dict[str, Any] | None) -> None:
    """An empty key says nothing."""
    assert list(success(URL, {"a": 1}, columns, META)) == ["url", "a", "meta"]


@pytest.mark.parametrize("key", sorted(RESERVED))
def test_a_scraper_may_not_use_the_keys_of_the_record(key: str) -> None:
    """The message names the key; the page's own url is no clash."""
    with pytest.raises(BadRecord, match=repr(key)):
        success(URL, {"a": 1, key: "other"}, None, META)
    with pytest.raises(BadRecord, match="'meta'"):
        success(URL, {"url": URL, "meta": 1}, None, META)
    assert success(URL, {"a": 1, "url": URL}, None, META) == {"url": URL, "a": 1, "meta": META}


@given(st.dictionaries(TEXT, JSON, max_size=5))
@example({"a": "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e\r\n\0\ufeff"})
@example({"\u2028\x85": {"\u2029": ["\u0085", "\\u2028", "\\\u2028"]}})
@example({"a": [-0.0, 5e-324, 1.7976931348623157e308, 2**64 - 1, -(2**63)]})
def test_a_record_comes_back_as_it_was(record: dict[str, Any]) -> None:
    """Whatever JSON can carry: one line for every reader, the same value, the same order of keys."""
    line = encode(record)
    assert line.endswith(b"\n")
    assert len(line.decode().splitlines()) == 1
    assert len(line.splitlines()) == 1
    assert parse(line) == record
    assert list(parse(line)) == list(record)
    assert json.loads(line) == record


def test_text_is_not_escaped_but_for_what_ends_a_line() -> None:
    """People read the file, and grep it."""
    assert encode({"a": "日本語 é 😀"}) == '{"a":"日本語 é 😀"}\n'.encode()
    assert encode({"a": "x\u2028y\u2029z\x85"}) == b'{"a":"x\\u2028y\\u2029z\\u0085"}\n'
    assert encode({"a": "‘x’—\u2027\u202a\x84\x86"}) == '{"a":"‘x’—\u2027\u202a\x84\x86"}\n'.encode()


@dataclass
class Plain:
    a: int = 1


class Odd:
    def __repr__(self) -> str:
        return "odd"


class Pair(NamedTuple):
    a: int
    b: int


def endless() -> list[Any]:
    inner: list[Any] = []
    inner.append(inner)
    return inner


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


BAD = {
    "nan": float("nan"),
    "inf": float("inf"),
    "-inf": float("-inf"),
    "set": {1},
    "bytes": b"x",
    "datetime": datetime(2024, 1, 1, tzinfo=UTC),
    "date": datetime(2024, 1, 1, tzinfo=UTC).date(),
    "dataclass": Plain(),
    "object": Odd(),
    "named tuple": Pair(1, 2),
    "decimal": Decimal("1.5"),
    "complex": 1j,
    "int64": 2**64,
    "-int64": -(2**63) - 1,
    "surrogate": "a\ud800b",
    "int-key": {1: 2},
    "none-key": {None: 2},
    "surrogate-key": {"\udc00": 2},
    "generator": (x for x in "ab"),
    "deep": nested(250),
    "very-deep": nested(5_000),
    "endless": endless(),
}


@pytest.mark.parametrize("name", BAD)
def test_what_json_cannot_carry_is_named(name: str) -> None:
    """Nothing is written as something else, and the message says where it stands."""
    value = BAD[name]
    for record, place in (
        ({"a": 1, "price": value}, "price"),
        ({"a": {"b": 1, "price": value}}, "a.price"),
        ({"a": [{"x": 1}, {"price": (1, value)}]}, "a[1].price[1]"),
    ):
        with pytest.raises(BadRecord, match="^" + re.escape(place)) as caught:
            encode(record)
        assert len(str(caught.value)) < 2_000
        str(caught.value).encode()


@pytest.mark.parametrize("key", [1, None, ("a",), b"a", 1.5])
def test_a_key_that_is_no_string_is_named(key: Any) -> None:
    """JSON has only string keys, and silent conversion loses which it was."""
    with pytest.raises(BadRecord, match=re.escape(f"the key {key!r} is {type(key).__name__}")):
        encode({"url": URL, key: 1})


@pytest.mark.parametrize("value", [float("nan"), {1}, nested(300)], ids=["nan", "set", "deep"])
def test_the_message_of_a_bad_record_is_itself_a_value_of_a_record(value: Any) -> None:
    """It goes into the failure's line, whatever the keys are that it names."""
    for key in ("\ud800", "\x1b[31m\n", "k" * 100_000):
        with pytest.raises(BadRecord) as caught:
            encode({"a": {key: value}})
        message = str(caught.value)
        assert message.isprintable()
        assert len(message) <= 700
        assert encode(failure(URL, {"code": "bad_record", "message": message}, None, META))


def test_tuples_are_lists_and_200_levels_are_allowed() -> None:
    """The bound is far from any page's data."""
    assert encode({"a": (1, (2,))}) == b'{"a":[1,[2]]}\n'
    assert parse(encode({"a": nested(200)})) == {"a": nested(200)}


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"[1]", b'"a"', b"null", b"1", b'{"a":1', b'{"a":NaN}', b"\xff", b"{}{}"]
)
def test_a_line_that_is_no_object_is_a_value_error(line: bytes) -> None:
    """A torn last line is told from a record."""
    with pytest.raises(ValueError, match=r"."):
        parse(line)


def test_the_last_attempt_tells_of_those_before_it() -> None:
    """In the first record of a page, at its place in meta, all else as it was."""
    failed = encode(
        {
            "url": "http://h/",
            "error": {"code": "status", "message": "503"},
            "meta": {"status": 503, "fetched_at": "2026-11-21T12:00:00.000Z", "elapsed": 0.25, "attempts": 1}
            | {"fetch_seconds": 0.25, "retry_after": 7.0, "line": 3},
        }
    )
    noted = note_attempt(failed, "status")
    assert noted == {
        "code": "status",
        "status": 503,
        "fetched_at": "2026-11-21T12:00:00.000Z",
        "fetch_seconds": 0.25,
        "retry_after": 7.0,
    }
    first = {"url": "http://h/", "t": "a\u2028b\n", "meta": {"elapsed": 1e-05, "attempts": 2, "item": 1}}
    others = encode({**first, "meta": {"item": 2}}) * 2
    told = with_earlier(encode(first) + others, [noted, noted])
    line, _, rest = told.partition(b"\n")
    assert rest == others
    assert list(parse(line)["meta"]) == ["elapsed", "earlier", "attempts", "item"]
    assert parse(line)["meta"].pop("earlier") == [noted, noted]
    assert {**parse(line), "meta": first["meta"]} == first
    assert with_earlier(told, []) == told
