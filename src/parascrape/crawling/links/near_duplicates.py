"""Likeness: how alike two pages read, in 64 bits each; and what pages say that are not there. Pure.

Hashes are the same in every process, run and version of Python: they are BLAKE2b's.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b
from struct import unpack

__all__ = ["MAX_TEXT", "NEAR", "distance", "exact_hash", "says_missing", "simhash"]

NEAR = 3
"""Bits, of 64, in which the hashes of near duplicates differ at most (Manku, Jain, Das Sarma 2007)."""

MAX_TEXT = 100_000
"""Characters of a text that are looked at: fewer different words than a 16-bit lane can count."""

_BITS = 64
_LANE_BYTES = 2
_LANES = [
    b"".join((byte >> bit & 1).to_bytes(_LANE_BYTES, "little") for bit in range(8)) for byte in range(256)
]

_LETTERS = bytes(byte if byte > 127 or chr(byte).isalpha() else 0x20 for byte in range(256))
_ALPHANUMERIC = bytes(byte if byte > 127 or chr(byte).isalnum() else 0x20 for byte in range(256))
_PUNCTUATION = re.compile(r"[^\w\s]")
_DIGIT = re.compile(r"\d")
# Scripts without spaces: each character is a word, else one that is changed would change a whole clause.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")


def simhash(text: str) -> int:
    """64 bits that differ in the fewer, the more words two texts share (Charikar 2002). Zero for no words.

    Over the set of the words, lower case, digits left out (``page2`` is ``page``): neither their order nor
    how often they stand there counts. 0.1 to 0.4 ms for 1,000 words that have been seen before (16,384 are
    remembered), and 1.5 us for each other one.
    """
    words = set(_words(text, digits=False))
    if not words:
        return 0
    counts = unpack(f"<{_BITS}H", sum(map(_lanes, words)).to_bytes(_BITS * _LANE_BYTES, "little"))
    half = len(words) // 2
    return sum(1 << bit for bit, count in enumerate(counts) if count > half)


def _words(text: str, *, digits: bool) -> list[str]:
    """The words, lower case, with digits or without. For ASCII a table does, in a tenth of a regex's time."""
    kept = _ALPHANUMERIC if digits else _LETTERS
    text = text[:MAX_TEXT].lower().encode("utf-8", "replace").translate(kept).decode("utf-8")
    if not text.isascii():
        text = _PUNCTUATION.sub(" ", text)
        return _WORD.findall(text if digits else _DIGIT.sub(" ", text))
    return text.split()


@lru_cache(1 << 14)
def _lanes(word: str) -> int:
    """The 64 bits of the word's hash, each in a lane of 16 bits: adding such numbers counts them all."""
    digest = blake2b(word.encode(), digest_size=8).digest()
    return int.from_bytes(b"".join(map(_LANES.__getitem__, digest)), "little")


def distance(a: int, b: int) -> int:
    """In how many bits two hashes differ.

    >>> distance(0b1011, 0b0001)
    2
    """
    return (a ^ b).bit_count()


def exact_hash(text: str) -> int:
    """64 bits, equal for texts of the same words and numbers in whatever order. Zero for none at all.

    How often each stands there counts; case and punctuation do not. Of texts over 100,000 characters the
    rest counts by its length.
    """
    words = _words(text, digits=True)
    if not words:
        return 0
    digest = blake2b("\0".join(sorted(words)).encode(), digest_size=8)
    if len(text) > MAX_TEXT:
        digest.update(b"\0%d" % len(text))
    return int.from_bytes(digest.digest(), "little") or 1


_HEAD = 200  # characters of a title or heading that are looked at
_MOST_TEXT = 20_000  # characters of a page's text; a page with more has something to say

_THING = r"(?:page|file|document|content|article|product|item|resource|url|site|user|topic|record|entry)"
_MISSING = re.compile(
    r"(?:^|[-–—|:·»(]\s*)(?:(?:(?:http|status|errore?|erreur|fehler|ошибка) ?|错误|錯誤|エラー){0,3}404"
    r"(?:\s*$|\s*[-–—|:·.,!)])|not found\s*(?:$|[-–—|:·.!)]))"
    r"|\b(?:errore?|erreur|fehler|ошибка|błąd|chyba|fel|fout|hata) ?:? ?404\b"
    r"|\b404[ :,-]+(?:error|erreur|fehler|errore|not found|page|file|seite|página|ошибка|страница)"
    rf"|\b{_THING} (?:(?:was|is|could|can) ?not (?:be )?(?:found|available|exist)|can't be found|not found)"
    rf"|\b{_THING} (?:you .{{0,40}} )?(?:does not|doesn't|no longer) (?:exists?|available)"
    r"|\b(?:no longer (?:exists?|available)|(?:does not|doesn't) exist|nothing (?:was )?found|is gone$)"
    r"|\b(?:nicht gefunden|existiert nicht|nicht mehr (?:verfügbar|vorhanden)|nichts gefunden)"
    r"|\b(?:introuvable|n'existe (?:pas|plus)|non trouvée?|n'est plus disponible)"
    r"|\b(?:no (?:se ha )?encontrad[ao]|no existe|no (?:se )?encuentra|ya no está disponible)"
    r"|\b(?:não (?:foi )?encontrad[ao]|não existe|non trovat[ao]|non esiste|non (?:è )?più disponibile)"
    r"|\b(?:niet gevonden|bestaat niet|hittades inte|finns inte|ikke fundet|ikke funnet|ei löydy)"
    r"|\b(?:nie znalezion[oay]|nie istnieje|nenalezen[ao]?|neexistuje|bulunamad[ıi]|tidak ditemukan)"
    r"|\bне (?:найден[аоы]?|существует|знайдено|існує)\b|không (?:tìm thấy|tồn tại)"
    r"|見つかりません|存在しません|ページがありません|不存在|找不到|未找到|찾을 수 없|존재하지 않"
    r"|غير موجود|لم يتم العثور"
)


def says_missing(title: str, heading: str, text_length: int) -> bool:
    """Whether a page, by its title or first heading, says that nothing is there, as soft 404s do.

    In some twenty languages of the web. Never for a page whose text has over 20,000 characters. An article
    about such answers can be taken for one: it is evidence where most pages of a kind say so.

    >>> says_missing("404 - Example", "", 300), says_missing("Peugeot 404 - Wikipedia", "", 9000)
    (True, False)
    """
    if text_length > _MOST_TEXT:
        return False
    return any(
        _MISSING.search(" ".join(one[:_HEAD].lower().replace("’", "'").split())) for one in (title, heading)
    )
