"""robots.txt (RFC 9309): an answer becomes `RobotsRules` that say what may be fetched, and how fast. Pure."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from parascrape.web.retry import MAX_RETRY_AFTER, parse_retry_after

if TYPE_CHECKING:
    from protego import Protego

__all__ = ["ALLOW_ALL", "MAX_BODY", "MAX_DELAY", "RobotsRules", "from_answer", "parse", "product_token"]

MAX_BODY = 500 * 1024
"""Bytes of a robots.txt that are looked at (RFC 9309 §2.5 wants no less)."""

MAX_DELAY = 60.0
"""Seconds between two fetches; a site that asks for more gets this."""

DAY = 86_400.0
"""Seconds that rules hold at most (RFC 9309 §2.4)."""

_HOUR = 3600.0  # many servers send no-cache for every file: asking them every minute would be no courtesy
_SOON = 60.0  # until a robots.txt that could not be had is asked for again
_MAX_SITEMAPS = 1000
_MAX_WISHES = 100  # Crawl-delay and Request-rate lines of a group

_LINE_END = re.compile(r"\r\n?|\n")
_OTHER_LINE_ENDS = re.compile("[\v\f\x1c-\x1e\x85\u2028\u2029]")
_FIELD = re.compile(
    r"(?ai:(?P<agent>user[ -]?agent)|(?P<allow>allow)|(?P<disallow>d[isal]+l[ao]w)"
    r"|(?P<delay>crawl[ -]delay)|(?P<rate>request[ -]rate)|(?P<sitemap>site-?maps?))(?:\s*:|\s)\s*(.*)"
)
_NAMES = {
    "allow": "Allow",
    "disallow": "Disallow",
    "delay": "Crawl-delay",
    "rate": "Request-rate",
    "sitemap": "Sitemap",
}
_TOKEN = re.compile(r"[A-Za-z0-9_.-]+")
_COMPATIBLE = re.compile(r"(?ai:mozilla)/[^ ]+ +\( *(?ai:compatible) *; *([A-Za-z0-9_.-]+)")
_MAX_AGE = re.compile(r"(?ai:max-age) *= *\"?([0-9]{1,9})")
_NEVER = re.compile(r"(?ai:\bno-(?:store|cache)\b)")


class RobotsRules(NamedTuple):
    """What one host's robots.txt asks of us: small, picklable, and for most hosts one shared object.

    ``delay`` is the seconds between two fetches, 0 to MAX_DELAY; ``expires`` the seconds until
    robots.txt should be fetched again. ``unreachable``: it could not be had, so nothing may be
    fetched for now (RFC 9309 §2.3.1.4), and ``reason`` says why; ``silent`` where the host gave no answer
    at all. ``packed`` is our group, compressed.
    """

    packed: bytes = b""
    delay: float = 0.0
    expires: float = DAY
    unreachable: bool = False
    reason: str = ""
    silent: bool = False

    def allows(self, url: str) -> bool:
        """Whether a prepared URL of this host may be fetched (RFC 9309 §2.2.2).

        5 us where the host's rules were used of late, else they are parsed again: 60 us for 20 rules.
        """
        if self.unreachable or not self.packed:
            return not self.unreachable
        return _matcher(self.packed).can_fetch(url, "*")

    @property
    def sitemaps(self) -> tuple[str, ...]:
        """The sitemaps that robots.txt names, in its order, as they stand there; at most 1,000."""
        return tuple(_matcher(self.packed).sitemaps) if self.packed else ()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rules, tuple(self)


ALLOW_ALL = RobotsRules()


def _rules(*fields: Any) -> RobotsRules:
    """Rules of these fields. Those that are alike are one object: many hosts run the same few programs."""
    rules = RobotsRules(*fields)
    return ALLOW_ALL if rules == ALLOW_ALL else _share(rules)


@lru_cache(maxsize=1024)
def _share(rules: RobotsRules) -> RobotsRules:
    return rules


def parse(body: bytes, user_agent: str) -> RobotsRules:
    """The rules in a robots.txt for a crawler with this User-Agent header (see `product_token`).

    UTF-8, with or without a byte order mark; what is none is replaced. Never raises: lines that say
    nothing are passed over (§2.2.1, §2.5), and of several delays the strictest counts.

    >>> rules = parse(b"User-agent: *\\nDisallow: /a\\nAllow: /a/b\\nCrawl-delay: 2", "parascrape")
    >>> rules.allows("http://h/a/c"), rules.allows("http://h/a/b"), rules.delay
    (False, True, 2.0)
    """
    text = _cut(body).decode("utf-8-sig", "replace")
    group, sitemaps = _group(text, product_token(user_agent))
    delay = _delay(group)
    rules = [f"{_NAMES[name]}: {value}" for name, value in dict.fromkeys(group) if name.endswith("allow")]
    if not any(line.startswith("Disallow") for line in rules):
        rules = []
    kept = "\n".join(["User-agent: *", *rules, *(f"Sitemap: {url}" for url in sitemaps[:_MAX_SITEMAPS])])
    return _rules(zlib.compress(kept.encode()) if rules or sitemaps else b"", delay)


def from_answer(
    status: int, headers: Mapping[str, str], body: bytes | None, error_code: str, user_agent: str
) -> RobotsRules:
    """The rules that follow from how the fetch of robots.txt went, redirects followed (§2.3.1).

    2xx: what it says. 4xx: all is allowed (§2.3.1.3), and so it is after a redirect that leads nowhere
    (§2.3.1.2). 5xx, and every ``error_code`` of a fetch that gave no answer: nothing is, for a minute
    or for Retry-After (§2.3.1.4). 429 counts as 5xx, as Google's crawlers have it: a host that asks
    for fewer requests has not said that all may be fetched. Where robots.txt leads to an address that is
    refused, pages will be refused for the same reason, and say so. ``error_code`` is ``""`` or ``"status"``
    where there is an answer.
    """
    fields = {name.lower(): value for name, value in headers.items()}
    if error_code in ("bad_redirect", "address"):
        return ALLOW_ALL
    if error_code in ("", "status"):
        if body is not None and 200 <= status < 300:
            expires = _expires(fields.get("cache-control", ""))
            return _rules(*parse(body, user_agent)._replace(expires=expires))
        if 300 <= status < 500 and status != 429:
            return ALLOW_ALL
    wait = max(_SOON, parse_retry_after(fields.get("retry-after")) or 0.0)
    reason = f"status {status}" if error_code in ("", "status") else error_code
    return _rules(b"", 0.0, min(wait, MAX_RETRY_AFTER), True, f"robots.txt: {reason}", not status)


def product_token(user_agent: str) -> str:
    """The name, in lower case, by which a robots.txt may address this User-Agent header (§2.2.1).

    The first product; of one that begins as browsers' do, the name that follows ``compatible;``. A
    header that names nobody is addressed as ``parascrape``: a site that wants us out can say so.

    >>> product_token("ExampleBot/1.2"), product_token("Mozilla/5.0 (compatible; Some-Bot/2; +http://h)")
    ('examplebot', 'some-bot')
    >>> product_token("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")
    'parascrape'
    """
    match = _COMPATIBLE.match(user_agent)
    name = match[1] if match else _first_token(user_agent)
    return "parascrape" if name in ("", "mozilla") else name.lower()


def _first_token(text: str) -> str:
    match = _TOKEN.match(text)
    return match[0].lower() if match else ""


def _cut(body: bytes) -> bytes:
    """The first MAX_BODY bytes without the line that is cut there."""
    if len(body) <= MAX_BODY:
        return body
    end = max(body.rfind(b"\n", 0, MAX_BODY), body.rfind(b"\r", 0, MAX_BODY))
    return body[: end + 1]


def _group(text: str, token: str) -> tuple[list[tuple[str, str]], list[str]]:
    """What our groups say, or where none names us those of ``*``, as (field, value); and the sitemaps.

    Groups of one name are merged. Only Allow and Disallow, empty ones too, end a list of user agents:
    other records must not interfere with it (§2.2.4), though Protego would let Crawl-delay do so.
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    current: set[str] = set()
    sitemaps: list[str] = []
    open_list = False
    for name, value in _fields(text):
        if name == "agent":
            agent = "*" if value.split()[:1] == ["*"] else _first_token(value.lstrip("*"))
            current = {*(current if open_list else ()), agent} & {token, "*"}
            groups.update((agent, []) for agent in current.difference(groups))
            open_list = True
        elif name == "sitemap":
            sitemaps += [value] if value else []
        else:
            open_list = open_list and not name.endswith("allow")
            for agent in current if value else ():
                groups[agent].append((name, value))
    return groups.get(token, groups.get("*", [])), sitemaps


