"""Replay answers: time scale, latency, pieces, and the choice between several answers to one URL."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from parascrape.errors import UsageError
from parascrape.loopback import Exchange, ExchangeTimes, Recording, ReplayServer, serve_recording
from parascrape.loopback.connection import MAX_HEAD, Answer, parse_request, respond
from parascrape.loopback.replay.exchange import (
    closes,
    needs_close,
    redact_reply,
    redact_request,
    split_lines,
)
from parascrape.loopback.replay.server import ReplayAnswers
from tests.helpers.recordings import answer, write_recording

URL = "http://shop.example/a"
SLOW = answer(URL, seconds=ExchangeTimes(0.0, 0.3, 0.2, 0.4, 0.2, 1.1))
ROUNDED = 0.005
"""Seconds by which event loops, which count milliseconds, may be early over a few answers."""
GET = b"GET /a HTTP/1.1\r\nHost: shop.example"


def find(answers: ReplayAnswers, scheme: str, head: bytes) -> Answer:
    """The answer to the request with this head."""
    return respond(partial(answers.find, scheme), head)


def test_every_time_is_multiplied() -> None:
    """This holds for the wait, the connection and the body; the time of DNS is not replayed."""
    (given, scaled) = (
        find(ReplayAnswers(Recording([SLOW]), time_scale=scale), "http", GET) for scale in (1, 0.1)
    )
    assert (given.wait, given.set_up) == pytest.approx((0.4, 0.5))
    assert (scaled.wait, scaled.set_up) == pytest.approx((0.04, 0.05))
    pieces = -(-len(given.data) // given.step)
    assert given.pause * (pieces - 1) == pytest.approx(0.2)


def test_latency_replaces_the_wait() -> None:
    """It is not multiplied, and the other times stay."""
    given = find(ReplayAnswers(Recording([SLOW]), time_scale=0.1, latency=0.2), "http", GET)
    assert (given.wait, given.set_up) == pytest.approx((0.2, 0.05))


def test_time_scale_0_answers_in_one_write() -> None:
    """Waits and pauses are 0."""
    given = find(ReplayAnswers(Recording([SLOW]), time_scale=0), "http", GET)
    assert (given.wait, given.set_up, given.pause, given.step) == (0, 0, 0, len(given.data))


def test_connecting_takes_the_median_time_of_the_host() -> None:
    """Kept connections do not count."""
    times = [(0.1, True), (0.3, True), (0.2, True), (9.0, False)]
    made = [
        answer(f"{URL}{number}", seconds=ExchangeTimes(connect=connect), new_connection=new)
        for number, (connect, new) in enumerate(times)
    ]
    found = find(ReplayAnswers(Recording(made)), "http", GET.replace(b"/a", b"/a1"))
    assert found.set_up == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("exchange", "then"),
    [
        (answer(URL), "keep"),
        (Exchange(url=URL, reply=b"HTTP/1.1 200 OK\r\n\r\nbody"), "close"),
        (Exchange(url=URL, reply=b"HTTP/1.1 204 No Content\r\n\r\n"), "keep"),
        (
            Exchange(url=URL, reply=b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n"),
            "close",
        ),
        (Exchange(url=URL, reply=b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"), "close"),
        (Exchange(url=URL, ending="closed"), "close"),
        (Exchange(url=URL, ending="reset"), "reset"),
        (Exchange(url=URL, ending="silent"), "silent"),
        (Exchange(url=URL, ending="left", before=b"no HTTP\r\n"), "silent"),
        (Exchange(url=URL, ending="refused"), "close"),
        (Exchange(url=URL, ending="dns"), "close"),
    ],
)
def test_a_connection_goes_on_as_it_was_recorded(exchange: Exchange, then: str) -> None:
    """It stays open, or ends in the same way."""
    assert find(ReplayAnswers(Recording([exchange])), "http", GET).then == then


def test_of_several_answers_the_one_with_the_same_cookies_is_given() -> None:
    """Without a match the first is given. It matters whether a password was sent, not which."""
    bare = answer(URL, b"bare")
    cookie = answer(URL, b"cookie", cookies=("seen",))
    known = answer(URL, b"known", authorised=True)
    answers = ReplayAnswers(Recording([bare, cookie, known, answer(URL, b"later")]))
    heads = [GET, GET + b"\r\nCookie: seen=2", GET + b"\r\nAuthorization: x", GET + b"\r\nCookie: other=1"]
    found = [find(answers, "http", head).data.rpartition(b"\r\n")[2] for head in heads]
    assert found == [b"bare", b"cookie", b"known", b"bare"]


@pytest.mark.parametrize(
    "head",
    [b"", b"GET a HTTP/1.1\r\nHost: h", b"GET /a SPDY/3", b"GET /a b HTTP/1.1\r\nHost: h", b"\x16\x03"],
)
def test_bytes_that_are_no_request_are_refused(head: bytes) -> None:
    """The answer is 400, and the connection closes."""
    with pytest.raises(ValueError, match=r"not a request line|no path"):
        parse_request(head)
    refused = find(ReplayAnswers(Recording([answer(URL)])), "http", head)
    assert (refused.data[:13], refused.then) == (b"HTTP/1.1 400 ", "close")


def test_a_post_is_refused() -> None:
    """The answer is 405, and the connection closes."""
    answers = ReplayAnswers(Recording([answer(URL)]))
    refused = find(answers, "http", b"POST /a HTTP/1.1\r\nHost: h")
    assert (refused.data[:13], refused.then) == (b"HTTP/1.1 405 ", "close")


def test_scheme_host_and_port_are_part_of_the_name() -> None:
    """The Host field is compared without regard to case."""
    answers = ReplayAnswers(Recording([answer(URL)]))
    assert find(answers, "http", GET.replace(b"shop", b"SHOP")).known
    assert not find(answers, "https", GET).known
    assert not find(answers, "http", GET + b":81").known


@pytest.mark.parametrize(
    ("lines", "before", "reply"),
    [
        ([b"HTTP/1.1 200 OK\r\n", b"\r\n"], b"", b"HTTP/1.1 200 OK\r\n\r\nB"),
        (
            [b"HTTP/1.1 100 Continue\r\n", b"\r\n", b"HTTP/1.1 200\r\n", b"\r\n"],
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 200\r\n\r\nB",
        ),
        ([b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"], b"HTTP/1.1 200 OK\r\nx: y\r\nB", b""),
        ([b"garbage\r\n"], b"garbage\r\nB", b""),
        ([], b"B", b""),
    ],
)
def test_the_reply_begins_at_the_final_head(lines: list[bytes], before: bytes, reply: bytes) -> None:
    """Without a whole head there is no reply."""
    assert split_lines(lines, b"B") == (before, reply)


@pytest.mark.parametrize(
    ("fields", "needs", "ends"),
    [
        (b"Content-Length: 3", False, False),
        (b"Transfer-Encoding: chunked", False, False),
        (b"transfer-encoding: gzip", True, True),
        (b"X: y", True, True),
        (b"Content-Length: 3\r\nConnection: close", False, True),
    ],
)
def test_the_head_tells_where_the_body_ends(fields: bytes, needs: bool, ends: bool) -> None:
    """RFC 9112 §6.3 and §9.3."""
    head = b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\n"
    assert (needs_close(head), closes(head)) == (needs, ends)


def test_folded_and_nameless_cookies_are_crossed_out_too() -> None:
    """No line changes its length, so the body begins at the same place."""
    lines = [
        b"A: b\r\n",
        b"Set-Cookie: a=secret; Path=/\r\n",
        b" secret\r\n",
        b"set-cookie: secret\r\n",
        b"X: y\r\n",
    ]
    found = redact_reply(lines)
    assert b"secret" not in b"".join(found)
    assert list(map(len, found)) == list(map(len, lines))
    assert (found[0], found[4]) == (lines[0], lines[4])
    assert found[1] == b"Set-Cookie: a=xxxxxx; Path=/\r\n"


def test_a_recorded_request_keeps_only_fields_that_hold_no_secret() -> None:
    """The value of an unknown field is left out: it may be a key."""
    head = b"GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: u/1\r\nX-Token: k\r\nProxy-Authorization: k2\r\n\r\n"
    found = redact_request(head).head
    assert b"User-Agent: u/1" in found
    assert b"k" not in found.replace(b"X-Token", b"").replace(b"(not recorded)", b"")


# --- a running server, asked over a plain socket --------------------------------------------------------


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording whose times are long enough to measure."""
    slow = replace(SLOW, seconds=ExchangeTimes(first_byte=0.6, transfer=0.4))
    return write_recording(
        [slow, answer(URL + "2"), answer("https://shop.example/a")], tmp_path_factory.mktemp("t") / "w"
    )


