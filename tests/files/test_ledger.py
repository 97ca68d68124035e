"""The ledger and its lock: what an output holds is read back from it, whatever ended the run before."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from parascrape.errors import InvalidUrl, OutputBusy, UsageError
from parascrape.files.ledger import Ledger, PageLines, drop_pages, entry_key, read_ledger, read_pages
from parascrape.files.outcomes import fail
from parascrape.records import Entry, encode, parse
from parascrape.system.locks import OutputLock

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
COLUMNS = st.none() | st.dictionaries(st.text(max_size=5), JSON, max_size=4)
URLS = st.text(st.characters(exclude_categories=()), max_size=40) | st.from_regex(
    r"https?://([a-z]*:[^/]*@)?[a-z.]+/[\x00-\U0010ffff]{0,20}", fullmatch=True
)


def line(url: str, code: str = "", columns: dict[str, Any] | None = None, **meta: Any) -> bytes:
    """One line of an output."""
    body: dict[str, Any] = {"error": {"code": code, "message": ""}} if code else {"title": "本"}
    return encode({"url": url, **body, **({"input": columns} if columns else {}), "meta": meta})


def page(url: str, items: int) -> bytes:
    """The lines of a page that gave several records."""
    return b"".join(line(url, item=item, items=items) for item in range(1, items + 1))


A, B, C = line("http://h/a"), line("http://h/b", "timeout"), page("http://h/c", 3)


def written(folder: Path, *parts: bytes) -> Path:
    """An output with these bytes."""
    path = folder / "out.jsonl"
    path.write_bytes(b"".join(parts))
    return path


def found(path: Path) -> list[tuple[str, int, int, str]]:
    """URL, start, size and code of each page."""
    return [(one.record["url"], one.start, one.size, one.code) for one in read_pages(path)]


# --- entries and their records ----------------------------------------------------------------------


@given(url=URLS, columns=COLUMNS)
@settings(max_examples=20, deadline=None)
def test_an_entry_has_the_key_of_its_record(url: str, columns: dict[str, Any] | None) -> None:
    """Whatever the URL's text is, and whatever stood beside it, also what no record can carry."""
    entry = Entry(url, 3, "list.csv", columns)
    record = parse(fail(entry, InvalidUrl("no URL")).lines)
    assert PageLines(record, 0, 0, "").key == entry_key(entry)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Entry("http://h/"), Entry("http://h/?")),
        (Entry("http://h/", columns={"id": "1"}), Entry("http://h/", columns={"id": 1})),
        (Entry("http://h/", columns={"id": "1"}), Entry("http://h/", columns={"no": "1"})),
        (Entry("http://h/", columns={"id": "1"}), Entry("http://h/")),
    ],
)
def test_other_entries_have_other_keys(one: Entry, other: Entry) -> None:
    """A URL that differs, or a column."""
    assert entry_key(one) != entry_key(other)


def test_place_password_and_order_of_columns_are_not_in_the_key() -> None:
    """A list may be moved about, and an output holds no password."""
    one = Entry("http://me:secret@h/", 1, "a.csv", {"x": "1", "y": "2"})
    other = Entry("http://h/", 9, "b.csv", {"y": "2", "x": "1"})
    assert entry_key(one) == entry_key(other)


@given(
    held=st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["", "status", "timeout"]))),
    asked=st.lists(st.sampled_from("abcde")),
)
def test_every_outcome_is_taken_once(held: list[tuple[str, str]], asked: list[str]) -> None:
    """As many entries have an outcome as the output holds for them, and it is one of those."""
    ledger = Ledger(PageLines(parse(line(url, code)), 0, 1, code) for url, code in held)
    assert len(ledger) == len(held)
    taken = Counter((url, code) for url in asked if (code := ledger.take(Entry(url))) is not None)
    assert taken <= Counter(held)
    for url in "abcde":
        there = sum(one == url for one, _ in held)
        assert sum(n for (one, _), n in taken.items() if one == url) == min(there, asked.count(url))
    failures = sum(bool(code) for _, code in held)
    assert ledger.failed == failures - sum(n for (_, code), n in taken.items() if code)


# --- reading an output ------------------------------------------------------------------------------


def test_pages_are_read_with_all_their_lines(tmp_path: Path) -> None:
    """One line or several, a failure with its code, a page that gave no record."""
    none = line("http://h/d", item=0, items=0)
    at = [0, len(A), len(A + B), len(A + B + C)]
    assert found(written(tmp_path, A, B, C, none)) == [
        ("http://h/a", at[0], len(A), ""),
        ("http://h/b", at[1], len(B), "timeout"),
        ("http://h/c", at[2], len(C), ""),
        ("http://h/d", at[3], len(none), ""),
    ]


def test_an_output_cut_anywhere_is_read_to_its_last_whole_page(tmp_path: Path) -> None:
    """A kill may leave any beginning of a write: half a line, or some lines of a page."""
    for cut in range(len(A + B + C) + 1):
        whole = [end for end in (len(A), len(A + B), len(A + B + C)) if end <= cut]
        ledger = read_ledger(written(tmp_path, (A + B + C)[:cut]))
        assert (len(ledger), ledger.size) == (len(whole), whole[-1] if whole else 0)


