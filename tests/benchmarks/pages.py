"""Pages to serve: generated with the size and structure of news pages, or read from a directory."""

from __future__ import annotations

import gzip
import html
import json
import math
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from statistics import NormalDist

__all__ = ["MEAN_BYTES", "Pages", "Writer", "fold", "gather", "generate", "make_page", "title_of"]

MEAN_BYTES = 170_000
SPREAD = 0.75  # sigma of the log-normal; real news pages: 74 KB to 280 KB between the quartiles
SYLLABLES = re.findall("..", "babedefogahikolamenisorpequrisatenulvewizanchotio")


@dataclass(frozen=True)
class Pages:
    """A directory with ``NAME.html`` and ``NAME.html.gz`` for every name, and the titles they hold."""

    root: Path
    titles: dict[str, str]
    inflated: int
    compressed: int

    def urls(self, base: str, count: int) -> dict[str, str]:
        """``count`` different URLs below ``base``, cycling over the pages, each with its title."""
        named = list(self.titles.items())
        pairs = (named[i % len(named)] for i in range(count))
        return {f"{base}/{name}.html?copy={i}": title for i, (name, title) in enumerate(pairs)}

    @property
    def description(self) -> str:
        """Number and mean sizes, for the table's foot."""
        count = len(self.titles)
        sizes = f"{self.inflated / count / 1e3:.0f} KB each, {self.compressed / count / 1e3:.0f} KB gzipped"
        return f"{count} distinct pages, {sizes}"


def fold(text: str) -> str:
    """``text`` with every run of white space made one space, none at the ends."""
    return " ".join(text.split())


def title_of(page: str) -> str:
    """The folded text of the first ``<title>``: character references are its only markup."""
    found = re.search(r"<title[^>]*>(.*?)</title", page, re.S | re.I)
    return fold(html.unescape(found[1])) if found else ""


def generate(root: Path, count: int, mean_bytes: int = MEAN_BYTES) -> Pages:
    """``count`` generated pages below ``root``; the same bytes on every machine."""
    return _store(root, ((f"page-{i:04}", make_page(i, mean_bytes)) for i in range(count)))


def gather(source: Path, root: Path) -> Pages:
    """The ``.html`` and ``.html.gz`` files of ``source``, those that are UTF-8 and have a title.

    Raises:
        SystemExit: ``source`` has no such file.
    """
    found = _store(root, ((path.name.split(".")[0], _read(path)) for path in sorted(source.glob("*.html*"))))
    if not found.titles:
        raise SystemExit(f"{source}: no .html or .html.gz file with a title in UTF-8")
    return found


def _read(path: Path) -> str:
    """The file's text, empty where it is not UTF-8."""
    body = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    try:
        return body.decode()
    except UnicodeDecodeError:
        return ""


def _store(root: Path, pages: Iterable[tuple[str, str]]) -> Pages:
    """Write every page that has a title, plain and compressed as servers do it (level 6)."""
    root.mkdir(parents=True, exist_ok=True)
    titles: dict[str, str] = {}
    inflated = compressed = 0
    for name, page in pages:
        title = title_of(page)
        if not title:
            continue
        body = page.encode()
        packed = gzip.compress(body, 6, mtime=0)
        (root / f"{name}.html").write_bytes(body)
        (root / f"{name}.html.gz").write_bytes(packed)
        titles[name] = title
        inflated, compressed = inflated + len(body), compressed + len(packed)
    return Pages(root, titles, inflated, compressed)


@cache
def _vocabulary() -> tuple[list[str], list[float]]:
    """5,000 words and their cumulative weights by Zipf's law, so that the text compresses like prose."""
    source = random.Random(0)
    words = ["".join(source.choices(SYLLABLES, k=source.randint(1, 4))) for _ in range(5_000)]
    return words, list(accumulate(1 / (rank + 3) for rank in range(len(words))))


