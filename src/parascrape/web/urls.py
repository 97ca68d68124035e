"""URLs: validation and normalisation before sending, redaction, hosts, sites and registrable domains."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any
from urllib.parse import quote

from parascrape.errors import InvalidUrl

MAX_URL = 16_384
"""Characters of the longest URL, as given and as sent; servers accept at most 8 to 16 thousand."""

# The fast path: nearly every URL matches, and is sent as it is, without its fragment. User names, capitals in
# the host, default ports and dot segments take the careful path.
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_SAFE = r"A-Za-z0-9._~!$&'()*+,;=:@/"
_ESCAPED = r"|%[0-9A-Fa-f]{2}"
_PLAIN = re.compile(
    rf"(https?://(?P<host>(?:[a-z0-9_-]{{1,63}}\.)+[a-z][a-z0-9_-]{{0,62}}|{_OCTET}(?:\.{_OCTET}){{3}})"
    r"(?::(?:[1-5][0-9]{3,4}|6[0-4][0-9]{3}|[6-9][0-9]{3}))?)"
    rf"(?:(/(?:[{_SAFE}-]++{_ESCAPED})*+(?:\?(?:[{_SAFE}?-]++{_ESCAPED})*+)?)(?:#[!-~]*)?)?"
)
_PARTS = re.compile(r"(?ai:(https?)://)([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20})://")
_HOST_PORT = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::(.*))?", re.DOTALL)
_NAME = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?")
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
_UNSENDABLE = re.compile("[\x00-\x1f\x7f-\x9f]|[\ud800-\udfff\ufffd]")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_KEY = re.compile(r"(https?)://(?:[^/@]*@)?([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]+))?/")
# The second branch finds passwords in text that is not a valid URL: ``http://me:a/b@host``.
_USERINFO = re.compile(r"://(?:[^/?#\s]*@|[^/?#\s:@\[]*:(?![0-9]*(?:[/?#\s]|\Z))[^\r\n@]{0,1000}@(?:\S*@)?)")

_MAX_HOST = 253  # RFC 1035 §3.1: 255 octets on the wire
_DEFAULT_PORTS = {"http": 80, "https": 443}


def prepare(text: str) -> str:
    """Return a URL ready to send: printable ASCII, the same host for every parser (RFC 3986, UTS 46, WHATWG).

    Scheme and host become lower case. A default port, the fragment and dot segments are removed, an empty
    path becomes ``/``, and percent-escapes stay. A URL that parsers read differently is refused, not
    repaired. The function is idempotent.

    Raises:
        InvalidUrl: the text is not an http or https URL; the message says why, without a password.

    >>> prepare(" HTTP://Bücher.example:80/a b?ü#top ")
    'http://xn--bcher-kva.example/a%20b?%C3%BC'
    """
    text = text.strip()
    plain = _PLAIN.fullmatch(text)
    if not plain or len(text) >= MAX_URL or plain.end("host") > _MAX_HOST or "/." in text or "/%2" in text:
        return prepare_carefully(text)
    return plain[1] + (plain[3] or "/")


def host_key(url: str) -> str:
    """Return scheme, host and port of a prepared URL, with the default port and without the user name.

    Raises:
        InvalidUrl: the URL did not come from `prepare`.

    >>> host_key("https://me:secret@example.org/a")
    'https://example.org:443'
    """
    match = _KEY.match(url)
    if match is None:
        raise InvalidUrl("not a prepared URL")
    scheme, host, port = match.groups()
    return f"{scheme}://{host}:{port or _DEFAULT_PORTS[scheme]}"


def redact(text: str) -> str:
    """Return a text without the user names and passwords of the URLs in it.

    >>> redact("https://me:secret@example.org/@you")
    'https://example.org/@you'
    """
    return _USERINFO.sub("://", text) if "@" in text else text


def prepare_carefully(text: str) -> str:
    """Return what `prepare` returns, without its short cut for ordinary URLs. Raises InvalidUrl."""
    if len(text) > MAX_URL:
        raise InvalidUrl(f"longer than {MAX_URL} characters")
    if found := _UNSENDABLE.search(text):
        raise InvalidUrl(f"holds the character U+{ord(found[0]):04X}")
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise InvalidUrl(_scheme_fault(text))
    scheme, authority, path, query, fragment = parts.groups(default="")
    if not path and not query and "@" in fragment:
        raise InvalidUrl("an @ after the # that ends the host makes the host ambiguous")
    path = _without_dots(_escape(path.rstrip() if not query else path) or "/")
    query = _escape(query.rstrip(), "?")
    url = f"{scheme.lower()}://{_authority(authority, scheme.lower())}{path}{query}"
    if len(url) > MAX_URL:
        raise InvalidUrl(f"longer than {MAX_URL} characters when percent-encoded")
    return url


def _scheme_fault(text: str) -> str:
    scheme = _SCHEME.match(text)
    if scheme and scheme[1].lower() not in _DEFAULT_PORTS:
        return f"the scheme is {scheme[1].lower()}, not http or https"
    return "no http:// or https:// at its start" if text else "empty"


def _authority(authority: str, scheme: str) -> str:
    """Return ``user:password@host:port``, with each part checked and empty or default parts removed."""
    if "\\" in authority:
        raise InvalidUrl("a backslash before the path")
    userinfo, _, host_port = authority.rpartition("@")
    if "@" in userinfo or any(map(str.isspace, userinfo)):
        raise InvalidUrl("a second @ or white space in the user name or password: percent-encode it")
    match = _HOST_PORT.fullmatch(host_port)
    if match is None:
        raise InvalidUrl("the host is malformed")
    port = _port(match[2] or "", scheme)
    login = f"{_escape(userinfo)}@" if userinfo.strip(":") else ""
    return f"{login}{_host(match[1])}{port}"


def _port(digits: str, scheme: str) -> str:
    """Return ``:port``, "" for the scheme's default."""
    if not digits:
        return ""
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 5 and 1 <= int(digits) <= 65_535):
        raise InvalidUrl("the port is not a number between 1 and 65535")
    return "" if int(digits) == _DEFAULT_PORTS[scheme] else f":{int(digits)}"


