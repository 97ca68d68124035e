"""A manual of an invented library: chapters with code, and a reference of large and nested tables."""

from __future__ import annotations

from functools import partial
from html import escape

from parascrape.loopback.demo.dice import Dice
from parascrape.loopback.demo.layout import Sheet, document, elements, link, table
from parascrape.loopback.demo.prose import Writer
from parascrape.loopback.demo.route import SIZES, Route

__all__ = ["routes"]

_CHAPTERS = 30
_REFERENCES = 14
_ROWS = (8, 15, 30, 60, 100, 150, 220)

_VERBS = (
    "open",
    "close",
    "drain",
    "submit",
    "cancel",
    "join",
    "fork",
    "merge",
    "split",
    "await",
    "poll",
    "seal",
)
_NOUNS = (
    "queue",
    "pipe",
    "window",
    "worker",
    "batch",
    "lease",
    "ticket",
    "ledger",
    "signal",
    "stream",
    "lock",
)
_TYPES = ("int", "float", "str", "bytes", "bool", "Queue", "Lease", "list[Ticket]", "Callable[[], None]")
_NAV = (("/", "Contents"), ("/chapter/1", "Chapters"), ("/reference/1", "Reference"))

_CODE = """\
from ferrule import {noun}, {verb}_{noun}

def main(limit: int = {limit}) -> None:
    with {noun}.opened(timeout={seconds}.0) as handle:
        for ticket in handle:
            if ticket.age > limit and not ticket.done:
                {verb}_{noun}(ticket, retries={retries})
        handle.close()
"""


def routes(host: int) -> list[Route]:
    """The manual's pages: contents, chapters, reference."""
    found = [Route(host=host, path="/", text=_contents)]
    for number in range(1, _CHAPTERS + 1):
        text = partial(_chapter, number)
        found.append(Route(host=host, path=f"/chapter/{number}", text=text, gzip=number % 8 != 5))
    return found + [
        Route(host=host, path=f"/reference/{number}", text=partial(_reference, number))
        for number in range(1, _REFERENCES + 1)
    ]


def _sheet(path: str, title: str, description: str) -> Sheet:
    return Sheet(
        site="The Ferrule Manual",
        domain="docs.ferrule.example",
        path=path,
        title=title,
        description=description,
        meta_charset='<meta charset="utf-8">',
        nav=_NAV,
    )


def _author(number: int) -> Writer:
    """The author of a chapter; the first thing it writes is the title."""
    return Writer("en", "concurrency", Dice(f"manual/{number}"))


def _contents() -> str:
    chapters = "\n".join(
        f"<li>{link(f'/chapter/{n}', _author(n).title())}</li>" for n in range(1, _CHAPTERS + 1)
    )
    tables = "\n".join(
        f"<li>{link(f'/reference/{n}', f'Reference {n}')}</li>" for n in range(1, _REFERENCES + 1)
    )
    main = f"<h1>Contents</h1>\n<ol>\n{chapters}\n</ol>\n<h2>Reference</h2>\n<ol>\n{tables}\n</ol>"
    return document(_sheet("/", "Contents", "All chapters of the manual"), main)


def _chapter(number: int) -> str:
    """The document of a chapter: sections and subsections, code, lists and a small table."""
    writer = _author(number)
    title = writer.title()
    lead = writer.paragraph(2, 3)
    lines = [f"<article>\n<h1>{number}. {escape(title)}</h1>", elements("p", [lead])]
    for index, paragraph in enumerate(writer.paragraphs(writer.dice.pick(SIZES))):
        if index % 4 == 0:
            lines.append(
                f"<h{2 + index % 3}>{number}.{index // 4 + 1} {escape(writer.title())}</h{2 + index % 3}>"
            )
        lines.append(elements("p", [paragraph]))
        if index % 4 == 2:
            lines.append(f"<pre><code>{escape(_code(writer.dice))}</code></pre>")
        if index % 6 == 5:
            lines.append(f"<ul>\n{elements('li', [writer.sentence() for _ in range(4)])}\n</ul>")
    lines.append(table(("Name", "Type", "Meaning"), [_row(writer) for _ in range(6)]) + "\n</article>")
    around = [n for n in (number - 1, number + 1) if 1 <= n <= _CHAPTERS]
    aside = "\n".join(f"<p>{link(f'/chapter/{n}', _author(n).title())}</p>" for n in around)
    return document(_sheet(f"/chapter/{number}", title, lead), "\n".join(lines), aside)


def _code(dice: Dice) -> str:
    return _CODE.format(
        noun=dice.pick(_NOUNS),
        verb=dice.pick(_VERBS),
        limit=dice.between(10, 900),
        seconds=dice.between(1, 60),
        retries=dice.below(6),
    )


def _row(writer: Writer) -> tuple[str, ...]:
    dice = writer.dice
    name = f"{dice.pick(_VERBS)}_{dice.pick(_NOUNS)}"
    return (f"<code>{name}</code>", f"<code>{escape(dice.pick(_TYPES))}</code>", escape(writer.sentence()))


def _reference(number: int) -> str:
    """The document of a reference page: a table; every tenth row holds tables within tables."""
    writer = Writer("en", "concurrency", Dice(f"manual/reference/{number}"))
    rows = []
    for index in range(_ROWS[number % len(_ROWS)] * (1 + number // len(_ROWS))):
        name, kind, meaning = _row(writer)
        if index % 10 == 9:
            meaning += _nested(writer, 3)
        else:
            meaning += f"<br>{escape(writer.paragraph(2, 4))}"
        rows.append((name, kind, meaning))
    title = f"Reference {number}: {writer.dice.pick(_NOUNS)}"
    main = f"<h1>{title}</h1>\n{elements('p', [writer.paragraph()])}\n"
    main += table(("Name", "Type", "Meaning"), rows)
    return document(_sheet(f"/reference/{number}", title, writer.sentence()), main)


def _nested(writer: Writer, depth: int) -> str:
    """A table of four rows; the last has a table of its own down to ``depth``."""
    rows = [_row(writer) for _ in range(4)]
    if depth > 1:
        name, kind, meaning = rows[-1]
        rows[-1] = (name, kind, meaning + _nested(writer, depth - 1))
    return table(("Option", "Type", "Effect"), rows)
