"""Addresses: which are private, and which hosts say by themselves that they are of one's own network."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, strategies as st

from parascrape.web.addresses import is_local, kind_of, literal_kind

KINDS = [
    ("0.0.0.0", "unspecified"),
    ("0.255.255.255", "unspecified"),
    ("9.255.255.255", ""),
    ("10.0.0.0", "private"),
    ("10.255.255.255", "private"),
    ("11.0.0.0", ""),
    ("93.184.216.34", ""),
    ("100.63.255.255", ""),
    ("100.64.0.0", "carrier-grade NAT"),
    ("100.100.100.200", "cloud metadata"),
    ("100.127.255.255", "carrier-grade NAT"),
    ("100.128.0.0", ""),
    ("127.0.0.1", "loopback"),
    ("127.255.255.255", "loopback"),
    ("128.0.0.0", ""),
    ("168.63.129.15", ""),
    ("168.63.129.16", "cloud metadata"),
    ("169.254.0.1", "link-local"),
    ("169.254.169.254", "cloud metadata"),
    ("169.255.0.0", ""),
    ("172.15.255.255", ""),
    ("172.16.0.0", "private"),
    ("172.31.255.255", "private"),
    ("172.32.0.0", ""),
    ("192.0.0.192", "reserved"),
    ("192.0.2.1", "documentation"),
    ("192.88.99.1", "reserved"),
    ("192.168.255.255", "private"),
    ("192.169.0.0", ""),
    ("198.18.0.1", "benchmarking"),
    ("198.20.0.0", ""),
    ("198.51.100.7", "documentation"),
    ("203.0.113.7", "documentation"),
    ("223.255.255.255", ""),
    ("224.0.0.1", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "reserved"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("::7f00:1", "reserved"),
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:93.184.216.34", ""),
    ("64:ff9b::a9fe:a9fe", "cloud metadata"),
    ("64:ff9b::5db8:d822", ""),
    ("64:ff9b:1::1", "private"),
    ("100::1", "reserved"),
    ("2001::1", "reserved"),
    ("2001:200::1", ""),
    ("2001:db8::1", "documentation"),
    ("2002:c0a8:1::1", "private"),
    ("2002:5db8:d822::1", ""),
    ("2606:2800:220:1::1", ""),
    ("3fff::1", "documentation"),
    ("4000::1", "reserved"),
    ("5f00::1", "reserved"),
    ("fc00::1", "private"),
    ("fd00:ec2::254", "cloud metadata"),
    ("fd20:ce::254", "cloud metadata"),
    ("fdff::1", "private"),
    ("fe80::1", "link-local"),
    ("fe80::1%eth0", "link-local"),
    ("fec0::1", "private"),
    ("ff02::1", "multicast"),
]


@pytest.mark.parametrize(("address", "kind"), KINDS)
def test_an_address_has_the_kind_of_its_registry_entry(address: str, kind: str) -> None:
    """The first and last addresses of the blocks, and their neighbours."""
    assert kind_of(address) == kind


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "2130706433", "[::1]", "1.2.3.4.5"])
def test_a_text_that_is_not_an_address_raises(text: str) -> None:
    """Sockets give addresses in their usual form; anything else is an error of the caller."""
    with pytest.raises(ValueError, match="does not appear to be"):
        kind_of(text)


@given(st.ip_addresses(v=4))
def test_addresses_that_are_not_global_for_the_standard_library_have_a_kind(address: IPv4Address) -> None:
    """The table has every block that ipaddress knows; hypothesis favours special networks."""
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert kind_of(str(address))


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_beyond_unicast_is_public(address: IPv6Address) -> None:
    """What is public lies in 2000::/3, or stands for a public IPv4 address."""
    if not kind_of(str(address)):
        assert int(address) >> 125 == 1 or str(address).startswith(("64:ff9b::", "::ffff:"))


@given(st.ip_addresses(v=4))
def test_ipv6_forms_of_an_ipv4_address_are_of_its_kind(address: IPv4Address) -> None:
    """Mapped, through NAT64, through 6to4: the packets end at the same host."""
    high, low = divmod(int(address), 1 << 16)
    forms = (f"::ffff:{address}", f"64:ff9b::{address}", f"2002:{high:x}:{low:x}::1")
    assert {kind_of(form) for form in forms} == {kind_of(str(address))}


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "0177.0.0.1",
        "2130706433",
        "0x7F000001",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "LOCALHOST.",
        "shop.localhost",
    ],
)
def test_every_notation_of_loopback_is_recognised(host: str) -> None:
    """Those of inet_aton(3), IPv6 in brackets, and the names that RFC 6761 §6.3 gives away."""
    assert literal_kind(host) == "loopback"
    assert is_local(host)


@pytest.mark.parametrize(
    "host", ["wiki", "nas.local", "git.corp", "a.b.internal", "x.home.arpa", "dev.test."]
)
def test_a_name_in_a_local_domain_is_local_and_not_an_address(host: str) -> None:
    """A user may list it; for the target of a redirect its address decides."""
    assert is_local(host)
    assert literal_kind(host) == ""


@pytest.mark.parametrize(
    "host",
    [
        "example.org",
        "evil.example",
        "93.184.216.34",
        "1572395042",
        "[2606:2800:220:1::1]",
        "in-addr.arpa",
        "localhost.example.org",
        "127.0.0.1.example.org",
        "notlocalhost.com",
        "local.example",
        "10.example",
    ],
)
def test_other_hosts_count_as_public_before_connecting(host: str) -> None:
    """Anybody can register such a name, even if it looks local."""
    assert not is_local(host)
    assert literal_kind(host) == ""


@given(st.one_of(st.text(max_size=40), st.from_regex(r"\[?[0-9a-fx:.%]{0,30}\]?", fullmatch=True)))
def test_any_text_is_local_or_not(text: str) -> None:
    """No host makes the check itself fail, and what is literally private is local."""
    assert not literal_kind(text) or is_local(text)


def test_libcurl_reads_shortened_addresses_as_we_do() -> None:
    """inet_aton of this machine, which the check trusts, knows hexadecimal, octal and short forms."""
    assert {socket.inet_aton(text) for text in ("0x7f.1", "0177.1", "2130706433")} == {b"\x7f\0\0\1"}
