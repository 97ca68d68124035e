"""robots.txt (RFC 9309) parsed into `RobotsRules`; directives of X-Robots-Tag and <meta name="robots">."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from parascrape.web.retry import MAX_RETRY_AFTER, parse_retry_after

if TYPE_CHECKING:
    from protego import Protego

MAX_BODY = 500 * 1024
"""Bytes of a robots.txt that are read (RFC 9309 §2.5 requires at least these)."""

MAX_DELAY = 60.0
"""Seconds; a longer Crawl-delay is cut to this."""

DAY = 86_400.0
"""Seconds; rules are kept no longer than this (RFC 9309 §2.4)."""

_HOUR = 3600.0  # the least: many servers send no-cache for every file
_SOON = 60.0  # before an unreachable robots.txt is requested again
_MAX_SITEMAPS = 1000
_MAX_WISHES = 100  # Crawl-delay and Request-rate lines of a group

_LINE_END = re.compile(r"\r\n?|\n")
_OTHER_LINE_ENDS = re.compile("[\v\f\x1c-\x1e\x85\u2028\u2029]")
_FIELD = re.compile(
    r"(?ai:(?P<agent>user[ -]?agent)|(?P<allow>allow)|(?P<disallow>d[isal]+l[ao]w)"
    r"|(?P<delay>crawl[ -]delay)|(?P<rate>request[ -]rate)|(?P<sitemap>site-?maps?))(?:\s*:|\s)\s*(.*)"
)
_NAMES = {"allow": "Allow", "disallow": "Disallow", "delay": "Crawl-delay", "rate": "Request-rate"}
_TOKEN = re.compile(r"[A-Za-z0-9_.-]+")
_COMPATIBLE = re.compile(r"(?ai:mozilla)/[^ ]+ +\( *(?ai:compatible) *; *([A-Za-z0-9_.-]+)")
_MAX_AGE = re.compile(r"(?ai:max-age) *= *\"?([0-9]{1,9})")
_NEVER = re.compile(r"(?ai:\bno-(?:store|cache)\b)")


class RobotsRules(NamedTuple):
    """The rules of one host's robots.txt: small, picklable, and one shared object for most hosts.

    ``delay`` is the seconds between two fetches, 0 to MAX_DELAY; ``expires`` the seconds until robots.txt
    should be fetched again. If ``unreachable``, nothing may be fetched for now (RFC 9309 §2.3.1.4):
    ``reason`` says why, and ``silent`` whether the host gave no answer at all. ``packed`` is our group,
    compressed.
    """

    packed: bytes = b""
    delay: float = 0.0
    expires: float = DAY
    unreachable: bool = False
    reason: str = ""
    silent: bool = False

    def allows(self, url: str) -> bool:
        """Return whether a prepared URL of this host may be fetched (RFC 9309 §2.2.2).

        It takes 5 us with rules in the cache; else they are parsed again: 60 us for 20 rules.
        """
        if self.unreachable or not self.packed:
            return not self.unreachable
        return _matcher(self.packed).can_fetch(url, "*")

    @property
    def sitemaps(self) -> tuple[str, ...]:
        """The sitemaps that robots.txt names, in its order and spelling; at most 1,000."""
        return tuple(_matcher(self.packed).sitemaps) if self.packed else ()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rules, tuple(self)


ALLOW_ALL = RobotsRules()


def _rules(*fields: Any) -> RobotsRules:
    """Return rules with these fields. Equal rules share one object: many hosts have the same robots.txt."""
    rules = RobotsRules(*fields)
    return ALLOW_ALL if rules == ALLOW_ALL else _share(rules)


@lru_cache(maxsize=1024)
def _share(rules: RobotsRules) -> RobotsRules:
    return rules


def parse(body: bytes, user_agent: str) -> RobotsRules:
    """Return the rules of a robots.txt for a crawler with this User-Agent header (see `product_token`).

    The body is UTF-8, with or without a byte order mark. The function never raises: invalid lines are skipped
    (§2.2.1, §2.5). Of several delays the longest counts.

    >>> rules = parse(b"User-agent: *\\nDisallow: /a\\nAllow: /a/b\\nCrawl-delay: 2", "parascrape")
    >>> rules.allows("http://h/a/c"), rules.allows("http://h/a/b"), rules.delay
    (False, True, 2.0)
    """
    if len(body) > MAX_BODY:  # without the line that is cut there
        body = body[: max(body.rfind(b"\n", 0, MAX_BODY), body.rfind(b"\r", 0, MAX_BODY)) + 1]
    text = body.decode("utf-8-sig", "replace")
    group, sitemaps = _group(text, product_token(user_agent))
    rules = [f"{_NAMES[name]}: {value}" for name, value in dict.fromkeys(group) if name.endswith("allow")]
    if not any(line.startswith("Disallow") for line in rules):
        rules = []
    kept = "\n".join(["User-agent: *", *rules, *(f"Sitemap: {url}" for url in sitemaps[:_MAX_SITEMAPS])])
    return _rules(zlib.compress(kept.encode()) if rules or sitemaps else b"", _delay(group))


def from_answer(
    status: int, headers: Mapping[str, str], body: bytes | None, error_code: str, user_agent: str
) -> RobotsRules:
    """Return the rules that follow from a fetch of robots.txt, with redirects followed (§2.3.1).

    2xx: the rules of the body. 4xx, or a redirect that leads nowhere: everything is allowed (§2.3.1.3,
    §2.3.1.2). 5xx, or the ``error_code`` of a fetch without an answer: nothing is allowed for a minute or for
    Retry-After (§2.3.1.4). 429 counts as 5xx, as for Google's crawlers: a host that wants fewer requests has
    not allowed everything. If robots.txt leads to a refused address, everything is allowed, since the pages
    will be refused for the same reason. With an answer, ``error_code`` is ``""`` or ``"status"``.
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
    """Return the lower-case name by which a robots.txt addresses this User-Agent header (§2.2.1).

    It is the first product, or the name after ``compatible;`` in a header that starts like a browser's. A
    header without a name is addressed as ``parascrape``, so that sites can exclude it.

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


def _group(text: str, token: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the (field, value) pairs of our groups, else those of ``*``; and the sitemaps.

    Groups with one name are merged. Only Allow and Disallow, also empty ones, end a list of user agents:
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
    """Return (field, value) of the lines with a known field; the colon may be missing, the name misspelt."""
    found: list[tuple[str, str]] = []
    for line in _LINE_END.split(text):
        match = _FIELD.match(line.partition("#")[0].strip() + " ")
        if match:
            # Protego ends a line where str.splitlines does; RFC 9309 §2.2 knows CR and LF only.
            value = _OTHER_LINE_ENDS.sub(lambda end: quote(end[0]), match[match.lastindex or 0].strip())
            found.append((next(name for name, text in match.groupdict().items() if text), value))
    return found


def _delay(group: list[tuple[str, str]]) -> float:
    """Return the longest delay of the group's Crawl-delay and Request-rate fields, in seconds."""
    longest = 0.0
    wishes = [f"{_NAMES[name]}: {value}" for name, value in group if not name.endswith("allow")]
    for wish in wishes[:_MAX_WISHES]:  # Protego alone would use the last one
        parsed = _parser(f"User-agent: *\n{wish}")
        rate = parsed.request_rate("*")
        longest = max(longest, parsed.crawl_delay("*") or 0.0)
        if rate is not None:
            long = rate.seconds >= int(MAX_DELAY) * rate.requests  # the numbers may be too large to divide
            longest = max(longest, MAX_DELAY if long else rate.seconds / rate.requests)
    return min(longest, MAX_DELAY)


