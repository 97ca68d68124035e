"""The change feed: what it says of two outputs, and that nothing is missing in it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from parascrape import records
from parascrape.errors import OutputError, UsageError
from parascrape.files.diff import Change, ChangeCounts, compare, contents, write_changes
from tests.helpers.command import read_records

Page = list[dict[str, Any]]


def good(*rows: dict[str, Any], url: str = "http://h/a", status: int = 200, **more: Any) -> Page:
    """A page of one record, or of several."""
    if len(rows) == 1:
        return [
            {"url": url, **rows[0], **more, "meta": {"status": status, "fetched_at": os.urandom(2).hex()}}
        ]
    metas = [{"status": status, "item": item, "items": len(rows)} for item in range(1, len(rows) + 1)]
    pairs = zip(rows, metas, strict=True) if rows else [({}, {"status": status, "item": 0, "items": 0})]
    return [{"url": url, **row, **more, "meta": meta} for row, meta in pairs]


def bad(code: str = "status", status: int = 500, url: str = "http://h/a") -> Page:
    """A page that failed."""
    return [
        {"url": url, "error": {"code": code, "message": "m"}, "meta": {"status": status} if status else {}}
    ]


def write(path: Path, *pages: Page) -> Path:
    """An output of these pages."""
    path.write_bytes(b"".join(records.encode(record) for page in pages for record in page))
    return path


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (None, good({"a": 1}), {"change": "added", "after": [{"a": 1}]}),
        (None, bad(), {"change": "added", "status": 500, "error": bad()[0]["error"]}),
        (good({"a": 1}), None, {"change": "removed"}),
        (good({"a": 1}), bad(status=404), {"change": "gone", "status": 404}),
        (good({"a": 1}), bad(status=410), {"change": "gone", "status": 410}),
        (
            good({"a": 1}),
            bad("not_html", 404),
            {"change": "failed", "status": 404, "error": bad("not_html")[0]["error"]},
        ),
        (good({"a": 1}), bad("dns", 0), {"change": "failed", "error": bad("dns")[0]["error"]}),
        (bad(), good({"a": 1}, {"a": 2}), {"change": "back", "after": [{"a": 1}, {"a": 2}]}),
        (bad(), bad("dns"), None),
        (good({"a": 1}), good({"a": 1}), None),
        (good({"a": 1}), good({"a": 1}, status=304), None),
        (good({"a": 1}), good({"a": 1.0}), None),
        (good({"a": 1}, status=200), good({"a": 1}, status=203), {"status": {"before": 200, "after": 203}}),
        (good({"a": 1}), good({"a": True}), {"fields": {"a": {"before": 1, "after": True}}}),
        (
            good({"a": [{"b": 1}]}),
            good({"a": [{"b": 2}]}),
            {"fields": {"a": {"before": [{"b": 1}], "after": [{"b": 2}]}}},
        ),
        (
            good({"a": 1, "b": 2, "c": 3}),
            good({"b": 2, "d": None, "a": 5}),
            {"fields": {"d": {"after": None}, "a": {"before": 1, "after": 5}, "c": {"before": 3}}},
        ),
        (
            good({"a": 1}, input={"n": 1}),
            good({"a": 1}, input={"n": 2}),
            {"fields": {"input": {"before": {"n": 1}, "after": {"n": 2}}}},
        ),
        (good(), good({"a": 1}, {"a": 2}), {"records": {"before": [], "after": [{"a": 1}, {"a": 2}]}}),
        (
            good({"a": 1}, {"a": 2}),
            good({"a": 2}, {"a": 1}),
            {"records": {"before": [{"a": 1}, {"a": 2}], "after": [{"a": 2}, {"a": 1}]}},
        ),
        (good({"a": 1}, {"a": 2}), good({"a": 1}, {"a": 2}), None),
        (good(), good(), None),
    ],
)
def test_what_has_happened_to_a_page(before: Page | None, after: Page | None, change: Any) -> None:
    """Each kind of change, and pages that did not change."""
    expected = change and {"change": "changed", "url": "http://h/a", **change}
    assert compare(before, after) == expected


# --- whole outputs ----------------------------------------------------------------------------------

VALUES = st.sampled_from([None, 0, 1, True, "x", [1], {"b": 1}])
FIELDS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)
PAGES = st.one_of(
    st.lists(FIELDS, max_size=3).map(lambda rows: good(*rows)),
    st.sampled_from([bad(), bad(status=404), bad("dns", 0)]),
)
OUTPUTS = st.dictionaries(st.sampled_from("abcdef"), PAGES, max_size=6).flatmap(
    lambda pages: st.permutations(list(pages.items())).map(dict)
)


def placed(pages: dict[str, Page]) -> list[Page]:
    """The pages, each at its own URL."""
    return [[{**record, "url": name} for record in page] for name, page in pages.items()]


def state(page: Page) -> Any:
    """What the feed is to tell of a page: its fields, or that it failed."""
    return "failed" if "error" in page[0] else ("items" in page[0]["meta"], contents(page))


def apply(states: dict[str, Any], changes: list[dict[str, Any]], new: dict[str, Any]) -> dict[str, Any]:
    """The states after the changes; only whether a page is a listing is looked up."""
    after = dict(states)
    for change in changes:
        kind, url = change["change"], change["url"]
        if kind == "removed":
            del after[url]
        elif kind in ("gone", "failed") or "error" in change:
            after[url] = "failed"
        elif kind in ("added", "back"):
            after[url] = (new[url][0], change["after"])
        elif "records" in change:
            assert change["records"]["before"] == after[url][1]
            after[url] = (new[url][0], change["records"]["after"])
        else:
            fields = dict(after[url][1][0])
            for name, sides in change.get("fields", {}).items():
                assert ("before" in sides) == (name in fields)
                assert sides.get("before") == fields.pop(name, None)
                if "after" in sides:
                    fields[name] = sides["after"]
            after[url] = (False, [fields])
    return after


@settings(max_examples=60, deadline=None)
@given(OUTPUTS, OUTPUTS)
def test_the_changes_applied_to_the_old_make_the_new(
    tmp_path_factory: pytest.TempPathFactory, old: dict[str, Page], new: dict[str, Page]
) -> None:
    """The feed is complete and correct, and in the order of NEW."""
    folder = tmp_path_factory.getbasetemp()
    paths = [write(folder / name, *placed(one)) for name, one in (("old", old), ("new", new))]
    changes: list[Change] = []
    write_changes(*paths, note=changes.append)
    before, after = ({page[0]["url"]: state(page) for page in placed(one)} for one in (old, new))
    assert apply(before, changes, after) == after
    order = [*new, *(name for name in old if name not in new)]
    told = [order.index(change["url"]) for change in changes]
    assert told == sorted(set(told))


def test_equal_urls_are_paired_by_their_columns(tmp_path: Path) -> None:
    """The rest are paired in their order, then added or removed. Duplicates are ignored."""
    one, two = ({"input": {"n": number}} for number in (1, 2))
    old = write(tmp_path / "old", good({"a": 1}, **one), good({"a": 2}, **two), bad("duplicate"))
    new = write(tmp_path / "new", bad("duplicate"), good({"a": 2}, **two), good({"a": 1}, **one))
    assert write_changes(old, new).total == 0
    more = write(
        tmp_path / "more", good({"a": 3}), good({"a": 1}, **one), good({"a": 9}), good({"a": 2}, **two)
    )
    assert write_changes(more, old).removed == 2


def test_a_feed_is_written_and_counted(tmp_path: Path) -> None:
    """A torn line is ignored in both outputs; the folder is made; ``note`` is called with each change."""
    old = write(
        tmp_path / "old", good({"a": 1}), good({"a": 1}, url="http://h/b"), good({"a": 1}, url="http://h/c")
    )
    new = write(
        tmp_path / "new", good({"a": 2}), good({"a": 1}, url="http://h/c"), good({"a": 1}, url="http://h/d")
    )
    for path in (old, new):
        path.write_bytes(path.read_bytes() + b'{"url":"http://h/torn","a"')
    told: list[Any] = []
    target = tmp_path / "there" / "changes.jsonl"
    counts = write_changes(old, new, target, note=told.append)
    assert counts == ChangeCounts(added=1, changed=1, removed=1, same=1)
    assert counts.total == 3
    assert [one["change"] for one in told] == ["changed", "added", "removed"]
    assert [one["change"] for one in map(records.parse, target.read_bytes().splitlines())] == [
        "changed",
        "added",
        "removed",
    ]
    assert [path.name for path in target.parent.iterdir()] == ["changes.jsonl"]


def test_a_feed_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing beside it."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    old, new = write(tmp_path / "old", good({"a": 1})), write(tmp_path / "new", good({"a": 2}))
    target = tmp_path / "changes.jsonl"
    target.write_text("before")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space"):
        write_changes(old, new, target)
    assert target.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["changes.jsonl", "new", "old"]


def test_what_is_no_output_is_refused(tmp_path: Path) -> None:
    """So are a target that is one of them, and one that is no file."""
    fine, other = write(tmp_path / "fine", good({"a": 1})), tmp_path / "other"
    other.write_text("dear diary\nhello\n")
    for pair in ((fine, other), (other, fine), (fine, tmp_path / "none"), (tmp_path, fine)):
        with pytest.raises(UsageError):
            write_changes(*pair)
    for target in (fine, tmp_path):
        with pytest.raises(UsageError):
            write_changes(fine, fine, target)
    assert read_records(fine)


def test_a_field_as_deep_as_a_record_may_be_is_told(tmp_path: Path) -> None:
    """The feed nests it deeper than an output does."""
    deep: Any = 1
    for _ in range(199):
        deep = [deep]
    old, new = write(tmp_path / "old", good({"a": 1})), write(tmp_path / "new", good({"a": deep}))
    write_changes(old, new, target := tmp_path / "changes.jsonl")
    assert records.parse(target.read_bytes())["fields"]["a"]["after"] == deep
