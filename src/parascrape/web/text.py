"""Decoding of response bodies to text, and collapsing of white space.

The order of evidence is the HTML standard's ("determining the character encoding", and §13.2.3.2 for the
labels in the document). Where the standard leaves a guess to the locale, the encoding is detected:

    byte order mark > Content-Type > <meta>, then <?xml encoding?> > valid UTF-8 > detection > windows-1252
"""

from __future__ import annotations

import codecs
import re

from parascrape.web.encoding import decode_as, guess, resolve

_PRESCAN = 4096
"""Bytes in which a document may declare its encoding; the standard's 1,024 are too few for real heads."""

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_BE, "utf-16be"), (codecs.BOM_UTF16_LE, "utf-16le"))

# Possessive, and only from a name's start: else 100 kB of spaces in a header would take a minute.
_CHARSET = re.compile(r"""charset\s*+=\s*+(?:["']\s*+)?([^\s"';,/>]+)""", re.I)
_META = re.compile(rb"<!--.*?(?:-->|\Z)|<meta[\s/]([^>]*)", re.I | re.S)
_ATTRIBUTE = re.compile(rb"""(?<![^\s=/>"'])([^\s=/>"']++)\s*+=\s*+("[^"]*"|'[^']*'|[^\s>"']+)""")
_XML = re.compile(rb"""\s*<\?xml\s[^>]*?encoding\s*=\s*["']\s*([^"'\s>]+)""", re.I)

_SPACE = re.compile(r"\s+")


def decode(body: bytes, content_type: str | None = None, *, encoding: str | None = None) -> tuple[str, str]:
    """Return the text of a body, and the lower-case WHATWG name of its encoding.

    ``encoding`` is that name if it is already known. The byte order mark is removed; bytes that do not decode
    become U+FFFD.

    >>> decode("①～".encode("cp932"), "text/html; charset=Shift_JIS")
    ('①～', 'shift_jis')
    >>> decode(b"caf\\xe9", "text/html; charset=ISO-8859-1")
    ('café', 'windows-1252')
    """
    name = encoding or find_encoding(body, content_type)
    for mark, marked in _BOMS:
        if marked == name and body.startswith(mark):
            body = body[len(mark) :]
    return decode_as(body, name), name


def find_encoding(body: bytes, content_type: str | None = None) -> str:
    """Return the lower-case WHATWG name of a body's encoding, by the order of evidence (see the module).

    For a declared encoding the first 4,096 bytes are searched. Without one, the whole body is tried as UTF-8,
    then 65,536 bytes are examined.
    """
    for mark, name in _BOMS:
        if body.startswith(mark):
            return name
    said = map(_CHARSET.search, reversed(content_type.split(","))) if content_type else ()
    charset = next(filter(None, said), None)  # of several header values the last counts
    header = resolve(charset[1]) if charset else None
    return header or _declared(body[:_PRESCAN]) or guess(body)


def _declared(head: bytes) -> str | None:
    """Return the encoding that a document's first bytes declare: in a <meta>, else in the XML declaration."""
    for match in _META.finditer(head):
        name = _meta_encoding(match[1]) if match[1] else None
        if name:
            break
    else:
        xml = _XML.match(head)
        name = resolve(xml[1].decode("latin-1")) if xml else None
    # A label in UTF-16 could not have been read as ASCII.
    return "utf-8" if name and name.startswith("utf-16") else name


def _meta_encoding(attributes: bytes) -> str | None:
    """Return the encoding that a <meta> declares: in ``charset``, or in ``content`` with ``http-equiv``."""
    values: dict[bytes, str] = {}
    for key, value in _ATTRIBUTE.findall(attributes):
        values.setdefault(key.lower(), value.decode("latin-1").strip("\"'"))
    if b"charset" in values:
        return resolve(values[b"charset"])
    if values.get(b"http-equiv", "").strip().lower() != "content-type":
        return None
    charset = _CHARSET.search(values.get(b"content", ""))
    return resolve(charset[1]) if charset else None


def collapse(text: str) -> str:
    """Return the text with every run of white space made one space, and none at its ends.

    >>> collapse("  a\\n\\t b\\u3000c ")
    'a b c'
    """
    if len(text) < 200 or (len(text) < _LONG and text.count("\n") * 16 > len(text)):
        return " ".join(text.split())
    # For long prose with few line ends: half the time of split and join.
    for space in _SPACES:
        if space in text:
            text = text.replace(space, " ")
    return collapse_spaces(text)


def with_spaces(text: str) -> str:
    """Return a text that is not blank with its white space as spaces, perhaps several; `_RARE` may stay.

    >>> with_spaces("\\n a\\tb "), with_spaces("a  b")
    (' a b ', 'a  b')
    """
    if not ("\n" in text or "\t" in text or "\r" in text) if text.isascii() else text.isprintable():
        return text
    words = " ".join(text.split()) if len(text) < _LONG else collapse(text)
    return f"{' ' if text[0].isspace() else ''}{words}{' ' if text[-1].isspace() else ''}"


def collapse_spaces(text: str) -> str:
    """Collapse a text whose only white space is spaces and `_RARE`."""
    for space in _RARE:
        if space in text:
            text = text.replace(space, " ")
    while "  " in text:
        text = text.replace("  ", " ")
    return text.strip(" ")


_RARE = "\x0b\x0c\x1c\x1d\x1e\x1f"
"""ASCII white space of str.split that is rare in text."""

_LONG = 1_000_000
"""Characters; a longer text is never split into words at once: 20 MB would become 500 MB."""

_SPACES = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""The white space of str.split, without the space itself."""