def _fields(text: str) -> list[tuple[str, str]]:
    """(field, value) of the lines that have a field we know; a colon may be missing, a name misspelt."""
    found: list[tuple[str, str]] = []
    for line in _LINE_END.split(text):
        match = _FIELD.match(line.partition("#")[0].strip() + " ")
        if match:
            # Protego ends a line where str.splitlines does; RFC 9309 §2.2 knows CR and LF only.
            value = _OTHER_LINE_ENDS.sub(_percent, match[match.lastindex or 0].strip())
            found.append((_kind(match), value))
    return found


def _kind(match: re.Match[str]) -> str:
    return next(name for name, text in match.groupdict().items() if text)


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode())


def _delay(group: list[tuple[str, str]]) -> float:
    """Seconds between two fetches: the strictest Crawl-delay or Request-rate of the group."""
    longest = 0.0
    wishes = [f"{_NAMES[name]}: {value}" for name, value in group if not name.endswith("allow")]
    for wish in wishes[:_MAX_WISHES]:  # of several, Protego would take the last
        parsed = _parser(f"User-agent: *\n{wish}")
        rate = parsed.request_rate("*")
        longest = max(longest, parsed.crawl_delay("*") or 0.0)
        if rate is not None:
            long = rate.seconds >= int(MAX_DELAY) * rate.requests  # they may be too large to divide
            longest = max(longest, MAX_DELAY if long else rate.seconds / rate.requests)
    return min(longest, MAX_DELAY)


def _expires(cache_control: str) -> float:
    """Seconds, an hour to a day, that the answer may be kept (§2.4)."""
    age = _MAX_AGE.search(cache_control)
    if _NEVER.search(cache_control):
        return _HOUR
    return min(max(float(age[1]), _HOUR), DAY) if age else DAY


def _parser(text: str) -> Protego:
    from protego import Protego  # the command's help must not wait for it

    return Protego.parse(text)


def _unpack(packed: bytes) -> Protego:
    return _parser(zlib.decompress(packed).decode())


# A parsed file takes 20 to 50 times its compressed bytes, so the long ones are kept apart, and few.
_few_long = lru_cache(maxsize=4)(_unpack)
_many_short = lru_cache(maxsize=256)(_unpack)


def _matcher(packed: bytes) -> Protego:
    return (_many_short if len(packed) <= 2048 else _few_long)(packed)
