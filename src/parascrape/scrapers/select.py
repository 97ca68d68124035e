"""Selections: extraction without writing code, ``NAME=CSS``, on the fastest parser there is here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from parascrape.errors import BadRecord, UsageError
from parascrape.records import RESERVED
from parascrape.system import printable
from parascrape.web import Page, visible_text

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

__all__ = ["MAX_CHARACTERS", "Selection", "bounded", "parse_selection", "parse_selections", "select"]

MAX_CHARACTERS = 50_000_000
"""Characters of all values of one list; a record may have 64 MB."""

_OVERHEAD = 100
"""Counted for each value beside its characters: what JSON and Python need."""

T = TypeVar("T")


def bounded(values: Iterable[T], length: Callable[[T], int]) -> Iterator[T]:
    """The values, as long as they are together no longer than MAX_CHARACTERS.

    Raises:
        BadRecord: they are.
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
    """One key of a record: the elements that ``selector`` matches, all if ``many``, else the first.

    The value is ``attribute`` of the element, or its text where ``attribute`` is empty.
    """

    name: str
    selector: str
    many: bool = False
    attribute: str = ""

    def value(self, page: Page) -> str | list[str] | None:
        """The text or attribute: None where nothing matches, a list (perhaps empty) if ``many``.

        An element without the attribute counts as no match in a list and as None alone.
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
        if self.attribute not in attributes:
            return None
        return attributes[self.attribute] or ""


def select(page: Page, selections: Iterable[Selection]) -> dict[str, Any]:
    """The value of every selection by its name, in the order given.

    Text is all text of the element and what is in it, white space collapsed (see `html.visible_text`);
    an attribute stands as the page has it.

    Raises:
        NotHtml: the page is something else.
        BadRecord: one list is longer than 50 million characters (see `bounds`).
    """
    page.require_html()
    return {selection.name: selection.value(page) for selection in selections}


def parse_selections(texts: Sequence[str]) -> tuple[Selection, ...]:
    """The selections that these texts write, checked one by one and for names given twice.

    Raises:
        UsageError: see `parse_selection`; or two have one name.
    """
    selections = tuple(map(parse_selection, texts))
    names = [selection.name for selection in selections]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"--select: the name {name!r} is given twice; for all matches write {name}[]=CSS"
            )
    return selections


def parse_selection(text: str) -> Selection:
    """The selection that ``NAME=CSS`` writes.

    >>> parse_selection("links[]=article a::attr(href)")
    Selection(name='links', selector='article a', many=True, attribute='href')

    Raises:
        UsageError: no name, a name that is the record's own, or a selector that is no CSS.
    """
    name, equals, selector = text.partition("=")
    name = name.strip()
    many = name.endswith("[]")
    name = name.removesuffix("[]").rstrip()
    if not equals or not name or not selector.strip():
        raise UsageError(f"--select {printable(text, 100)!r}: {_FORM}")
    if not name.isprintable() or "[" in name or "]" in name:
        raise UsageError(f"--select {printable(text, 100)!r}: {printable(name, 60)!r} is no name; {_FORM}")
    if name in RESERVED:
        raise UsageError(f"--select {name}: the key {name!r} is the record's own: give it another name")
    pseudo = _PSEUDO.search(selector)
    css = (selector[: pseudo.start()] if pseudo else selector).strip()
    _check_css(css, name)
    return Selection(name, css, many, (pseudo[1] or "").lower() if pseudo else "")


def _check_css(selector: str, name: str) -> None:
    """Nothing, or a UsageError where lexbor does not read the selector, or reads it to no end."""
    problem = ""
    if not selector.isprintable():
        problem = "holds a control character"
    elif not _compiles(selector):
        problem = "is no CSS selector"
    elif _compiles(selector + ",,"):  # an error by itself, unless what stands before it is still open
        problem = "has a quote, comment or bracket that is not closed"
    if problem:
        raise UsageError(f"--select {printable(name, 60)}: {printable(selector, 100)!r} {problem}; {_FORM}")


@lru_cache(1)
def _nothing() -> Any:
    """An empty document to try selectors on."""
    from parascrape.web import parse_lexbor

    return parse_lexbor("")


def _compiles(selector: str) -> bool:
    from selectolax.lexbor import SelectolaxError

    try:
        _nothing().css(selector)
    except SelectolaxError:
        return False
    return True
