"""The scraper ``page``, the fastest: one parse by resiliparse, about 1 ms for a page of 170 KB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from parascrape.scrapers.metadata import Head
from parascrape.system import load_part
from parascrape.web import Page, collapse, parse_resiliparse, without_ruby

if TYPE_CHECKING:
    from resiliparse.parse.html import HTMLTree

_TAGS = frozenset(("html", "base", "meta", "link"))
_ATTRIBUTES = ("content", "href", "http-equiv", "itemprop", "lang", "name", "property", "rel", "xml:lang")


def page(page: Page) -> dict[str, Any]:
    """Return title, description, language, canonical_url, h1 and text; null if missing.

    ``language`` is a BCP 47 tag, ``canonical_url`` absolute, ``h1`` the first one, ``text`` the main text
    (see `main_text`), one line for each block.

    Raises:
        NotHtml: the page is not HTML.
    """
    page.require_html()
    tree = parse_resiliparse(without_ruby(page.markup))
    head = Head(tree.title or "", _elements(tree))
    heading = tree.document and tree.document.query_selector("h1")
    return {
        "title": head.title or None,
        "description": head.first("description", "og:description", "twitter:description"),
        "language": head.language(page.headers.get("Content-Language")),
        "canonical_url": head.canonical_url(page.final_url),
        "h1": (collapse(heading.text or "") or None) if heading else None,
        "text": main_text(tree) or None,
    }


def _elements(tree: HTMLTree) -> Iterator[tuple[str, Mapping[str, str | None]]]:
    """Yield the elements of a `Head`, with the attributes that it reads.

    These are the children of <head>, and of <body>, where the parser puts elements after a <head> that odd
    markup ended early. It goes from sibling to sibling, because each index into a collection of this parser
    repeats the search: 11 ms a page instead of 0.1.
    """
    for parent in (tree.document, tree.head, tree.body):
        node = parent.first_element_child if parent else None
        while node is not None:
            if (tag := node.tag) in _TAGS:
                yield tag, {name: node.getattr(name) for name in _ATTRIBUTES}
            node = node.next_element_sibling


def main_text(tree: HTMLTree) -> str:
    """Return a document's main text, or all visible text if the main text is less than a tenth of it.

    The F1 of its words against the gold text of 498 real pages is 0.82; for the main text alone 0.79, for all
    visible text 0.71. A main text longer than 1,500 characters is not compared.
    """
    extract_plain_text = load_part("resiliparse.extract.html2text").extract_plain_text
    main: str = extract_plain_text(tree, main_content=True, alt_texts=False)
    if len(main) > 1500:
        return main
    whole: str = extract_plain_text(tree, alt_texts=False)
    return whole if len(main) * 10 < len(whole) else main
