"""Selections: extraction by CSS selectors, ``NAME=CSS``, without code."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from parascrape.errors import BadRecord, UsageError
from parascrape.records import RESERVED
from parascrape.system import printable
from parascrape.web import Page, parse_lexbor, visible_text

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

MAX_CHARACTERS = 50_000_000
"""Characters of all values in one list; a record may have 64 MB."""

_OVERHEAD = 100
"""Added to the length of each value, for JSON and Python."""

T = TypeVar("T")


def bounded(values: Iterable[T], length: Callable[[T], int]) -> Iterator[T]:
    """Yield the values, up to a total of MAX_CHARACTERS.

    Raises:
        BadRecord: they are longer together.
    """
    left = MAX_CHARACTERS
    for value in values:
        left -= length(value) + _OVERHEAD
        if left < 0:
            raise BadRecord(f"the page's values are longer than {MAX_CHARACTERS:,} characters together")
        yield value


_FORM = "write NAME=CSS, NAME[]=CSS for all matches, CSS::attr(NAME) for an attribute"
_PSEUDO = re.compile(r"::(?:text|attr\(\s*([^\s()]+)\s*\))\s*\Z", re.I)


@dataclass(frozen=True, slots=True)
class Selection:
    """One key of a record, from the elements that match ``selector``: all if ``many``, else the first.

    The value is ``attribute`` of the element, or its text if ``attribute`` is empty.
    """

    name: str
    selector: str
    many: bool = False
    attribute: str = ""

    def value(self, page: Page) -> str | list[str] | None:
        """Return the text or attribute; None without a match, a list (perhaps empty) if ``many``.

        An element without the attribute is left out of a list, and gives None alone.
        """
        if not self.many:
            node = page.css_first(self.selector)
            return None if node is None else self._of(node)
        values = map(self._of, page.css(self.selector))
        return list(bounded((value for value in values if value is not None), len))

    def _of(self, node: LexborNode) -> str | None:
        if not self.attribute:
            return visible_text(node)
        attributes = node.attributes
        return attributes[self.attribute] or "" if self.attribute in attributes else None


def select(page: Page, selections: Iterable[Selection]) -> dict[str, Any]:
    """Return the value of every selection by name, in the given order.

    Text is the visible text with white space collapsed (see `html.visible_text`); attributes are unchanged.

    Raises:
        NotHtml: the page is not HTML.
        BadRecord: one list is longer than 50 million characters (see `bounded`).
    """
    page.require_html()
    return {selection.name: selection.value(page) for selection in selections}


def parse_selections(texts: Sequence[str]) -> tuple[Selection, ...]:
    """Parse selections and check that their names differ.

    Raises:
        UsageError: see `parse_selection`; or a name is given twice.
    """
    selections = tuple(map(parse_selection, texts))
    for name, count in Counter(selection.name for selection in selections).items():
        if count > 1:
            raise UsageError(
                f"--select: the name {name!r} is given twice; for all matches write {name}[]=CSS"
            )
    return selections


def parse_selection(text: str) -> Selection:
    """Parse ``NAME=CSS``.

    >>> parse_selection("links[]=article a::attr(href)")
    Selection(name='links', selector='article a', many=True, attribute='href')

    Raises:
        UsageError: the name is missing or reserved, or the selector is not CSS.
    """
    name, equals, selector = text.partition("=")
    name = name.strip()
    many = name.endswith("[]")
    name = name.removesuffix("[]").rstrip()
    if not equals or not name or not selector.strip():
        raise UsageError(f"--select {printable(text, 100)!r}: {_FORM}")
    if not name.isprintable() or "[" in name or "]" in name:
        raise UsageError(f"--select {printable(text, 100)!r}: {printable(name, 60)!r} is not a name; {_FORM}")
    if name in RESERVED:
        raise UsageError(f"--select {name}: the key {name!r} is reserved: choose another name")
    pseudo = _PSEUDO.search(selector)
    css = (selector[: pseudo.start()] if pseudo else selector).strip()
    _check_css(css, name)
    return Selection(name, css, many, (pseudo[1] or "").lower() if pseudo else "")


def _check_css(selector: str, name: str) -> None:
    """Raise UsageError for a selector that lexbor cannot read, or that is not closed."""
    problem = ""
    if not selector.isprintable():
        problem = "holds a control character"
    elif not _compiles(selector):
        problem = "is not a CSS selector"
    elif _compiles(selector + ",,"):  # always an error, unless the selector before it is still open
        problem = "has a quote, comment or bracket that is not closed"
    if problem:
        raise UsageError(f"--select {printable(name, 60)}: {printable(selector, 100)!r} {problem}; {_FORM}")


def _compiles(selector: str) -> bool:
    from selectolax.lexbor import SelectolaxError

    try:
        parse_lexbor("").css(selector)
    except SelectolaxError:
        return False
    return True
