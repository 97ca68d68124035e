"""Documents that no honest author writes, and the scrapers that a worker runs on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parascrape import Page, Settings
from parascrape.scrapers.loading import BUILTIN, load_scraper, scraper_for

__all__ = ["LARGE", "SELECT", "SMALL", "XML", "everything", "large", "selected"]

SELECT = ("title=title", "all[]=p", "links[]=a::attr(href)", "deep[]=div", "body=body")


def everything(page: Page) -> dict[str, Any]:
    """What every built-in scraper and some selections give."""
    return {name: load_scraper(name)(page) for name in BUILTIN} | {"selected": selected(page)}


def selected(page: Page) -> Any:
    """What some selections give."""
    return scraper_for(Settings(select=SELECT))(page)


def json_ld(text: str) -> str:
    """A page with this JSON-LD."""
    return f"<script type=application/ld+json>{text}</script><p>text"


def numbered(pattern: str, count: int) -> str:
    """The pattern with every number below ``count``."""
    return "".join(pattern % number for number in range(count))


SMALL: dict[str, str] = {
    "nested": "<div>" * 1000 + "text",
    "nested-tables": "<table><tr><td>" * 600 + "text",
    "nested-headings": "<h1><div>" * 400 + "text",
    "nested-anchors": "<a href=/x><object>" * 300 + "text",
    "nested-svg": "<svg><title>x</title>" * 2000,
    "misnested": "<b><i><u>x</b>y</i>z</u>" * 5000,
    "fostered": "<table>" + "<b>x" * 3000,
    "siblings": "<p>x" * 8000,
    "attributes": "<p " + numbered("a%d=1 ", 2000) + ">text",
    "one-text": "<p>" + "x" * 3_000_000,
    "words": "<p>" + "word\n" * 300_000,
    "white-space": "<title>" + " \n" * 500_000 + "</title><p>" + "\t" * 500_000,
    "nul": "<p>a\0b" + "\0" * 200_000,
    "references": "&amp;&#xD800;&#0;&#x110000;&nosuch;" * 20_000,
    "ampersands": "&" * 500_000,
    "brackets": "<" * 500_000,
    "comments": "<!--" * 200_000,
    "doctype": "<!doctype html " + "x" * 1_000_000 + ">",
    "meta": numbered("<meta name=a%d content=b>", 10_000),
    "meta-repeated": "<meta name=a content=b>" * 10_000,
    "meta-attribute": "<meta " + "a" * 4000 + "><meta http-equiv=content-type content='charset=" + " " * 3000,
    "headings": "<title>" + "y" * 1_000_000 + "</title>" + "<h1>z</h1>" * 8_000,
    "long-link": "<a href='" + "x" * 3_000_000 + "'>y</a><a href='" + "../" * 1_000_000 + "'>z</a>",
    "spaced-link": "<a href='" + " " * 3_000_000 + "x'>y</a>",
    "many-dots": ("<a href='" + "../" * 5000 + "x'>y</a>") * 30,
    "long-base": "<base href='http://h.example/" + "x/" * 4000 + "'>" + "<a href=x>y</a>" * 300,
    "language": "<html lang='en" + "-abcdefgh" * 200_000 + "!'>",
    "byline": "<p class=byline>" + "by: " * 300_000 + "</p>",
    "rel": "<link rel='" + "canonica " * 200_000 + "' href=x>",
    "dates": "<article>" + "<p>2024-13-41 " * 3000,
    "json-spaces": json_ld("x" + " " * 150_000 + "x"),
    "json-wrapped": json_ld(" " * 100_000 + "//" + " " * 100_000 + "<!--" + " " * 100_000 + "-->"),
    "json-comments": json_ld("/* " * 200_000),
    "json-slashes": json_ld(" //" * 300_000),
    "json-commas": json_ld("[" + ",          " * 50_000 + "x"),
    "json-deep": json_ld("[" * 500_000),
    "json-deep-object": json_ld('{"a":' * 900 + "1" + "}" * 900),
    "json-digits": json_ld("[" + "9" * 1_000_000 + ",]"),
    "json-values": json_ld('{"a": [NaN, -Infinity, 1e999, 1152921504606846976, "\\ud800"], "\\udfff": 1,}'),
    "json-escapes": json_ld("&amp" * 200_000),
    "json-graph": json_ld('{"@graph":[' * 50 + "{}" + "]}" * 50),
    "signs": "<title>\x1b]0;x\x07\x1b[2J[/x][bold]\u202e\u2028\x85\x9b31m</title><h1>\u2066\ufeff</h1>",
}
"""Documents on which every scraper gives a record. At most a million characters of markup."""

XML = {
    "laughs": "<!DOCTYPE html [<!ENTITY a0 'ha'>"
    + "".join(f"<!ENTITY a{n + 1} '{f'&a{n};' * 10}'>" for n in range(20))
    + "]><html xmlns='http://www.w3.org/1999/xhtml'><body><p>&a20;</p></body></html>",
    "quadratic": f"<!DOCTYPE html [<!ENTITY a '{'x' * 100_000}'>]><html><p>{'&a;' * 100_000}</p></html>",
    "external": "<!DOCTYPE html [<!ENTITY a SYSTEM 'SECRET'><!ENTITY % b SYSTEM 'LEAK'> %b;]>"
    "<html xmlns='http://www.w3.org/1999/xhtml'><p>&a;</p></html>",
    "dtd": "<!DOCTYPE html SYSTEM 'LEAK'><html xmlns='http://www.w3.org/1999/xhtml'><p>text</p></html>",
    "include": "<?xml version='1.0'?><?xml-stylesheet href='LEAK'?><html xmlns='http://www.w3.org/1999/xhtml'"
    " xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='SECRET' parse='text'/></html>",
}
"""XML that asks for files, addresses (LEAK) and gigabytes; SECRET is a file that is there."""

LARGE: dict[str, Callable[[], str]] = {
    "nested": lambda: "<div>" * 100_000 + "text",
    "nested-spans": lambda: "<span>" * 1_000_000 + "text",
    "nested-anchors": lambda: "<a href=/x><object>" * 50_000 + "text",
    "nested-text": lambda: "<div><object>" * 3000 + "y" * 1_000_000,
    "siblings": lambda: "<p>x" * 1_000_000,
    "attributes": lambda: "<p " + numbered("a%d ", 1_000_000) + ">text",
    "one-text": lambda: "<p>" + "x" * 19_900_000,
    "words": lambda: "<p>" + "ab\n" * 6_600_000,
    "links": lambda: "<a href=x>" * 1_900_000,
    "long-base": lambda: "<base href='http://h.example/" + "x" * 8000 + "/'>" + "<a href=x>" * 1_000_000,
    "reopened": lambda: numbered("<font size=%d><p>", 20_000),
    "images": lambda: "<img alt=x>" * 1_700_000,
    "frames": lambda: "<frameset>" * 1_000_000,
    "options": lambda: "<select>" + "<optgroup><option>" * 500_000,
    # 1.7 MB that take lexbor a quarter of an hour: each <li> looks for the last one through all that is open.
    "endless": lambda: "<ul><li><div>" * 100_000 + "<li>" * 100_000,
}
"""Documents just below the largest body that is taken, or as bad as it gets."""


def large(name: str) -> bytes:
    """One of `LARGE`, at most 20 MB."""
    body = LARGE[name]().encode()
    assert len(body) <= 20_000_000
    return body
