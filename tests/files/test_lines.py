"""Lists by the byte: any coding, any bytes, any length, with no line lost and no memory taken."""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from parascrape.errors import UsageError
from parascrape.files.lines import MAX_LINE
from parascrape.files.lists import count_entries, read_lists
from parascrape.records import Entry
from tests.helpers.lists import Write, feed_stdin, read

HERE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
URLS = st.from_regex(
    r"https?://[a-z]{1,9}\.(org|jp)(:8080)?/[a-zé語 ]{0,9}[a-z](\?[a-z,\";=]{1,9}z)?", fullmatch=True
)
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | CELLS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(CELLS, inner, max_size=3),
    max_leaves=5,
)


def pairs(entries: list[Entry]) -> list[tuple[str, int]]:
    return [(entry.url, entry.line) for entry in entries]


TEXT = "\ufeff# a list\r\nhttp://a/\r\n\r\n  https://b/x \r\n\t# more\r\nhttp://c/"
TEXT_PAIRS = [("http://a/", 2), ("https://b/x", 4), ("http://c/", 6)]


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.replace("\r\n", "\n").encode(),
        TEXT.replace("\r\n", "\r").encode(),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-be"),
        gzip.compress(TEXT.encode()),
        gzip.compress(TEXT.encode()[:20]) + gzip.compress(TEXT.encode()[20:]),
        gzip.compress(TEXT.encode("utf-16")),
    ],
    ids=["crlf", "lf", "cr", "utf-16", "utf-16-be", "gzip", "gzip-members", "gzip-utf-16"],
)
@pytest.mark.parametrize("name", ["list.txt", "list", "list.txt.gz", "-"])
def test_text_is_read_whatever_its_coding(
    write: Write, monkeypatch: pytest.MonkeyPatch, content: bytes, name: str
) -> None:
    """Line ends, byte order marks, UTF-16, gzip: the same entries with their physical lines."""
    source = "-" if name == "-" else write(name, content)
    feed_stdin(monkeypatch, content)
    entries = read(source)
    assert pairs(entries) == TEXT_PAIRS
    assert {entry.source for entry in entries} == {source}
    assert not any(entry.problem or entry.columns for entry in entries)


