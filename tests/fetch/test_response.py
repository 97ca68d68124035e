"""Header fields: the mapping that answers have does all that requests' own does."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, strategies as st
from requests.structures import CaseInsensitiveDict

from parascrape.fetch.response import HeaderFields, join_fields

NAMES = st.sampled_from(["A", "a", "Content-Type", "content-type", "X-Robots-Tag", "É"])
PAIRS = st.lists(st.tuples(NAMES, st.text(max_size=3)), max_size=6)


@given(PAIRS)
def test_fields_are_like_those_of_requests(pairs: list[tuple[str, str]]) -> None:
    """Whatever is set, each view and each look-up gives the same, in the same order."""
    fields, theirs = HeaderFields(pairs), CaseInsensitiveDict(pairs)
    assert fields == theirs
    assert theirs == fields
    assert [*fields.items()] == [*theirs.items()]
    assert [*fields.lower_items()] == [*theirs.lower_items()]
    assert ([*fields], [*fields.values()], len(fields)) == ([*theirs], [*theirs.values()], len(theirs))
    for name in ("a", "CONTENT-TYPE", "x-robots-tag", "é", "none"):
        assert (name in fields) == (name in theirs)
        assert (fields.get(name), fields.get(name, "-")) == (theirs.get(name), theirs.get(name, "-"))
    assert repr(fields) == repr(theirs)
    assert pickle.loads(pickle.dumps(fields)) == theirs


def test_a_copy_is_changed_apart() -> None:
    """What is done to a copy leaves the fields as they are."""
    fields = HeaderFields({"A": "1"}, B="2")
    copy = fields.copy()
    copy["a"] = "3"
    del copy["b"]
    assert (fields, copy) == ({"A": "1", "B": "2"}, {"a": "3"})
    with pytest.raises(KeyError):
        copy["b"]


def test_lines_of_one_name_are_joined() -> None:
    """A list's values come together; of a field that holds one value the first counts."""
    lines = [
        b"Vary: a\r\n",
        b"vary:b \r\n",
        b"Location: /1\r\n",
        b"location: /2\r\n",
        b"no colon\r\n",
        b"\r\n",
    ]
    assert [*join_fields(lines).items()] == [("vary", "a, b"), ("Location", "/1")]
