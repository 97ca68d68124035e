"""Decoding by the order of evidence, and text made fit to show."""

from __future__ import annotations

import codecs
import sys

import pytest
from hypothesis import given, strategies as st

from parascrape.system.text import printable
from parascrape.web.text import _SPACES, collapse, decode, find_encoding
from tests.helpers.linear import linear_time

SENTENCE = "日本語①㈱髙～Ⅳ ﾊﾝｶｸ 漢字"

# The same sentence by hand where Python has no codec that writes it: NEC row 13 and the NEC-selected
# IBM extension in EUC-JP, half-width katakana by ESC ( I in ISO-2022-JP
EUC = (
    "日本語".encode("euc_jp")
    + b"\xad\xa1\xad\xea\xfc\xe2\xa1\xc1\xad\xb8 "
    + b"\x8e\xca\x8e\xdd\x8e\xb6\x8e\xb8 "
    + "漢字".encode("euc_jp")
)
JIS = (
    "日本語".encode("iso2022_jp").removesuffix(b"\x1b(B")
    + b"\x2d\x21\x2d\x6a\x7c\x62\x21\x41\x2d\x38\x1b(B \x1b(I\x4a\x5d\x36\x38\x1b(B "
    + "漢字".encode("iso2022_jp")
)
SJIS = SENTENCE.encode("cp932")
UTF8 = SENTENCE.encode()
JAPANESE = {"shift_jis": SJIS, "euc-jp": EUC, "iso-2022-jp": JIS, "utf-8": UTF8}


def meta(label: str) -> bytes:
    return f'<meta charset="{label}">'.encode()


def http_equiv(label: str) -> bytes:
    return f"<META content='text/html; charset={label}' http-equiv=Content-Type />".encode()


@pytest.mark.parametrize("encoding", JAPANESE)
@pytest.mark.parametrize("declare", ["header", "meta", "http-equiv", "xml"])
def test_japanese_reads_the_same_in_every_encoding_however_declared(encoding: str, declare: str) -> None:
    """NEC row 13, the IBM extensions, the wave dash and half-width katakana survive in all four."""
    body, header = JAPANESE[encoding], None
    prefix = b""
    if declare == "header":
        header = f"text/html; charset={encoding.upper()}"
    elif declare == "meta":
        prefix = meta(encoding)
    elif declare == "http-equiv":
        prefix = http_equiv(encoding)
    else:
        prefix = f"<?xml version='1.0' encoding='{encoding}'?>".encode()
    assert decode(prefix + body, header) == (prefix.decode() + SENTENCE, encoding)


@pytest.mark.parametrize(
    ("header", "prefix", "encoding"),
    [
        ("text/html; charset=euc-jp", codecs.BOM_UTF8 + meta("shift_jis"), "utf-8"),
        ("text/html; charset=euc-jp", meta("shift_jis"), "euc-jp"),
        ("text/html; charset=shift_jis", meta("euc-jp"), "shift_jis"),
        ("text/html; charset=utf-8", meta("euc-jp"), "utf-8"),
        ("text/html; charset=iso-2022-jp", meta("utf-8"), "iso-2022-jp"),
        ("text/html; charset=no-such-thing", meta("euc-jp"), "euc-jp"),
        ("text/html; charset=", meta("shift_jis"), "shift_jis"),
        ("text/html", http_equiv("x-sjis"), "shift_jis"),
        ("text/html", meta("no-such-thing") + meta("euc-jp"), "euc-jp"),
        ("text/html", b"<!-- " + meta("shift_jis") + b" -->" + meta("euc-jp"), "euc-jp"),
        ("text/html", b'<meta name="a" content="charset=shift_jis">' + meta("euc-jp"), "euc-jp"),
        ("text/html", b"<?xml version='1.0' encoding='shift_jis'?>" + meta("euc-jp"), "euc-jp"),
        ("text/html", meta("utf-16"), "utf-8"),
        (None, b"", "utf-8"),
    ],
)
def test_conflicting_declarations_are_ranked(header: str | None, prefix: bytes, encoding: str) -> None:
    """The mark at the start outweighs the header, the header the document, <meta> the XML declaration."""
    text, name = decode(prefix + JAPANESE[encoding], header)
    assert name == encoding
    assert text.endswith(SENTENCE)
    assert not text.startswith("\ufeff")


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_recognised_by_its_byte_order_mark(order: str) -> None:
    """Either byte order, whatever the header says."""
    body = ("\ufeff" + SENTENCE).encode(order)
    assert decode(body, "text/html; charset=utf-8") == (SENTENCE, order.replace("16-", "16"))


