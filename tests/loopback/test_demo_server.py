"""The demo's server: exact on the wire, robust against garbage, and gone with its parent."""

from __future__ import annotations

import asyncio
import errno
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given, strategies as st

from parascrape.errors import UsageError
from parascrape.loopback.connection import MAX_HEAD, HttpConnection, Request, parse_request, refuse
from parascrape.loopback.demo.server import DemoAnswers, listen
from parascrape.loopback.demo.site import HOSTS, routes
from parascrape.loopback.load import ServerLoad
from parascrape.loopback.server_process import running_server, serve

LONG = "/weather/2024/002.html"


@pytest.fixture(scope="module")
def hosts() -> Iterator[list[str]]:
    with running_server() as found:
        yield found


def get(url: str, coding: str = "gzip", method: str = "GET") -> http.client.HTTPResponse:
    """The response to one request on a connection of its own, its body not yet read."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request(method, parts.path, headers={"Accept-Encoding": coding, "Connection": "close"})
    return connection.getresponse()


def status(url: str) -> int:
    """The status of one request."""
    with get(url) as response:
        return response.status


def send_raw(host: str, data: bytes) -> bytes:
    """What the server sends for raw bytes before it closes; b"" for nothing."""
    parts = urlsplit(host)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as sock:
        answer = b""
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while piece := sock.recv(65536):
                answer += piece
        except OSError:
            pass  # a reset is an answer too
    return answer


def test_slow_pages_keep_the_client_waiting(hosts: list[str]) -> None:
    """The first byte comes after the delay, the last one after the drip."""
    began = time.monotonic()
    assert status(hosts[7] + "/slow/2") == 200
    assert time.monotonic() - began >= 0.29
    began = time.monotonic()
    with get(hosts[7] + "/drip/1") as response:
        assert response.read() == routes()[7, "/drip/1"].body()
    assert time.monotonic() - began >= 0.59
    answer = DemoAnswers(hosts).find(7, Request("GET", "/drip/1", "HTTP/1.1", {}))
    assert answer.wait == 0  # the head comes at once, and the body in eight pieces
    assert answer.pause * 7 == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("coding", "said"),
    [
        ("gzip", "gzip"),
        ("br, GZIP;q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("gzip; q=0.0", None),
        ("identity", None),
    ],
)
def test_gzip_goes_to_those_who_accept_it(hosts: list[str], coding: str, said: str | None) -> None:
    """Accept-Encoding decides, weights counted (RFC 9110 §12.5.3)."""
    with get(hosts[2] + LONG, coding) as response:
        assert response.headers["Content-Encoding"] == said
        assert len(response.read()) == int(response.headers["Content-Length"])


def test_head_has_the_fields_and_no_body(hosts: list[str]) -> None:
    """HEAD gives the length of the body that GET would give."""
    with get(hosts[2] + LONG, "identity", "HEAD") as response:
        assert int(response.headers["Content-Length"]) == len(routes()[2, LONG].body())
        assert response.read() == b""


def test_a_connection_is_kept_for_many_requests(hosts: list[str]) -> None:
    """Each answer is whole, and none ends the connection."""
    connection = http.client.HTTPConnection(urlsplit(hosts[1]).netloc, timeout=10)
    for _ in range(50):
        connection.request("GET", "/town/")
        response = connection.getresponse()
        assert response.read()
        assert not response.will_close
    connection.close()


def test_connections_do_not_wait_for_acknowledgements() -> None:
    """TCP_NODELAY is set: with Nagle's algorithm, each answer on a kept connection takes 40 ms."""

    async def options() -> list[int]:
        loop, made = asyncio.get_running_loop(), set[HttpConnection]()
        with socket.create_server(("127.0.0.1", 0)) as sock:
            server = await loop.create_server(
                lambda: HttpConnection(lambda head: refuse(400), ServerLoad(), made), sock=sock
            )
            _, writer = await asyncio.open_connection(*sock.getsockname())
            while not made:
                await asyncio.sleep(0)
            found = [
                each.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                for each in made
            ]
            writer.close()
            server.close()
            return found

    assert all(asyncio.run(options()))


def test_pipelined_requests_are_answered_in_order(hosts: list[str]) -> None:
    """A slow answer holds back the quick one that was asked for after it."""
    ask = "GET {} HTTP/1.1\r\nHost: h\r\n\r\n"
    last = "GET /nothing HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    parts = urlsplit(hosts[7])
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as sock:
        sock.sendall((ask.format("/slow/1") + ask.format("/moved/1") + last).encode())
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    starts = [answer.index(b"HTTP/1.1 %d " % status) for status in (200, 301, 404)]
    assert starts == sorted(starts)
    assert starts[0] == 0


