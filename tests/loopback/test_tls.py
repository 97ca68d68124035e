"""https hosts keep their names on the replay server; certificates that were refused are refused again."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from parascrape.fetch import NetworkOptions
from parascrape.loopback import Exchange, Recording, read_recording, serve_recording
from parascrape.loopback.replay.server import Authority, Ports, fault_of, make_connect_to, tls_faults
from tests.helpers.harvests import MODES, make, records_of
from tests.helpers.recordings import answer, harvest, make_recording, write_recording
from tests.sites.site import Site

QUICK = {"retries": 0, "robots": False, "per_host": 0, "scraper": "page"}
EXPIRED = {"not_before": datetime(2020, 1, 1, tzinfo=UTC), "not_after": datetime(2021, 1, 1, tzinfo=UTC)}


class SecureSite(Site):
    """The loopback site behind TLS, under a name of its own."""

    def __init__(self, name: str, authority: trustme.CA, issued_to: str = "", **times: Any) -> None:
        super().__init__()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(issued_to or name, **times).configure_cert(self.context)
        self.url = f"https://{name}:{self.listener.getsockname()[1]}"

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError):  # a handshake that the client breaks off
            super()._serve(self.context.wrap_socket(sock, server_side=True))


class PlainSite(Site):
    """A site that answers a TLS handshake in plain text."""

    def _serve(self, sock: socket.socket) -> None:
        with sock, suppress(OSError):
            sock.recv(65536)
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The authority that the harvests of these tests trust."""
    return trustme.CA()


@pytest.fixture
def sites(authority: trustme.CA) -> Iterator[list[str]]:
    """Origins of two good sites, and of sites with four kinds of TLS fault."""
    with ExitStack() as stack:
        made = [
            SecureSite("good.localhost", authority),
            SecureSite("127.0.0.1", authority),
            SecureSite("old.localhost", authority, **EXPIRED),
            SecureSite("wrong.localhost", authority, "another.localhost"),
            SecureSite("unknown.localhost", trustme.CA()),
        ]
        origins = [stack.enter_context(site).url for site in made]
        plain = stack.enter_context(PlainSite())
        yield [*origins, plain.url.replace("http://127.0.0.1", "https://plain.localhost")]


def test_https_is_replayed_with_its_failures(
    sites: list[str], authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every mode gives the same records: pages of good hosts, ``tls`` with its reason for the others."""
    path, pem = tmp_path / "tls.warc.gz", tmp_path / "trusted.pem"
    authority.cert_pem.write_to_path(str(pem))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    settings = make("thread", **QUICK)
    urls = [f"{origin}/page/1" for origin in sites]
    make_recording(urls, path, settings)
    endings = [read_recording(path)[url].ending for url in urls]
    assert endings == ["whole", "whole", "tls", "tls", "tls", "tls"]
    expected = harvest(urls, settings)
    with serve_recording(path) as server:
        for mode in MODES:
            found = harvest(urls, replace(settings, mode=mode), server)  # type: ignore[arg-type]
            assert _without_names(found) == _without_names(expected)


def _without_names(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records without OpenSSL's wording of an unknown authority, which differs by where it looked."""
    for one in found:
        if "unable to get" in str(one.get("error")) or "self-signed" in str(one.get("error")):
            one["error"]["message"] = "unknown authority"
    return found


def test_only_the_authority_of_the_server_is_trusted(tmp_path: Path) -> None:
    """Without its ``ca_file`` every https host fails."""
    url = "https://shop.example/a"
    path = write_recording([answer(url)], tmp_path / "one.warc.gz")
    settings = make("thread", **QUICK)
    with serve_recording(path) as server:
        (good,) = harvest([url], settings, server)
        (bad,) = records_of([url], settings, network=NetworkOptions(server.connect_to))
    assert good["meta"]["status"] == 200
    assert bad["error"]["code"] == "tls"


def test_plain_recordings_need_no_certificates(tmp_path: Path) -> None:
    """Without an https host there is no ``ca_file``."""
    path = write_recording([answer("http://shop.example/a")], tmp_path / "one.warc.gz")
    with serve_recording(path) as server:
        assert server.ca_file == ""


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("SSL certificate problem: certificate has expired", "expired"),
        ("SSL: no alternative certificate subject name matches target host name 'a'", "name"),
        ("SSL certificate problem: self-signed certificate", "authority"),
        ("something else", "authority"),
    ],
)
def test_the_message_tells_the_fault_of_a_certificate(message: str, fault: str) -> None:
    """libcurl has one error number for all of them."""
    assert fault_of(message) == fault


def test_a_name_that_no_certificate_can_hold_gets_the_shared_one() -> None:
    """The handshake goes on, and the client decides."""
    authority = Authority(["192.0.2.1"], {})
    assert authority.context_for("a_b.example") is authority.context


def failed(url: str, ending: str, message: str = "") -> Exchange:
    """An exchange without an answer."""
    return Exchange(url=url, ending=ending, message=message)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("exchanges", "entries"),
    [
        ([answer("http://a.example/")], []),
        ([answer("https://a.example/")], []),
        ([answer("https://a.example:8443/")], ["a.example:8443:127.0.0.1:2"]),
        ([answer("http://a.example:443/")], ["a.example:443:127.0.0.1:1"]),
        ([failed("http://a.example/", "refused")], ["a.example:80:127.0.0.1:3"]),
        ([answer("http://a.example/"), failed("http://a.example/b", "refused")], []),
        ([failed("https://a.example/", "tls", "wrong version number")], ["a.example:443:127.0.0.1:1"]),
        ([failed("https://a.example/", "tls", "expired")], []),
        ([answer("http://[2001:db8::1]:81/")], []),
        ([failed("http://[2001:db8::1]/", "refused")], ["[2001:db8::1]:80:127.0.0.1:3"]),
    ],
)
def test_hosts_have_an_entry_of_their_own_only_where_they_need_one(
    exchanges: list[Exchange], entries: list[str]
) -> None:
    """Port 443 is TLS and others are not, unless the recording shows otherwise."""
    found = make_connect_to(Recording(exchanges), Ports(1, 2, 3)).split(",")
    assert found[:-2] == entries
    assert found[-2:] == [":443:127.0.0.1:2", "::127.0.0.1:1"]


def test_a_tls_fault_counts_only_without_a_good_handshake() -> None:
    """A host with one good handshake keeps a good certificate."""
    broken = failed("https://a.example/", "tls", "expired")
    assert tls_faults(Recording([broken])) == {"a.example": "expired"}
    assert tls_faults(Recording([broken, answer("https://a.example/b")])) == {}
