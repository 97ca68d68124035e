"""The identity of URLs: one canonical text for all the ways to write a URL, to recognise duplicates. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from parascrape.web.urls import prepare

__all__ = ["AS_SENT", "CanonicalOptions", "canonical_url"]


class CanonicalOptions(NamedTuple):
    """What besides the spelling makes no difference between two URLs, where the user says so.

    ``drop_tracking``: parameters of the query that only tell where a reader came from (utm_*, gclid,
    fbclid, ...). ``sort_query``: the order of the query's parameters; those of one name keep theirs
    (as ``URLSearchParams.sort`` of the WHATWG URL standard has it).
    """

    drop_tracking: bool = False
    sort_query: bool = False


AS_SENT = CanonicalOptions()
"""Nothing but the spelling."""

_TRACKING = re.compile(
    r"(?ai:utm_[^=]*|[gdy]clid|fbclid|gclsrc|[gw]braid|gad_(?:source|campaignid)|srsltid|_g[al]|msclkid"
    r"|ttclid|twclid|li_fat_id|igsh(?:id)?|epik|ysclid|_openstat|mc_[ce]id|mkt_tok|_hs(?:enc|mi)"
    r"|hsctatracking|__hs(?:tc|sc|fp)|vero_(?:id|conv)|oly_(?:anon|enc)_id|_kx|wickedid)"
)
_LOWER_ESCAPE = re.compile(r"%(?:[a-f][0-9A-Fa-f]|[0-9A-F][a-f])")
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_UNRESERVED = re.compile(r"%(?:2[DE]|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])")
_EMPTY_PASSWORD = re.compile(r"(https?://[^/?@:]*):@")


def canonical_url(url: str, identity: CanonicalOptions = AS_SENT) -> str:
    """The text that all spellings of a URL have in common; it can be fetched, but is for comparing.

    What is sent for the URL (`urls.prepare`: WHATWG's host, port, path and percent-encode sets, no
    fragment), then with escapes in upper case and unreserved letters unescaped (RFC 3986 §6.2.2; the
    WHATWG parser leaves ``%7E``), ``'`` in a query escaped and no ``:`` before an empty password
    (WHATWG). Kept apart are ``/a`` and ``/a?``, ``+`` and ``%20``, ``example.org`` and
    ``example.org.``, http and https, and URLs of different users: do not show the text without
    `urls.redact`. Doing it twice changes nothing. 1 to 5 us, 24 us with a name that is not ASCII.

    Raises:
        InvalidUrl: the text is no http or https URL.

    >>> canonical_url("HTTP://Example.ORG:80/%7euser/./a%2fb#top")
    'http://example.org/~user/a%2Fb'
    >>> canonical_url("http://h/?b=1&utm_source=x&a=2", CanonicalOptions(drop_tracking=True, sort_query=True))
    'http://h/?a=2&b=1'
    """
    url = prepare(url)
    if "%" in url:
        url = _fold_escapes(url)
    if "@" in url:
        url = _EMPTY_PASSWORD.sub(r"\1@", url)
    if "?" in url:
        path, _, query = url.partition("?")
        return _with_query(path, query.replace("'", "%27"), identity)
    return url


def _fold_escapes(url: str) -> str:
    """Escapes in upper case, and none where a letter, digit or one of ``-._~`` will do."""
    if _LOWER_ESCAPE.search(url):
        url = _ESCAPES.sub(lambda match: match[0].upper(), url)
    if _UNRESERVED.search(url):
        url = _UNRESERVED.sub(lambda match: chr(int(match[0][1:], 16)), url)
    return url


def _with_query(path: str, query: str, identity: CanonicalOptions) -> str:
    """The URL; with its last parameter the question mark goes too."""
    if not query or identity == AS_SENT:
        return f"{path}?{query}"
    parameters = query.split("&")
    if identity.drop_tracking:
        parameters = [one for one in parameters if not _TRACKING.fullmatch(_name(one))]
    if identity.sort_query:
        parameters = sorted(filter(None, parameters), key=_name)
    query = "&".join(parameters)
    return f"{path}?{query}" if query else path


def _name(parameter: str) -> str:
    return parameter.partition("=")[0]