@pytest.mark.parametrize(
    ("data", "start"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET /\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", b"HTTP/1.1 400 "),
        (b"GET * HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 400 "),
        (b"POST / HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 405 "),
        (b"GET /../etc/passwd HTTP/1.0\r\n\r\n", b"HTTP/1.1 404 "),
        (b"GET http://elsewhere/robots.txt HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 "),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 2 * MAX_HEAD, b"HTTP/1.1 431 "),
        (b"", b""),
    ],
)
def test_server_survives_garbage(hosts: list[str], data: bytes, start: bytes) -> None:
    """Invalid requests are refused, and the next client is served."""
    answer = send_raw(hosts[0], data)
    assert answer.startswith(start) or (
        len(data) > MAX_HEAD and answer == b""
    )  # a reset may overtake the 431
    assert status(hosts[0] + "/robots.txt") == 200


def test_server_survives_a_megabyte_of_header(hosts: list[str]) -> None:
    """A header without end is refused or cut off, and the next client is served."""
    answer = send_raw(hosts[0], b"GET / HTTP/1.1\r\nX: " + b"x" * 1_000_000)
    assert answer[:13] in (b"HTTP/1.1 431 ", b"")
    assert status(hosts[0] + "/robots.txt") == 200


@given(st.binary(max_size=200) | st.from_regex(rb"[A-Z]{1,5} /[a-z]* HTTP/1\.[01]\r\n([a-z]+: ?[ -~]*\r\n)*"))
def test_parse_request_gives_a_request_or_value_error(head: bytes) -> None:
    """No bytes make the parser raise anything else."""
    try:
        request = parse_request(head)
    except ValueError:
        return
    assert isinstance(request, Request)
    assert request.target.startswith("/")


def test_hosts_share_an_address_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where 127.0.0.2 cannot be bound, as on macOS, every host has a port of its own on 127.0.0.1."""
    create = socket.create_server

    def one_address(address: tuple[str, int], **options: int) -> socket.socket:
        if address[0] != "127.0.0.1":
            raise OSError(errno.EADDRNOTAVAIL, "no such address")
        return create(address, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "create_server", one_address)
    sockets = listen()
    names = {sock.getsockname() for sock in sockets}
    for sock in sockets:
        sock.close()
    assert len(names) == HOSTS
    assert {address for address, _ in names} == {"127.0.0.1"}


def start_server() -> subprocess.Popen[bytes]:
    """The server as ``python -m`` starts it."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "parascrape.loopback.demo.server"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, stderr=pipe)


@pytest.mark.parametrize(
    "how", ["pipe", pytest.param("sigterm", marks=pytest.mark.skipif(os.name == "nt", reason=""))]
)
def test_server_ends_when_told(how: str) -> None:
    """The end of stdin, or SIGTERM, ends the server with status 0 and nothing on stderr, clients or not."""
    with start_server() as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stderr is not None
        bases = json.loads(process.stdout.readline())["hosts"]
        assert len(set(bases)) == HOSTS
        parts = urlsplit(bases[7])
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as client:
            client.sendall(b"GET /slow/8 HTTP/1.1\r\nHost: h\r\n\r\nGET /")
            if how == "pipe":
                process.stdin.close()
            else:
                process.send_signal(signal.SIGTERM)
            assert process.wait(5) == 0
        assert process.stderr.read() == b""


def test_server_does_not_outlive_a_killed_parent() -> None:
    """A parent that is killed outright takes the server with it."""
    script = (
        "import sys\nfrom parascrape.loopback.server_process import running_server\n"
        "with running_server() as hosts:\n    print(hosts[0], flush=True)\n    sys.stdin.read()\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", script], env=env, stdin=pipe, stdout=pipe) as parent:
        assert parent.stdout is not None
        parts = urlsplit(parent.stdout.readline().decode().strip())
        with socket.create_connection((parts.hostname, parts.port), timeout=5) as client:
            parent.kill()
            try:
                assert client.recv(1) == b""
            except ConnectionResetError:
                pass  # the same end, said otherwise


@pytest.mark.parametrize(
    ("script", "seconds", "said"),
    [("raise SystemExit(3)", 60.0, "status 3"), ("input()", 0.3, "did not start")],
)
def test_server_that_does_not_start_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, seconds: float, said: str
) -> None:
    """A server that ends, or says nothing within the time, is a usage error."""
    (tmp_path / "failing_server.py").write_text(f"def main():\n    {script}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(UsageError, match=said), serve("failing_server", {}, start_seconds=seconds):
        pytest.fail("no server runs")
