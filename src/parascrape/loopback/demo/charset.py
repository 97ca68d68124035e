"""Charsets as real sites say them: in the header, in ``<meta>``, in both, in conflict, or not at all."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Charset", "charset"]

_CODECS = {"shift_jis": "cp932"}  # what the web calls Shift_JIS has NEC's and IBM's additions


class Charset(NamedTuple):
    """How a page is encoded (Python's codec) and what its header and its head say of it."""

    codec: str
    content_type: str
    meta: str


def charset(language: str, encoding: str, number: int) -> Charset:
    """The choice for page ``number`` of a site: mostly said, sometimes half, seldom not at all.

    Page 5 says nothing, page 7 contradicts itself (the header is right), page 8 of a UTF-8 site has
    nothing but a byte order mark, and page 13 of the English one is in windows-1252, called iso-8859-1.
    Of the others, every third has it in ``<meta>`` only and every third in the header only.
    """
    codec = _CODECS.get(encoding, encoding)
    if number == 5:
        return Charset(codec, "text/html", "")
    if number == 7:
        return Charset(codec, _header(encoding), _meta("utf-8" if encoding != "utf-8" else "iso-8859-1"))
    if number == 8 and encoding == "utf-8":
        return Charset("utf-8-sig", "text/html", "")
    if number == 13 and language == "en":
        return Charset("cp1252", _header("iso-8859-1"), "")
    if number % 3 == 0:
        return Charset(codec, _header(encoding), _meta(encoding))
    if number % 3 == 1:
        return Charset(codec, "text/html", _meta(encoding) if number % 2 else _equiv(encoding))
    return Charset(codec, _header(encoding), "")


def _header(encoding: str) -> str:
    return f"text/html; charset={encoding}"


def _meta(encoding: str) -> str:
    return f'<meta charset="{encoding}">'


def _equiv(encoding: str) -> str:
    """The form of HTML 4, which old pages still have."""
    return f'<meta http-equiv="Content-Type" content="{_header(encoding)}">'
