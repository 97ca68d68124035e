"""Markup rewritten before an HTML parser reads it, where it would read it wrongly. Pure."""

from __future__ import annotations

import html
import re

__all__ = ["from_xhtml", "without_ruby"]

_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())  # noqa: SIM905
"""HTML standard §13.1.2: the elements that have no end tag."""

# Possessive, and no "<" in a value, as XML has it: every "<" is walked past once.
_EMPTY = re.compile(r"""<([A-Za-z][\w:.-]*+)((?:[^<>"'/]++|"[^"<]*+"|'[^'<]*+'|/(?!>))*+)/>""")
_CDATA = re.compile(r"<(?P<end>/?)(?:script|style)\b|<!\[CDATA\[(?P<text>.*?)\]\]>", re.S | re.I)

_READING = re.compile(r"<r(?:t|p|tc)\b[^<>]*>.*?(?=</?(?:rt|rp|rb|rtc|ruby)\b|\Z)", re.S | re.I)
_RUBY_TAG = re.compile(r"</?(?:ruby|rb|rt|rp|rtc)\b[^<>]*>", re.I)


def from_xhtml(text: str) -> str:
    """XHTML written as an HTML parser understands it: ``<title/>`` has an end tag, CDATA sections are text.

    To HTML ``<script src="a.js"/>`` or ``<title/>`` is a start tag, and the whole page is what stands in it.

    >>> from_xhtml("<title/><p>a<br/><![CDATA[<b>]]></p>")
    '<title></title><p>a<br/>&lt;b&gt;</p>'
    """
    if "/>" in text:
        text = _EMPTY.sub(_with_end_tag, text)
    if "<![CDATA[" not in text or "]]>" not in text:
        return text
    parts: list[str] = []
    at = 0
    raw = False  # to HTML, scripts are raw, with the comments that hide CDATA in them
    last = text.rfind("]]>") + 3  # behind it every start would look for its end in vain
    for found in _CDATA.finditer(text, 0, last):
        if found["text"] is None:
            raw = not found["end"]
        elif not raw:
            parts += (text[at : found.start()], html.escape(found["text"], quote=False))
            at = found.end()
    return "".join((*parts, text[at:]))


def _with_end_tag(tag: re.Match[str]) -> str:
    return tag[0] if tag[1].lower() in _VOID else f"<{tag[1]}{tag[2]}></{tag[1]}>"


def without_ruby(text: str) -> str:
    """Markup of which ruby annotations (HTML standard §4.5.10) are gone, and their base text stays.

    >>> without_ruby("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp>字<rt>じ</ruby>です")
    '漢字です'
    """
    return _RUBY_TAG.sub("", _READING.sub("", text)) if "<ruby" in text or "<RUBY" in text else text
