"""encoding: bytes that declare none."""

from __future__ import annotations

import pytest

from parascrape.web.encoding import without_mark
from parascrape.web.text import decode

POLISH = "Źródła podają, że wieczorem mogą wystąpić przelotne opady; było słonecznie, choć wiało. "
CZECH = "Žluťoučký kůň úpěl ďábelské ódy, a dnes se šťastně konalo setkání ministrů. "
UKRAINIAN = "Сьогодні в Києві відбулася зустріч міністрів, на якій обговорювали її підсумки. "
RUSSIAN = "Сегодня в Москве прошла встреча министров, на которой обсуждались вопросы торговли. "
LITHUANIAN = "Šiandien Vilniuje įvyko ministrų susitikimas, kuriame buvo aptarti klausimai. "
ROMANIAN = "Astăzi la Bucureşti a avut loc o întâlnire a miniştrilor în care s-au discutat probleme. "


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (POLISH, "iso-8859-2"),
        (POLISH, "windows-1250"),
        (CZECH, "iso-8859-2"),
        (CZECH, "windows-1250"),
        (ROMANIAN, "iso-8859-2"),
        (LITHUANIAN, "windows-1257"),
        (UKRAINIAN, "koi8-u"),
        (UKRAINIAN, "windows-1251"),
        (RUSSIAN, "koi8-r"),
        (RUSSIAN, "windows-1251"),
        (RUSSIAN, "mac_cyrillic"),
        (RUSSIAN, "utf-16-le"),
        (RUSSIAN, "utf-16-be"),
    ],
)
def test_similar_encodings_are_distinguished(text: str, codec: str) -> None:
    """The pages declare no encoding, and their words stay intact."""
    page = f"<html><head><title>{text[:20]}</title></head><body><p>{text * 3}</p></body></html>"
    assert decode(page.encode(codec))[0] == page


@pytest.mark.parametrize("body", [b"", b"\0", b"a\0b", b"http://h/\0", b"\0" * 40, b"abcdefgh\0jk"])
def test_a_zero_alone_does_not_make_utf_16(body: bytes) -> None:
    """Every other byte has to be one."""
    assert without_mark(body) == ""