def _expires(cache_control: str) -> float:
    """Return the seconds, an hour to a day, that the answer may be kept (§2.4)."""
    age = _MAX_AGE.search(cache_control)
    if _NEVER.search(cache_control):
        return _HOUR
    return min(max(float(age[1]), _HOUR), DAY) if age else DAY


def _parser(text: str) -> Protego:
    from protego import Protego  # slow to import; --help must not wait for it

    return Protego.parse(text)


def _unpack(packed: bytes) -> Protego:
    return _parser(zlib.decompress(packed).decode())


# A parsed file takes 20 to 50 times its compressed size, so only a few long ones are cached.
_few_long, _many_short = lru_cache(maxsize=4)(_unpack), lru_cache(maxsize=256)(_unpack)


def _matcher(packed: bytes) -> Protego:
    return (_many_short if len(packed) <= 2048 else _few_long)(packed)


MAX_DIRECTIVES = 20
"""Directives kept for a page."""

_MAX_VALUES = 50  # header values or meta elements that are read
_MAX_VALUE = 2000  # characters of one

_DIRECTIVE = re.compile(
    "all|indexifembedded|noai|noarchive|nocache|nofollow|noimageai|noimageindex|noindex|none|noodp"
    "|nositelinkssearchbox|nosnippet|notranslate|noydir"
)
_VALUED = ("max-image-preview", "max-snippet", "max-video-preview", "unavailable_after")
_NAMED = re.compile(r"([A-Za-z0-9_.-]{1,60})\s*:\s*(.*)", re.DOTALL)
_SPACE = re.compile(r"\s+")