def connected(server: ReplayServer, *, secure: bool = False) -> socket.socket:
    """A connection to the port of all hosts without an entry of their own."""
    port = int(server.connect_to.split(",")[-2 if secure else -1].rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def ask(server: ReplayServer, target: bytes = b"/a", times: int = 1) -> tuple[list[float], bytes]:
    """Seconds until each piece of the answer arrived, and the answer."""
    with connected(server) as sock:
        began, data, seen = time.monotonic(), b"", []
        sock.sendall((b"GET " + target + b" HTTP/1.1\r\nHost: shop.example\r\n\r\n") * times)
        while data.count(b"<title>t</title>") < times:
            data += sock.recv(65536)
            seen.append(time.monotonic() - began)
        return seen, data


@pytest.mark.parametrize(
    ("given", "first", "last"),
    [
        ({}, 0.6, 1.0),
        ({"time_scale": 0.5}, 0.3, 0.5),
        ({"latency": 0.2}, 0.2, 0.6),
        ({"time_scale": 0}, 0, 0),
    ],
)
def test_answers_come_at_their_time(given: dict[str, float], first: float, last: float, path: Path) -> None:
    """Neither the first piece nor the last comes early; without times there is one piece."""
    with serve_recording(path, **given) as server:
        seen, data = ask(server)
        assert data == SLOW.reply
    assert seen[0] >= first - ROUNDED
    assert seen[-1] >= last - ROUNDED
    assert (len(seen) > 1) == (last > first)


def test_pipelined_requests_are_answered_in_their_order(path: Path) -> None:
    """Each waits for the one before it; other connections are answered meanwhile."""
    with serve_recording(path, time_scale=0.1) as server:
        seen, _ = ask(server, times=3)
        assert seen[-1] >= 0.3 - ROUNDED
        assert ask(server, b"/a2")[1] == answer(URL).reply
        assert server.stats().requests == 4
        assert server.stats().connections == 2


def test_a_head_without_end_ends_the_connection(path: Path) -> None:
    """The server goes on."""
    with serve_recording(path) as server:
        with connected(server) as sock, suppress(ConnectionError):
            sock.sendall(b"GET /a HTTP/1.1\r\nX: " + b"x" * 2 * MAX_HEAD)
            assert sock.recv(1) == b"H"  # of the refusal, unless the reset overtakes it
        assert ask(server, b"/a2")[1] == answer(URL).reply


def test_broken_handshakes_do_no_harm(path: Path) -> None:
    """Neither a client that does not trust the authority nor one that speaks no TLS stops the server."""
    with serve_recording(path) as server:
        for _ in range(3):
            with connected(server, secure=True) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with connected(server, secure=True) as sock, pytest.raises(ssl.SSLError):
                ssl.create_default_context().wrap_socket(sock, server_hostname="shop.example")
        trusting = ssl.create_default_context(cafile=server.ca_file)
        with connected(server, secure=True) as sock:
            secure = trusting.wrap_socket(sock, server_hostname="shop.example")
            secure.sendall(b"GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            assert secure.recv(65536).startswith(b"HTTP/1.1 200 OK")
            secure.close()


@pytest.fixture
def quick(path: Path) -> Iterator[ReplayServer]:
    """A server that waits for nothing."""
    with serve_recording(path, time_scale=0) as server:
        yield server


def test_a_killed_server_is_one_clear_error(quick: ReplayServer) -> None:
    """Asking it raises `UsageError` instead of waiting for ever."""
    os.kill(quick.pid, signal.SIGKILL)
    with pytest.raises(UsageError, match="has ended"):
        quick.stats()
