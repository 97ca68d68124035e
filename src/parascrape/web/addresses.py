"""Private and special IP addresses, which public URLs must not lead to (protection against SSRF).

A public server that redirects to such an address, or whose name resolves to one (DNS rebinding), makes the
crawler send requests that only its owner may send: to routers, cloud metadata, local services. The tables are
IANA's IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, as RFC 8190 amends it).
"""

from __future__ import annotations

import socket
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_V4 = [
    (IPv4Network(network), kind)
    for network, kind in (
        ("169.254.169.254/32", "cloud metadata"),
        ("168.63.129.16/32", "cloud metadata"),  # Azure's, out of the public range
        ("100.100.100.200/32", "cloud metadata"),  # Alibaba's
        ("0.0.0.0/8", "unspecified"),  # RFC 1122 §3.2.1.3; Linux connects it to itself
        ("10.0.0.0/8", "private"),  # RFC 1918
        ("100.64.0.0/10", "carrier-grade NAT"),  # RFC 6598
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),  # RFC 3927
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),  # protocol assignments, RFC 6890 §2.1
        ("192.0.2.0/24", "documentation"),  # RFC 5737
        ("192.88.99.0/24", "reserved"),  # 6to4 relays, RFC 7526
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),  # RFC 2544
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),  # and the broadcast address
    )
]
_V6 = [
    (IPv6Network(network), kind)
    for network, kind in (
        ("fd00:ec2::/32", "cloud metadata"),  # Amazon's fd00:ec2::254 and its neighbours
        ("fd20:ce::254/128", "cloud metadata"),  # Google's
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("64:ff9b:1::/48", "private"),  # NAT64 of one network, RFC 8215
        ("2001::/23", "reserved"),  # protocol assignments, Teredo among them: RFC 2928
        ("2001:db8::/32", "documentation"),
        ("3fff::/20", "documentation"),  # RFC 9637
        ("fc00::/7", "private"),  # RFC 4193
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),  # site-local, RFC 3879
        ("ff00::/8", "multicast"),
    )
]
_V6_UNICAST = IPv6Network("2000::/3")
"""The range that IANA assigns for the public Internet; other addresses are not routed there."""
_NAT64 = IPv6Network("64:ff9b::/96")

_LOCAL_NAMES = frozenset(
    ("localhost", "local", "internal", "test", "intranet", "private", "corp", "home", "lan", "arpa")
)
"""Top-level labels that the public DNS does not assign: RFC 6761 §6, RFC 6762 §3 and Appendix G, ICANN's
``.internal``; of ``arpa`` only ``home.arpa`` (RFC 8375)."""


def kind_of(address: str) -> str:
    """Return the kind of an IP address (``loopback``, ``private``, ...); "" for a public one.

    An IPv6 address that contains an IPv4 one (mapped, NAT64 by RFC 6052 §2.1, 6to4 by RFC 3056 §2) has the
    kind of that one.

    Raises:
        ValueError: the text is not an IP address.

    >>> kind_of("169.254.169.254"), kind_of("::ffff:10.0.0.1"), kind_of("93.184.216.34")
    ('cloud metadata', 'private', '')
    """
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        inner = IPv4Address(int(parsed) & 0xFFFF_FFFF) if parsed in _NAT64 else None
        inner = inner or parsed.ipv4_mapped or parsed.sixtofour
        if inner is None:
            kind = next((kind for network, kind in _V6 if parsed in network), "")
            return kind or ("" if parsed in _V6_UNICAST else "reserved")
        parsed = inner
    return next((kind for network, kind in _V4 if parsed in network), "")


def literal_kind(host: str) -> str:
    """Return the kind of a URL's host that is an address or ``localhost``; "" for other names.

    Decimal, octal, hexadecimal and shortened IPv4 addresses are read as by inet_aton(3). A final dot and the
    brackets of IPv6 are ignored.

    >>> literal_kind("0x7f.1"), literal_kind("[::1]"), literal_kind("example.org")
    ('loopback', 'loopback', '')
    """
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761 §6.3
        return "loopback"
    address = _literal(name)
    return kind_of(address) if address else ""


def _literal(name: str) -> str:
    """Return the address that a host is written as, in its usual form; "" for a name."""
    try:
        if ":" in name:
            return str(IPv6Address(name.removeprefix("[").removesuffix("]")))
        if name.rpartition(".")[2][:1].isdecimal():
            return socket.inet_ntoa(socket.inet_aton(name))
    except (OSError, ValueError):
        pass  # digits and colons, but not an address
    return ""


@lru_cache(maxsize=1024)  # without it 25 us a page
def is_local(host: str) -> bool:
    """Return whether a URL's host is obviously local, so that a user who lists it means it.

    Local are private addresses as `literal_kind` reads them, ``localhost``, names of one label, and names
    under a domain that the public DNS does not have: ``.local``, ``.internal``, ``.home.arpa``, ``.lan``, ...
    Other names count as public, whatever they resolve to.

    >>> is_local("127.0.0.1"), is_local("wiki"), is_local("nas.local"), is_local("evil.example")
    (True, True, True, False)
    """
    name = host.lower().rstrip(".")
    address = _literal(name)
    if address:
        return bool(kind_of(address))
    rest, dot, last = name.rpartition(".")
    if last == "arpa":
        return rest.rpartition(".")[2] == "home"
    return not dot or last in _LOCAL_NAMES


def refusal(address: str, kind: str) -> str:
    """Return the error message for a refused address or host that a public URL led to."""
    return f"{address} ({kind}) is refused: a public URL may lead there only with --allow-private"
