"""Text: what characters a body's bytes are, and what a person may be shown. Pure.

The order of evidence is the HTML standard's ("determining the character encoding", and §13.2.3.2 for
the labels in the document), with detection where the standard leaves a guess to the locale:

    byte order mark > Content-Type > <meta>, then <?xml encoding?> > valid UTF-8 > detection > windows-1252

A label means what the Encoding standard says: ``shift_jis`` is cp932, ``iso-8859-1`` is windows-1252.
"""

from __future__ import annotations

import codecs
import re

from parascrape import japanese

__all__ = ["collapse", "decode", "escape_surrogates", "find_encoding", "printable"]

_PRESCAN = 4096
"""Bytes in which a document may declare its encoding; the standard's 1,024 are too few for real heads."""

_SAMPLE = 1 << 16
"""Bytes that detection looks at."""

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_BE, "utf-16be"), (codecs.BOM_UTF16_LE, "utf-16le"))

# Python's name for a codec -> the Encoding standard's, and the Python codec that decodes as it says
_STANDARD = {
    "big5": ("big5", "big5hkscs"),
    "cp866": ("ibm866", "cp866"),
    "euc_jp": ("euc-jp", "euc_jp"),
    "euc_kr": ("euc-kr", "cp949"),
    "gbk": ("gbk", "gb18030"),
    "iso2022_jp": ("iso-2022-jp", "iso2022_jp"),
    "iso8859-11": ("windows-874", "cp874"),
    "mac-roman": ("macintosh", "mac_roman"),
    "shift_jis": ("shift_jis", "cp932"),
    "utf-16-be": ("utf-16be", "utf-16-be"),
    "utf-16-le": ("utf-16le", "utf-16-le"),
}

# Labels that the table of the library lacks. The standard replaces all of a page in hz or iso-2022-kr
# by one U+FFFD, for the safety of browsers; a record is better served by the text.
_MORE_LABELS = {
    "cp932": "shift_jis",
    "cp936": "gbk",
    "cp949": "euc-kr",
    "cp950": "big5",
    "csiso2022kr": "iso-2022-kr",
    "hz-gb-2312": "hz-gb-2312",
    "iso-2022-kr": "iso-2022-kr",
    "utf8mb4": "utf-8",
    "x-mac-cyrillic": "x-mac-cyrillic",
    "x-mac-ukrainian": "x-mac-cyrillic",
    "x-user-defined": "windows-1252",
}

_CODECS = {
    **dict(_STANDARD.values()),
    "hz-gb-2312": "hz",
    "x-mac-cyrillic": "mac_cyrillic",
}

_MULTIBYTE = frozenset(
    ("big5", "euc-jp", "euc-kr", "gb18030", "gbk", "iso-2022-kr", "hz-gb-2312", "shift_jis")
)
_COMMON = frozenset(
    (
        *("windows-874", "windows-1250", "windows-1251", "windows-1253", "windows-1254", "windows-1255"),
        *(
            "windows-1256",
            "windows-1257",
            "iso-8859-2",
            "iso-8859-5",
            "iso-8859-6",
            "iso-8859-7",
            "iso-8859-8",
        ),
        *("iso-8859-15", "koi8-r", "ibm866"),
    )
)
_NO_LETTERS = bytes(range(0x80)) + "…‘’“”•–—\xa0©«®°±·»".encode("cp1252")
"""ASCII, and the punctuation of windows-1252 that English pages have."""

# Possessive, and from a name's start only: 100 kB of spaces in a header would take a minute otherwise.
_CHARSET = re.compile(r"""charset\s*+=\s*+(?:["']\s*+)?([^\s"';,/>]+)""", re.I)
_META = re.compile(rb"<!--.*?(?:-->|\Z)|<meta[\s/]([^>]*)", re.I | re.S)
_ATTRIBUTE = re.compile(rb"""(?<![^\s=/>"'])([^\s=/>"']++)\s*+=\s*+("[^"]*"|'[^']*'|[^\s>"']+)""")
_XML = re.compile(rb"""\s*<\?xml\s[^>]*?encoding\s*=\s*["']\s*([^"'\s>]+)""", re.I)

_SPACE = re.compile(r"\s+")
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def decode(body: bytes, content_type: str | None = None, *, encoding: str | None = None) -> tuple[str, str]:
    """The characters of a body and the WHATWG name, in lower case, of the encoding they were read in.

    ``encoding`` is such a name where it is already known. No byte order mark is left; bytes that do not
    decode become U+FFFD; no bytes raise.

    >>> decode("①～".encode("cp932"), "text/html; charset=Shift_JIS")
    ('①～', 'shift_jis')
    >>> decode(b"caf\\xe9", "text/html; charset=ISO-8859-1")
    ('café', 'windows-1252')
    """
    name = encoding or find_encoding(body, content_type)
    for mark, marked in _BOMS:
        if marked == name and body.startswith(mark):
            body = body[len(mark) :]
    if name == "euc-jp":
        return japanese.decode_euc_jp(body), name
    if name == "iso-2022-jp":
        return japanese.decode_iso_2022_jp(body), name
    return body.decode(_CODECS.get(name, name), "replace"), name


