"""Lists: every kind gives the same entries, no line is lost, and faults are said before the first."""

from __future__ import annotations

import doctest
import gzip
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from parascrape.errors import UsageError
from parascrape.files import lists
from parascrape.files.lines import MAX_LINE
from parascrape.files.lists import count_entries, default_name, read_lists
from parascrape.records import Entry
from tests.helpers.lists import Write, feed_stdin, read


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("l.csv", 'id,url,title\n1,http://a/,"x, ""y"""\n\n2, https://b/ ,"two\nlines"\n3,http://c/,z\n'),
        (
            "l.tsv",
            'id\turl\ttitle\n1\thttp://a/\t"x, ""y"""\n\n2\thttps://b/\t"two\nlines"\n3\thttp://c/\tz\n',
        ),
        (
            "l.jsonl",
            '{"id":"1","url":"http://a/","title":"x, \\"y\\""}\n\n\n{"title":"two\\nlines","url":"https://b/","id":"2"}'
            '\n\n{"id":"3","url":"http://c/","title":"z"}',
        ),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_tables_carry_their_other_columns(write: Write, name: str, content: str, packed: bool) -> None:
    """CSV, TSV and JSON Lines give the same entries, gzipped too, at the line where each record begins."""
    data = gzip.compress(content.encode()) if packed else content.encode()
    source = write(name + ".gz" * packed, data)
    assert [(entry.url, entry.line, entry.columns) for entry in read(source)] == [
        ("http://a/", 2 if name != "l.jsonl" else 1, {"id": "1", "title": 'x, "y"'}),
        ("https://b/", 4, {"id": "2", "title": "two\nlines"}),
        ("http://c/", 6, {"id": "3", "title": "z"}),
    ]
    assert count_entries([source]) == 3


def test_rows_with_too_many_or_too_few_cells_survive(write: Write) -> None:
    """What is beyond the header is named by its column's number; what is missing is left out."""
    source = write("l.csv", "a,url,b,,b\n1,http://a/\n2,http://b/,3,4,5,6,7\n8\n,,,\n")
    first, second, third = read(source)
    assert first[:4] == ("http://a/", 2, source, {"a": "1"})
    assert second.columns == {
        "a": "2",
        "b": "3",
        "column_4": "4",
        "b_5": "5",
        "column_6": "6",
        "column_7": "7",
    }
    assert (third.url, third.line, third.problem) == ("", 4, "empty")


def test_a_json_line_may_be_the_url_alone(write: Write) -> None:
    """Strings and objects mix; other keys come as parsed."""
    source = write("l.ndjson", '"http://a/"\n{"page": "http://b/", "n": {"x": [1, 2.5, null, true]}}\n')
    assert [(e.url, e.columns) for e in read(source, url_column="page")] == [
        ("http://a/", None),
        ("http://b/", {"n": {"x": [1, 2.5, None, True]}}),
    ]


