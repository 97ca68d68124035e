"""Answers that servers should not give and do: repeated fields, trailers, Locations in bytes of old."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from parascrape import Page
from parascrape.errors import FetchError, NotHtml, ProxyFailed, TlsError
from parascrape.fetch.errors import raise_for
from parascrape.settings import Settings
from parascrape.web.html import absolute
from parascrape.web.text import find_encoding
from tests.helpers.fetching import fetch

SETTINGS = Settings(timeout=20, threads=1)
BODY = b"<title>t</title>"
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(BODY), BODY)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"

pytestmark = pytest.mark.usefixtures("fresh_connections")


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """The URL of a server that gives these answers, one a connection, and the targets it is asked for."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def serve() -> None:
            for answer in answers:
                sock, _ = listener.accept()
                with sock:
                    asked.append(sock.recv(65_536).split(b" ")[1])
                    sock.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", asked
        thread.join(20)


@pytest.mark.parametrize(
    "trailer", [b"HTTP/1.1: x", b"HTTP/1.1 500: x", b"Content-Encoding: gzip", b"Content-Type: a/b"]
)
def test_a_trailer_says_nothing_about_the_answer(trailer: bytes) -> None:
    """It comes when the body has been read (RFC 9110 §6.5.1)."""
    with answering(OK + CHUNKED + trailer + b"\r\n\r\n") as (url, _):
        page = fetch(url, SETTINGS)
    assert (page.status, page.body, page.content_type) == (200, BODY, "text/html")


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        (b"/a\r\nLocation: /a", b"/a"),
        (b"/?q=\x93\x8c", b"/?q=%93%8C"),
        (b"/?q=\xe6\x9d\xb1", b"/?q=%E6%9D%B1"),
    ],
    ids=["twice", "shift_jis", "utf-8"],
)
def test_a_redirect_is_followed_as_browsers_follow_it(location: bytes, asked: bytes) -> None:
    """A field that a proxy repeats is one, and bytes of an old encoding are sent back as they are."""
    moved = (
        b"HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
    )
    with answering(moved, OK + LENGTH + BODY) as (url, targets):
        assert fetch(url, SETTINGS).status == 200
    assert targets == [b"/", asked]


@pytest.mark.parametrize(
    ("header", "kind", "encoding"),
    [
        ("text/plain, text/html; charset=utf-8", "text/html", "utf-8"),
        ("text/html; charset=euc-jp, text/html; charset=shift_jis", "text/html", "shift_jis"),
        ("text/html, */*", "text/html", "windows-1252"),
        ("text/html; charset=euc-jp, text/html", "text/html", "euc-jp"),
    ],
)
def test_of_two_content_types_the_last_counts(header: str, kind: str, encoding: str) -> None:
    """Fetch standard §2.2, "extract a MIME type"."""
    page = Page("http://h/", b"\xe9", headers={"Content-Type": header})
    assert (page.content_type, find_encoding(b"\xe9", header)) == (kind, encoding)


@pytest.mark.parametrize("body", [b"\x1f\x8b\x08\0", b"%PDF-1.4", b"PK\x03\x04", b"\x89PNG\r\n", b"GIF89a"])
def test_what_is_binary_is_not_html_whatever_it_is_called(body: bytes) -> None:
    """Its record would hold the bytes as text."""
    page = Page("http://h/", body, headers={"Content-Type": "text/html"})
    with pytest.raises(NotHtml, match="something binary, called text/html"):
        page.require_html()


@pytest.mark.parametrize(
    ("link", "encoding", "url"),
    [
        ("img\\a.html", "utf-8", "http://h.example/d/img/a.html"),
        ("?q=日本&r=①", "shift_jis", "http://h.example/d/p?q=%93%FA%96%7B&r=%87@"),
        ("日本?q=日本", "euc-jp", "http://h.example/d/%E6%97%A5%E6%9C%AC?q=%C6%FC%CB%DC"),
        ("?q=é☃", "windows-1252", "http://h.example/d/p?q=%E9%26%239731%3B"),
        ("?q=日", "utf-16le", "http://h.example/d/p?q=%E6%97%A5"),
        ("?a\\b", "utf-8", "http://h.example/d/p?a%5Cb"),
    ],
)
def test_links_are_read_as_browsers_read_them(link: str, encoding: str, url: str) -> None:
    """URL standard §4.4: backslashes are slashes, and a query is in the document's encoding."""
    assert absolute("http://h.example/d/p", link, encoding) == url


@pytest.mark.parametrize(
    ("number", "message", "system", "kind"),
    [
        (7, "CONNECT tunnel failed, response 407", "", ProxyFailed),
        (7, "Failed to connect to h port 9 over proxy p", "Connection refused", ProxyFailed),
        (
            56,
            "SSL_read: SSL routines::tlsv13 alert certificate required, errno 0",
            "Connection refused",
            TlsError,
        ),
    ],
)
def test_libcurl_s_words_tell_whose_fault_it_is(
    number: int, message: str, system: str, kind: type[FetchError]
) -> None:
    """The proxy's, not the host's; an alert is TLS's, whatever the system said of an address before."""
    with pytest.raises(FetchError) as caught:
        raise_for(number, message, system=system)
    assert type(caught.value) is kind
    assert ("refused" in str(caught.value)) == (kind is ProxyFailed and bool(system))
