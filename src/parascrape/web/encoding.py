"""Character encodings: labels, detection and decoding by the WHATWG Encoding standard, without I/O.

Labels have the standard's meaning: ``shift_jis`` is cp932, ``iso-8859-1`` is windows-1252.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from parascrape.system import load_part

_ERRORS = "parascrape.euc_jp"

# Characters that Python's euc_jp maps unlike cp932, found by comparing all 94 * 94 pairs
_SIGNS = dict(
    zip("\u301c\u2016\u2212\u00a2\u00a3\u00ac", "\uff5e\u2225\uff0d\uffe0\uffe1\uffe2", strict=True)
)

_PAIRS = re.compile(rb"(?:[\xa1-\xfe]{2})+")
_ESCAPE = re.compile(rb"\x1b(\$@|\$B|\(B|\(J|\(I)")
_HIGH = bytes(byte | 0x80 if 0x21 <= byte <= 0x7E else byte for byte in range(256))
_KATAKANA = bytes(byte | 0x80 if 0x21 <= byte <= 0x5F else byte for byte in range(256))


def _has_escapes(head: bytes) -> bool:
    """Return whether the bytes hold an escape sequence of ISO-2022-JP."""
    return any(escape in head for escape in (b"\x1b$B", b"\x1b$@", b"\x1b(J", b"\x1b(I"))


def _decode_euc_jp(body: bytes) -> str:
    """Decode EUC-JP (Encoding standard §12.1); bytes that do not decode become U+FFFD."""
    text = body.decode("euc_jp", _ERRORS)
    for ours, standard in _SIGNS.items():
        text = text.replace(ours, standard)
    return text


def _decode_iso_2022_jp(body: bytes) -> str:
    """Decode ISO-2022-JP (Encoding standard §12.2); bytes that do not decode become U+FFFD.

    Unlike in the standard, a line end within a two-byte run stays a line end.
    """
    first, *rest = _ESCAPE.split(body)
    parts = [first.decode("ascii", "replace")]
    for escape, run in zip(rest[::2], rest[1::2], strict=True):
        parts.append(_decode_run(escape, run))
    return "".join(parts)


def _decode_run(escape: bytes, run: bytes) -> str:
    """Decode the bytes between two escape sequences."""
    if escape in (b"$@", b"$B"):
        return _decode_euc_jp(run.translate(_HIGH))
    if escape == b"(I":
        return run.translate(_KATAKANA).decode("cp932", "replace")
    text = run.decode("ascii", "replace")
    return text.replace("\\", "¥").replace("~", "‾") if escape == b"(J" else text


def _from_cp932(error: UnicodeError) -> tuple[str, int]:
    """Decode the run of pairs where Python's euc_jp stopped, by cp932; return where to continue.

    It takes the whole run, since a call for every pair costs ten times as much.
    """
    if not isinstance(error, UnicodeDecodeError):
        raise error
    run = _PAIRS.match(error.object, error.start)
    if run is None:
        return "\ufffd", error.start + 1
    pairs = run[0]
    return "".join(_character(pairs[at : at + 2]) for at in range(0, len(pairs), 2)), run.end()


@lru_cache(94 * 94)
def _character(pair: bytes) -> str:
    """Return the character of an EUC-JP pair in cp932, U+FFFD if there is none.

    JIS X 0208 rows lie two by two in Shift_JIS (JIS X 0208:1997, annex 1).
    """
    row, cell = pair[0] - 0xA1, pair[1] - 0xA1
    lead = 0x81 + row // 2 + (0x40 if row >= 62 else 0)
    trail = (0x9F if row % 2 else 0x40 + (cell >= 63)) + cell
    text = bytes((lead, trail)).decode("cp932", "replace")
    return text if len(text) == 1 else "\ufffd"


codecs.register_error(_ERRORS, _from_cp932)


_SAMPLE = 1 << 16
"""Bytes that detection looks at."""

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

# Labels that the library's table lacks. For the safety of browsers the standard replaces a whole page in hz
# or iso-2022-kr by one U+FFFD; a record needs the text.
_MORE_LABELS = {
    "cp932": "shift_jis",
    "cp936": "gbk",
    "cp949": "euc-kr",
    "cp950": "big5",
    "csiso2022kr": "iso-2022-kr",
    "hz-gb-2312": "hz-gb-2312",
    "iso-2022-kr": "iso-2022-kr",
    "mac-cyrillic": "x-mac-cyrillic",
    "utf8mb4": "utf-8",
    "x-mac-cyrillic": "x-mac-cyrillic",
    "x-mac-ukrainian": "x-mac-cyrillic",
    "x-user-defined": "windows-1252",
}

_CODECS = {**dict(_STANDARD.values()), "hz-gb-2312": "hz", "x-mac-cyrillic": "mac_cyrillic"}

_MULTIBYTE = frozenset(
    ("big5", "euc-jp", "euc-kr", "gb18030", "gbk", "iso-2022-kr", "hz-gb-2312", "shift_jis")
)
_COMMON = frozenset(
    {f"windows-{number}" for number in (874, 1250, 1251, *range(1253, 1258))}
    | {f"iso-8859-{number}" for number in (2, 5, 6, 7, 8, 15)}
    | {"koi8-r", "koi8-u", "ibm866", "x-mac-cyrillic"}
)
_ALIKE = {"iso8859-13": "windows-1257", "iso8859-16": "iso-8859-2"}
"""Rare encodings that detection confuses with a similar common one."""

_RIVALS = (("windows-1250", "iso-8859-2"), ("koi8-r", "koi8-u"), ("windows-1251", "x-mac-cyrillic"))
_MISFIT = re.compile(r"(?<=[^\W\d_])[^\w\s!-/:-@\[-`{-~‘’–—…\xa0\xad](?=\w)|[\x80-\x9f]")

_LOOK = 24
"""Bytes that are searched for the zeros of UTF-16."""

_NO_LETTERS = bytes(range(0x80)) + "…‘’“”•–—\xa0©«®°±·»".encode("cp1252")
"""ASCII, and the punctuation of windows-1252 that is common in English pages."""


def decode_as(body: bytes, name: str) -> str:
    """Decode bytes in an encoding with a WHATWG name; bytes that do not decode become U+FFFD."""
    if name == "euc-jp":
        return _decode_euc_jp(body)
    if name == "iso-2022-jp":
        return _decode_iso_2022_jp(body)
    return body.decode(python_codec(name), "replace")


def python_codec(name: str) -> str:
    """Return Python's name of the codec nearest to a WHATWG encoding."""
    return _CODECS.get(name, name)


