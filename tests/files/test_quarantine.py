"""Pages set aside: what is kept, what of it comes back, and whose page it is when a worker dies or hangs."""

from __future__ import annotations

import functools
import os
import shlex
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from parascrape.cli import run
from parascrape.errors import UsageError
from parascrape.files import quarantine
from parascrape.files.quarantine import (
    describe_quarantined,
    folder_of,
    keep_page,
    quarantine_path,
    read_page,
)
from parascrape.records import Entry
from parascrape.settings import Settings
from parascrape.web.page import Page
from tests.helpers import scrapers as own
from tests.helpers.command import finish, read_records, start_scrape
from tests.helpers.harvests import make, records_of
from tests.sites.site import HTML, Site

HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "Content-Encoding": "gzip",
    "Content-Length": "83",
    "Transfer-Encoding": "chunked",
    "X-Empty": "",
    "X-Latin": "caf\xe9",
}

SCRAPER = """
import os, signal, time
from pathlib import Path

HERE = Path(__file__).parent


def item(page):
    if "Bread 7 " in page.text:
        os._exit(7)
    return {"length": len(page.body)}


def once(page):
    if "Bread 7 " in page.text and not (HERE / "died").exists():
        (HERE / "died").touch()
        os._exit(7)
    return {"length": len(page.body)}


def spinning(page):
    if "Bread 7 " in page.text:
        (HERE / "spins").touch()
        while not (HERE / "enough").exists():
            pass
    return {"length": len(page.body)}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with scrapers that die or hang on the seventh page."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(SCRAPER)
    return tmp_path


def pages_of(site: Site) -> list[str]:
    """Twenty pages, the seventh of which is the bad one."""
    return [site(f"/page/{number}") for number in range(20)]


def served(number: int) -> bytes:
    """The body of one of them."""
    return HTML.replace(b"Bread", f"Bread {number}".encode())


# --- the file ---------------------------------------------------------------------------------------


def test_a_page_comes_back_as_it_was(tmp_path: Path) -> None:
    """URLs, status, body, and the header fields as the server sent them."""
    page = Page("http://h/本", b"\r\n\r\n\x00\xffbody", final_url="http://h/x", status=299, headers=HEADERS)
    keep_page(page, tmp_path / "new" / "a.http")
    back = read_page(tmp_path / "new" / "a.http")
    assert (back.url, back.final_url, back.status, back.body) == (
        page.url,
        page.final_url,
        page.status,
        page.body,
    )
    assert dict(back.headers) == HEADERS


def test_the_file_is_a_response_that_others_can_read(tmp_path: Path) -> None:
    """The body has its length and no coding: what a reader of HTTP makes of it is the page."""
    keep_page(Page("http://h/", b"<p>body", headers=HEADERS), tmp_path / "a.http")
    head, _, body = (tmp_path / "a.http").read_bytes().partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert "Content-Length: 7" in lines
    assert "X-Crawler-Content-Encoding: gzip" in lines
    assert not any(line.lower().startswith(("content-encoding", "transfer-encoding")) for line in lines)
    assert body == b"<p>body"


@pytest.mark.skipif(sys.platform == "win32", reason="rights as POSIX has them")
def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    """The umask does not matter, and no temporary file is left."""
    before = os.umask(0)
    try:
        keep_page(Page("http://h/", b"private"), tmp_path / "new" / "a.http")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "new" / "a.http").stat().st_mode) == 0o600
    assert os.listdir(tmp_path / "new") == ["a.http"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Set-Cookie", "session=s3cret"),
        ("set-cookie2", "session=s3cret"),
        ("Location", "http://me:s3cret@h/"),
        ("X-Crawler-Url", "s3cret"),
        ("Bad Name", "s3cret"),
        ("Bad\r\nName", "s3cret"),
    ],
)
def test_secrets_and_malformed_names_are_left_out(name: str, value: str, tmp_path: Path) -> None:
    """Cookies and passwords are not stored; a name that is not a token would break the format."""
    keep_page(Page("http://h/", b"body", headers={name: value}), tmp_path / "a.http")
    assert b"s3cret" not in (tmp_path / "a.http").read_bytes()
    assert read_page(tmp_path / "a.http").body == b"body"


def test_a_line_end_in_a_value_does_not_start_a_field(tmp_path: Path) -> None:
    """CR, LF and NUL become spaces (RFC 9110 §5.5)."""
    keep_page(Page("http://h/", b"", headers={"X-A": "1\r\nX-B: 2\0"}), tmp_path / "a.http")
    assert dict(read_page(tmp_path / "a.http").headers) == {"X-A": "1  X-B: 2 "}


@given(
    st.text(st.characters(max_codepoint=255), max_size=30),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30),
    st.binary(max_size=200),
)
def test_any_page_comes_back(value: str, path: str, body: bytes) -> None:
    """This holds for any text of servers and lists; line ends in a field become spaces."""
    page = Page(f"http://h/{path}", body, headers={"X-A": value})
    back = quarantine.decode_page(quarantine.encode_page(page))
    expected = value.translate(str.maketrans("\r\n\0", "   "))
    assert (back.url, back.body, back.headers["X-A"]) == (page.url, body, expected)


@given(st.binary(max_size=300))
def test_decoding_other_data_raises_value_error(data: bytes) -> None:
    """This holds for any content."""
    with pytest.raises((ValueError, KeyError)):
        quarantine.decode_page(data)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    """Every cut is noticed."""
    path = tmp_path / "a.http"
    keep_page(Page("http://h/", b"body"), path)
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with pytest.raises(UsageError, match=r"a\.http: is not a page that a harvest has set aside"):
            read_page(path)


# --- bounds -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bound", "limit"), [("MAX_FILES", 2), ("MAX_BYTES", 2000)])
def test_a_folder_is_bounded(bound: str, limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full folder keeps no further page, and the page's record says so."""
    monkeypatch.setattr(quarantine, bound, limit)
    folder = str(tmp_path)
    entries = [Entry(f"http://h/{number}", number) for number in range(4)]
    for entry in entries:
        keep_page(Page(entry.url, bytes(1000)), quarantine_path(folder, entry))
    infos = [describe_quarantined(entry, Settings(), folder) for entry in entries]
    assert [info["aside"] for info in infos[:2]] == [
        str(quarantine_path(str(tmp_path), one)) for one in entries[:2]
    ]
    for info in infos[2:]:
        assert info["aside"].startswith(f"not kept: {tmp_path} is full: 2 files, 2")
        assert info["command"].startswith("scrape http://h/")
    assert len(os.listdir(tmp_path)) == 2


