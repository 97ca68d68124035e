"""EUC-JP and ISO-2022-JP as the Encoding standard decodes them. Pure.

Python's codecs of those names know JIS X 0208 as it was printed; the standard's index, and every page
written on a PC, also has NEC row 13 (①, ㈱, Ⅳ) and the NEC and IBM extensions (髙), and maps six
signs as Windows does (～ is U+FF5E). All of that is in Python's cp932, which only spells it otherwise.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

__all__ = ["decode_euc_jp", "decode_iso_2022_jp", "has_escapes"]

_ERRORS = "parascrape.euc_jp"

# What Python's euc_jp maps unlike cp932, found by comparing all 94 * 94 pairs of the two
_SIGNS = dict(
    zip("\u301c\u2016\u2212\u00a2\u00a3\u00ac", "\uff5e\u2225\uff0d\uffe0\uffe1\uffe2", strict=True)
)

_PAIRS = re.compile(rb"(?:[\xa1-\xfe]{2})+")
_ESCAPE = re.compile(rb"\x1b(\$@|\$B|\(B|\(J|\(I)")
_HIGH = bytes(byte | 0x80 if 0x21 <= byte <= 0x7E else byte for byte in range(256))
_KATAKANA = bytes(byte | 0x80 if 0x21 <= byte <= 0x5F else byte for byte in range(256))


def has_escapes(head: bytes) -> bool:
    """Whether the bytes switch to a Japanese character set as ISO-2022-JP does."""
    return any(escape in head for escape in (b"\x1b$B", b"\x1b$@", b"\x1b(J", b"\x1b(I"))


def decode_euc_jp(body: bytes) -> str:
    """The characters of EUC-JP bytes (Encoding standard §12.1); what does not decode is U+FFFD."""
    text = body.decode("euc_jp", _ERRORS)
    for ours, standard in _SIGNS.items():
        text = text.replace(ours, standard)
    return text


def decode_iso_2022_jp(body: bytes) -> str:
    """The characters of ISO-2022-JP bytes (Encoding standard §12.2); what does not decode is U+FFFD.

    Kinder than the standard in one point: a line end within a two-byte run stays a line end.
    """
    first, *rest = _ESCAPE.split(body)
    parts = [first.decode("ascii", "replace")]
    for escape, run in zip(rest[::2], rest[1::2], strict=True):
        parts.append(_decode_run(escape, run))
    return "".join(parts)


def _decode_run(escape: bytes, run: bytes) -> str:
    """The characters of what stands between one escape sequence and the next."""
    if escape in (b"$@", b"$B"):
        return decode_euc_jp(run.translate(_HIGH))
    if escape == b"(I":
        return run.translate(_KATAKANA).decode("cp932", "replace")
    text = run.decode("ascii", "replace")
    return text.replace("\\", "¥").replace("~", "‾") if escape == b"(J" else text


def _from_cp932(error: UnicodeError) -> tuple[str, int]:
    """The characters, by cp932, of the run of pairs that Python's euc_jp stopped at, and where to go on.

    The whole run, since a call for every pair costs ten times as much.
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
    """The character of an EUC-JP pair in cp932, U+FFFD where it has none.

    JIS X 0208 rows lie two by two in Shift_JIS (JIS X 0208:1997, annex 1).
    """
    row, cell = pair[0] - 0xA1, pair[1] - 0xA1
    lead = 0x81 + row // 2 + (0x40 if row >= 62 else 0)
    trail = (0x9F if row % 2 else 0x40 + (cell >= 63)) + cell
    text = bytes((lead, trail)).decode("cp932", "replace")
    return text if len(text) == 1 else "\ufffd"


codecs.register_error(_ERRORS, _from_cp932)
