"""Hostile servers through the whole harvest: one typed failure each, and the pages between them unharmed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.faults.hostile_site import STATUS_LINES, apart
from tests.faults.test_limits import limited
from tests.helpers.command import finish, read_records, start_scrape
from tests.sites.site import Site

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a limit of memory as Linux has it")

MEMORY = 600 << 20
"""Bytes that each process of a harvest may use; the bodies alone would be gigabytes."""

ANSWERS = {
    "/drip-body": "timeout",
    "/drip-headers": "timeout",
    "/continue-flood": "timeout",
    "/silent": "timeout",
    "/endless-chunk-line": "timeout",
    "/endless-headers": "bad_response",
    "/endless-trailers": "bad_response",
    "/endless-body": "too_large",
    "/endless-redirect-body": "",
    "/huge-length": "too_large",
    "/bomb/gzip": "too_large",
    "/bomb/deflate": "too_large",
    "/bomb/br": "too_large",
    "/bomb/zstd": "too_large",
    "/nested-bomb": "too_large",
    "/six-codings": "bad_encoding",
    "/short-body": "reset",
    "/reset-in-body": "reset",
    "/no-answer": "reset",
    "/garbage": "bad_response",
    "/no-header": "bad_response",
    "/loop": "bad_redirect",
    "/many-cookies": "bad_redirect",
    "/hops/1000": "bad_redirect",
    "/long-location": "bad_redirect",
    "/megabyte-location": "bad_response",
    "/long-header/10000000": "bad_response",
    "/many-headers/4000": "",
    "/many-headers/100000": "bad_response",
    "/many-headers/17000000": "bad_response",
    "/slow-charset": "",
}
"""What a route is answered with: an error's code, or nothing for a good record."""

CODES = {
    **dict.fromkeys(("999", "99999", "escape", "switch"), "status"),
    **dict.fromkeys(("000", "-1", "1", "words", "none", "old", "new"), "bad_response"),
}
LENGTHS = {
    **dict.fromkeys(("-1", "5,7", "1e3", "+5", "0x10", ""), "bad_response"),
    "99999999999999999999999": "too_large",
    "5,5": "",  # RFC 9112 §6.3 allows a list of equal values
}
HEADERS = {
    b"a: b\0c": "bad_response",
    b"\0": "bad_response",
    b"no colon": "bad_response",
    b"a\rb: c": "bad_response",
    b"x: \x1b[31m \xe2\x80\xae": "",
    b"content-type: " + b"\xff" * 60: "",
    b"content-type: text/" + b"\xff" * 60: "not_html",
    b"content-encoding: " + b"gzip," * 500: "bad_encoding",
    b"transfer-encoding: chunked": "reset",
    b"transfer-encoding: gzip, chunked": "bad_encoding",
    b"location: file:///etc/passwd": "",  # means nothing beside 200
    b"refresh: 0; url=file:///etc/passwd": "",
    b"retry-after: " + b"9" * 500: "",
}
CHUNKS = {
    b"-1\r\nx\r\n": "reset",
    b"ffffffffffffffff\r\nx": "reset",
    b"fffffffffffffffff\r\nx": "reset",
    b"0x5\r\nhello\r\n0\r\n\r\n": "bad_response",
    b"5\r\nhel": "reset",
    b"5\r\nhelloXX0\r\n\r\n": "reset",
    b"\r\n\r\n": "reset",
    b"0" * 60 + b"5\r\nhello\r\n0\r\n\r\n": "reset",
}
LOCATIONS = {
    **dict.fromkeys((b"file:///etc/passwd", b"FILE:/etc/passwd", b"data:text/html,hi"), "bad_redirect"),
    **dict.fromkeys((b"ftp://127.0.0.1/", b"javascript:alert(1)", b"gopher://h/"), "bad_redirect"),
    **dict.fromkeys(
        (b"http://[::1", b"http://127.0.0.1:99999/", b"http://\xe2\x80\xae.example/"), "bad_redirect"
    ),
    **dict.fromkeys((b"/\x1b[31m[/x]", b"#x", b"?" * 5_000), "bad_redirect"),
    **dict.fromkeys((b"/a\0b", b"/a\rX-Injected: 1"), "bad_response"),
    b"http://me:s3cret@127.0.0.1:1/": "connect",
    b"": "status",
    b"\\\\127.0.0.1\\ok": "",  # a name below this path, never a host
    b"\xff\xfe": "",
}


