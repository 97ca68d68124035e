"""The transport: one deadline for look-up, connecting and handshake; nothing of the environment is used."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from parascrape.errors import FetchTimeout
from parascrape.fetch import Client
from parascrape.settings import Settings
from tests.helpers.fetching import fetch
from tests.sites.site import HTML, Site

LIMIT = 20
SETTINGS = Settings(timeout=LIMIT, threads=4)

pytestmark = pytest.mark.usefixtures("fresh_connections")


@contextmanager
def listening(part: bytes = b"", every: float = 0.02) -> Iterator[int]:
    """The port of a server that sends the same bytes again and again, whatever it is asked."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                try:
                    while not ended.wait(every):
                        sock.sendall(part)
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            thread.join(LIMIT)


@pytest.mark.parametrize("part", [b"", b"\x16\x03\x03\x40\x00"], ids=["silent", "drip"])
def test_a_tls_handshake_is_within_the_total_time(part: bytes) -> None:
    """A server that never ends its hello is given up, though every byte of it comes soon."""
    with listening(part) as port, pytest.raises(FetchTimeout):
        fetch(f"https://127.0.0.1:{port}/", Settings(timeout=0.3))


@pytest.mark.parametrize("environment", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "NETRC"])
def test_the_environment_is_not_used(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: str
) -> None:
    """Neither its proxies, nor a netrc that would send its passwords to any host in the list."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1\nlogin me\npassword secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv(
        environment, str(netrc) if environment == "NETRC" else f"http://127.0.0.1:{closed_port()}"
    )
    assert fetch(site("/ok"), SETTINGS).body == HTML
    assert "authorization" not in site.log[0][1]


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def test_threads_share_a_session_and_get_their_own_pages(site: Site) -> None:
    """At most a connection for each thread, and no answer to another's question."""
    wrong: list[bytes] = []

    def work(thread: int) -> None:
        for number in range(thread, 200, 4):
            body = fetch(site(f"/page/{number}"), SETTINGS).body
            if b"<h1>Bread %d<" % number not in body:
                wrong.append(body)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert wrong == []
    assert len(site.log) == 200
    assert site.connections <= 4


def test_threads_that_begin_together_share_an_adapter() -> None:
    """Two would keep connections, and a driver, each."""
    client, together = Client(SETTINGS), threading.Barrier(4)

    def ask(_: int) -> object:
        together.wait(LIMIT)
        return client.adapter(False)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, range(4)))) == 1


def test_a_host_is_reached_at_whichever_address_answers(site: Site) -> None:
    """localhost may be ::1 first, where nobody listens."""
    assert fetch(site("/ok").replace("127.0.0.1", "localhost"), SETTINGS).body == HTML
