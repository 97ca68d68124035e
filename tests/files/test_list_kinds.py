"""Lists as spreadsheets and other programs write them, and what is given for a list by mistake."""

from __future__ import annotations

import bz2
import lzma
from pathlib import Path

import pytest

from parascrape.errors import UsageError
from parascrape.files.lists import count_entries, default_name, read_lists

TEXT = b"http://a/\nhttp://b/\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("semicolons.csv", "\ufeffid;url;name\r\n1;http://a/;Köln\r\n".encode()),
        ("said.csv", "sep=;\r\nid;url;name\r\n1;http://a/;Köln\r\n".encode()),
        ("unicode-text.csv", "id\turl\tname\r\n1\thttp://a/\tKöln\r\n".encode("utf-16")),
        ("unmarked.csv", "id,url,name\r\n1,http://a/,Köln\r\n".encode("utf-16-le")),
        ("latin.csv", "id,url,name\n1,http://a/,Köln\n".encode("windows-1252")),
        ("capitals.csv", "id,URL,name\n1,http://a/,Köln\n".encode()),
        ("blank.csv", "\n \nid;Url;name\n1;http://a/;Köln\n".encode()),
        ("commas.tsv", "id,url,name\n1,http://a/,Köln\n".encode()),
    ],
)
def test_a_table_is_read_as_its_program_wrote_it(tmp_path: Path, name: str, content: bytes) -> None:
    """Semicolons and tabs, encodings of old, a header in capitals: the same entry."""
    source = tmp_path / name
    source.write_bytes(content)
    (entry,) = read_lists([str(source)])
    assert (entry.url, entry.columns) == ("http://a/", {"id": "1", "name": "Köln"})
    assert entry.line == content.count(b"\n")
    assert count_entries([str(source)]) == 1


@pytest.mark.parametrize("content", [b"", b"\n", b"\n" * 300, b"sep=;", b"sep=;\n"])
def test_a_table_without_a_header_is_empty(tmp_path: Path, content: bytes) -> None:
    """However many blank lines it has."""
    source = tmp_path / "l.csv"
    source.write_bytes(content)
    assert list(read_lists([str(source)])) == []


@pytest.mark.parametrize(("suffix", "pack"), [("bz2", bz2.compress), ("xz", lzma.compress)])
def test_other_packings_are_read_and_their_damage_is_said(tmp_path: Path, suffix: str, pack: object) -> None:
    """As with gzip: the whole lines first, then a UsageError."""
    assert callable(pack)
    source = tmp_path / f"l.txt.{suffix}"
    source.write_bytes(pack(TEXT))
    assert [entry.url for entry in read_lists([str(source)])] == ["http://a/", "http://b/"]
    assert default_name([str(source)]) == "l"
    source.write_bytes(pack(TEXT * 10)[:-9])
    with pytest.raises(UsageError, match="damaged"):
        list(read_lists([str(source)]))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.zip", b"PK\x03\x04\x14\0", "zip archive"),
        ("a.xlsx", b"PK\x03\x04\x14\0", "save it as CSV"),
        ("a.csv", b"%PDF-1.7", "PDF"),
        ("a.zst", b"\x28\xb5\x2f\xfd$", "zstdcat"),
        ("a.xml", b"<?xml version='1.0'?>\n<urlset xmlns='x'><url><loc>http://a/</loc>", "sitemap"),
        ("a.xml", b"\xef\xbb\xbf<?xml version='1.0'?>\n<rss>", "HTML or XML"),
        ("a.txt", b"\n<!DOCTYPE html><title>x</title>", "HTML or XML"),
        ("a.json", b'[{"url": "http://a/"}]', "jq -c"),
        ("a.jsonl", b'[\n{"url": "http://a/"}\n]', "jq -c"),
        ("a.json", b'{\n"urls": []\n}', "jq -c"),
    ],
)
def test_what_is_no_list_is_refused_at_once(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    """Before the first fetch, with what to do, and not as a thousand invalid URLs."""
    source = tmp_path / name
    source.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        read_lists([str(source)])


def test_invisible_marks_are_not_part_of_a_url(tmp_path: Path) -> None:
    """Zero-width spaces and direction marks come along when a URL is copied."""
    source = tmp_path / "l"
    source.write_text("\u200bhttp://a/\u200b\n\u202ahttp://b/\u202c\n", encoding="utf-8")
    assert [entry.url for entry in read_lists([str(source)])] == ["http://a/", "http://b/"]
