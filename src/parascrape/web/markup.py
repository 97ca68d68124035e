"""Markup rewritten before an HTML parser reads it, where it would read it wrongly. Pure."""

from __future__ import annotations

import html
import re
from random import randrange

from parascrape.errors import TooComplex

__all__ = ["MAX_REOPENED", "from_xhtml", "refuse_bomb", "reopened", "without_ruby"]

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


MAX_REOPENED = 3_000_000
"""Formatting elements that a page may have opened again, at most: 1 GB."""

_FEW_TAGS = 4_500
"""Pages with fewer need no second look: half of them before the other half reopen 5 million at most."""

_SAMPLE, _EVERY, _LIKELY_FEW, _CERTAINLY_MANY = 1 << 10, 1 << 14, 3_500, 6_000
"""Bytes of which tags are counted in every so many, the estimate below which that is enough, and the one
from which it is not worth while to count them all before the formatting elements are looked for.

Any 17 kB hold a whole sample, wherever the first one is taken; a bomb of 5 million has 20 kB at least, which
are nearly all tags. Counting all tags of a page takes a tenth of the time that lexbor takes to parse it.
"""

_ALIKE = 3
"""Elements alike in name and attributes that are reopened (§13.2.4.3, the "Noah's Ark clause")."""

# Not <a>, of which the next one closes the last. A marker hides what stands before it from end tags.
_NAMES = "b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u"
_MARKERS = "applet|marquee|object|template|td|th|caption"
# What no ">" closes ends with the text: or every tag in it would walk there in vain.
_TAG = re.compile(rf"<(?:(/?)({_NAMES})|({_MARKERS}))(?:[\s/]([^>]*+))?(?:>|\Z)", re.I)
# Spelt out as a tree, without a flag for case: other tags are passed in a quarter of the time.
_TREE = "b(?:ig)?|code|em|font|i|nobr|s(?:mall|tr(?:ike|ong))?|tt|u"
_EITHER_CASE = re.sub("[a-z]", lambda letter: f"[{letter[0]}{letter[0].upper()}]", _TREE)
_START = re.compile(rf"<(?=[bcefinstuBCEFINSTU])(?:{_EITHER_CASE})(?:[\s/][^>]*+)?(?:>|\Z)")
_START_OF_BYTES = re.compile(_START.pattern.encode())


def refuse_bomb(markup: str | bytes) -> None:
    """Nothing, for what may be parsed.

    A page of 270 kB with 2,800 tags takes 10 us, or 240 with twice as many; lexbor parses it in 990.

    Raises:
        TooComplex: more than MAX_REOPENED elements would be opened again.
    """
    estimate = _estimate(markup)
    if estimate < _LIKELY_FEW or (estimate < _CERTAINLY_MANY and _count(markup) < _FEW_TAGS):
        return
    found = _START.findall(markup) if isinstance(markup, str) else _START_OF_BYTES.findall(markup)
    if not found:
        return
    tags = _count(markup)
    if tags < _FEW_TAGS or len(set(found)) * _ALIKE * tags <= MAX_REOPENED:
        return
    text = markup if isinstance(markup, str) else markup.decode("latin-1")
    if reopened(text) > MAX_REOPENED:
        raise TooComplex("formatting elements that nobody closes: parsed, the page would fill the memory")


def _count(markup: str | bytes) -> int:
    return markup.count("<") if isinstance(markup, str) else markup.count(b"<")


def _estimate(markup: str | bytes) -> int:
    """About how many tags there are; the true number where there is less than one sample."""
    if len(markup) <= _EVERY:
        return _count(markup)
    places = range(randrange(_EVERY), len(markup), _EVERY)  # noqa: S311 (no secret: nobody can aim between them)
    if isinstance(markup, str):
        found = sum([markup.count("<", at, at + _SAMPLE) for at in places])
    else:
        found = sum([markup.count(b"<", at, at + _SAMPLE) for at in places])
    return found * (_EVERY // _SAMPLE)


def reopened(markup: str) -> int:
    """How many formatting elements the markup may have opened again, counted high, to about MAX_REOPENED.

    Every tag counts as a place where all formatting elements open again that no end tag has closed.

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
