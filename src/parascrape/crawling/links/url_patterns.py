"""URL patterns: what a URL's form says about traps, session ids, dates and similar URLs. Pure.

All functions take prepared URLs (`prepare`) without a fragment, and time linear in their length.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from parascrape.web import CanonicalOptions, canonical_url, redact

MAX_SEGMENTS = 32  # segments of a path; more are a ``deep_path``
MAX_LENGTH = 2000  # characters of a URL; more are a ``long_url``
MAX_PARAMETERS = 30  # parameters of a query; more are ``many_parameters``
MAX_PATTERN = 500  # characters of a pattern; the end of a longer one becomes a hash
_MAX_OF_ONE = 10  # parameters of one name
_MAX_OF_ONE_SEGMENT = 5
_IN_A_ROW = 3
_SHORT_NUMBER = re.compile(r"[0-9]{1,4}")


def trap_of(url: str) -> str:
    """Return the name of the trap that the URL looks like, or an empty string. 1 us for a plain URL.

    - ``long_url``: more than 2,000 characters.
    - ``repeated_segments``: a run of segments three times in a row (``/a/b/a/b/a/b``), or one segment more
      than five times. Numbers of up to four digits do not count, because dates and shards repeat them
      (``/1/1/1/``), nor does a single character three times in a row (``/a/a/a/``). A known error are places
      such as ``/luxembourg/luxembourg/luxembourg/`` (country, canton, town).
    - ``deep_path``: more than 32 segments, not counting an empty one at the end.
    - ``many_parameters``: more than 30 parameters, or more than ten with one name, unless it ends in ``[]``,
      as forms write lists.

    >>> trap_of("http://h/a/b/a/b/a/b/"), trap_of("http://h/2024/01/01/")
    ('repeated_segments', '')
    """
    if len(url) > MAX_LENGTH:
        return "long_url"
    path, _, query = url.partition("?")
    segments = path.split("/")[3:]
    if segments and not segments[-1]:
        segments.pop()
    if len(set(segments)) < len(segments) and _repeats(segments[: MAX_SEGMENTS + 1]):
        return "repeated_segments"
    if len(segments) > MAX_SEGMENTS:
        return "deep_path"
    return "many_parameters" if query.count("&") >= _MAX_OF_ONE and _too_many(query) else ""


def _repeats(segments: list[str]) -> bool:
    """Return whether segments, at most 33, repeat as described in `trap_of`."""
    for one in set(segments):
        if segments.count(one) > _MAX_OF_ONE_SEGMENT and not _SHORT_NUMBER.fullmatch(one):
            return True
    for length in range(1, len(segments) // _IN_A_ROW + 1):
        for start in range(len(segments) - _IN_A_ROW * length + 1):
            run = segments[start : start + length]
            if segments[start : start + _IN_A_ROW * length] == run * _IN_A_ROW and not _may_repeat(run):
                return True
    return False


def _may_repeat(run: list[str]) -> bool:
    """Return whether normal paths repeat such a run: short numbers, or a single character."""
    return (len(run) == 1 and len(run[0]) <= 1) or all(map(_SHORT_NUMBER.fullmatch, run))


def _too_many(query: str) -> bool:
    names = [one.partition("=")[0] for one in query.split("&")]
    if len(names) > MAX_PARAMETERS:
        return True
    return any(names.count(one) > _MAX_OF_ONE and not one.endswith(("[]", "%5B%5D")) for one in set(names))


_ID_PARAMETER = re.compile(
    r"(?ai:[?&](?:(?:php|j)?sess(?:ion)?_?id|aspsessionid[a-z]*|sid|s|cfid|cftoken|zenid|oscsid)=)"
)
_ID_IN_PATH = re.compile(r"(?ai:;(?:jsessionid|phpsessid)=)[^/;?&]*")
_ID_SEGMENT = re.compile(r"/\((?:[AFX]\([\w-]*\)){0,3}S\([\w-]{8,}\)(?:[AFX]\([\w-]*\)){0,3}\)(?=/|\Z)", re.A)
_HEX = re.compile(r"[0-9A-Fa-f]+")
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]+")


def without_session(url: str) -> str:
    """Return the URL without session ids, for comparison, not for fetching. 0.2 to 4 us.

    Removed are, in upper or lower case,

    - ``;jsessionid=`` and ``;phpsessid=`` with their values, and ASP.NET's segments ``/(S(...))``;
    - the parameters PHPSESSID, JSESSIONID, ASPSESSIONID..., zenid and oscsid with at least eight letters or
      digits; CFID and CFTOKEN with at least one;
    - the parameters sessionid and session_id with at least eight letters or digits, one of them a digit (a
      conference's ``session_id=keynotes`` stays); sid with at least sixteen, or eight hexadecimal ones, both
      letters and digits; s with 32 hexadecimal digits.

    The function is idempotent.

    >>> without_session("http://h/a;jsessionid=1A2B?x=1&PHPSESSID=0123456789abcdef")
    'http://h/a?x=1'
    """
    if ";" in url:
        url = _ID_IN_PATH.sub("", url)
    if "/(" in url:
        path, mark, query = url.partition("?")
        path = _ID_SEGMENT.sub("", path)
        url = f"{path if path.count('/') > 2 else f'{path}/'}{mark}{query}"
    if "?" in url and _ID_PARAMETER.search(url):
        path, _, query = url.partition("?")
        kept = "&".join(one for one in query.split("&") if not _names_session(one))
        return f"{path}?{kept}" if kept else path
    return url


def identity_of(url: str, identity: CanonicalOptions) -> str:
    """Return what all spellings of a URL share in a crawl, without session ids and user names.

    Records show no user names, so these do not distinguish URLs. Raises InvalidUrl.
    """
    return without_session(canonical_url(redact(url), identity))


def _names_session(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    name = name.lower()
    count = sum(map(len, _ALPHANUMERIC.findall(value)))
    if name in ("sid", "s"):
        return _is_bare_id(value, name)
    if name in ("sessionid", "session_id"):
        return count >= 8 and any(map(str.isdigit, value))
    if name in ("cfid", "cftoken"):
        return count > 0
    return count >= 8 and bool(_ID_PARAMETER.fullmatch(f"?{name}="))


def _is_bare_id(value: str, name: str) -> bool:
    """Return whether the value of ``sid`` or ``s``, names with many uses, can only be an id."""
    hexadecimal = bool(_HEX.fullmatch(value))
    if name == "s":
        return hexadecimal and len(value) == 32
    mixed = value.isalnum() and not value.isdigit() and not value.isalpha()
    return mixed and (len(value) >= 16 or (hexadecimal and len(value) >= 8))


_DIGITS = re.compile(r"[0-9]+")
_LONG_ID = re.compile(r"(?<=/)(?=[0-9-]*[A-Fa-f])(?=[A-Fa-f-]*[0-9])[0-9A-Fa-f-]{16,}(?=/|\Z)")


def pattern_of(url: str) -> str:
    """Return the pattern that similar URLs share, at most 500 characters. 1 to 4 us.

    It has scheme and host; the directories, with ``0`` for each run of digits and ``x`` for each segment of
    16 or more hexadecimal digits (UUIDs too); ``*`` for the last segment. With a query, the last segment is
    treated like a directory, and the sorted parameter names follow. Without one, a slash at the end does not
    matter.

    >>> pattern_of("http://h/calendar/2026/11/"), pattern_of("http://h/list?sort=x&page=2")
    ('http://h/calendar/0/*', 'http://h/list?page&sort')
    """
    path, mark, query = url.partition("?")
    start = path.find("/", 8)
    if start < 0:
        start = len(path)
    rest = path[start:] if mark else path[start:].rstrip("/").rpartition("/")[0] + "/*"
    if len(rest) > 16:
        rest = _LONG_ID.sub("x", rest)
    names = sorted({one.partition("=")[0] for one in query.split("&")})
    pattern = path[:start] + _DIGITS.sub("0", f"{rest}?{'&'.join(names)}" if mark else rest)
    if len(pattern) <= MAX_PATTERN:
        return pattern
    digest = blake2b(pattern.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{pattern[: MAX_PATTERN - 17]}~{digest}"


_YEAR = r"(?:19|20|21)[0-9]{2}"
_MONTH_NAME = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|(?:nov|dec)(?:ember)?)"
)
_DATED = re.compile(
    rf"(?ai:(?<![0-9]){_YEAR}(?:[/_.-](?:(?:0?[1-9]|1[0-2])(?![0-9])|w[0-5]?[0-9](?![0-9])|{_MONTH_NAME}(?![a-z]))"
    r"|(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])(?![0-9]))"
    r"|[?&](?:[\w.%-]*[_.%-])?(?:date|month|year|day|week|cal|calendar|mon|yr)(?:[_.%-][\w.%-]*)?=)"
)


def looks_dated(url: str) -> bool:
    """Return whether the path or query contains a date, or a parameter for one.

    That is a year from 1900 to 2199 followed by a month, week or day, or a parameter such as date, month,
    year, day, week or cal, also as part of a name (``start_date``).

    >>> looks_dated("http://h/2026/11/"), looks_dated("http://h/?month=3"), looks_dated("http://h/2026/")
    (True, True, False)
    """
    return _DATED.search(url, url.find("/", 8)) is not None