@pytest.mark.parametrize(
    "row",
    [
        "http://b/," + "x" * (MAX_LINE + 5),
        "http://b/," + "x,y" * MAX_LINE,
        'http://b/,"' + "x\n" * (MAX_LINE // 2 + 9),
    ],
    ids=["cell", "line", "open-quote"],
)
def test_a_csv_row_without_end_is_a_problem_and_not_memory(write: Write, row: str) -> None:
    """A cell, a line or an open quote beyond the bound spoils its own lines only."""
    entries = read(write("l.csv", f"url,t\nhttp://a/,1\n{row}\nhttp://c/,2\n"))
    assert entries[0].url == "http://a/"
    assert entries[1].problem.startswith("not CSV")
    assert entries[1].line == 3
    assert (entries[-1].url, entries[-1].columns) == ("http://c/", {"t": "2"})


@pytest.mark.parametrize("damage", ["cut", "overwritten"])
def test_a_damaged_gzip_gives_its_whole_lines_first(write: Write, damage: str) -> None:
    """Then it raises, naming the file; the count is of what can be read."""
    lines = "".join(f"http://h/{os.urandom(16).hex()}\n" for _ in range(20_000))
    packed = bytearray(gzip.compress(lines.encode()))
    if damage == "cut":
        del packed[-1000:]
    else:
        packed[-8:-4] = bytes(byte ^ 255 for byte in packed[-8:-4])
    source = write("l.txt.gz", bytes(packed))
    found: list[str] = []
    with pytest.raises(UsageError, match=re.escape(source) + ": damaged"):
        found.extend(entry.url for entry in read_lists([source]))
    assert 15_000 < len(found) <= 20_000
    assert found == lines.split()[: len(found)]
    assert count_entries([source]) == len(found)


def test_many_files_are_open_one_at_a_time(tmp_path: Path) -> None:
    """Lists are opened as they are come to: descriptors do not grow with them."""
    (tmp_path / "l").write_text("http://a/\n")
    entries = read_lists([str(tmp_path / "l")] * 500)
    next(entries)
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    for _ in range(400):
        next(entries)
    after = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    assert len(after) <= len(before) + 1
    assert sum(1 for _ in entries) == 99


def test_a_pipe_has_no_count_and_is_not_read_early(tmp_path: Path) -> None:
    """Checking or counting a FIFO would eat its lines."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("no FIFOs here")
    fifo = str(tmp_path / "pipe")
    os.mkfifo(fifo)
    assert count_entries([fifo]) is None
    stream = read_lists([fifo])
    reader = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)  # keeps the pipe open while both ends are in here
    os.write(reader, b"http://a/\n" * 3)
    assert next(stream).url == "http://a/"
    os.close(reader)


@given(
    st.lists(URLS, max_size=20), st.sampled_from(["l", "l.csv", "l.tsv", "l.jsonl"]), st.booleans(), st.data()
)
@HERE
def test_what_is_written_is_read_back(
    tmp_path: Path, urls: list[str], name: str, packed: bool, data: st.DataObject
) -> None:
    """URLs and columns come back as they were, from every kind of list."""
    cells = JSON if name == "l.jsonl" else CELLS
    rows: list[dict[str, Any]] = [
        {"url": url, "a": data.draw(cells), "b": data.draw(cells)} if name != "l" else {"url": url}
        for url in urls
    ]
    if name == "l":
        content = "".join(f"{url}\n" for url in urls).encode()
    elif name == "l.jsonl":
        content = b"".join(orjson.dumps(row) + b"\n" for row in rows)
    else:
        buffer = io.StringIO()
        table = csv.DictWriter(buffer, ["a", "url", "b"], delimiter="," if name == "l.csv" else "\t")
        table.writeheader()
        table.writerows(rows)
        content = buffer.getvalue().encode()
    path = tmp_path / (name + ".gz" * packed)
    path.write_bytes(gzip.compress(content) if packed else content)
    entries = read(str(path))
    assert [{"url": entry.url, **(entry.columns or {})} for entry in entries] == rows
    assert not any(entry.problem for entry in entries)
    assert count_entries([str(path)]) == len(rows)


@given(
    st.lists(
        st.binary(max_size=40) | st.sampled_from([b"http://a/", b'{"url": 1}', b'"', b"#", b" "]), max_size=8
    )
)
@HERE
def test_any_bytes_give_an_entry_a_line(tmp_path: Path, lines: list[bytes]) -> None:
    """Of text, each line that is neither blank nor a comment is one entry; the other kinds do not crash."""
    content = b"http://a/\n" + b"\n".join(lines)
    path = tmp_path / "l"
    path.write_bytes(content)
    decoded = content.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    stripped = [(text.lstrip("\ufeff").strip(), number) for number, text in enumerate(decoded, 1)]
    expected = [number for text, number in stripped if text and not text.startswith("#")]
    entries = read(str(path))
    assert [entry.line for entry in entries] == expected
    assert count_entries([str(path)]) == len(expected)
    for entry in entries:
        entry.url.encode()
        assert entry.problem or entry.url == stripped[entry.line - 1][0]
    for name, head in (("l.csv", b"url,b\n"), ("l.tsv", b"url\tb\n"), ("l.jsonl", b'"http://a/"\n')):
        (tmp_path / name).write_bytes(head + content)
        assert len(read(str(tmp_path / name))) == count_entries([str(tmp_path / name)])


@given(st.binary(max_size=300))
@HERE
def test_any_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    """Of no bytes comes any other exception than UsageError."""
    for name in ("l", "l.csv", "l.jsonl", "l.gz"):
        (tmp_path / name).write_bytes(b"\x1f\x8b\x08" * name.endswith("gz") + content)
        with suppress(UsageError):
            assert all(entry.line for entry in read(str(tmp_path / name)))


@pytest.mark.parametrize("suffix", ["txt", "csv", "jsonl"])
def test_memory_does_not_grow_with_the_list(tmp_path: Path, suffix: str) -> None:
    """Ten or thirty times the lines, the same peak within a megabyte."""
    head, line = {
        "txt": ("", "https://www.example.org/{0}\n"),
        "csv": ("id,url\n", "{0},https://www.example.org/{0}\n"),
        "jsonl": ("", '{{"url":"https://www.example.org/{0}","id":{0}}}\n'),
    }[suffix]
    peaks = []
    for count in (2_000, 60_000 if suffix == "txt" else 20_000):
        path = tmp_path / f"{count}.{suffix}"
        with path.open("w") as file:
            file.write(head)
            file.writelines(line.format(n) for n in range(count))
        tracemalloc.start()
        assert sum(1 for _ in read_lists([str(path)])) == count
        assert count_entries([str(path)]) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert abs(peaks[1] - peaks[0]) < 1_000_000


def test_a_line_without_end_takes_no_memory(tmp_path: Path) -> None:
    """64 MB without a line end are one entry, read in the space of a few lines."""
    path = tmp_path / "l.txt.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(64):
            file.write(b"x" * (1 << 20))
        file.write(b"\nhttp://a/\n")
    tracemalloc.start()
    entries = read(str(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [entry.line for entry in entries] == [1, 2]
    assert peak < 20_000_000