def resolve(label: str) -> str | None:
    """Return the WHATWG name of a label's encoding, None for an unknown label."""
    label = label.strip().lower()
    if label in ("utf-8", "utf8"):
        return "utf-8"
    if label in _MORE_LABELS:
        return _MORE_LABELS[label]
    codec = load_part("resiliparse.parse.encoding").map_encoding_to_html5(label, fallback_utf8=False)
    if codec is None:
        return None
    if codec in _STANDARD:
        return _STANDARD[codec][0]
    return re.sub(r"^cp(?=\d)", "windows-", re.sub(r"^iso(?=8859)", "iso-", codec))


def guess(body: bytes) -> str:
    """Return the likeliest encoding of a body that declares none."""
    if _has_escapes(body[:_SAMPLE]) and body.isascii():
        return "iso-2022-jp"
    if b"\0" in body[:_LOOK] and (wide := without_mark(body)):
        return wide
    if _is_utf8(body):
        return "utf-8"
    detect = load_part("resiliparse.parse.encoding").detect_encoding
    codec = detect(body, max_len=_SAMPLE, html5_compatible=False)
    name = _refine(_ALIKE.get(codec or "", codec and resolve(codec)) or "", body[:_SAMPLE])
    return name if name and _is_plausible(name, body) else "windows-1252"


def without_mark(body: bytes) -> str:
    """Return ``utf-16le`` or ``utf-16be`` for UTF-16 that starts with ASCII and has no mark, else ""."""
    for name, zeros, others in (("utf-16le", 1, 0), ("utf-16be", 0, 1)):
        if len(body) > 8 and not body[zeros:_LOOK:2].strip(b"\0") and 0 not in body[others:_LOOK:2]:
            return name
    return ""


def _refine(name: str, sample: bytes) -> str:
    """Return the encoding, or a similar one if that gives fewer odd characters within words."""
    rivals = next((group for group in _RIVALS if name in group), ())
    if not rivals:
        return name
    return min(rivals, key=lambda one: (len(_MISFIT.findall(decode_as(sample, one))), one != name))


def _is_plausible(name: str, body: bytes) -> bool:
    """Return whether a detected encoding is likelier than windows-1252, by far the most common one.

    A multi-byte encoding must decode; for a single-byte one, one byte in 500 must be a letter beyond ASCII.
    With this check 2 of 475 real, mostly English pages in windows-1252 are misread, without it 31.
    """
    if name in _MULTIBYTE:
        return "\ufffd" not in decode_as(body[: _SAMPLE // 2], name)[:-1]
    sample = body[: _SAMPLE // 2] + body[-_SAMPLE // 2 :]
    letters = len(sample.translate(None, _NO_LETTERS))
    return name in _COMMON and letters * 500 > len(sample)


def _is_utf8(body: bytes) -> bool:
    """Return whether a body is UTF-8, apart from a cut end or one in a hundred multi-byte characters."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        text = body[:_SAMPLE].decode(errors="replace")
        cut = error.start > len(body) - 4 and not body[: error.start].isascii()
        return cut or text.count("\ufffd") * 100 < min(len(body), _SAMPLE) - len(text)
    return True
