"""A documentation tree: pages that lead to each other, generated or read from a directory."""

from __future__ import annotations

import gzip
import random
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .pages import Writer, title_of

__all__ = ["START", "Tree", "generate_tree", "read_tree"]

START = "index.html"
CHAPTER = 50  # pages
PARAGRAPHS = 300  # that all pages draw theirs from
SECTIONS = 12  # of a page, each with an anchor


@dataclass(frozen=True)
class Tree:
    """A directory of pages that are all found from ``index.html``, and their titles by their paths.

    ``whole``: it is known that links lead to every page; of a directory that is given it is not.
    """

    root: Path
    titles: dict[str, str]
    whole: bool
    description: str


def generate_tree(root: Path, count: int) -> Tree:
    """``count`` pages in chapters, plain and compressed; the same bytes on every machine.

    Each has the links that manuals have: to every chapter, to all pages of its own, onwards and back, to its
    own sections, and 72 in its text, most of them with a fragment: 200 where there are 3,000 pages.
    """
    names = [_name(number) for number in range(count)]
    texts = [_paragraph(Writer(seed)) for seed in range(PARAGRAPHS)]
    pages = {name: _make_page(number, names, texts) for number, name in enumerate(names)}
    for name, page in pages.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(page, "utf-8")
    return _describe(root, list(pages), f"a manual of {count} generated pages", whole=True)


def read_tree(source: Path, root: Path) -> Tree:
    """The HTML files below ``source``, copied to ``root`` with all else that stands there.

    Raises:
        SystemExit: it has no ``index.html``.
    """
    if not (source / START).is_file():
        raise SystemExit(f"{source}: no {START}, where a crawl could begin")
    shutil.copytree(source, root, ignore_dangling_symlinks=True)
    for packed in root.rglob("*.html.gz"):  # Debian compresses the longest ones
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*.html") if path.is_file())
    return _describe(root, names, f"{source} with {len(names)} HTML files", whole=False)


def _describe(root: Path, names: Sequence[str], title: str, *, whole: bool) -> Tree:
    """The tree of these files, which are compressed as servers do it, with their number of links."""
    titles: dict[str, str] = {}
    inflated = packed = links = 0
    for name in names:
        body = (root / name).read_bytes()
        small = gzip.compress(body, 6, mtime=0)
        (root / f"{name}.gz").write_bytes(small)
        titles[name] = title_of(body.decode("utf-8", "replace"))
        inflated, packed, links = inflated + len(body), packed + len(small), links + body.count(b" href=")
    count = len(names)
    sizes = f"{inflated / count / 1e3:.0f} KB each, {packed / count / 1e3:.0f} KB gzipped"
    return Tree(root, titles, whole, f"{title}, {sizes}, {links / count:.0f} links a page")


def _name(number: int) -> str:
    chapter, page = divmod(number, CHAPTER)
    return f"chapter-{chapter:02}/page-{page:02}.html" if number else START


def _make_page(number: int, names: list[str], texts: list[str]) -> str:
    """One page: head, the manual's contents, text in sections with links, the way onwards."""
    source = random.Random(number)
    up = "../" if number else ""
    chapter = number // CHAPTER * CHAPTER
    contents = _items(f"{up}{names[first]}" for first in range(0, len(names), CHAPTER))
    here = _items(f"{up}{name}" for name in names[chapter : chapter + CHAPTER])
    before, after = (f"{up}{names[(number + step) % len(names)]}" for step in (-1, 1))
    sections = "".join(_section(part, up, names, texts, source) for part in range(SECTIONS))
    anchors = _items(f"#section-{part}" for part in range(SECTIONS))
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{number}. {Writer(number).words_of(4).title()} &mdash; The
 Manual</title><link rel="stylesheet" href="{up}manual.css"><link rel="next" href="{after}">
<link rel="prev" href="{before}"></head>
<body><nav class="related"><a href="{before}" accesskey="P">previous</a> <a href="{after}">next</a></nav>
<div class="sidebar"><a href="https://www.example.org/">Home</a>{contents}{here}{anchors}</div>
<main>{sections}</main></body></html>
"""


def _paragraph(write: Writer) -> str:
    return f"<p>{' '.join(write.sentence() for _ in range(4))}</p>\n"


def _items(hrefs: Iterable[str]) -> str:
    items = (
        f'<li class="toc"><a class="reference internal" href="{href}">{href[-15:]}</a></li>\n'
        for href in hrefs
    )
    return f"<ul>\n{''.join(items)}</ul>\n"


def _section(part: int, up: str, names: list[str], texts: list[str], source: random.Random) -> str:
    """A heading with its anchor and paragraphs, with six links to other pages."""
    links = " ".join(_reference(up, names, source) for _ in range(6))
    text = "".join(source.choices(texts, k=2))
    return f'<section id="section-{part}"><h2>Section {part}</h2>{text}<p>{links}</p></section>\n'


def _reference(up: str, names: list[str], source: random.Random) -> str:
    """A link as it stands in the text: the more to a page, the lower its number, and one in 24 elsewhere."""
    if source.random() < 1 / 24:
        return f'<a class="external" href="https://www.example.org/issue/{source.getrandbits(16)}">issue</a>'
    target = names[int(len(names) ** source.random()) - 1]  # by Zipf's law
    part = source.choice(("", "#section-1", "#section-7"))
    return f'<a class="reference" href="{up}{target}{part}"><code>f({target[-9:]})</code></a>'
