"""Certificates that do not fit are a typed failure, tried once; --insecure lets them through, no more."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from parascrape.cli import run
from parascrape.errors import TlsError
from parascrape.settings import Settings
from tests.helpers.command import RUDE, read_records
from tests.helpers.fetching import close_connections, fetch
from tests.sites.site import HTML, Site

SETTINGS = Settings(timeout=20)
INSECURE = Settings(timeout=20, verify_tls=False)
NOW = datetime.now(UTC)
YESTERDAY, TOMORROW = NOW - timedelta(days=1), NOW + timedelta(days=1)


class TlsSite(Site):
    """The site behind TLS with this certificate. A handshake that fails ends its connection only."""

    def __init__(self, certificate: trustme.LeafCert | ssl.SSLContext) -> None:
        super().__init__()
        if isinstance(certificate, ssl.SSLContext):
            context = certificate
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
        self.listener = context.wrap_socket(self.listener, server_side=True, do_handshake_on_connect=False)
        self.url = self.url.replace("http:", "https:")


Case = tuple[Callable[[trustme.CA], trustme.LeafCert], str]
REFUSED: dict[str, Case] = {
    "expired": (lambda ca: ca.issue_cert("127.0.0.1", not_after=YESTERDAY), "expired"),
    "of tomorrow": (
        lambda ca: ca.issue_cert("127.0.0.1", not_before=TOMORROW),
        "not yet valid",
    ),
    "for another address": (lambda ca: ca.issue_cert("127.0.0.2"), "127.0.0.1"),
    "for another name": (lambda ca: ca.issue_cert("shop.example"), "127.0.0.1"),
    "of an unknown authority": (lambda _: trustme.CA().issue_cert("127.0.0.1"), "local issuer certificate"),
}


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[trustme.CA]:
    """An authority that REQUESTS_CA_BUNDLE names."""
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    close_connections()
    yield made
    close_connections()


def test_a_certificate_of_a_known_authority_is_good(authority: trustme.CA) -> None:
    """The bundle that the environment names is what is trusted; connections are kept as without TLS."""
    with TlsSite(authority.issue_cert("127.0.0.1")) as site:
        for _ in range(3):
            assert fetch(site("/ok"), SETTINGS).body == HTML
        assert site.connections == 1


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_a_bad_certificate_is_refused(authority: trustme.CA, case: Case) -> None:
    """Nothing is sent, and the message says what is wrong with it; --insecure fetches the page."""
    issue, words = case
    with TlsSite(issue(authority)) as site:
        with pytest.raises(TlsError, match=words) as caught:
            fetch(site("/ok"), SETTINGS)
        assert not caught.value.retryable
        assert site.log == []
        assert fetch(site("/ok"), INSECURE).body == HTML


def test_without_the_bundle_its_authority_is_unknown() -> None:
    """Trusted by default are the authorities that browsers trust, and no others."""
    close_connections()
    with TlsSite(trustme.CA().issue_cert("127.0.0.1")) as site, pytest.raises(TlsError):
        fetch(site("/ok"), SETTINGS)


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    """The usual certificate of routers and test servers: its own authority, which nobody knows."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "router")])
    address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(YESTERDAY).not_valid_after(TOMORROW).add_extension(address, False)
    signed = builder.sign(key, hashes.SHA256())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "own.pem").write_bytes(secret + signed.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "own.pem")
    return context


def test_a_certificate_that_signs_itself_is_refused(
    authority: trustme.CA, self_signed: ssl.SSLContext
) -> None:
    """And --insecure lets it through, also when the refusal came first."""
    with TlsSite(self_signed) as site:
        with pytest.raises(TlsError, match="self-signed"):
            fetch(site("/ok"), SETTINGS)
        assert fetch(site("/ok"), INSECURE).body == HTML


def test_a_connection_that_was_not_verified_serves_no_fetch_that_verifies(
    authority: trustme.CA, self_signed: ssl.SSLContext
) -> None:
    """One session each: an idle connection of --insecure is no way around the check."""
    with TlsSite(self_signed) as site:
        assert fetch(site("/ok"), INSECURE).body == HTML
        with pytest.raises(TlsError):
            fetch(site("/ok"), SETTINGS)
        assert len(site.log) == 1


@pytest.mark.parametrize(("insecure", "codes"), [((), ["tls", ""]), (("--insecure",), ["", ""])])
def test_the_command_tries_a_bad_certificate_once(
    authority: trustme.CA, tmp_path: Path, insecure: tuple[str, ...], codes: list[str]
) -> None:
    """It has a record with the code tls and one attempt; the rest of the list is not affected."""
    expired = authority.issue_cert("127.0.0.1", not_after=YESTERDAY)
    with TlsSite(expired) as bad, TlsSite(authority.issue_cert("127.0.0.1")) as good:
        output = str(tmp_path / "out.jsonl")
        run([bad("/ok"), good("/ok"), "-o", output, "--ordered", "-q", "--retries", "2", *insecure, *RUDE])
        records = read_records(output)
        assert bad.connections == 1
    assert [record.get("error", {}).get("code", "") for record in records] == codes
    assert {record["meta"]["attempts"] for record in records} == {1}
