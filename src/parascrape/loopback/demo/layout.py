"""The frame of a demo page: head with metadata, header, navigation, aside, footer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

__all__ = ["Sheet", "document", "elements", "link", "table"]

_STYLE = """\
body{margin:0;font:17px/1.6 Georgia,serif;color:#222;background:#fdfcf9}
header,nav,main,aside,footer{max-width:62rem;margin:0 auto;padding:.6rem 1.2rem}
nav ul{display:flex;flex-wrap:wrap;gap:1rem;list-style:none;padding:0}
article p{max-width:38em}aside{border-top:1px solid #ddd;font-size:.9em}
table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #ccc;padding:.2rem .6rem}
pre{background:#f3f1ea;padding:.8rem;overflow:auto}footer{color:#777;font-size:.85em}"""

_SCRIPT = """\
document.addEventListener("DOMContentLoaded",function(){
var top=document.querySelector("header a");if(top&&location.hash==="#top"){top.focus();}
});"""

_FOOTERS = {
    "en": "{site} is part of a demonstration. Its people and places are invented; the text may be reused.",
    "ja": "「{site}」は実演用のサイトです。登場する人物と場所はすべて架空のものです。",
}


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What a page says of itself, once for its readers and again for machines."""

    site: str
    domain: str  # of the canonical URL, under .example (RFC 2606), so that no copy of the page points home
    path: str
    title: str
    description: str
    language: str = "en"
    author: str = ""
    date: str = ""
    kind: str = "website"  # og:type
    meta_charset: str = ""  # what goes into the head, as it goes there; empty: nothing
    nav: tuple[tuple[str, str], ...] = ()
    linked_data: dict[str, Any] = field(default_factory=dict)

    @property
    def canonical(self) -> str:
        """The page's canonical URL."""
        return f"https://{self.domain}{self.path}"


def link(path: str, text: str) -> str:
    """An ``<a>`` with the text escaped."""
    return f'<a href="{escape(path)}">{escape(text)}</a>'


def elements(tag: str, texts: list[str]) -> str:
    """Every text in an element of its own, one a line."""
    return "\n".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; cells are HTML already."""
    head = "".join(f"<th>{cell}</th>" for cell in header)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def document(sheet: Sheet, main: str, aside: str = "") -> str:
    """The whole HTML document around ``main``."""
    nav = "\n".join(f"<li>{link(path, text)}</li>" for path, text in sheet.nav)
    footer = escape(_FOOTERS[sheet.language].format(site=sheet.site))
    return "\n".join(
        (
            f'<!DOCTYPE html>\n<html lang="{sheet.language}">\n<head>',
            *_head(sheet),
            f"<style>{_STYLE}</style>\n<script>{_SCRIPT}</script>\n</head>\n<body>",
            f'<header id="top">{link("/", sheet.site)}</header>',
            f"<nav><ul>\n{nav}\n</ul></nav>",
            f"<main>\n{main}\n</main>",
            f"<aside>\n{aside}\n</aside>" if aside else "",
            f"<footer><p>{footer}</p></footer>\n</body>\n</html>\n",
        )
    )


def _head(sheet: Sheet) -> list[str]:
    """The lines of the head, the charset first as the HTML standard wants it (within 1024 bytes)."""
    title, canonical = escape(sheet.title), escape(sheet.canonical)
    lines = [sheet.meta_charset] if sheet.meta_charset else []
    lines.append(f"<title>{title} | {escape(sheet.site)}</title>")
    lines += [f'<meta name="{name}" content="{escape(text)}">' for name, text in _names(sheet) if text]
    lines.append(f'<link rel="canonical" href="{canonical}">')
    properties = {"title": title, "type": sheet.kind, "url": canonical, "site_name": escape(sheet.site)}
    lines += [f'<meta property="og:{name}" content="{text}">' for name, text in properties.items()]
    if sheet.date:
        lines.append(f'<meta property="article:published_time" content="{sheet.date}T06:00:00Z">')
    if sheet.linked_data:
        data = json.dumps({"@context": "https://schema.org", **sheet.linked_data}, ensure_ascii=False)
        lines.append(f'<script type="application/ld+json">{data}</script>')
    return lines


def _names(sheet: Sheet) -> list[tuple[str, str]]:
    """The pairs of ``<meta name content>``."""
    return [
        ("viewport", "width=device-width"),
        ("description", sheet.description),
        ("author", sheet.author),
        ("date", sheet.date),
        ("twitter:card", "summary"),
        ("twitter:title", sheet.title),
    ]
