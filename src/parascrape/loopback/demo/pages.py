"""HTML pages of the demo newspaper, in English or Japanese: articles of random sentences, and overviews."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from random import Random
from string import Template
from typing import Any, NamedTuple

TOPICS = ("town", "railways", "weather", "cooking", "archives")
"""The sections of the newspaper."""

_SLOT = re.compile(r"\{(\w+)\}")
_WITH_COMMAS = ("many", "多数")

_SIZES = (800, 1500, 2500, 4000, 6000, 9000, 13_000, 18_000, 25_000, 36_000, 52_000, 75_000, 110_000)
"""Characters of an article's text; Japanese ones have a third."""

_LONG = {("www.harbour-courier.example", 50): 250_000, ("south.harbour-courier.example", 20): 180_000}
"""Characters of the longest articles, by domain and number."""

_CODECS = {"shift_jis": "cp932"}  # what the web calls Shift_JIS includes the additions of NEC and IBM


@cache
def templates(language: str) -> dict[str, Any]:
    """Return the texts of a language (``en`` or ``ja``), as its TOML file has them."""
    return tomllib.loads(Path(__file__).with_name(f"{language}.toml").read_text(encoding="utf-8"))


class Writer:
    """Writes sentences on a topic. The same seed gives the same text in every process.

    ``random`` is the source of all choices; a string seed does not depend on ``PYTHONHASHSEED``.
    """

    def __init__(self, language: str, topic: str, seed: str) -> None:
        self.random = Random(seed)  # noqa: S311 (text to read, not secrets)
        self._english = language == "en"
        self._space = " " if self._english else ""
        texts = templates(language)
        self._slots, self._numbers, self._joins = texts["slots"], texts["numbers"], texts["joins"]
        self._topic = texts["topics"][topic]
        self._deck: list[str] = []

    def slot(self, name: str) -> str:
        """Return a value for a slot, such as a town or a number."""
        if name in self._numbers:
            number = self.random.randint(*self._numbers[name])
            return f"{number:,}" if name in _WITH_COMMAS else str(number)
        value: str = self.random.choice(self._slots[name])
        return value

    def fill(self, template: str) -> str:
        """Return the template with a value for each ``{slot}``."""
        return _SLOT.sub(lambda match: self.slot(match[1]), template)

    def title(self) -> str:
        """Return a headline."""
        return self.fill(self.random.choice(self._topic["titles"]))

    def sentence(self) -> str:
        """Return a sentence. No template comes a second time before each has come once."""
        if not self._deck:
            self._deck = self.random.sample(self._topic["sentences"], k=len(self._topic["sentences"]))
        core, chance = self.fill(self._deck.pop()), self.random.random()
        if chance < 0.3:
            core = self.fill(self.random.choice(self._joins["openers"])) + self._space + core
        tail = self.fill(self.random.choice(self._joins["tails"])) if 0.3 <= chance < 0.5 else ""
        return f"{core[0].upper()}{core[1:]}{tail}." if self._english else f"{core}。{tail}"

    def paragraph(self, least: int = 3, most: int = 7) -> str:
        """Return a paragraph of ``least`` to ``most`` sentences."""
        count = self.random.randint(least, most)
        return self._space.join(self.sentence() for _ in range(count))

    def paragraphs(self, characters: int) -> list[str]:
        """Return paragraphs with at least ``characters`` characters in all, and at least one."""
        found = [self.paragraph()]
        length = len(found[0])
        while length < characters:
            found.append(self.paragraph())
            length += len(found[-1])
        return found


@dataclass(frozen=True, kw_only=True)
class Edition:
    """An edition of the newspaper on a host of its own.

    ``domain`` is that of the canonical URLs, under .example (RFC 2606), so that no copy points home.
    ``encoding`` is the one of most pages (`charset`). Without ``articles`` it has no sections.
    """

    name: str
    domain: str
    publisher: str = "Harbour Courier Press"
    language: str = "en"
    encoding: str = "utf-8"
    articles: int = 0

    def writer(self, number: int) -> Writer:
        """Return the author of an article; the first thing it writes is the title."""
        return Writer(self.language, TOPICS[number % len(TOPICS)], f"{self.domain}/{number}")

    def path(self, number: int) -> str:
        """Return the path of an article: section, year and number."""
        return f"/{TOPICS[number % len(TOPICS)]}/{self.day(number).year}/{number:03}.html"

    def day(self, number: int) -> date:
        """Return the day of an article; one appears every three days."""
        return date(2024, 1, 2) + timedelta(days=3 * number)

    @property
    def sections(self) -> list[tuple[str, str]]:
        """Path and name of each section."""
        topics = templates(self.language)["topics"]
        return [(f"/{topic}/", topics[topic]["name"]) for topic in TOPICS] if self.articles else []

    def word(self, key: str) -> str:
        """Return a fixed text in the language of the edition."""
        text: str = templates(self.language)["words"][key]
        return text