@pytest.mark.parametrize(
    ("label", "body", "text", "name"),
    [
        ("ISO-8859-1", b"\x80\x93", "€“", "windows-1252"),
        ("us-ascii", b"\xe9", "é", "windows-1252"),
        ("latin1", b"\xe9", "é", "windows-1252"),
        ("x-user-defined", b"\xe9", "é", "windows-1252"),
        ("gb2312", "镕€".encode("gb18030"), "镕€", "gbk"),
        ("gb18030", "𠮷".encode("gb18030"), "𠮷", "gb18030"),
        ("ks_c_5601-1987", "똠방".encode("cp949"), "똠방", "euc-kr"),
        ("big5", "嘅咗".encode("big5hkscs"), "嘅咗", "big5"),
        ("tis-620", b"\xa1\x80", "ก€", "windows-874"),
        ("iso-8859-9", "ğ€".encode("cp1254"), "ğ€", "windows-1254"),
        ("koi8-r", "мир".encode("koi8-r"), "мир", "koi8-r"),
        ("iso-8859-2", "łódź".encode("iso8859-2"), "łódź", "iso-8859-2"),
        ("cp866", "мир".encode("cp866"), "мир", "ibm866"),
        ("macintosh", "é".encode("mac_roman"), "é", "macintosh"),
        ("hz-gb-2312", "汉字".encode("hz"), "汉字", "hz-gb-2312"),
        ("iso-2022-kr", "한글".encode("iso2022_kr"), "한글", "iso-2022-kr"),
        ("csISO2022JP", JIS, SENTENCE, "iso-2022-jp"),
        ("windows-31j", SJIS, SENTENCE, "shift_jis"),
        ("utf8mb4", UTF8, SENTENCE, "utf-8"),
    ],
)
def test_labels_mean_what_the_encoding_standard_says(label: str, body: bytes, text: str, name: str) -> None:
    """A label is a WHATWG label: the superset that pages really use."""
    assert decode(body, f'text/html; charset="{label}"') == (text, name)


@pytest.mark.parametrize(
    ("encoding", "text", "codec"),
    [
        ("shift_jis", "これは日本語の文章です。", "cp932"),
        ("euc-jp", "これは日本語の文章です。", "euc_jp"),
        ("iso-2022-jp", "これは日本語の文章です。", "iso2022_jp"),
        ("euc-kr", "이것은 한국어 문장입니다. ", "cp949"),
        ("gb18030", "这是一个中文句子，用来检测编码。", "gb18030"),
        ("windows-1251", "Это русское предложение. ", "cp1251"),
    ],
)
def test_undeclared_encodings_are_detected(encoding: str, text: str, codec: str) -> None:
    """A few paragraphs suffice, with markup around them."""
    body = b"<html><p>" + (text * 12).encode(codec) + b"</p></html>"
    assert decode(body) == (f"<html><p>{text * 12}</p></html>", encoding)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"plain",
        "naïve".encode(),
        "日本語".encode()[:-1],
        ("日本語" * 300).encode() + b"\xff" + ("é" * 90).encode(),
    ],
)
def test_utf_8_is_recognised_without_a_declaration(body: bytes) -> None:
    """Also with its last character cut, or a stray byte among hundreds of good characters."""
    assert find_encoding(body) == "utf-8"


@pytest.mark.parametrize(
    "text", ["café", "España y el niño", "Müller", "“it’s” — 5 £", "naïve façade", "größe"]
)
def test_a_few_western_letters_are_windows_1252(text: str) -> None:
    """Too few for the detector, which would have Spanish read as Latvian."""
    body = f"<html><body><p>{text}</p>{'<br>' * 400}".encode("cp1252")
    assert decode(body) == (body.decode("cp1252"), "windows-1252")


@pytest.mark.parametrize("label", ["utf-8", "shift_jis", "euc-jp", "iso-2022-jp", "gbk", "big5", "euc-kr"])
def test_undecodable_bytes_become_u_fffd_and_keep_the_markup(label: str) -> None:
    """An ASCII byte after a broken lead byte is read as itself."""
    text, _ = decode(b"\x81<p>\xff<b>", f"text/html; charset={label}")
    assert "\ufffd" in text
    assert "<p>" in text
    assert "<b>" in text


