"""Markup before parsing: XHTML and ruby are rewritten, pages that would exhaust memory are refused."""

from __future__ import annotations

import html
import re
from random import randrange

from parascrape.errors import TooComplex

_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())  # noqa: SIM905
"""HTML standard §13.1.2: the elements that have no end tag."""

# Possessive, and no "<" in a value, as in XML, so the search is linear.
_EMPTY = re.compile(r"""<([A-Za-z][\w:.-]*+)((?:[^<>"'/]++|"[^"<]*+"|'[^'<]*+'|/(?!>))*+)/>""")
_CDATA = re.compile(r"<(?P<end>/?)(?:script|style)\b|<!\[CDATA\[(?P<text>.*?)\]\]>", re.S | re.I)

_READING = re.compile(r"<r(?:t|p|tc)\b[^<>]*>.*?(?=</?(?:rt|rp|rb|rtc|ruby)\b|\Z)", re.S | re.I)
_RUBY_TAG = re.compile(r"</?(?:ruby|rb|rt|rp|rtc)\b[^<>]*>", re.I)


def from_xhtml(text: str) -> str:
    """Rewrite XHTML for HTML parsers: ``<title/>`` gets an end tag, CDATA sections become text.

    To an HTML parser ``<script src="a.js"/>`` and ``<title/>`` are start tags that swallow the page.

    >>> from_xhtml("<title/><p>a<br/><![CDATA[<b>]]></p>")
    '<title></title><p>a<br/>&lt;b&gt;</p>'
    """
    if "/>" in text:
        text = _EMPTY.sub(_with_end_tag, text)
    if "<![CDATA[" not in text or "]]>" not in text:
        return text
    parts: list[str] = []
    at = 0
    raw = False  # HTML scripts are raw text, including comments that hide CDATA
    last = text.rfind("]]>") + 3  # after it, each start would search the rest in vain
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
    """Remove ruby annotations (HTML standard §4.5.10) but keep their base text.

    >>> without_ruby("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp>字<rt>じ</ruby>です")
    '漢字です'
    """
    return _RUBY_TAG.sub("", _READING.sub("", text)) if "<ruby" in text or "<RUBY" in text else text


MAX_REOPENED = 3_000_000
"""Formatting elements that a parser may reopen for a page; these take 1 GB."""

_FEW_TAGS = 4_500
"""Pages with fewer tags are safe: if half of them precede the other half, 5 million are reopened at most."""

_SAMPLE, _EVERY, _LIKELY_FEW, _CERTAINLY_MANY = 1 << 10, 1 << 14, 3_500, 6_000
"""Tags are counted in _SAMPLE bytes of every _EVERY. An estimate below _LIKELY_FEW is enough; from
_CERTAINLY_MANY on, counting all tags before looking for formatting elements is not worth its time.

Any 17 kB hold a whole sample, wherever the first one starts; a bomb of 5 million has at least 20 kB, nearly
all tags. Counting all tags of a page takes a tenth of the time that lexbor takes to parse it.
"""

_ALIKE = 3
"""Elements with equal name and attributes that are reopened (§13.2.4.3, the "Noah's Ark clause")."""

# Not <a>: the next one closes the last. A marker hides the elements before it from end tags.
_NAMES = "b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u"
_MARKERS = "applet|marquee|object|template|td|th|caption"
# A tag without ">" ends with the text; else each tag in it would search that far in vain.
_TAG = re.compile(rf"<(?:(/?)({_NAMES})|({_MARKERS}))(?:[\s/]([^>]*+))?(?:>|\Z)", re.I)
# Written as a tree, without a flag for case: skips other tags in a quarter of the time.
_TREE = "b(?:ig)?|code|em|font|i|nobr|s(?:mall|tr(?:ike|ong))?|tt|u"
_EITHER_CASE = re.sub("[a-z]", lambda letter: f"[{letter[0]}{letter[0].upper()}]", _TREE)
_START = re.compile(rf"<(?=[bcefinstuBCEFINSTU])(?:{_EITHER_CASE})(?:[\s/][^>]*+)?(?:>|\Z)")
_START_OF_BYTES = re.compile(_START.pattern.encode())


def refuse_bomb(markup: str | bytes) -> None:
    """Refuse markup that would fill the memory when parsed.

    For a page of 270 kB with 2,800 tags this takes 10 us, with twice as many 240; lexbor parses it in 990.

    Raises:
        TooComplex: more than MAX_REOPENED elements would be opened again.
    """
    estimate = _estimate(markup)
    if estimate < _LIKELY_FEW or (estimate < _CERTAINLY_MANY and _count(markup) < _FEW_TAGS):
        return
    found = _START.findall(markup) if isinstance(markup, str) else _START_OF_BYTES.findall(markup)
    if not found or (tags := _count(markup)) < _FEW_TAGS or len(set(found)) * _ALIKE * tags <= MAX_REOPENED:
        return
    text = markup if isinstance(markup, str) else markup.decode("latin-1")
    if reopened(text) > MAX_REOPENED:
        raise TooComplex("unclosed formatting elements: parsing the page would fill the memory")


def _count(markup: str | bytes) -> int:
    return markup.count("<") if isinstance(markup, str) else markup.count(b"<")


def _estimate(markup: str | bytes) -> int:
    """Estimate the number of tags; for a short text, count them."""
    if len(markup) <= _EVERY:
        return _count(markup)
    places = range(randrange(_EVERY), len(markup), _EVERY)  # noqa: S311 (random, so that nobody can aim between the samples)
    if isinstance(markup, str):
        found = sum([markup.count("<", at, at + _SAMPLE) for at in places])
    else:
        found = sum([markup.count(b"<", at, at + _SAMPLE) for at in places])
    return found * (_EVERY // _SAMPLE)


def reopened(markup: str) -> int:
    """Return an upper bound of the formatting elements that a parser reopens, up to about MAX_REOPENED.

    Each tag counts as a place where all unclosed formatting elements are reopened.

    >>> reopened("<p><b><i></p>" + "<p>x</p>" * 10)
    45
    """
    active: dict[str, list[tuple[str, int]]] = {}  # by name: attributes, and the markers seen before
    alike: dict[tuple[str, str], int] = {}
    count = still_open = markers = at = 0
    for tag in _TAG.finditer(markup):
        count += still_open * markup.count("<", at, tag.start())
        at = tag.start()
        if count > MAX_REOPENED:
            return count
        end, name, marker, attributes = tag.groups(default="")
        opened = active.setdefault(name.lower(), [])
        if marker:
            markers += 1
        elif not end:
            key = (name.lower(), attributes)
            if alike.get(key, 0) < _ALIKE:
                alike[key] = alike.get(key, 0) + 1
                opened.append((attributes, markers))
                still_open += 1
        elif opened and opened[-1][1] == markers:
            alike[name.lower(), opened.pop()[0]] -= 1
            still_open -= 1
    return count + still_open * markup.count("<", at)
