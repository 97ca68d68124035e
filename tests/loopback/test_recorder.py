"""Recordings keep each exchange as it was, can be read by other tools, and hold no secret."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from warcio.archiveiterator import ArchiveIterator

from parascrape import Settings
from parascrape.errors import OutputError, UsageError
from parascrape.loopback import Exchange, read_recording, record
from parascrape.loopback.replay.warc import load_library
from parascrape.records import Entry
from tests.helpers.harvests import make
from tests.helpers.recordings import answer, by_url, make_recording, write_recording
from tests.sites.site import HTML, Site

QUICK = {"retries": 0, "robots": False, "per_host": 0}


def settings(**more: Any) -> Settings:
    """Settings of a quick recording."""
    return make("thread", **{**QUICK, **more})


def test_bytes_are_kept_as_they_came(site: Site, tmp_path: Path) -> None:
    """Header fields keep order and case; chunks and content codings stay."""
    path = tmp_path / "bytes.warc.gz"
    make_recording([site("/chunked"), site("/coded/gzip")], path, settings())
    found = by_url(path)
    head, _, body = found["chunked"].reply.partition(b"\r\n\r\n")
    assert head == b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ntransfer-encoding: chunked"
    assert body.startswith(b"32\r\n" + HTML[:50])
    assert body.endswith(b"0\r\n\r\n")
    coded = found["coded/gzip"]
    assert gzip.decompress(coded.reply[coded.body_start :]) == HTML
    assert coded.request.startswith(b"GET /coded/gzip HTTP/1.1\r\nHost: ")


def test_every_hop_of_a_redirect_is_kept(site: Site, tmp_path: Path) -> None:
    """Each has its place, and the URL of the list that led there."""
    path = tmp_path / "hops.warc.gz"
    make_recording([site("/hops/2")], path, settings())
    found = by_url(path)
    assert [(found[name].hop, found[name].status) for name in ("hops/2", "hops/1", "hops/0")] == [
        (0, 301),
        (1, 301),
        (2, 200),
    ]
    assert {found[name].entry for name in ("hops/2", "hops/0")} == {site("/hops/2")}


@pytest.mark.parametrize(
    ("path", "ending", "code"),
    [
        ("/page/1", "whole", ""),
        ("/status/404", "whole", "status"),
        ("/short-body", "closed", "reset"),
        ("/no-answer", "closed", "reset"),
        ("/reset-in-body", "reset", "reset"),
        ("/silent", "silent", "timeout"),
        ("/garbage", "left", "bad_response"),
        ("/huge-length", "left", "too_large"),
        ("/not-gzip", "whole", "bad_encoding"),
        ("/loop", "whole", "bad_redirect"),
    ],
)
def test_the_ending_is_kept(path: str, ending: str, code: str, site: Site, tmp_path: Path) -> None:
    """It is kept as what happened on the wire, and as the code of the error."""
    recording = tmp_path / "one.warc.gz"
    recorded = make_recording([site(path)], recording, settings(timeout=0.3))
    (found,) = (one for one in read_recording(recording).exchanges if one.entry)
    assert (found.ending, found.error) == (ending, code)
    assert dict(recorded.failed) == ({code: 1} if code else {})


def test_seconds_are_those_of_each_part(site: Site, tmp_path: Path) -> None:
    """The first byte and the body have times of their own; a kept connection takes no time."""
    path = tmp_path / "times.warc.gz"
    urls = [site("/slow?seconds=0.1"), site("/drip-body"), site("/page/1")]
    make_recording(urls, path, settings(timeout=0.4))
    found = by_url(path)
    slow, drip = found["slow?seconds=0.1"].seconds, found["drip-body"].seconds
    # libcurl may be interrupted after it sent the request and before it notes the time.
    assert 0.05 <= slow.first_byte <= slow.total
    assert slow.total >= 0.1
    assert drip.transfer > 0.2 > drip.first_byte
    assert all(one.seconds.connect == 0.0 for one in found.values() if not one.new_connection)


def test_warcio_reads_it_and_every_digest_is_right(site: Site, tmp_path: Path) -> None:
    """Each exchange is a response, a request and metadata, joined by WARC-Concurrent-To."""
    path = tmp_path / "check.warc.gz"
    urls = [site(name) for name in ("/page/1", "/chunked", "/hops/1", "/short-body", "/garbage", "/coded/br")]
    make_recording(urls, path, settings())
    kinds: list[str] = []
    with open(path, "rb") as file:
        for one in ArchiveIterator(file, check_digests="raise"):
            kinds.append(one.rec_type)
            while one.raw_stream.read(65536):
                pass
            assert one.digest_checker.passed is True
            assert one.rec_headers.protocol == "WARC/1.1"
            if one.rec_type == "metadata":
                assert one.rec_headers.get_header("WARC-Concurrent-To")
    assert kinds[:4] == ["warcinfo", "response", "request", "metadata"]
    # /garbage has no response, for what came is no HTTP; robots.txt of the host is there as well.
    assert (kinds.count("response"), kinds.count("request"), kinds.count("metadata")) == (7, 8, 8)


def test_warcio_undoes_chunks_and_codings(site: Site, tmp_path: Path) -> None:
    """Another tool gets the page itself."""
    path = tmp_path / "content.warc.gz"
    make_recording([site("/chunked"), site("/coded/gzip")], path, settings())
    with open(path, "rb") as file:
        pages = [one.content_stream().read() for one in ArchiveIterator(file) if one.rec_type == "response"]
    assert pages.count(HTML) == 2


def test_no_credential_is_written(site: Site, tmp_path: Path) -> None:
    """Values of cookies, headers and URLs are left out. Names are kept: the answer may depend on them."""
    path = tmp_path / "secret.warc.gz"
    host = site.url.removeprefix("http://")
    make_recording(
        [f"http://anna:hunter2@{host}/echo", site("/cookie-wall")],
        path,
        settings(
            headers={"X-Api-Key": "hunter3", "Authorization": "Bearer hunter4"},
            cookies={"session": "hunter5"},
        ),
    )
    # The page /echo repeats what it was sent, so only requests and the cookie page are searched.
    text = gzip.decompress(path.read_bytes()).decode("latin-1")
    asked = "".join(
        part for part in text.split("WARC/1.1") if "WARC-Type: request" in part or "cookie-wall" in part
    )
    assert [word for word in ("hunter", "anna", "seen=1") if word in asked] == []
    assert "session=(not recorded)" in asked
    assert "X-Api-Key: (not recorded)" in asked
    assert b"set-cookie: seen=x\r\n" in read_recording(path)[site("/cookie-wall")].reply.lower()
    found = read_recording(path)[site("/echo")]
    assert (found.cookies, found.authorised) == (("session",), True)


def test_a_recording_appears_when_it_is_whole(site: Site, tmp_path: Path) -> None:
    """If the list raises, the older file stays, and no other file is left."""
    path = tmp_path / "kept.warc.gz"
    path.write_bytes(b"before")

    def breaking_off() -> Any:
        yield Entry(site("/page/1"), 1)
        raise ValueError("the list is broken")

    with pytest.raises(ValueError, match="broken"):
        record(breaking_off(), path, settings())
    assert path.read_bytes() == b"before"
    assert [one.name for one in tmp_path.iterdir()] == ["kept.warc.gz"]


def test_an_empty_list_is_recorded_as_nothing(tmp_path: Path) -> None:
    """Reading the file says that it holds no answer."""
    path = tmp_path / "new" / "empty.warc.gz"
    assert record([], path, settings()).entries == 0
    with pytest.raises(UsageError, match="holds no answer"):
        read_recording(path)


def test_a_file_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    """The error has the reason and the path."""
    with pytest.raises(OutputError, match=r"a directory|Is a directory"):
        record([], tmp_path, settings())


def test_a_missing_library_is_told_with_the_way_to_get_it() -> None:
    """The message names the extra."""
    with pytest.raises(UsageError, match=r"no_such_library is not installed.*parascrape\[compare\]"):
        load_library("no_such_library.part")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """This holds for every field of an exchange."""
    written = [
        answer("http://a.example/", cookies=("a", "b"), authorised=True, hop=2, address="192.0.2.1"),
        Exchange(url="http://a.example/2", ending="reset", error="reset", message="gone \N{BLACK STAR}"),
        Exchange(url="http://a.example/3", before=bytes(range(256)), request=b"GET /3 HTTP/1.1\r\n\r\n"),
        answer("http://a.example/", b"again", request=b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    ]
    path = write_recording(written, tmp_path / "fields.warc.gz")
    recording = read_recording(path)
    for one in written:
        same = [each for each in recording.exchanges if (each.url, each.reply) == (one.url, one.reply)]
        assert [(each.request, each.before, each.ending, each.error, each.message) for each in same] == [
            (one.request, one.before, one.ending, one.error, one.message)
        ]
        assert (same[0].cookies, same[0].authorised, same[0].hop) == (one.cookies, one.authorised, one.hop)
    assert len(recording) == 3
    assert recording["http://a.example/"].reply == written[0].reply
