"""What a page leads to, as it crosses from the worker to the parent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["NOTHING_FOUND", "Found", "Lead"]


class Lead(NamedTuple):
    """A URL of which more is to be said than that the page links to it.

    ``kind`` is ``follow`` (the scraper says so), ``redirect`` (the URL asked for leads there), ``canonical``
    (the page says that this is its URL), ``sitemap`` (a sitemap or feed to be read) or ``trap:NAME`` (it
    looks like a trap and is only counted). ``scraper`` is a reference, empty for the crawl's own; ``rank``
    is lower for what is wanted sooner.
    """

    url: str
    kind: str = "follow"
    scraper: str = ""
    rank: float = 0.0


class Found(NamedTuple):
    """What a page leads to. All URLs are fit to send (`urls.prepare`), without fragments."""

    links: str = ""  # to be followed, each once, a newline between them
    leads: tuple[Lead, ...] = ()
    ranks: tuple[float, ...] = ()  # one for each link where the user gives ranks; else none
    edges: str = ""  # for the graph: a line "KIND\tFLAGS\tURL\tTEXT" for each link; else nothing
    likeness: int = 0  # `likeness.simhash` of the text where that was asked for
    exact: int = 0  # a hash of the text, digits and order of words left out of neither
    listed: bool = False  # a sitemap or feed has them: they are as near as start URLs
    missing: bool = False  # the text says that there is nothing, where that was asked for
    filtered: Mapping[str, int] | None = None  # links that are left out, counted by the reason


NOTHING_FOUND = Found()
