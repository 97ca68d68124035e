"""Directives of a page: whom they are for, how they are written, and how many are kept."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given, strategies as st

from parascrape.web import robots as robots_tags
from parascrape.web.robots import MAX_DIRECTIVES, robots_meta


@pytest.mark.parametrize(
    ("value", "directives"),
    [
        ("", ()),
        ("noindex", ("noindex",)),
        (" NOINDEX ,nofollow,, noindex", ("nofollow", "noindex")),
        ("none", ("nofollow", "noindex")),
        ("all", ()),
        ("index, follow", ()),
        ("sudo make me", ()),
        ("max-snippet:-1, max-image-preview: large", ("max-image-preview: large", "max-snippet: -1")),
        ("unavailable_after: 2030-09-21", ("unavailable_after: 2030-09-21",)),
        (
            "unavailable_after: Wed, 03 Jul 2030 15:00:00 GMT, noindex",
            ("noindex", "unavailable_after: wed, 03 jul 2030 15:00:00 gmt"),
        ),
        ("noai, noimageai", ("noai", "noimageai")),
    ],
)
def test_directives_are_the_same_in_a_header_and_in_a_meta_element(
    value: str, directives: tuple[str, ...]
) -> None:
    """They are lower case, sorted, each once; unknown directives are left out."""
    assert robots_meta([value], [], "ours/1.0") == directives
    assert robots_meta([], [("robots", value)], "ours/1.0") == directives


@pytest.mark.parametrize(
    ("headers", "metas", "directives"),
    [
        (["ours: noindex"], [], ("noindex",)),
        (["OURS : noindex"], [], ("noindex",)),
        (["other: noindex"], [], ()),
        (["other: noindex, nofollow"], [], ()),
        (["other: noindex", "nofollow"], [], ("nofollow",)),
        (["nofollow, other: noindex, ours: noarchive"], [], ("noarchive", "nofollow")),
        ([], [("ours", "noindex"), ("other", "nofollow"), ("ROBOTS", "noarchive")], ("noarchive", "noindex")),
        ([], [("description", "noindex")], ()),
        (["noindex"], [("robots", "all")], ("noindex",)),
    ],
)
def test_directives_for_other_robots_are_left_out(
    headers: list[str], metas: list[tuple[str, str]], directives: tuple[str, ...]
) -> None:
    """A name holds to the end of its field; ours is the User-Agent header's product."""
    assert robots_meta(headers, metas, "ours/1.0") == directives


@given(
    st.lists(st.text("noindexa,: _u\t\n\u00fc") | st.just("unavailable_after:" + ",9" * 3000), max_size=60)
)
def test_any_values_give_a_bounded_answer(values: list[str]) -> None:
    """A page cannot make its record long."""
    found = robots_meta(values, [("robots", value) for value in values], "ours")
    assert len(found) <= MAX_DIRECTIVES
    assert all(len(directive) <= 100 and directive.isprintable() for directive in found)
    assert len(robots_meta([f"max-snippet: {n}" for n in range(40)], [], "ours")) == MAX_DIRECTIVES


def test_the_examples_in_the_docstrings_hold() -> None:
    """They are what a reader tries first."""
    assert doctest.testmod(robots_tags).failed == 0
