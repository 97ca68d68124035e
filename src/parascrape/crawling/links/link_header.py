"""The Link header: what a response says it is linked with, outside its body (RFC 8288). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["MAX_HEADER", "links_of"]

MAX_HEADER = 65_536
"""Characters of the header that are read."""

# Possessive, and a target ends at the first ">": every character is walked past once.
_TARGET = re.compile(r"[\s,]*+<([^>]*+)>")
_PARAMETER = re.compile(
    r"""\s*+;\s*+(?P<name>[^\s=;,"]*+)\s*+(?:=\s*+(?:"(?P<quoted>(?:[^"\\]|\\.)*+)(?:"|\Z)|(?P<bare>[^;,]*+)))?""",
    re.DOTALL,
)
_TO_COMMA = re.compile(r"[^,]*+")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def links_of(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each link's target, as it stands, and its parameters by their names in lower case (appendix B.2).

    Of a parameter that is given twice the first counts, as §3.3 wants it of ``rel``. What is no link ends
    the reading.

    >>> list(links_of('</b?p=1,2>; rel="next"; title="a, \\\\"b\\\\"", </c>;rel=prev'))
    [('/b?p=1,2', {'rel': 'next', 'title': 'a, "b"'}), ('/c', {'rel': 'prev'})]
    """
    header = header[:MAX_HEADER]
    at = 0
    while target := _TARGET.match(header, at):
        at = target.end()
        parameters: dict[str, str] = {}
        while found := _PARAMETER.match(header, at):
            at = found.end()
            quoted = found["quoted"]
            value = (found["bare"] or "").strip() if quoted is None else _QUOTED_PAIR.sub(r"\1", quoted)
            parameters.setdefault(found["name"].lower(), value)
        parameters.pop("", None)
        yield target[1].strip(), parameters
        rest = _TO_COMMA.match(header, at)
        at = rest.end() if rest else at