def find_encoding(body: bytes, content_type: str | None = None) -> str:
    """The WHATWG name, in lower case, of a body's encoding by the order of evidence (see the module).

    A declared encoding costs a look at the first 4,096 bytes; without one the whole body is tried as
    UTF-8 and then 65,536 bytes are looked at.
    """
    for mark, name in _BOMS:
        if body.startswith(mark):
            return name
    charset = _CHARSET.search(content_type) if content_type else None
    header = _resolve(charset[1]) if charset else None
    return header or _declared(body[:_PRESCAN]) or _guess(body)


def _resolve(label: str) -> str | None:
    """The WHATWG name that a label stands for, None for a label that stands for nothing."""
    label = label.strip().lower()
    if label in ("utf-8", "utf8"):
        return "utf-8"
    if label in _MORE_LABELS:
        return _MORE_LABELS[label]
    from resiliparse.parse.encoding import map_encoding_to_html5

    codec = map_encoding_to_html5(label, fallback_utf8=False)
    if codec is None:
        return None
    if codec in _STANDARD:
        return _STANDARD[codec][0]
    return re.sub(r"^cp(?=\d)", "windows-", re.sub(r"^iso(?=8859)", "iso-", codec))


def _declared(head: bytes) -> str | None:
    """The encoding that the document's first bytes declare: <meta>, else the XML declaration."""
    for match in _META.finditer(head):
        name = _meta_encoding(match[1]) if match[1] else None
        if name:
            return _readable(name)
    xml = _XML.match(head)
    name = _resolve(xml[1].decode("latin-1")) if xml else None
    return name and _readable(name)


def _readable(name: str) -> str:
    """The encoding itself, but UTF-8 for a UTF-16 whose label could not have been read as ASCII."""
    return "utf-8" if name.startswith("utf-16") else name


def _meta_encoding(attributes: bytes) -> str | None:
    """The encoding that one <meta> declares: its ``charset``, or ``content`` with ``http-equiv``."""
    values: dict[bytes, str] = {}
    for key, value in _ATTRIBUTE.findall(attributes):
        values.setdefault(key.lower(), value.decode("latin-1").strip("\"'"))
    if b"charset" in values:
        return _resolve(values[b"charset"])
    if values.get(b"http-equiv", "").strip().lower() != "content-type":
        return None
    charset = _CHARSET.search(values.get(b"content", ""))
    return _resolve(charset[1]) if charset else None


def _guess(body: bytes) -> str:
    """The likeliest encoding of a body that declares none."""
    if japanese.has_escapes(body[:_SAMPLE]) and body.isascii():
        return "iso-2022-jp"
    if _is_utf8(body):
        return "utf-8"
    from resiliparse.parse.encoding import detect_encoding

    codec = detect_encoding(body, max_len=_SAMPLE, html5_compatible=False)
    name = _resolve(codec) if codec else None
    return name if name and _is_plausible(name, body) else "windows-1252"


def _is_plausible(name: str, body: bytes) -> bool:
    """Whether so much speaks for a detected encoding that windows-1252, by far the commonest, is out.

    A multi-byte encoding must decode; for a single-byte one, one byte in 500 must be a letter beyond ASCII.
    Of 475 real, mostly English pages in windows-1252, 2 are so read as something else, else 31.
    """
    if name in _MULTIBYTE:
        return "\ufffd" not in decode(body[: _SAMPLE // 2], encoding=name)[0][:-1]
    sample = body[: _SAMPLE // 2] + body[-_SAMPLE // 2 :]
    letters = len(sample.translate(None, _NO_LETTERS))
    return name in _COMMON and letters * 500 > len(sample)


def _is_utf8(body: bytes) -> bool:
    """Whether a body is UTF-8 but for a few bytes: one of a hundred multi-byte characters, or a cut end."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        text = body[:_SAMPLE].decode(errors="replace")
        cut = error.start > len(body) - 4 and not body[: error.start].isascii()
        return cut or text.count("\ufffd") * 100 < min(len(body), _SAMPLE) - len(text)
    return True


def collapse(text: str) -> str:
    """The text with every run of white space made one space, and none at its ends.

    >>> collapse("  a\\n\\t b\\u3000c ")
    'a b c'
    """
    if len(text) < 200 or (len(text) < _LONG and text.count("\n") * 16 > len(text)):
        return " ".join(text.split())
    # Long prose with few line ends: half the time of making every word a string.
    for space in _SPACES:
        if space in text:
            text = text.replace(space, " ")
    while "  " in text:
        text = text.replace("  ", " ")
    return text.strip(" ")


_LONG = 1_000_000
"""Characters of a text whose words are never all made strings at once: 20 MB would become 500 MB."""

_SPACES = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""What str.split takes for white space, without the space itself."""


def printable(text: str, limit: int = 300) -> str:
    """The text as a terminal may be given it, at most ``limit`` characters of it.

    Control characters (C0, C1, ESC), line ends, bidirectional marks and overrides, and lone surrogates
    are shown as Python escapes; a cut is marked by an ellipsis.

    >>> printable("a\\x1b[31m\\u202eb")
    'a\\\\x1b[31m\\\\u202eb'
    """
    shown = _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text[: limit + 1])
    return shown if len(shown) <= limit else shown[: max(0, limit - 1)] + "…"


def escape_surrogates(text: str) -> str:
    r"""The text with lone surrogates shown as escapes: JSON and UTF-8 cannot carry them.

    File names that are no UTF-8 and user code's messages hold them.

    >>> escape_surrogates("a\udcff")
    'a\\udcff'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