def test_a_page_too_large_to_be_read_back_is_not_kept(tmp_path: Path) -> None:
    """A file that is larger than any of ours is not read, so none is written."""
    for size in (500, 1001):
        keep_page(Page("http://h/", bytes(size)), tmp_path / f"{size}.http", max_bytes=1000)
    assert os.listdir(tmp_path) == ["500.http"]


def test_a_failed_write_raises_nothing(tmp_path: Path) -> None:
    """A file stands where the folder should be: the page is not kept, and no error comes out."""
    (tmp_path / "out.aside").write_text("mine")
    entry = Entry("http://h/", 1)
    folder = str(tmp_path / "out.aside")
    keep_page(Page("http://h/", b"body"), quarantine_path(folder, entry))
    assert (tmp_path / "out.aside").read_text() == "mine"
    assert "aside" not in describe_quarantined(entry, Settings(), folder)


@pytest.mark.parametrize("pages", [None, {}], ids=["in a process", "in a thread"])
def test_a_page_is_kept_only_while_its_scraper_runs(
    pages: quarantine.StashedPages | None, tmp_path: Path
) -> None:
    """It comes back, and nothing is left; in threads nothing was written at all."""
    path = tmp_path / "new" / "a.http"
    quarantine.stash(path, Page("http://h/", b"body"), pages)
    assert path.exists() == (pages is None)
    quarantine.discard(path, pages)
    assert not path.exists()
    assert not pages


def test_an_earlier_runs_page_is_not_taken_for_this_ones(tmp_path: Path) -> None:
    """A thread that hung in its fetch has no page: the file of the run before goes."""
    path = tmp_path / "a.http"
    pages: quarantine.StashedPages = {}
    quarantine.stash(path, Page("http://h/", b"now"), pages)
    quarantine.keep(path, pages)
    quarantine.discard(path, pages)  # the thread that was given up comes back late
    assert read_page(path).body == b"now"
    quarantine.keep(path, {})
    assert not path.exists()


# --- what the record says ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("output/urls.jsonl", "output/urls.aside"),
        ("records", "records.aside"),
        ("-", ""),
        ("/dev/null", ""),
    ],
)
def test_the_folder_stands_beside_the_output(output: str, expected: str) -> None:
    """An output that is not a file has no folder."""
    assert folder_of(output) == expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Entry("http://h/", 1, "a.txt"), Entry("http://h/", 1, "a.txt", {"sku": 7}), True),
        (Entry("http://me:s3cret@h/", 1), Entry("http://h/", 1), True),
        (Entry("http://h/", 1), Entry("http://h/", 2), False),
        (Entry("http://h/", 1, "a.txt"), Entry("http://h/", 1, "b.txt"), False),
        (Entry("http://h/a", 1), Entry("http://h/b", 1), False),
    ],
)
def test_every_line_of_a_list_has_a_file_of_its_own(one: Entry, other: Entry, same: bool) -> None:
    """Equal URLs at two places do not take each other's page away."""
    assert (quarantine_path("f", one) == quarantine_path("f", other)) == same