def urls(site: Site) -> dict[str, str]:
    """List entries that are no URLs to send, and two that are, with their codes."""
    host = site.url.removeprefix("http://")
    foreign = ("file:///etc/passwd", "data:text/html,hi", "ftp://127.0.0.1/x", "javascript:alert(1)")
    broken = (
        site("/ok\r\nX-Injected: 1"),
        site("/ok\nX-Injected: 1"),
        site("/ok\0"),
        site("/" + "x" * 65_536),
    )
    tricks = (
        site("/\x1b[2J[/x]"),
        "http://\u202egnp.example/",
        f"http://{host}\\@evil.example/",
        "http://[/x]/",
    )
    return {
        **dict.fromkeys((*foreign, *broken, *tricks, "http://me:s3cret/x@127.0.0.1:1/"), "invalid_url"),
        f"http://me:s3cret@{host}/page/1009": "",
        f"http://{host.replace('.', '。')}/page/1008": "",  # an internationalized full stop (UTS 46)
    }


def expected(site: Site) -> dict[str, str]:
    """Every hostile URL with its code."""
    paths = dict(ANSWERS)
    paths |= {f"/status-line/{name}": code for name, code in CODES.items()}
    paths |= {f"/lengths/{name}": code for name, code in LENGTHS.items()}
    for route, table in (("header", HEADERS), ("chunks", CHUNKS), ("location", LOCATIONS)):
        paths |= {f"/{route}/{data.hex()}": code for data, code in table.items()}
    return dict(zip(apart(site, paths), paths.values(), strict=True)) | urls(site)


def test_every_status_line_is_tried() -> None:
    """The table here and the routes are about the same lines."""
    assert set(CODES) == set(STATUS_LINES)


@pytest.mark.parametrize("mode", ["process", pytest.param("thread", marks=pytest.mark.slow)])
def test_every_hostile_answer_is_one_typed_outcome(mode: str, site: Site, tmp_path: Path) -> None:
    """In bounded time and memory, the good pages between them unharmed, and no secret anywhere."""
    hostile = expected(site)
    listed, output, log = tmp_path / "list.jsonl", tmp_path / "out.jsonl", tmp_path / "log"
    rows = [{"url": one, "n": n} for n, url in enumerate(hostile) for one in (url, site(f"/page/{n}"))]
    listed.write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ("--timeout", 3, "--max-bytes", 5_000_000, "--retries", 0, "--select", "title=title")
    status, _, errors = finish(
        start_scrape(
            *(listed, "-o", output, "--log-file", log, "-v", "-m", mode, "-p", 2, "-t", 8, *options),
            preexec_fn=limited(RLIMIT_DATA=MEMORY),
        )
    )
    records = read_records(output)
    found = {list(hostile)[one["input"]["n"]]: code(one) for one in records if "/page/" not in one["url"]}
    good = {url: code for url, code in hostile.items() if "/page/" in url}
    assert found == {url: code for url, code in hostile.items() if url not in good}, errors
    pages = [code(one) for one in records if "/page/" in one["url"]]
    assert (pages, status) == ([""] * (len(hostile) + len(good)), 1), errors
    said = output.read_text() + log.read_text() + errors
    assert "s3cret" not in said
    assert "root:" not in said
    assert not any("x-injected" in headers for _, headers in site.log)
    assert not set(log.read_text() + errors) & {"\x1b", "\0", "\r", "\u202e"}


def code(record: dict[str, dict[str, str]]) -> str:
    """The code of a failure, nothing for a good record."""
    return record.get("error", {}).get("code", "")