@pytest.mark.parametrize(
    "tail",
    [
        b"\0" * 4096,
        b"\0" * 100 + b"\n",
        (b"\0" * 8 + b"\n") * 2,
        b'{"url":"http://h/x","ti\0\0\0',
        b"\0" * 30 + B[30:],
    ],
    ids=["block", "line", "lines", "half a line", "end of a line"],
)
@pytest.mark.parametrize("before", [b"", A, A + C, C[:-10], C[: len(C) // 3]])
def test_what_a_power_loss_leaves_is_no_page(tmp_path: Path, before: bytes, tail: bytes) -> None:
    """NUL bytes stand where the disk has the file's length and not its data."""
    ledger = read_ledger(written(tmp_path, before, tail))
    whole = before if before in (b"", A, A + C) else b""
    assert ledger.size == len(whole)


@pytest.mark.parametrize(
    ("parts", "number"),
    [
        ([A, b"\0" * 50 + b"\n", B], 2),
        ([A, A[:30] + b"\n", B], 2),
        ([A[:30] + b"\n"], 1),
        ([b"dear diary,\n", b"today\n"], 1),
        ([b"dear diary, no end of line"], 1),
        ([A, B, b"dear diary"], 3),
        ([b'{"url":"http://h/","title":"of another tool"}\n'], 1),
        ([b'{"url":7,"meta":{}}\n'], 1),
        ([b'{"url":"http://h/","meta":"x"}\n'], 1),
        ([b"[1]\n"], 1),
        ([A, "日記\n".encode("utf-16")], 2),
    ],
)
def test_what_is_no_output_is_refused(tmp_path: Path, parts: list[bytes], number: int) -> None:
    """Somebody else's file, or damage before good records: said by its line, and nothing is cut."""
    path = written(tmp_path, *parts)
    with pytest.raises(UsageError, match=f"line {number} is not a record; name another --output"):
        read_ledger(path)
    assert path.read_bytes() == b"".join(parts)


def test_odd_places_in_meta_are_single_lines(tmp_path: Path) -> None:
    """A scraper's output that other hands have changed is read as far as it can be."""
    assert len(read_ledger(written(tmp_path, line("http://h/", item="x", items=None), A))) == 2


def test_no_file_is_an_empty_ledger(tmp_path: Path) -> None:
    """The first run has nothing behind it."""
    ledger = read_ledger(tmp_path / "none.jsonl")
    assert (len(ledger), ledger.size, ledger.take(Entry("http://h/"))) == (0, 0, None)


# --- taking pages out -------------------------------------------------------------------------------


@pytest.mark.parametrize("tail", [b"", B[:20], C[:-1]])
def test_dropped_pages_leave_the_others_as_they_were(tmp_path: Path, tail: bytes) -> None:
    """Byte for byte and in their order, without a torn tail; the file's mode stays."""
    path = written(tmp_path, B, A, B, C, tail)
    path.chmod(0o640)
    assert drop_pages(path, lambda one: bool(one.code)) == 2
    assert path.read_bytes() == A + C
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir()] == ["out.jsonl"]


def test_dropping_goes_through_a_link(tmp_path: Path) -> None:
    """The file that a symbolic link names is replaced, not the link."""
    path, link = written(tmp_path, A, B), tmp_path / "link"
    link.symlink_to(path)
    drop_pages(link, lambda one: bool(one.code))
    assert link.is_symlink()
    assert path.read_bytes() == A


def test_a_drop_that_fails_changes_nothing(tmp_path: Path) -> None:
    """No copy is left behind either."""
    path = written(tmp_path, A, b"damage\n", B)
    with pytest.raises(UsageError):
        drop_pages(path, lambda one: bool(one.code))
    assert path.read_bytes() == A + b"damage\n" + B
    assert [one.name for one in tmp_path.iterdir()] == ["out.jsonl"]


# --- the lock ---------------------------------------------------------------------------------------


def test_a_second_holder_is_told_who_is_the_first(tmp_path: Path) -> None:
    """By process id, whatever name the output goes by."""
    path, link = written(tmp_path), tmp_path / "link"
    link.symlink_to(path)
    lock = OutputLock(path)
    for name in (path, link, tmp_path / "." / "out.jsonl"):
        with pytest.raises(OutputBusy, match=f"is being written by process {os.getpid()}: wait for it"):
            OutputLock(name)
    lock.release()


def test_a_released_lock_can_be_taken_and_leaves_no_file(tmp_path: Path) -> None:
    """Releasing twice does no harm to the next holder."""
    first = OutputLock(tmp_path / "out")
    first.release()
    assert list(tmp_path.iterdir()) == []
    second = OutputLock(tmp_path / "out")
    first.release()
    with pytest.raises(OutputBusy):
        OutputLock(tmp_path / "out")
    second.release()


@pytest.mark.parametrize("content", ["", "1\n", "ours\n", "999999999999999999999999\n", "\xff"])
def test_the_lock_file_of_a_dead_process_does_not_lock(tmp_path: Path, content: str) -> None:
    """Also where its number has become that of a living process."""
    (tmp_path / "out.lock").write_text(content.replace("ours", str(os.getpid())))
    lock = OutputLock(tmp_path / "out")
    assert (tmp_path / "out.lock").read_text() == f"{os.getpid()}\n"
    lock.release()


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    """However it ends: nothing of Python's runs after a kill."""
    code = (
        "import os, pathlib, signal, sys; from parascrape.system.locks import OutputLock\n"
        "lock = OutputLock(pathlib.Path(sys.argv[1]))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "out")], env=environment, check=False)
    assert (tmp_path / "out.lock").exists()
    OutputLock(tmp_path / "out").release()


def test_a_lock_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """With the system's reason."""
    with pytest.raises(UsageError, match=f"cannot lock .*{os.strerror(errno.ENOENT)}"):
        OutputLock(tmp_path / "no folder" / "out")
