"""`follow`: a scraper yields it to have a URL fetched and scraped by another function.

    def listing(page):
        for link in page.css("a.detail"):
            yield follow(link.attributes["href"], detail)

    def detail(page):
        return {"title": page.css_first("h1").text()}

Other processes and later runs get a function as a reference: a text for `scrapers.loading.load`.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from parascrape.errors import BadRecord, UsageError
from parascrape.scrapers.loading import BUILTIN, check_callable, explain_name, load_scraper
from parascrape.system import printable
from parascrape.web import Page, absolute, redact


class FollowRequest(NamedTuple):
    """A URL to fetch that is more than a plain link.

    ``kind`` is ``follow`` (from the scraper), ``redirect`` (target of a redirect), ``canonical`` (the page's
    canonical URL), ``sitemap`` (a sitemap or feed to read) or ``trap:NAME`` (probably a trap, only counted).
    ``scraper`` is a reference, "" for the crawl's own. URLs with a lower ``rank`` are fetched sooner.
    """

    url: str
    kind: str = "follow"
    scraper: str = ""
    rank: float = 0.0


class DiscoveredLinks(NamedTuple):
    """The links of a page. All URLs are prepared (`urls.prepare`), without fragments."""

    links: str = ""  # to follow, each once, separated by newlines
    leads: tuple[FollowRequest, ...] = ()
    ranks: tuple[float, ...] = ()  # one for each link if the user ranks links, else none
    edges: str = ""  # for the link graph: a line "KIND\tFLAGS\tURL\tTEXT" for each link; or ""
    likeness: int = 0  # the text's simhash, if it was asked for
    exact: int = 0  # a hash of the text with its digits and order of words
    listed: bool = False  # from a sitemap or feed: their depth is that of start URLs
    missing: bool = False  # the text looks like "not found", if that was asked for
    filtered: Mapping[str, int] | None = None  # the number of links left out, by reason


NO_LINKS = DiscoveredLinks()

MAX_FOLLOWS = 20_000
"""Follows of one page; stops a scraper that yields them without end."""

_MAX_REFERENCE = 4096
_REMEDY = "write it as a function at the top level of a module or a file"
_MAINS = ("__main__", "__mp_main__")  # the second is the script as imported by a worker process
_FROM_FILE = re.compile(r"scraper_.+_[0-9a-f]{12}", re.DOTALL)  # the module names made by `scrapers.loading`
_UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_ABSOLUTE = re.compile(r"\s*https?://", re.IGNORECASE)


class Follow(NamedTuple):
    """A URL to fetch, as written in the page, and a reference to its scraper, "" for the crawl's own."""

    url: str
    scraper: str = ""


def follow(url: str, scraper: Callable[[Page], Any] | str | None = None) -> Follow:
    """Return a value that a scraper yields or returns, alone or among its dicts, to have a URL fetched.

    ``url`` may be relative to the page. ``scraper`` is a top-level function, a builtin scraper's name,
    ``package.module:function`` or ``path/file.py:function``; by default the crawl's own.

    Raises:
        UsageError: see `reference_of`.

    >>> follow("page/2"), follow("/a", "article")
    (Follow(url='page/2', scraper=''), Follow(url='/a', scraper='article'))
    """
    return Follow(url, reference_of(scraper) if scraper else "")


def reference_of(scraper: Callable[[Page], Any] | str) -> str:
    """Return the text by which `scraper_of` finds a function in any process and in later runs.

    It is a builtin scraper's name, ``package.module:function``, or ``/path/file.py:function`` for a function
    of a scraper's file or of the main script. A text is returned as it is.

    Raises:
        UsageError: a lambda, a nested function, a method, a partial, a function that is not at its module's
            top level, was typed in a session or does not take a page; or a text of another form.

    >>> from parascrape.scrapers.article import article
    >>> reference_of(article), reference_of("shop.py:detail")
    ('article', 'shop.py:detail')
    """
    if isinstance(scraper, str):
        return _check_text(scraper)
    return _cached_reference(scraper) if inspect.isfunction(scraper) else _refer(scraper)


def scraper_of(reference: str) -> Callable[[Page], Any]:
    """Return the function with this reference; the main script is not run a second time in its process.

    Raises:
        UsageError: there is no such function; see `scrapers.load_scraper`.
    """
    place, _, name = reference.rpartition(":")
    for main in filter(None, map(sys.modules.get, _MAINS)):
        found = getattr(main, name, None) if place and place == _place(main) else None
        if callable(found):
            return found  # type: ignore[no-any-return]
    return load_scraper(reference)


