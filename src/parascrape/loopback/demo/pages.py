"""HTML pages of the demo newspaper: front page, sections and articles, in English or Japanese."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from parascrape.loopback.demo.prose import TOPICS, Writer, templates

__all__ = ["Edition", "article", "charset", "overview"]

_SIZES = (800, 1500, 2500, 4000, 6000, 9000, 13_000, 18_000, 25_000, 36_000, 52_000, 75_000, 110_000)
"""Characters of an article's text; Japanese ones have a third."""

_CODECS = {"shift_jis": "cp932"}  # what the web calls Shift_JIS includes the additions of NEC and IBM

_PAGE = """\
<!DOCTYPE html>
<html lang="{language}">
<head>
{charset}<title>{title} | {site}</title>
<meta name="viewport" content="width=device-width">
<meta name="description" content="{description}">
<link rel="canonical" href="{url}">
<meta property="og:title" content="{title}">
<meta property="og:url" content="{url}">
<meta property="og:site_name" content="{site}">
{head}<style>
body{{margin:0;font:17px/1.6 Georgia,serif;color:#222;background:#fdfcf9}}
header,nav,main,aside,footer{{max-width:62rem;margin:0 auto;padding:.6rem 1.2rem}}
nav ul{{display:flex;flex-wrap:wrap;gap:1rem;list-style:none;padding:0}}
article p{{max-width:38em}}aside{{border-top:1px solid #ddd;font-size:.9em}}
</style>
</head>
<body>
<header id="top"><a href="/">{site}</a></header>
<nav><ul>
{nav}
</ul></nav>
<main>
{main}
</main>
{aside}<footer><p>{footer}</p></footer>
</body>
</html>
"""

_ARTICLE_HEAD = """\
<meta name="author" content="{author}">
<meta property="og:type" content="article">
<meta property="article:published_time" content="{day}T06:00:00Z">
<script type="application/ld+json">{data}</script>
"""

_ARTICLE = """\
<article>
<header><h1>{title}</h1>
<p class="byline"><span class="author">{byline}</span> <time datetime="{day}">{day}</time></p></header>
<p class="lead">{lead}</p>
{story}
</article>"""


@dataclass(frozen=True, kw_only=True)
class Edition:
    """An edition of the newspaper on a host of its own.

    ``domain`` is that of the canonical URLs, under .example (RFC 2606), so that no copy points home.
    ``encoding`` is the one of most pages (`charset`), ``articles`` how many there are.
    """

    host: int
    name: str
    domain: str
    encoding: str = "utf-8"
    language: str = "en"
    articles: int = 0
    publisher: str = "Harbour Courier Press"

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
        """Path and name of each section; none where the edition has no articles."""
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
    order mark. Page 13 of the first host is in windows-1252 and says iso-8859-1. Pages from 100 on declare it
    in both places.
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
    if number == 13 and edition.host == 0:
        return Charset("cp1252", "text/html; charset=iso-8859-1", "")
    if number % 6 == 4:  # the form of HTML 4, which old pages still have
        meta = f'<meta http-equiv="Content-Type" content="{header}">'
    if number >= 100 or number % 3 == 0:
        return Charset(codec, header, meta)
    return Charset(codec, "text/html", meta) if number % 3 == 1 else Charset(codec, header, "")


def article(edition: Edition, number: int, *, path: str = "", size: int = 0) -> str:
    """Return the document of an article, with about ``size`` characters (0: one of the usual sizes)."""
    writer = edition.writer(number)
    title, author = writer.title(), writer.slot("person")
    lead = writer.paragraph(2, 3)
    size = size or writer.random.choice(_SIZES) // (1 if edition.language == "en" else 3)
    day = edition.day(number).isoformat()
    byline = edition.word("byline").format(author)
    data = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": title,
        "datePublished": f"{day}T06:00:00Z",
        "author": {"@type": "Person", "name": author},
        "publisher": {"@type": "Organization", "name": edition.publisher},
    }
    return _document(
        edition,
        number,
        path=path or edition.path(number),
        title=title,
        description=lead,
        head=_ARTICLE_HEAD.format(author=author, day=day, data=json.dumps(data, ensure_ascii=False)),
        main=_ARTICLE.format(title=title, byline=byline, day=day, lead=lead, story=_story(writer, size)),
        aside=_aside(edition, writer, number),
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


def _aside(edition: Edition, writer: Writer, number: int) -> str:
    """Return links to eight other articles."""
    if not edition.articles:
        return ""
    others = [(number + writer.random.randrange(1, edition.articles)) % edition.articles for _ in range(8)]
    items = "\n".join(f"<li>{_link(edition, other)}</li>" for other in others)
    return f"<aside>\n<h2>{edition.word('most_read')}</h2>\n<ul>\n{items}\n</ul>\n</aside>\n"


def _link(edition: Edition, number: int) -> str:
    return f'<a href="{edition.path(number)}">{edition.writer(number).title()}</a>'


def overview(edition: Edition, section: int = -1) -> str:
    """Return the document of a section, or the front page (-1): each article with its first lines."""
    shown = range(len(TOPICS)) if section < 0 else (section,)
    path, title = ("/", edition.word("latest")) if section < 0 else edition.sections[section]
    blocks = []
    for number in reversed(range(edition.articles)):
        if number % len(TOPICS) in shown:
            text = edition.writer(number).paragraph(1, 3)
            blocks.append(f"<section><h2>{_link(edition, number)}</h2>\n<p>{text}</p></section>")
    main = f"<h1>{title}</h1>\n" + "\n".join(blocks)
    return _document(edition, section + 1, path=path, title=title, description=edition.name, main=main)


def _document(
    edition: Edition, number: int, *, path: str, head: str = "", aside: str = "", **parts: str
) -> str:
    """Return a whole HTML document. The texts contain no character that HTML would need escaped."""
    meta = charset(edition, number).meta
    return _PAGE.format(
        language=edition.language,
        charset=meta and f"{meta}\n",  # first: the HTML standard wants it within 1024 bytes
        site=edition.name,
        url=f"https://{edition.domain}{path}",
        nav="\n".join(f'<li><a href="{at}">{name}</a></li>' for at, name in edition.sections),
        footer=edition.word("footer").format(edition.name),
        head=head,
        aside=aside,
        **parts,
    )