class Charset(NamedTuple):
    """How a page is encoded (Python's codec), and what its Content-Type and its head say about it."""

    codec: str
    content_type: str
    meta: str


def charset(edition: Edition, number: int) -> Charset:
    """Return the charset of page ``number``: declared in the header, in ``<meta>``, in both, or not at all.

    Page 5 declares none. Page 7 contradicts itself, and the header is right. Page 8 in UTF-8 has only a byte
    order mark. Page 13 of the largest edition is in windows-1252 and says iso-8859-1. Pages from 100 on
    declare it in both places.
    """
    encoding = edition.encoding
    codec = _CODECS.get(encoding, encoding)
    header, meta = f"text/html; charset={encoding}", f'<meta charset="{encoding}">'
    if number == 5:
        return Charset(codec, "text/html", "")
    if number == 7:
        other = "iso-8859-1" if encoding == "utf-8" else "utf-8"
        return Charset(codec, header, f'<meta charset="{other}">')
    if number == 8 and encoding == "utf-8":
        return Charset("utf-8-sig", "text/html", "")
    if number == 13 and edition.articles == 84:
        return Charset("cp1252", "text/html; charset=iso-8859-1", "")
    if number % 6 == 4:  # the form of HTML 4, which old pages still have
        meta = f'<meta http-equiv="Content-Type" content="{header}">'
    if number >= 100 or number % 3 == 0:
        return Charset(codec, header, meta)
    return Charset(codec, "text/html", meta) if number % 3 == 1 else Charset(codec, header, "")


def article(edition: Edition, number: int, path: str = "") -> str:
    """Return the document of an article; ``path`` is for one outside the sections."""
    writer = edition.writer(number)
    title, author = writer.title(), writer.slot("person")
    lead = writer.paragraph(2, 3)
    size = writer.random.choice(_SIZES) // (1 if edition.language == "en" else 3)
    day = edition.day(number).isoformat()
    byline = edition.word("byline").format(author)
    story = _story(writer, _LONG.get((edition.domain, number), size))
    return _document(
        edition,
        number,
        path=path or edition.path(number),
        title=title,
        description=lead,
        head=f'<meta name="author" content="{author}">\n'
        f'<meta property="article:published_time" content="{day}T06:00:00Z">',
        main=_template("article").substitute(title=title, byline=byline, day=day, lead=lead, story=story),
        aside=_most_read(edition, writer, number),
    )


def _story(writer: Writer, size: int) -> str:
    """Return paragraphs, with a heading before every fifth and a quotation after every seventh."""
    lines = []
    for index, paragraph in enumerate(writer.paragraphs(size)):
        if index % 5 == 4:
            lines.append(f"<h2>{writer.title()}</h2>")
        lines.append(f"<p>{paragraph}</p>")
        if index % 7 == 6:
            lines.append(f"<blockquote><p>{writer.sentence()}</p></blockquote>")
    return "\n".join(lines)


def _most_read(edition: Edition, writer: Writer, number: int) -> str:
    """Return links to eight other articles."""
    if not edition.articles:
        return ""
    others = [(number + writer.random.randrange(1, edition.articles)) % edition.articles for _ in range(8)]
    items = "\n".join(f"<li>{_link(edition, other)}</li>" for other in others)
    return f"<h2>{edition.word('most_read')}</h2>\n<ul>\n{items}\n</ul>"


def _link(edition: Edition, number: int) -> str:
    return f'<a href="{edition.path(number)}">{edition.writer(number).title()}</a>'


def overview(edition: Edition, section: int = -1) -> str:
    """Return the document of a section, or the front page (-1): each article with its first lines."""
    shown = range(len(TOPICS)) if section < 0 else (section,)
    path, title = ("/", edition.word("latest")) if section < 0 else edition.sections[section]
    blocks = [f"<h1>{title}</h1>"]
    for number in reversed(range(edition.articles)):
        if number % len(TOPICS) in shown:
            text = edition.writer(number).paragraph(1, 3)
            blocks.append(f"<section><h2>{_link(edition, number)}</h2>\n<p>{text}</p></section>")
    main = "\n".join(blocks)
    return _document(edition, section + 1, path=path, title=title, description=edition.name, main=main)


def _document(edition: Edition, number: int, *, path: str, **parts: str) -> str:
    """Return a whole HTML document. The texts contain no character that HTML would need escaped."""
    given = {
        "language": edition.language,
        "charset": charset(edition, number).meta,  # first: HTML wants it within 1024 bytes
        "site": edition.name,
        "url": f"https://{edition.domain}{path}",
        "sections": "\n".join(f'<li><a href="{at}">{name}</a></li>' for at, name in edition.sections),
        "publisher": edition.publisher,
        "footer": edition.word("footer").format(edition.name),
        "head": "",
        "aside": "",
    }
    return _template("page").substitute(given, **parts)


@cache
def _template(name: str) -> Template:
    return Template(Path(__file__).with_name(f"{name}.html").read_text(encoding="utf-8"))
