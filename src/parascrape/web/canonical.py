"""Canonical URLs: one text for all spellings of a URL, to recognise duplicates."""

from __future__ import annotations

import re
from typing import NamedTuple

from parascrape.web.urls import prepare


class CanonicalOptions(NamedTuple):
    """Differences between URLs, besides the spelling, that the user wants to ignore.

    ``drop_tracking`` removes query parameters that only say where a reader came from (utm_*, gclid,
    fbclid, ...). ``sort_query`` sorts the query's parameters; those with the same name keep their order (as
    in ``URLSearchParams.sort`` of the WHATWG URL standard).
    """

    drop_tracking: bool = False
    sort_query: bool = False


AS_SENT = CanonicalOptions()
"""Ignore the spelling only."""

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
    """Return the text that all spellings of a URL share. It can be fetched, but is meant for comparison.

    The URL is prepared for sending (`urls.prepare`). Then escapes become upper case, unreserved characters
    are unescaped (RFC 3986 §6.2.2; the WHATWG parser leaves ``%7E``), ``'`` in a query is escaped, and a
    ``:`` before an empty password is removed (WHATWG). These stay different: ``/a`` and ``/a?``, ``+`` and
    ``%20``, ``example.org`` and ``example.org.``, http and https, and URLs of different users; so use
    `urls.redact` before showing the text. The function is idempotent. It takes 1 to 5 us, 24 us for a name
    beyond ASCII.

    Raises:
        InvalidUrl: the text is not an http or https URL.

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
    """Write escapes in upper case, and unescape letters, digits and ``-._~``."""
    if _LOWER_ESCAPE.search(url):
        url = _ESCAPES.sub(lambda match: match[0].upper(), url)
    if _UNRESERVED.search(url):
        url = _UNRESERVED.sub(lambda match: chr(int(match[0][1:], 16)), url)
    return url


def _with_query(path: str, query: str, identity: CanonicalOptions) -> str:
    """Return the URL with its filtered query; without parameters it has no question mark."""
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
