"""Newspapers: a front page, a page for each section, and articles, in English or Japanese."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from html import escape

from parascrape.loopback.demo.charset import charset
from parascrape.loopback.demo.dice import Dice
from parascrape.loopback.demo.layout import Sheet, document, elements, link
from parascrape.loopback.demo.prose import Writer
from parascrape.loopback.demo.route import SIZES, Route

__all__ = ["Paper", "routes"]

_TOPICS = ("town", "railways", "weather", "cooking", "archives")

_WORDS = {
    "en": {"by": "By {}", "read": "Most read", "latest": "Latest", "names": "Town,Rail,Weather,Café,Memory"},
    "ja": {
        "by": "{}記者",
        "read": "よく読まれている記事",
        "latest": "最新",
        "names": "地域,鉄道,天気,料理,記録",
    },
}


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A newspaper on one host; ``encoding`` is that of its pages unless one says otherwise."""

    host: int
    name: str
    publisher: str
    domain: str
    language: str
    encoding: str
    articles: int

    def word(self, key: str) -> str:
        """A fixed text of the page in the paper's language."""
        return _WORDS[self.language][key]

    def writer(self, number: int) -> Writer:
        """The author of an article; the first thing it writes is the title."""
        return Writer(self.language, _TOPICS[number % len(_TOPICS)], Dice(f"{self.domain}/{number}"))

    def path(self, number: int) -> str:
        """The path of an article: section, year and number."""
        return f"/{_TOPICS[number % len(_TOPICS)]}/{self.date(number).year}/{number:03}.html"

    def date(self, number: int) -> date:
        """The day of an article, one every three days."""
        return date(2024, 1, 2) + timedelta(days=3 * number)

    def nav(self) -> tuple[tuple[str, str], ...]:
        """Path and text of every section."""
        return tuple((f"/{topic}/", name) for topic, name in zip(_TOPICS, self._names(), strict=True))

    def _names(self) -> list[str]:
        return self.word("names").split(",")


def routes(paper: Paper) -> list[Route]:
    """The paper's pages: front, sections, articles."""
    found = [_route(paper, "/", partial(_listing, paper, -1), 0)]
    for index, topic in enumerate(_TOPICS):
        found.append(_route(paper, f"/{topic}/", partial(_listing, paper, index), index + 1))
    return found + [
        _route(paper, paper.path(number), partial(_article, paper, number), number)
        for number in range(paper.articles)
    ]


def _route(paper: Paper, path: str, text: partial[str], number: int) -> Route:
    said = charset(paper.language, paper.encoding, number)
    return Route(
        host=paper.host,
        path=path,
        text=text,
        encoding=said.codec,
        content_type=said.content_type,
        gzip=number % 9 != 4,
    )


def _article(paper: Paper, number: int) -> str:
    """The document of an article."""
    writer = paper.writer(number)
    title = writer.title()
    author = writer.slot("person" if paper.language == "en" else "人")
    lead = writer.paragraph(2, 3)
    size = writer.dice.pick(SIZES) // (1 if paper.language == "en" else 3)
    byline = escape(paper.word("by").format(author))
    day = paper.date(number).isoformat()
    sheet = replace(
        _sheet(paper, paper.path(number), title, number),
        description=lead,
        author=author,
        date=day,
        kind="article",
        linked_data=_linked_data(paper, title, author, day),
    )
    main = (
        f'<article>\n<header><h1>{escape(title)}</h1>\n<p class="byline"><span class="author">{byline}</span>'
        f' <time datetime="{day}">{day}</time></p></header>\n<p class="lead">{escape(lead)}</p>\n'
        f"{_story(writer, size)}\n</article>"
    )
    return document(sheet, main, _aside(paper, writer.dice, number))


def _story(writer: Writer, size: int) -> str:
    """Paragraphs with a heading before every fifth and a quotation after every seventh."""
    lines = []
    for index, paragraph in enumerate(writer.paragraphs(size)):
        if index % 5 == 4:
            lines.append(f"<h2>{escape(writer.title())}</h2>")
        lines.append(f"<p>{escape(paragraph)}</p>")
        if index % 7 == 6:
            lines.append(f"<blockquote><p>{escape(writer.sentence())}</p></blockquote>")
    return "\n".join(lines)


def _sheet(paper: Paper, path: str, title: str, number: int) -> Sheet:
    """The head of page ``number``."""
    return Sheet(
        site=paper.name,
        domain=paper.domain,
        path=path,
        title=title,
        description=paper.name,
        language=paper.language,
        meta_charset=charset(paper.language, paper.encoding, number).meta,
        nav=paper.nav(),
    )


def _linked_data(paper: Paper, title: str, author: str, day: str) -> dict[str, object]:
    """The schema.org NewsArticle."""
    return {
        "@type": "NewsArticle",
        "headline": title,
        "datePublished": f"{day}T06:00:00Z",
        "author": {"@type": "Person", "name": author},
        "publisher": {"@type": "Organization", "name": paper.publisher},
    }


def _aside(paper: Paper, dice: Dice, number: int) -> str:
    """Links to eight other articles."""
    others = [(number + dice.between(1, paper.articles - 1)) % paper.articles for _ in range(8)]
    items = "\n".join(f"<li>{link(paper.path(n), paper.writer(n).title())}</li>" for n in others)
    return f"<h2>{escape(paper.word('read'))}</h2>\n<ul>\n{items}\n</ul>"


def _listing(paper: Paper, section: int) -> str:
    """The document of the front page (section -1) or of a section: every article with its first lines."""
    topics = range(len(_TOPICS)) if section < 0 else (section,)
    numbers = [n for n in range(paper.articles) if n % len(_TOPICS) in topics]
    path, title = ("/", paper.word("latest")) if section < 0 else paper.nav()[section]
    blocks = []
    for number in reversed(numbers):
        writer = paper.writer(number)
        heading = f"<h2>{link(paper.path(number), writer.title())}</h2>"
        blocks.append(f"<section>{heading}\n{elements('p', [writer.paragraph(1, 3)])}</section>")
    sheet = _sheet(paper, path, title, section + 1)
    return document(sheet, f"<h1>{escape(title)}</h1>\n" + "\n".join(blocks))