@pytest.mark.parametrize(
    ("scraper", "options"),
    [
        ("", ""),
        ("page", " --scraper page"),
        ("my shop.py:item", " --scraper 'my shop.py:item'"),
        (own.title, " --scraper tests.helpers.scrapers:title"),
    ],
)
@pytest.mark.parametrize("kept", [True, False])
def test_the_command_names_what_was_run(
    scraper: str | Callable[..., Any], options: str, kept: bool, folder: Path
) -> None:
    """On the file, or on the URL where there is none; without a password, quoted for a shell."""
    entry = Entry("http://me:s3cret@h/a b?c&d'e", 1)
    settings = Settings(scraper=scraper, select=("t=h1 > b",))
    path = quarantine_path("my out.aside", entry)
    if kept:
        keep_page(Page("http://h/", b"body"), path)
    info = describe_quarantined(entry, settings, "my out.aside")
    url = shlex.quote("http://h/a%20b?c&d'e")
    start = f"replay '{path}'" if kept else f"{url} --mode sequential --output -"
    assert info["command"] == f"scrape {start}{options} --select 't=h1 > b'"
    assert info.get("aside") == (str(path) if kept else None)


@pytest.mark.parametrize(
    ("scraper", "output"),
    [
        (lambda page: {}, "out"),
        (functools.partial(own.title), "out"),
        (own.Row, "a\nb"),
        (own.title, "a\x1b[2Jb"),
    ],
)
def test_what_cannot_be_typed_has_no_command(scraper: Any, output: str, folder: Path) -> None:
    """A function without a name, a path with control characters; the file is named all the same."""
    entry = Entry("http://h/", 1)
    keep_page(Page("http://h/", b"body"), quarantine_path(output, entry))
    assert list(describe_quarantined(entry, Settings(scraper=scraper), output)) == ["aside"]


def test_a_path_is_not_taken_for_an_option(folder: Path) -> None:
    """A name that begins with a hyphen has its folder before it."""
    entry = Entry("http://h/", 1)
    keep_page(Page("http://h/", b"body"), quarantine_path("-x.aside", entry))
    assert describe_quarantined(entry, Settings(), "-x.aside")["command"].startswith(
        "scrape replay ./-x.aside/"
    )


# --- whole harvests ---------------------------------------------------------------------------------


def test_the_page_that_kills_its_worker_is_kept(site: Site, folder: Path) -> None:
    """Exactly the body that was served; the other records are as ever, and no other file is left."""
    Path("urls.txt").write_text("\n".join(pages_of(site)))
    options = ("-m", "process", "-p", "2", "-t", "3", "-s", "mine.py:item", "-q")
    assert run(["urls.txt", "-o", "out.jsonl", *options]) == 1
    records = {one["url"]: one for one in read_records("out.jsonl")}
    error = records.pop(site("/page/7"))["error"]
    assert {url: one["length"] for url, one in records.items()} == {
        site(f"/page/{number}"): len(served(number)) for number in range(20) if number != 7
    }
    assert error["code"] == "worker_died"
    assert read_page(Path(error["aside"])).body == served(7)
    assert error["command"] == f"scrape replay {error['aside']} --scraper mine.py:item"
    assert os.listdir("out.aside") == [Path(error["aside"]).name]
    assert finish(start_scrape(*shlex.split(error["command"])[1:]))[:2] == (7, "")


def test_a_page_that_dies_once_leaves_nothing(site: Site, folder: Path) -> None:
    """It was tried again, alone, and went well; its neighbours were never suspected."""
    Path("urls.txt").write_text("\n".join(pages_of(site)))
    options = ("-m", "process", "-p", "2", "-t", "3", "-s", "mine.py:once", "-q")
    assert run(["urls.txt", "-o", "out.jsonl", *options]) == 0
    assert Path("died").exists()
    assert not Path("out.aside").exists()


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_the_page_that_hangs_is_kept(mode: str, site: Site, folder: Path) -> None:
    """Past its deadline the worker is killed, or the thread given up: the page is there in both."""
    settings = make(mode, scraper="mine.py:spinning", timeout=4)
    run = records_of(pages_of(site), settings, quarantine="kept", scrape_grace=0.0)
    records = {one["url"]: one for one in run}
    Path("enough").touch()  # the thread that was given up is at it still
    error = records.pop(site("/page/7"))["error"]
    assert error["code"] == "timeout"
    assert read_page(Path(error["aside"])).body == served(7)
    assert {"error" in one for one in records.values()} == {False}
    assert os.listdir("kept") == [Path(error["aside"]).name]