def test_stdin_is_json_where_it_begins_with_a_brace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blank lines before it count as lines; so does gzip."""
    feed_stdin(monkeypatch, gzip.compress(b'\n \n{"url": "http://a/", "n": 1}\n"http://b/"\n'))
    assert read("-") == [Entry("http://a/", 3, "-", {"n": 1}), Entry("http://b/", 4, "-")]


def test_a_bare_url_is_a_source(write: Write) -> None:
    """It has no list and no line; one that does not parse is an entry all the same."""
    good, bad, listed = read("HTTPS://a/", "http://a:99999/", write("l", "http://b/"))
    assert good == Entry("HTTPS://a/")
    assert (bad.url, bad.line, bad.source) == ("http://a:99999/", 0, "")
    assert "port" in bad.problem
    assert listed.line == 1


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"example.org", "no http:// or https:// at its start"),
        (b"ftp://example.org", "the scheme is ftp"),
        (b"http://h/caf\xe9", "U+FFFD"),
        (b"http://h/\x00", "U+0000"),
        (b"http://h/" + b"x" * 100_000, "longer than 16384"),
        (b"x" * (2 * MAX_LINE), "longer than 16384"),
    ],
)
def test_a_line_that_is_no_url_is_an_entry_with_a_problem(write: Write, line: bytes, problem: str) -> None:
    """It shows what stands there, cut and without control characters, and the next line is read."""
    bad, good = read(write("l", line + b"\nhttp://a/"))
    assert problem in bad.problem
    assert len(bad.url) <= 2_000
    assert bad.url.isprintable()
    assert good[:2] == ("http://a/", 2)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not JSON"),
        ("[1]", "no string under the key 'url'"),
        ("{}", "no string under the key 'url'"),
        ('{"url": 1}', "no string under the key 'url'"),
        ('{"a": "http://b/"}', "no string under the key 'url'"),
        ('{"url": "ftp://b/"}', "the scheme is ftp"),
        ('{"url": "http://b/", "a": NaN}', "not JSON"),
        ('{"url": "http://b/", "a": "\\ud800"}', "not JSON"),
        ('{"url": "http://b/", "a": ' + "[" * 300 + "]" * 300 + "}", "nested deeper"),
        ('{"url": "http://b/", "a": "' + "x" * MAX_LINE + '"}', "longer than 1048576"),
    ],
)
def test_a_json_line_without_a_url_is_an_entry_with_a_problem(write: Write, line: str, problem: str) -> None:
    """Neither nonsense nor a missing key stops the list."""
    source = write("l.jsonl", f'{{"url": "http://a/"}}\n{line}\n{{"url": "http://c/"}}\n')
    first, bad, last = read(source)
    assert problem in bad.problem
    assert bad.line == 2
    assert bad.url
    assert [first.url, last.url, last.line] == ["http://a/", "http://c/", 3]


@pytest.mark.parametrize(
    ("name", "content", "option", "parts"),
    [
        (
            "l.csv",
            "id,URLs,title\n1,http://a/,x\n",
            "url",
            ("no column 'url'", "id, URLs, title", "did you mean 'URLs'?"),
        ),
        ("l.csv", "id,url,URL,Url\n", "uRL", ("no column 'uRL'", "url, URL")),
        ("l.csv", "http://a/\n", "url", ("no header row",)),
        ("l.csv", "x" * (MAX_LINE + 1) + ",url\n", "url", ("header row", "field larger")),
        ("l.tsv", "url\turl2\n", "links", ("no column 'links'", "url, url2")),
        ("l.jsonl", '{"link": "http://a/"}\n{"b": 1}\n', "links", ("link, b", "did you mean 'link'?")),
    ],
)
def test_a_missing_column_is_said_at_once(
    write: Write, name: str, content: str, option: str, parts: tuple[str, ...]
) -> None:
    """The message names the columns there are, and the nearest one."""
    with pytest.raises(UsageError) as caught:
        read_lists([write(name, content)], url_column=option)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("missing.txt", ("missing.txt: no such file",)),
        ("missing\nfile", ("missing\\nfile: no such file",)),
        ("example.com", ("no such file", "https://example.com")),
        ("example.com/a", ("no such file", "https://example.com/a")),
        ("localhost:8000", ("no such file", "https://localhost:8000")),
        (".", ("a directory",)),
        ("a\0b", ("null",)),
    ],
)
def test_what_is_no_readable_file_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, parts: tuple[str, ...]
) -> None:
    """One line, before any entry, even where a good source stands before it."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        read_lists(["http://a/", source])
    for part in parts:
        assert part in str(caught.value)
    assert ("https://" in str(caught.value)) == (len(parts) == 2)
    assert "\n" not in str(caught.value)


def test_stdin_is_read_once_and_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice would give nothing the second time; a daemon may have none."""
    with pytest.raises(UsageError, match="only once"):
        read_lists(["-", "-"])
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="no standard input"):
        read_lists(["-"])


def test_no_source_and_empty_lists_give_no_entry(write: Write) -> None:
    """An empty list is a list."""
    empty = [write(name, "") for name in ("a", "a.csv", "a.jsonl", "a.txt")]
    assert read() == read(*empty) == []
    assert count_entries(empty) == 0


@pytest.mark.parametrize(
    ("sources", "name"),
    [
        (["urls/list.txt"], "list"),
        (["a.csv.gz"], "a"),
        (["a.b.jsonl"], "a.b"),
        (["list"], "list"),
        ([".hidden.txt"], "hidden"),
        (["-"], "stdin"),
        (["https://Example.org:8080/a/b"], "example.org"),
        (["http://me:secret@[::1]/"], "1"),
        (["http://a b/"], "url"),
        (["..", "."], "list+list"),
        (["x/一覧.txt"], "一覧"),
        (["x/my list (1).txt"], "my_list_1"),
        (["con.txt"], "list-con"),
        (["a.txt", "b/b.csv"], "a+b"),
        (["a", "b", "c"], "a+b+c"),
        (["a", "b", "c", "d"], "a+3-more"),
        ([], "list"),
    ],
)
def test_the_default_name_comes_from_the_lists(sources: list[str], name: str) -> None:
    """The list's own name, the host of a bare URL, a few names joined."""
    assert default_name(sources) == name


@given(st.lists(st.text(max_size=400), max_size=5))
def test_the_default_name_is_always_a_safe_file_name(sources: list[str]) -> None:
    """No separator, no leading dot, short enough for every file system, nothing a shell minds."""
    name = default_name(sources)
    assert re.fullmatch(r"[\w+.-]+", name)
    assert name[0] not in ".-"
    assert len(name.encode()) < 240


def test_doctests_hold() -> None:
    """The examples in the docstrings are true."""
    assert doctest.testmod(lists).failed == 0