@given(
    st.binary(max_size=400),
    st.sampled_from([*JAPANESE, "gbk", "big5", "utf-16", "hz-gb-2312", "iso-2022-kr", ""]),
)
def test_no_bytes_raise(body: bytes, label: str) -> None:
    """Under any label the outcome is text that UTF-8 can carry."""
    text, name = decode(body, f"text/html; charset={label}")
    assert text.encode().decode() == text
    assert name == find_encoding(body, f"text/html; charset={label}")
    assert decode(body, encoding=name)[0] == text


@given(st.text(st.characters(codec="cp932", exclude_characters="\x80\xa0¢£¬‖−〜"), max_size=60))
def test_every_character_of_cp932_survives_euc_jp(text: str) -> None:
    """What a PC can write in Shift_JIS reads the same, rows that EUC-JP and JIS lack left out."""
    euc = b"".join(map(to_euc, text))
    assert decode(euc, "text/html; charset=euc-jp")[0] == "".join(c for c in text if to_euc(c))


def to_euc(character: str) -> bytes:
    """The EUC-JP bytes of a character of cp932 by JIS row and cell; b"" outside the 94 rows."""
    raw = character.encode("cp932")
    if len(raw) == 1:
        return b"\x8e" + raw if 0xA1 <= raw[0] <= 0xDF else raw if raw[0] < 0x80 else b""
    lead, trail = raw
    row = (lead - (0x81 if lead < 0xA0 else 0xC1)) * 2 + (trail >= 0x9F)
    cell = trail - 0x9F if trail >= 0x9F else trail - 0x40 - (trail > 0x7F)
    return bytes((row + 0xA1, cell + 0xA1)) if row < 94 else b""


@pytest.mark.parametrize(
    "body",
    [
        b"<!--" * 250_000,
        b"<meta " * 150_000,
        b"\x1b$B" * 300_000,
        b"\x81" * 1_000_000,
        b"a" * 999_999 + b"\xe9",
    ],
)
def test_large_bodies_cost_bounded_time(body: bytes) -> None:
    """A megabyte without a declaration is looked at once, not searched again and again."""
    with linear_time():
        find_encoding(body)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünï 日本", "plain ünï 日本"),
        ("a\x1b]0;title\x07b", "a\\x1b]0;title\\x07b"),
        ("a\x9b31mb\x7f", "a\\x9b31mb\\x7f"),
        ("one\ntwo\u2028three", "one\\ntwo\\u2028three"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("\ud800", "\\ud800"),
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 299 + "…"),
    ],
)
def test_printable_text_is_harmless_to_a_terminal(text: str, shown: str) -> None:
    """What could move the cursor, start a line or turn the direction is shown as an escape."""
    assert printable(text) == shown


@given(st.text(), st.integers(1, 40))
def test_printable_text_has_one_line_of_bounded_length(text: str, limit: int) -> None:
    """For any text and limit."""
    shown = printable(text, limit)
    assert len(shown) <= limit
    assert len(shown.splitlines()) <= 1


def test_white_space_collapses() -> None:
    """Every run of it, no-break and ideographic spaces too."""
    assert collapse("\n a \u00a0\u3000 b\t") == "a b"


WORDS = st.text(max_size=12) | st.text(st.sampled_from(_SPACES + " "), max_size=6) | st.just("\n")


@given(words=st.lists(WORDS, max_size=60), times=st.integers(1, 40))
def test_any_text_collapses_to_its_words_and_single_spaces(words: list[str], times: int) -> None:
    """Short or long, dense with line ends or without one, with every white space that str knows."""
    text = "".join(words) * times
    assert collapse(text) == " ".join(text.split())


@given(
    paragraphs=st.lists(st.text(st.sampled_from("a日\u200b\ufeff" + _SPACES + " "), max_size=30)),
    filling=st.integers(200, 400),
)
def test_long_prose_collapses_like_short_text(paragraphs: list[str], filling: int) -> None:
    """Few line ends among many characters, where spaces are replaced and no word becomes a string."""
    text = ("x" * filling).join(paragraphs) + "y" * 16 * sum(part.count("\n") for part in paragraphs)
    assert collapse(text) == " ".join(text.split())


def test_white_space_is_what_str_takes_for_it() -> None:
    """Of all code points exactly these end a word; each of them alone is nothing."""
    ending = {character for character in map(chr, range(sys.maxunicode + 1)) if not character.split()}
    assert set(_SPACES + " ") == ending
    assert len(_SPACES) + 1 == len(ending)
    assert [
        character for character in ending if collapse("x" * 200 + character + "y") != "x" * 200 + " y"
    ] == []