def resolve_follows(found: Any, page: Page) -> tuple[Any, dict[FollowRequest, None]]:
    """Separate a scraper's result from its `Follow`s; return it, and these as requests, each once.

    Other values pass unchanged, and the caller checks them. For an iterable the requests are complete when
    the first value has been exhausted, which raises what the iterable raises, and:

        BadRecord: a follow does not lead to an http(s) URL, or there are more than MAX_FOLLOWS.
    """
    if isinstance(found, Follow):
        return [], {lead_of(found, page): None}
    if isinstance(found, Mapping | str | bytes) or not isinstance(found, Iterable):
        return found, {}
    leads: dict[FollowRequest, None] = {}
    return _others(found, page, leads), leads


def _others(found: Iterable[Any], page: Page, leads: dict[FollowRequest, None]) -> Iterator[Any]:
    """Yield the items that are not follows; follows are added to ``leads``."""
    follows = 0
    for item in found:
        if not isinstance(item, Follow):
            yield item
            continue
        follows += 1
        if follows > MAX_FOLLOWS:
            raise BadRecord(f"the scraper gives more than {MAX_FOLLOWS} URLs to follow for one page")
        leads[lead_of(item, page)] = None


def lead_of(item: Follow, page: Page) -> FollowRequest:
    """Return the request for a `Follow` from this page, with an absolute, prepared URL.

    Raises:
        BadRecord: it does not lead to an http(s) URL.
    """
    url = None
    if isinstance(item.url, str):
        relative = page.is_html and not _ABSOLUTE.match(item.url)  # only then the page is parsed for its base
        base, encoding = (
            page.base_url if relative else page.final_url,
            page.encoding if page.is_html else "utf-8",
        )
        url = absolute(base, item.url, encoding)
    if url is None:
        shown = printable(redact(item.url) if isinstance(item.url, str) else repr(item.url), 200)
        raise BadRecord(f"the scraper follows {shown!r}, which is not an http or https URL")
    return FollowRequest(url.partition("#")[0], scraper=item.scraper)


def _check_text(reference: str) -> str:
    place, _, name = reference.rpartition(":")
    shown = printable(reference, 200)
    if len(reference) > _MAX_REFERENCE or _UNFIT.search(reference):
        raise UsageError(f"scraper {shown!r}: it is too long, or has a character that is not allowed")
    if reference not in BUILTIN and ":" not in reference:
        raise UsageError(explain_name(reference))
    if ":" in reference and not (place and name.isidentifier()):
        raise UsageError(f"scraper {shown!r}: write FILE.py:FUNCTION or PACKAGE.MODULE:FUNCTION")
    return reference


def _refer(scraper: Callable[[Page], Any]) -> str:
    """Return the reference of a callable."""
    check_callable(scraper, by_reference=False)
    name = _name_of(scraper)
    module = sys.modules.get(getattr(scraper, "__module__", None) or "")
    if module is None or getattr(module, name, None) is not scraper:
        where = "its module" if module is None else f"module {printable(module.__name__, 100)}"
        raise UsageError(f"scraper: {where} has no {name!r} at its top level that is this one: {_REMEDY}")
    place = _place(module)
    if not place:
        raise UsageError(f"scraper: {name} is defined in an interactive session: put it into a file")
    if module.__name__ in _MAINS and "/" in place.replace("\\", "/") and not place.endswith(".py"):
        raise UsageError(f"scraper: {printable(place, 200)} does not end in .py: {_REMEDY}")
    reference = f"{place}:{name}"
    builtin = next((short for short, long in BUILTIN.items() if long == reference), "")
    return builtin or _check_text(reference)


# A page may have thousands of follows with one function: 40 us each.
_cached_reference = functools.lru_cache(maxsize=64)(_refer)


def _name_of(scraper: Any) -> str:
    """Return the name of a callable in its module. Raises UsageError if it has none."""
    qualified = getattr(scraper, "__qualname__", "")
    shown = printable(qualified or type(scraper).__name__, 100)
    if not qualified:
        fault = f"a {shown} has no name to be found by"
    elif "<lambda>" in qualified:
        fault = "a lambda has no name to be found by"
    elif "<locals>" in qualified:
        fault = f"{shown} is nested in a function and cannot be found from outside"
    elif not qualified.isidentifier():
        fault = f"{shown} is a method, or nested in a class"
    else:
        return str(qualified)
    raise UsageError(f"scraper: {fault}: {_REMEDY}")


def _place(module: ModuleType) -> str:
    """Return a module's name or file, to load it in another process; "" for an interactive session."""
    name = module.__name__
    if name in _MAINS:
        spec = getattr(module, "__spec__", None)
        if spec is not None and spec.name not in _MAINS:  # python -m package.module
            return str(spec.name)
    elif not _FROM_FILE.fullmatch(name):
        return name
    file = getattr(module, "__file__", None)
    return str(Path(file).resolve()) if file else ""