def robots_meta(headers: Iterable[str], metas: Iterable[tuple[str, str]], user_agent: str) -> tuple[str, ...]:
    """Return the known directives for us or for all robots: lower case, sorted, each once, at most 20.

    ``headers`` are the values of X-Robots-Tag fields, ``metas`` the (name, content) pairs of meta elements.
    Directives for other robots are left out. ``none`` becomes ``nofollow`` and ``noindex``; ``all`` is
    dropped. A robot's name holds to the end of its field, also if several fields were joined into one value.

    >>> robots_meta(["noindex, unavailable_after: 25 Jun 2030 15:00 GMT"], [("Robots", "NoFollow")], "ours")
    ('nofollow', 'noindex', 'unavailable_after: 25 jun 2030 15:00 gmt')
    >>> robots_meta(["otherbot: noindex", "ours: none, max-snippet:5"], [("otherbot", "noarchive")], "ours")
    ('max-snippet: 5', 'nofollow', 'noindex')
    """
    token = product_token(user_agent)
    found: set[str] = set()
    for value in islice(headers, _MAX_VALUES):
        found.update(_header(value[:_MAX_VALUE], token))
    for name, content in islice(metas, _MAX_VALUES):
        if name.strip().lower() in ("robots", token):
            found.update(_directives(content[:_MAX_VALUE].split(",")))
    if "none" in found:
        found |= {"nofollow", "noindex"}
    return tuple(sorted(found - {"all", "none"}))[:MAX_DIRECTIVES]


def _header(value: str, token: str) -> Iterator[str]:
    """Yield the directives of a field that are for all robots or for us."""
    parts: list[str] = []
    ours = True
    for part in value.split(","):
        named = _NAMED.fullmatch(part.strip())
        if named and named[1].lower() not in _VALUED and not named[1].isdecimal():
            ours = named[1].lower() == token
            part = named[2]
        if ours:
            parts.append(part)
    return _directives(parts)


def _directives(parts: list[str]) -> Iterator[str]:
    """Yield the known directives; the date of ``unavailable_after`` may hold commas."""
    dated = ""
    for part in parts:
        text = _SPACE.sub(" ", part).strip().lower()
        name, colon, value = (piece.strip() for piece in text.partition(":"))
        plain = _DIRECTIVE.fullmatch(text)
        known = plain or (colon and name in _VALUED)
        if dated and (known or len(dated) > 60):
            yield dated[:100]
            dated = ""
        if plain:
            yield text
        elif known and name == "unavailable_after":
            dated = f"{name}: {value}"
        elif known:
            yield f"{name}: {value}"[:40]
        elif dated and text:
            dated += f", {text}"
    if dated:
        yield dated[:100]