class Writer:
    """Sentences and markup, all from one seeded random source."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def words_of(self, count: int) -> str:
        words, weights = _vocabulary()
        return " ".join(self.random.choices(words, cum_weights=weights, k=count))

    def sentence(self) -> str:
        return self.words_of(self.random.randint(6, 24)).capitalize() + self.random.choice(
            [".", ".", ".", "?", "!"]
        )

    def paragraph(self) -> str:
        text = " ".join(self.sentence() for _ in range(self.random.randint(2, 6)))
        link = f'<a href="/{self.token()}" class="body-link">{self.words_of(3)}</a>'
        end = f"{link} &amp; {self.sentence()}"
        return f'<p class="article__text" data-block="{self.token()}">{text} {end}</p>\n'

    def token(self) -> str:
        return f"{self.random.getrandbits(48):012x}"

    def rule(self) -> str:
        return f".c-{self.token()[:5]}{{margin:0 {self.random.randint(0, 40)}px;display:flex}}\n"

    def link(self) -> str:
        return (
            f'<li class="nav__item nav__item--level-2"><a class="nav__link" href="/section/{self.token()}"'
            f' data-tracking="nav-{self.random.randint(1, 99)}"><span>{self.words_of(2)}</span></a></li>\n'
        )

    def card(self) -> str:
        return (
            f'<div class="card card--teaser card--size-m"><a class="card__link" href="/story/{self.token()}">'
            f'<img class="card__image" loading="lazy" width="320" height="180" alt="{self.words_of(4)}"'
            f' src="/images/{self.token()}.webp" srcset="/images/{self.token()}-640.webp 2x"></a>'
            f'<h3 class="card__headline">{self.words_of(8).capitalize()}</h3>'
            f'<p class="card__summary">{self.sentence()}</p>'
            f'<time class="card__time" datetime="2026-03-{self.random.randint(10, 28)}T08:00:00Z">8:00</time>'
            "</div>\n"
        )

    def state(self) -> str:
        """One object of the inline JSON that pages carry for their own scripts."""
        fields = {
            "id": self.token(),
            "type": "story",
            "headline": self.words_of(9),
            "url": f"/s/{self.token()}",
        }
        more = {
            "published": self.random.randint(1_600_000_000, 1_700_000_000),
            "tags": self.words_of(4).split(),
        }
        return json.dumps({**fields, **more, "flags": {"premium": False, "comments": True, "video": None}})

    def until(self, size: float, piece: Callable[[], str]) -> str:
        """Pieces, one after the other, until they make ``size`` characters."""
        parts: list[str] = []
        length = 0
        while length < size:
            parts.append(piece())
            length += len(parts[-1])
        return "".join(parts)


def _size(seed: int, mean_bytes: int) -> float:
    """Bytes of page ``seed``: log-normal, the quantiles evenly spread: few pages have the mean of many."""
    quantile = (0.5 + seed * 0.618034) % 1
    normal = NormalDist(-SPREAD * SPREAD / 2, SPREAD).inv_cdf(min(max(quantile, 0.01), 0.99))
    return mean_bytes * math.exp(normal)


def make_page(seed: int, mean_bytes: int = MEAN_BYTES) -> str:
    """One page: head, navigation, article, asides and scripts in the shares that real pages have.

    Nearly half is scripts and style, an eighth is the article; about 1,000 elements at 170 KB.
    """
    write, size = Writer(seed), _size(seed, mean_bytes)
    title = (
        f"{write.words_of(7).title()} &amp; {write.words_of(2)}\n | Daily {write.words_of(1).title()} {seed}"
    )
    states = write.until(size * 0.33, lambda: write.state() + ",\n")
    style = write.until(size * 0.12, write.rule)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="description" content="{write.sentence()}"><meta property="og:type" content="article">
<link rel="canonical" href="/story/{write.token()}"><style>{style}</style>
<script type="application/ld+json">{write.state()}</script></head>
<body class="page page--story"><header><nav class="nav"><ul>
{write.until(size * 0.17, write.link)}</ul></nav></header>
<main><article class="article" id="main"><h1>{title}</h1>
{write.until(size * 0.13, write.paragraph)}</article>
<aside class="related">{write.until(size * 0.23, write.card)}</aside></main>
<footer><ul>{write.until(size * 0.01, write.link)}</ul></footer>
<script>window.__STATE__ = [{states}null];</script></body></html>
"""