def _host(host: str) -> str:
    """Return the host in lower-case ASCII: a name, a full IPv4 address or an IPv6 address in brackets."""
    if not host:
        raise InvalidUrl("no host")
    if host[0] == "[":
        return _ipv6(host)
    name = host.lower() if host.isascii() else _to_ascii(host)
    if len(name.rstrip(".")) > _MAX_HOST or not _NAME.fullmatch(name):
        raise InvalidUrl("the host is not a valid name")
    if _ENDS_IN_NUMBER.fullmatch(name):  # 127.1, 0x7f.1 and 2130706433 are 127.0.0.1 for a resolver
        try:
            return str(IPv4Address(name))
        except AddressValueError:
            raise InvalidUrl("the host is not a valid IPv4 address") from None
    return name


def _ipv6(host: str) -> str:
    address = host[1:-1]
    try:
        if "%" in address:
            raise AddressValueError("a zone means nothing to another machine")
        parsed = IPv6Address(address)
    except AddressValueError:
        raise InvalidUrl("the host is not a valid IPv6 address") from None
    if parsed.ipv4_mapped:  # WHATWG URL "IPv6 serializer"; str() does so only before Python 3.13
        return f"[::ffff:{int(parsed) >> 16 & 0xFFFF:x}:{int(parsed) & 0xFFFF:x}]"
    return f"[{parsed}]"


def _to_ascii(host: str) -> str:
    import idna  # 20 ms, and most lists never need it

    if len(host) > _MAX_HOST:
        raise InvalidUrl("the host is too long")
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise InvalidUrl("the host is not a valid internationalized name") from None


def _escape(text: str, also: str = "") -> str:
    """Percent-encode as UTF-8 by RFC 3986 §3.3 and §3.4; existing escapes stay."""
    return quote(_BARE_PERCENT.sub("%25", text), safe=f"%/:@!$&'()*+,;={also}")


def _without_dots(path: str) -> str:
    """Remove dot segments, also ``%2e`` (RFC 3986 §5.2.4): robots rules must see the servers' path."""
    if "/." not in path and "/%2" not in path:
        return path
    kept: list[str] = []
    dots = ""
    for segment in path.split("/")[1:]:
        dots = segment.lower().replace("%2e", ".")
        if dots == "..":
            kept = kept[:-1]
        elif dots != ".":
            kept.append(segment)
    if dots in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def site_of(url: str) -> str:
    """Return the host of a prepared URL, with its port if that is not the default; takes 0.3 us.

    So http and https of one name are one site.

    >>> site_of("https://me@example.org/a"), site_of("http://[::1]:8000/")
    ('example.org', '[::1]:8000')
    """
    site = url.split("/", 3)[2]
    return site.rpartition("@")[2] if "@" in site else site


def domain_key(url: str) -> str:
    """Return the registrable domain of a prepared URL, by the public suffix list; its host if it has none.

    >>> domain_key("https://news.bbc.co.uk/1"), domain_key("http://127.0.0.1:8000/")
    ('bbc.co.uk', '127.0.0.1')
    """
    return _registrable(host_key(url).partition("://")[2].rpartition(":")[0])


@lru_cache(10_000)
def domain_of(site: str) -> str:
    """Return the registrable domain of a site (`site_of`), whatever its port; its host if it has none.

    >>> domain_of("news.bbc.co.uk:8080"), domain_of("[::1]:8000"), domain_of("localhost")
    ('bbc.co.uk', '[::1]', 'localhost')
    """
    host, colon, port = site.rpartition(":")
    return _registrable(host if colon and port.isdecimal() else site)


def _registrable(host: str) -> str:
    if host.startswith("[") or host.replace(".", "").isdigit():
        return host
    return str(_suffixes().privatesuffix(host) or host)


@lru_cache(1)
def _suffixes() -> Any:
    from publicsuffixlist import PublicSuffixList  # 30 ms

    return PublicSuffixList()
